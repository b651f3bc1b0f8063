package record_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/record"
)

// readAll returns the events of a text.
func readAll(t *testing.T, text string) []record.Event {
	t.Helper()
	var all []record.Event
	for e, err := range record.Read(strings.NewReader(text)) {
		require.NoError(t, err)
		all = append(all, e)
	}
	return all
}

// TestRead returns the events that were written, with the configuration as it was
// written.
func TestRead(t *testing.T) {
	var out bytes.Buffer
	lines := record.NewJSONLines(&out)
	lines.Clock = true
	events := append(runEvents(), record.Progress{Work: "evaluating", Done: 1, Total: 3, Unit: "images"})
	feed(t, lines, events...)
	start := events[0].(record.Start)
	start.Config = json.RawMessage(`{"batch":64,"seed":9223372036854775808}`)
	events[0] = start
	assert.Equal(t, events, readAll(t, out.String()))
}

// TestReadLeavesOut what a newer program has written, and a line that is being
// written.
func TestReadLeavesOut(t *testing.T) {
	const text = `{"event":"visit","of":"a stranger"}
{"event":"warning","text":"x","more":[1]}
{}
{"event":"warning","text":"y`
	assert.Equal(t, []record.Event{record.Warning{Text: "x"}}, readAll(t, text))
	assert.Empty(t, readAll(t, ""))
	assert.Empty(t, readAll(t, `{"event":"done"}`), "it may go on")
}

func TestReadNotANumber(t *testing.T) {
	e := readAll(t, `{"event":"epoch","train_loss":null,"val_loss":2,"val_top5":null}`+"\n")[0].(record.Epoch)
	assert.Equal(t, 2.0, e.ValLoss)
	for _, x := range []float64{e.TrainLoss, e.TrainScore, e.Eigenvalue, e.Scores["top5"]} {
		assert.True(t, math.IsNaN(x))
	}
	assert.Len(t, e.Scores, 1)
}

// TestReadFaults ends at the first line that is damaged.
func TestReadFaults(t *testing.T) {
	for name, c := range map[string]struct{ line, want string }{
		"no JSON":         {"foo", "invalid character"},
		"of another type": {`{"event":"step","train_loss":"low"}`, "cannot unmarshal string"},
		"score":           {`{"event":"epoch","val_top5":"low"}`, "val_top5: json"},
		"long":            {strings.Repeat(" ", 9<<20), "more than 8388608 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			var events []record.Event
			var faults []error
			for e, err := range record.Read(strings.NewReader(`{"event":"done"}` + "\n" + c.line + "\n" + `{"event":"done"}` + "\n")) {
				if err != nil {
					faults = append(faults, err)
				} else {
					events = append(events, e)
				}
			}
			assert.Len(t, events, 1)
			require.Len(t, faults, 1)
			assert.ErrorContains(t, faults[0], "record: line 2: ")
			assert.ErrorContains(t, faults[0], c.want)
		})
	}
	for _, err := range record.Read(iotest.ErrReader(errFull)) {
		assert.ErrorIs(t, err, errFull)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"event":"epoch","epoch":-1,"normal":[[1],[],[null,2,3]],"val_x":null}` + "\n"))
	f.Add([]byte(`{"event":"start","epochs":9223372036854775807,"config":[]}` + "\n"))
	f.Fuzz(func(_ *testing.T, text []byte) {
		for e, err := range record.Read(bytes.NewReader(text)) {
			if (e == nil) == (err == nil) {
				panic("an event or an error")
			}
		}
	})
}

func ExampleRead() {
	const text = `{"event":"step","epoch":1,"step":40,"steps":40,"train_loss":1.3}
{"event":"epoch","epoch":1,"train_loss":1.25,"val_loss":1.5,"val_score":0.475,"score_name":"top1"}
`
	for e, err := range record.Read(strings.NewReader(text)) { // a file, as a rule
		if err != nil {
			fmt.Println(err)
			return
		}
		if epoch, ok := e.(record.Epoch); ok {
			fmt.Printf("epoch %d: %s %.1f%%\n", epoch.Epoch, epoch.ScoreName, 100*epoch.ValScore)
		}
	}
	// Output:
	// epoch 1: top1 47.5%
}

func ExampleFunc() {
	var r record.Recorder = record.Func(func(e record.Event) error {
		if w, ok := e.(record.Warning); ok {
			fmt.Println("look:", w.Text)
		}
		return nil
	})
	if err := r.Record(record.Warning{Text: "no labels"}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// look: no labels
}
