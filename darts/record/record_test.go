package record_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unnas/darts/record"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// runEvents are the events of a short run.
func runEvents() []record.Event {
	type config struct {
		Batch int    `json:"batch"`
		Seed  uint64 `json:"seed"`
	}
	return []record.Event{
		record.Start{Task: "rotation", Images: 5170, Train: 2585, Val: 2585, Params: 1_930_842, MACs: 345_678_901,
			PlannedBytes: 1_288_490_189, Epochs: 2, StepsPerEpoch: 40, Batch: 64, MicroBatch: 16, Ranks: 2, Device: "cpu", DeviceBytes: 3, Decoder: "image/jpeg go1.26.8", Kernel: "avx2 amd64", Version: "v1.2.3", Revision: "0ab1+modified", ScoreName: "miou", TrainScoreName: "accuracy", Ops: []string{"none", "skip_connect"}, Config: config{64, 1 << 63}},
		record.Step{Epoch: 1, Step: 1, Steps: 40, Images: 64, TrainLoss: 1.5, TrainScore: 0.25, ValLoss: 1.375, ValScore: 0.3125,
			LR: 0.1, Entropy: 2.079441541679836, SkipWeight: 0.125, ImagesPerSecond: 1234.4, Left: 65 * time.Second},
		record.Warning{Text: `3 of 8 edges are "skip_connect" <- look`},
		record.Epoch{Epoch: 1, TrainLoss: 1.25, TrainScore: 0.5, ValLoss: 1.3, ValScore: 0.475, Entropy: 2,
			SkipWeight: 0.375, PoolWeight: 0.25, Stability: 0.5, Eigenvalue: 0.625, Genotype: "sep_conv_3x3 0→2",
			Normal: [][]float64{{0.5, -1}, {0.25, 2}}, Reduce: [][]float64{{0, 1}, {3, -0.5}}, Scores: map[string]float64{"accuracy": 0.4375, "top5": 0.75}, ScoreName: "miou", Elapsed: 61400 * time.Millisecond, Ranks: []record.Rank{{ImagesPerSecond: 700, Waited: 0.125}, {ImagesPerSecond: 650.5, Waited: 0.03125}}},
		record.Done{Epochs: 2, Images: 5120, Genotype: "sep_conv_3x3 0→2", Elapsed: 2 * time.Hour},
	}
}

func feed(t *testing.T, r record.Recorder, events ...record.Event) {
	t.Helper()
	for _, e := range events {
		require.NoError(t, r.Record(e))
	}
}

func TestJSONLines(t *testing.T) {
	const withoutClock = `{"event":"start","task":"rotation","images":5170,"train":2585,"val":2585,"params":1930842,"macs":345678901,"epochs":2,"steps_per_epoch":40,"batch":64,"micro_batch":16,"device":"cpu","decoder":"image/jpeg go1.26.8","kernel":"avx2 amd64","version":"v1.2.3","revision":"0ab1+modified","score_name":"miou","train_score_name":"accuracy","lower_is_better":false,"ops":["none","skip_connect"],"candidates":null,"config":{"batch":64,"seed":9223372036854775808}}
{"event":"step","epoch":1,"step":1,"steps":40,"images":64,"train_loss":1.5,"train_score":0.25,"val_loss":1.375,"val_score":0.3125,"lr":0.1,"entropy":2.079441541679836,"skip_weight":0.125}
{"event":"warning","text":"3 of 8 edges are \"skip_connect\" <- look"}
{"event":"epoch","epoch":1,"train_loss":1.25,"train_score":0.5,"val_loss":1.3,"val_score":0.475,"entropy":2,"skip_weight":0.375,"pool_weight":0.25,"stability":0.5,"eigenvalue":0.625,"genotype":"sep_conv_3x3 0→2","normal":[[0.5,-1],[0.25,2]],"reduce":[[0,1],[3,-0.5]],"val_accuracy":0.4375,"val_top5":0.75,"score_name":"miou"}
{"event":"done","epochs":2,"images":5120,"genotype":"sep_conv_3x3 0→2"}
`
	withClock := strings.NewReplacer(
		`"macs":345678901,`, `"macs":345678901,"planned_bytes":1288490189,`,
		`"micro_batch":16,`, `"micro_batch":16,"recompute":false,"ranks":2,`,
		`"device":"cpu",`, `"device":"cpu","device_bytes":3,`,
		`"skip_weight":0.125}`, `"skip_weight":0.125,"images_per_second":1234.4,"left_ns":65000000000}`,
		`"miou"}`, `"miou","elapsed_ns":61400000000,"ranks":[{"images_per_second":700,"waited":0.125},{"images_per_second":650.5,"waited":0.03125}]}`,
		`"genotype":"sep_conv_3x3 0→2"}`, `"genotype":"sep_conv_3x3 0→2","elapsed_ns":7200000000000}`,
	).Replace(withoutClock)

	for _, clock := range []bool{false, true} {
		t.Run(fmt.Sprintf("clock=%v", clock), func(t *testing.T) {
			var out bytes.Buffer
			r := record.NewJSONLines(&out)
			r.Clock = clock
			feed(t, r, runEvents()...)
			want := withoutClock
			if clock {
				want = withClock
			}
			assert.Equal(t, want, out.String())
			for line := range strings.Lines(out.String()) {
				assert.True(t, json.Valid([]byte(line)), line)
			}
		})
	}
}

