package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unnas/internal/format"
)

// JSONLines is a Recorder that writes one JSON object per line. The first member is the
// event ("start", "step", "epoch", "warning" or "done"), the others are the fields of
// the event in order, named by their json tags. NaN and infinity become null.
//
// Unless Clock is set, fields that depend on the clock or the machine are omitted, so
// that runs with equal configuration and seed write equal bytes.
type JSONLines struct {
	Clock bool // include fields that depend on the clock

	w      io.Writer
	line   bytes.Buffer
	values *json.Encoder // writes to line
}

// NewJSONLines returns a recorder that writes to w, with one call of Write per line.
func NewJSONLines(w io.Writer) *JSONLines {
	j := &JSONLines{w: w}
	j.values = json.NewEncoder(&j.line)
	j.values.SetEscapeHTML(false) // keep genotypes and paths readable
	return j
}

// Record writes one line. It fails if the writer fails, or if the configuration in a
// Start has no JSON form.
func (j *JSONLines) Record(e Event) error {
	all, err := fields(e, j.Clock)
	if err != nil {
		return fmt.Errorf("record: JSON lines: %w", err)
	}
	j.line.Reset()
	fmt.Fprintf(&j.line, `{"event":%q`, e.event())
	for _, f := range all {
		fmt.Fprintf(&j.line, ",%q:", f.name)
		value := f.value
		switch v := value.(type) {
		case float64:
			value = finite(v)
		case [][]float64:
			value = numbers(v)
		}
		if err := j.values.Encode(value); err != nil {
			return fmt.Errorf("record: JSON lines: %s of %s event: %w", f.name, e.event(), err)
		}
		j.line.Truncate(j.line.Len() - 1) // the encoder appends a line break
	}
	j.line.WriteString("}\n")
	if _, err := j.w.Write(j.line.Bytes()); err != nil {
		return fmt.Errorf("record: JSON lines: %w", err)
	}
	return nil
}

// finite returns a number, or nil if JSON cannot represent it.
func finite(v float64) any {
	if !format.Finite(v) {
		return nil
	}
	return v
}

// numbers returns the rows of a matrix with nil for numbers that JSON cannot represent.
func numbers(rows [][]float64) any {
	if rows == nil {
		return nil
	}
	all := make([]any, len(rows))
	for i, row := range rows {
		values := make([]any, len(row))
		for j, v := range row {
			values[j] = finite(v)
		}
		all[i] = values
	}
	return all
}
