package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"unnas/darts"
)

const (
	metricsFile = "metrics.jsonl" // of a darts.Folder
	longestLine = 8 << 20         // bytes of an event; those of a thousand scores have a tenth of a million
)

// read calls record with the events that the folder of a run tells. A last line
// that is not complete is one that is being written, or was when the program was
// ended, and is passed over; so are events and fields that are not known.
func read(dir string, record func(darts.Event) error) error {
	path := filepath.Join(dir, metricsFile)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("report: %w; give the folder of a run", err)
	}
	defer f.Close()
	lines := bufio.NewReaderSize(f, 1<<16)
	for number := 1; ; number++ {
		line, err := next(lines)
		if errors.Is(err, io.EOF) {
			return nil
		}
		var e darts.Event
		if err == nil {
			e, err = parse(line)
		}
		if err == nil && e != nil {
			err = record(e)
		}
		if err != nil {
			return fmt.Errorf("report: %s, line %d: %w; the file is as a darts.Folder writes it", path, number, err)
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

// parse returns the event of a line, or nil if it is of a kind that is not known.
func parse(line []byte) (darts.Event, error) {
	var kind struct{ Event string }
	if err := json.Unmarshal(line, &kind); err != nil {
		return nil, err
	}
	switch kind.Event {
	case "start":
		e, err := decode[darts.Start](line)
		var raw struct{ Config json.RawMessage } // keeps the order of the settings
		if err == nil {
			err = json.Unmarshal(line, &raw)
		}
		e.Config = raw.Config
		return e, err
	case "step":
		return decode[darts.Step](line)
	case "epoch":
		e, err := decode[darts.Epoch](line)
		if err == nil {
			e.Scores, err = scores(line)
		}
		return e, err
	case "warning":
		return decode[darts.Warning](line)
	case "done":
		return decode[darts.Done](line)
	}
	return nil, nil
}

// decode returns the event of a line. Figures that are null or missing are NaN.
func decode[E darts.Event](line []byte) (e E, err error) {
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Float64 {
			f.SetFloat(math.NaN())
		}
	}
	return e, json.Unmarshal(line, &e)
}

// scores returns the figures of an epoch that have names of their own.
func scores(line []byte) (map[string]float64, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(line, &all); err != nil {
		return nil, err
	}
	found := map[string]float64{}
	for key, value := range all {
		name, ok := strings.CutPrefix(key, "held_")
		if !ok || name == "loss" || name == "accuracy" {
			continue
		}
		x := math.NaN()
		if !bytes.Equal(value, []byte("null")) {
			if err := json.Unmarshal(value, &x); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
		found[name] = x
	}
	return found, nil
}