func TestJSONLinesNotANumber(t *testing.T) {
	var out bytes.Buffer
	feed(t, record.NewJSONLines(&out), record.Step{Epoch: 3, Step: 2, Steps: 5, Images: 10, LR: 0.5,
		TrainLoss: math.NaN(), TrainScore: math.Inf(-1), ValLoss: math.Inf(1), ValScore: math.NaN(), Entropy: math.NaN(), SkipWeight: 0})
	assert.Equal(t, `{"event":"step","epoch":3,"step":2,"steps":5,"images":10,"train_loss":null,"train_score":null,"val_loss":null,"val_score":null,"lr":0.5,"entropy":null,"skip_weight":0}`+"\n", out.String())
}

func TestJSONLinesOfAlphas(t *testing.T) {
	var out bytes.Buffer
	feed(t, record.NewJSONLines(&out), record.Epoch{Stability: math.NaN(), Normal: [][]float64{{math.Inf(-1), 2}, {}}})
	assert.Contains(t, out.String(), `"stability":null,"eigenvalue":0,"genotype":"","normal":[[null,2],[]],"reduce":null,"score_name":""}`)
}

// fullWriter takes some bytes and then fails.
type fullWriter struct{ room int }

var errFull = errors.New("no space left on device")

func (w *fullWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		return 0, errFull
	}
	w.room -= len(p)
	return len(p), nil
}

// live makes a printer live.
func live(p *record.Printer) *record.Printer {
	p.Live = true
	return p
}

func TestRecordersReportFaults(t *testing.T) {
	var step *record.Step
	tests := []struct {
		name string
		r    record.Recorder
		e    record.Event
		want string
	}{
		{"JSON lines, full", record.NewJSONLines(&fullWriter{}), record.Warning{Text: "w"}, "record: JSON lines: no space left on device"},
		{"JSON lines, configuration", record.NewJSONLines(&fullWriter{1000}), record.Start{Config: math.NaN}, "record: JSON lines: config of start event: json: unsupported type: func() float64"},
		{"JSON lines, no event", record.NewJSONLines(&fullWriter{1000}), nil, "record: JSON lines: unknown event <nil>"},
		{"JSON lines, pointer", record.NewJSONLines(&fullWriter{1000}), step, "record: JSON lines: unknown event *record.Step"},
		{"printer, full", record.NewPrinter(&fullWriter{}), record.Warning{Text: "w"}, "record: printer: no space left on device"},
		{"live printer, full", live(record.NewPrinter(&fullWriter{})), record.Step{}, "record: printer: no space left on device"},
		{"log, no event", record.NewLog(nil), nil, "record: log: unknown event <nil>"},
		{"log, pointer", record.NewLog(nil), step, "record: log: unknown event *record.Step"},
		{"printer, no event", record.NewPrinter(&fullWriter{1000}), nil, "record: printer: unknown event <nil>"},
		{"printer, pointer", record.NewPrinter(&fullWriter{1000}), step, "record: printer: unknown event *record.Step"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { assert.EqualError(t, test.r.Record(test.e), test.want) })
	}
}

func TestJSONLinesGoesOnAfterFault(t *testing.T) {
	var out bytes.Buffer
	r := record.NewJSONLines(&out)
	require.Error(t, r.Record(record.Start{Config: func() {}}))
	feed(t, r, record.Warning{Text: "w"})
	assert.Equal(t, `{"event":"warning","text":"w"}`+"\n", out.String())
}

func TestEventsAreTagged(t *testing.T) {
	for _, e := range runEvents() {
		v := reflect.TypeOf(e)
		seen := map[string]bool{"event": true}
		for i := range v.NumField() {
			f := v.Field(i)
			name := f.Tag.Get("json")
			assert.NotEmpty(t, name, "%s.%s", v, f.Name)
			assert.False(t, seen[name], "%s.%s", v, f.Name)
			seen[name] = true
			onClock := f.Type == reflect.TypeFor[time.Duration]() || strings.Contains(f.Name, "PerSecond") || f.Name == "PlannedBytes" || f.Name == "Recompute" || f.Name == "Ranks" || f.Name == "DeviceBytes"
			assert.Equal(t, onClock, f.Tag.Get("clock") == "true", "%s.%s", v, f.Name)
		}
	}
}

