package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"reflect"
	"strings"
)

// File is the name of the file of events in a run directory, written by JSONLines.
const File = "metrics.jsonl"

// longestLine is the largest accepted line in bytes; a thousand scores take 100 kB.
const longestLine = 8 << 20

// Read returns the events written by JSONLines, in order. Null and missing numbers are
// NaN, and the Config of a Start is a json.RawMessage. Unknown events and fields are
// ignored, as is an incomplete last line, which may be in writing or left by a killed
// program. A damaged line is an error with its number, and ends the iteration.
func Read(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		lines := bufio.NewReaderSize(r, 1<<16)
		for number := 1; ; number++ {
			line, err := next(lines)
			if errors.Is(err, io.EOF) {
				return
			}
			var e Event
			if err == nil {
				e, err = parse(line)
			}
			if err != nil {
				yield(nil, fmt.Errorf("record: line %d: %w; want lines written by JSONLines", number, err))
				return
			}
			if e != nil && !yield(e, nil) {
				return
			}
		}
	}
}

// next returns the next complete line, or io.EOF.
func next(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > longestLine {
			return nil, fmt.Errorf("more than %d bytes", longestLine)
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// parse returns the event of a line, nil if its kind is unknown.
func parse(line []byte) (Event, error) {
	var kind struct{ Event string }
	if err := json.Unmarshal(line, &kind); err != nil {
		return nil, err
	}
	switch kind.Event {
	case "start":
		e, err := decode[Start](line)
		var raw struct{ Config json.RawMessage } // keeps the order of members
		if err == nil {
			err = json.Unmarshal(line, &raw)
		}
		e.Config = raw.Config
		return e, err
	case "step":
		return decode[Step](line)
	case "epoch":
		e, err := decode[Epoch](line)
		if err == nil {
			e.Scores, err = scores(line, "val_")
			delete(e.Scores, "loss")
			delete(e.Scores, "score")
			if len(e.Scores) == 0 {
				e.Scores = nil
			}
		}
		if err == nil {
			e.Truth, err = scores(line, "true_")
		}
		if err == nil {
			e.Percentiles, err = scores(line, "percentile_")
		}
		return e, err
	case "progress":
		return decode[Progress](line)
	case "warning":
		return decode[Warning](line)
	case "done":
		return decode[Done](line)
	}
	return nil, nil
}

// decode returns the event of a line. Null and missing numbers are NaN.
func decode[E Event](line []byte) (e E, err error) {
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Float64 {
			f.SetFloat(math.NaN())
		}
	}
	return e, json.Unmarshal(line, &e)
}

// scores returns the numbers of an epoch whose names begin with a prefix, by the rest of
// their names, nil if there are none.
func scores(line []byte, prefix string) (map[string]float64, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(line, &all); err != nil {
		return nil, err
	}
	var found map[string]float64
	for key, value := range all {
		name, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		x := math.NaN()
		if !bytes.Equal(value, []byte("null")) {
			if err := json.Unmarshal(value, &x); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
		if found == nil {
			found = map[string]float64{}
		}
		found[name] = x
	}
	return found, nil
}