// eventLog keeps events, until it is set to fail.
type eventLog struct {
	events []record.Event
	err    error
}

func (l *eventLog) Record(e record.Event) error {
	l.events = append(l.events, e)
	return l.err
}

func TestRecorders(t *testing.T) {
	a, b, c := &eventLog{}, &eventLog{}, &eventLog{}
	all := record.Recorders(a, nil, b, c)
	feed(t, all, runEvents()...)
	for _, l := range []*eventLog{a, b, c} {
		assert.Equal(t, runEvents(), l.events)
	}
	b.err = errors.New("stop")
	assert.Equal(t, b.err, all.Record(record.Warning{Text: "w"}))
	assert.Len(t, a.events, 6)
	assert.Len(t, c.events, 5)
	assert.NoError(t, record.Recorders().Record(record.Done{}))
}

// TestOptional drops recorders that fail, and says so.
func TestOptional(t *testing.T) {
	main, a, b := &eventLog{}, &eventLog{}, &eventLog{}
	all := record.Optional(main, a, nil, b)
	events := runEvents()
	feed(t, all, events[:2]...)
	a.err = errors.New("report: disk full\nand more")
	feed(t, all, events[2:]...)
	want := slices.Insert(slices.Clone(events), 3, record.Event(record.Warning{Text: "report: disk full; and more: the run continues without this recorder"}))
	assert.Equal(t, want, main.events)
	assert.Equal(t, events, b.events)
	assert.Equal(t, events[:3], a.events, "it gets no more")
	main.err = errors.New("stop")
	assert.Equal(t, main.err, all.Record(events[0]))
	main.err, b.err = nil, errors.New("b")
	feed(t, all, events[0])
	main.err = errors.New("the last word")
	assert.Equal(t, main.err, record.Optional(main).Record(events[0]))
}

func TestLog(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelWarn} {
		t.Run(level.String(), func(t *testing.T) {
			var out bytes.Buffer
			l := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: level}))
			feed(t, record.NewLog(l), runEvents()...)
			feed(t, record.NewLog(l), record.Epoch{Epoch: 7, TrainLoss: math.NaN(), ValLoss: math.Inf(1), Stability: math.NaN()})
			var got []map[string]any
			for line := range strings.Lines(out.String()) {
				var m map[string]any
				require.NoError(t, json.Unmarshal([]byte(line), &m))
				delete(m, "time")
				got = append(got, m)
			}
			warning := map[string]any{"level": "WARN", "msg": "warning", "text": `3 of 8 edges are "skip_connect" <- look`}
			if level == slog.LevelWarn {
				assert.Equal(t, []map[string]any{warning}, got)
				return
			}
			assert.Equal(t, []map[string]any{
				{"level": "INFO", "msg": "start", "task": "rotation", "images": 5170.0, "train": 2585.0, "val": 2585.0, "params": 1930842.0,
					"macs": 345678901.0, "planned_bytes": 1288490189.0, "epochs": 2.0, "steps_per_epoch": 40.0, "batch": 64.0,
					"micro_batch": 16.0, "decoder": "image/jpeg go1.26.8", "kernel": "avx2 amd64", "version": "v1.2.3", "revision": "0ab1+modified", "recompute": false, "ranks": 2.0, "device": "cpu", "device_bytes": 3.0, "score_name": "miou", "train_score_name": "accuracy", "lower_is_better": false},
				{"level": "DEBUG", "msg": "step", "epoch": 1.0, "step": 1.0, "steps": 40.0, "images": 64.0, "train_loss": 1.5, "train_score": 0.25,
					"val_loss": 1.375, "val_score": 0.3125, "lr": 0.1, "entropy": 2.079441541679836, "skip_weight": 0.125,
					"images_per_second": 1234.4, "left": 65e9},
				warning,
				{"level": "INFO", "msg": "epoch", "epoch": 1.0, "train_loss": 1.25, "train_score": 0.5, "val_loss": 1.3, "val_score": 0.475,
					"entropy": 2.0, "skip_weight": 0.375, "pool_weight": 0.25, "stability": 0.5, "eigenvalue": 0.625, "genotype": "sep_conv_3x3 0→2", "val_accuracy": 0.4375, "val_top5": 0.75, "score_name": "miou", "elapsed": 61.4e9},
				{"level": "INFO", "msg": "done", "epochs": 2.0, "images": 5120.0, "genotype": "sep_conv_3x3 0→2", "elapsed": 7200e9},
				{"level": "INFO", "msg": "epoch", "epoch": 7.0, "train_score": 0.0, "val_score": 0.0,
					"entropy": 0.0, "skip_weight": 0.0, "pool_weight": 0.0, "eigenvalue": 0.0, "genotype": "", "score_name": "", "elapsed": 0.0},
			}, got)
		})
	}
}

// Any handler of slog will do; this one leaves out the time, for the example.
func ExampleNewLog() {
	untimed := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	r := record.NewLog(slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: untimed})))
	for _, e := range []record.Event{
		record.Step{Epoch: 1}, // is of level Debug
		record.Warning{Text: "the halves share 3 images"},
		record.Done{Epochs: 2, Images: 5120, Genotype: "none", Elapsed: time.Minute},
	} {
		if err := r.Record(e); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// level=WARN msg=warning text="the halves share 3 images"
	// level=INFO msg=done epochs=2 images=5120 genotype=none elapsed=1m0s
}

func ExampleNewJSONLines() {
	r := record.NewJSONLines(os.Stdout)
	for _, e := range []record.Event{
		record.Warning{Text: "the halves share 3 images"},
		record.Done{Epochs: 2, Images: 5120, Genotype: "none", Elapsed: time.Minute},
	} {
		if err := r.Record(e); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// {"event":"warning","text":"the halves share 3 images"}
	// {"event":"done","epochs":2,"images":5120,"genotype":"none"}
}

func ExampleNewPrinter() {
	p := record.NewPrinter(os.Stdout)
	for _, e := range []record.Event{
		record.Start{Task: "rotation", Train: 2585, Val: 2585, Params: 1_930_842, MACs: 345_678_901,
			PlannedBytes: 1_288_490_189, Epochs: 50, StepsPerEpoch: 40, Batch: 64, ScoreName: "top1", TrainScoreName: "top1"},
		record.Epoch{Epoch: 1, TrainLoss: 1.2534, TrainScore: 0.435, ValLoss: 1.2811, ValScore: 0.419,
			Entropy: 2.079, SkipWeight: 0.125, Eigenvalue: math.NaN(), Elapsed: 65 * time.Second},
		record.Epoch{Epoch: 2, TrainLoss: 1.1029, TrainScore: 0.521, ValLoss: 1.1347, ValScore: 0.502,
			Entropy: 2.077, SkipWeight: 0.125, Eigenvalue: math.NaN(), Elapsed: 58 * time.Second},
		record.Done{Epochs: 2, Images: 5120, Elapsed: 123 * time.Second},
	} {
		if err := p.Record(e); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// rotation: 2,585 + 2,585 images, 50 epochs of 40 steps, batch 64
	// 1.9 M parameters, 346 M multiply-adds, 1.2 GiB of memory
	// epoch  1/50  1m05s  loss 1.2534  top1  43.5%  val loss 1.2811  val top1  41.9%  entropy 2.079  skip  12.5%
	// epoch  2/50   58 s  loss 1.1029  top1  52.1%  val loss 1.1347  val top1  50.2%  entropy 2.077  skip  12.5%
	// done: 2 epochs, 5,120 images, 2m03s
}

func ExampleRecorders() {
	r := record.Recorders(record.NewPrinter(os.Stdout), record.NewJSONLines(os.Stdout))
	if err := r.Record(record.Warning{Text: "no labels"}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// warning: no labels
	// {"event":"warning","text":"no labels"}
}

// TensorBoard shows the file with tensorboard -logdir and the folder.
func ExampleNewTensorBoard() {
	dir, err := os.MkdirTemp("", "board")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	board := record.NewTensorBoard(dir)
	for _, e := range []record.Event{
		record.Start{StepsPerEpoch: 1},
		record.Step{Epoch: 1, Step: 1, Steps: 1, TrainLoss: 1.25, LR: 0.025},
		record.Epoch{Epoch: 1, TrainLoss: 1.25, Genotype: "none"},
	} {
		if err := board.Record(e); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(board.Close())
	files, _ := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	fmt.Println(len(files), "file")
	// Output:
	// <nil>
	// 1 file
}

// TestPrinterShowsRanks prints the number of ranks, and the load of each in a range.
func TestPrinterShowsRanks(t *testing.T) {
	var out bytes.Buffer
	p := record.NewPrinter(&out)
	feed(t, p, runEvents()...)
	assert.Contains(t, out.String(), "16 images at once, 2 ranks\n")
	assert.Contains(t, out.String(), "  2 ranks 651-700 img/s each, waited 3-12%\n")
	assert.Empty(t, record.LoadText(nil))
}
