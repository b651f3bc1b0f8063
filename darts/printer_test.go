package darts

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// steppedClock is a clock that tests set.
type steppedClock struct{ t time.Time }

func (c *steppedClock) now() time.Time       { return c.t }
func (c *steppedClock) wait(d time.Duration) { c.t = c.t.Add(d) }
func newSteppedClock() *steppedClock         { return &steppedClock{time.Unix(1e9, 0)} }
func (c *steppedClock) printer(w *bytes.Buffer, live bool) *Printer {
	p := NewPrinter(w, live)
	p.now = c.now
	return p
}

// visible makes control characters visible and gives each rewriting a line.
func visible(s string) string {
	return strings.NewReplacer("\r\x1b[K", "<clear>", "\n", "<end>\n").Replace(s)
}

// shortRun prints a run of two epochs of four steps, of which each takes the
// given time.
func shortRun(t *testing.T, p *Printer, c *steppedClock, step time.Duration) {
	t.Helper()
	events := []Event{Start{Task: "jigsaw", Train: 2585, Held: 1, Params: 999, MACs: 12_345_678_901, PlannedBytes: 99 << 20,
		Epochs: 12, StepsPerEpoch: 4, Batch: 646}}
	for epoch := 9; epoch <= 10; epoch++ {
		for n := 1; n <= 4; n++ {
			events = append(events, Step{Epoch: epoch, Step: n, Steps: 4, Loss: 10.25 / float64(n), Accuracy: 0.333 * float64(n) / 4,
				HeldLoss: 2.5, HeldAccuracy: 0.0625, Entropy: 2.0794, SkipShare: 1, ImagesPerSecond: 1234.5, Left: 4000 * time.Second / time.Duration(n*n)})
		}
		events = append(events, Epoch{Epoch: epoch, TrainLoss: 2.5625, TrainAccuracy: 0.333, HeldLoss: 2.5, HeldAccuracy: 0.0625,
			Entropy: 2.0794, SkipShare: 1, Eigenvalue: 0.5, Elapsed: 4 * step})
	}
	events = append(events, Warning{Text: "all edges skip"}, Done{Epochs: 12, Images: 31_020, Genotype: "skip 0→2", Elapsed: 26 * time.Hour})
	for _, e := range events {
		if _, ok := e.(Step); ok {
			c.wait(step)
		}
		require.NoError(t, p.Record(e))
	}
}

func TestPrinterLive(t *testing.T) {
	var out bytes.Buffer
	c := newSteppedClock()
	p := c.printer(&out, true)
	shortRun(t, p, c, 60*time.Millisecond) // every other step is shown
	want := `jigsaw: 2,585 + 1 image, 12 epochs of 4 steps, batch 646<end>
999 parameters, 12.3 G multiply-adds, 99.0 MiB of memory<end>
<clear>epoch  9/12 [====    ] 2/4  16m40s left  1,235 img/s  loss 5.1250  acc  16.7%<clear>epoch  9/12 [========] 4/4   4m10s left  1,235 img/s  loss 2.5625  acc  33.3%<clear>epoch  9/12    0 s  loss 2.5625  acc  33.3%  held 2.5000  acc   6.2%  entropy 2.079  skip 100.0%  eigenvalue 0.5<end>
<clear>epoch 10/12 [====    ] 2/4  16m40s left  1,235 img/s  loss 5.1250  acc  16.7%<clear>epoch 10/12 [========] 4/4   4m10s left  1,235 img/s  loss 2.5625  acc  33.3%<clear>epoch 10/12    0 s  loss 2.5625  acc  33.3%  held 2.5000  acc   6.2%  entropy 2.079  skip 100.0%  eigenvalue 0.5<end>
warning: all edges skip<end>
done: 12 epochs, 31,020 images, 26h00m<end>
skip 0→2<end>
`
	assert.Equal(t, want, visible(out.String()))
	require.NoError(t, p.Close())
	assert.Equal(t, want, visible(out.String()), "nothing was left to end")
}

func TestPrinterPlain(t *testing.T) {
	var out bytes.Buffer
	c := newSteppedClock()
	shortRun(t, c.printer(&out, false), c, 4*time.Second)
	assert.Equal(t, `jigsaw: 2,585 + 1 image, 12 epochs of 4 steps, batch 646
999 parameters, 12.3 G multiply-adds, 99.0 MiB of memory
epoch  9/12 step 3/4   7m24s left  1,235 img/s  loss 3.4167  acc  25.0%  held 2.5000  acc   6.2%  entropy 2.079  skip 100.0%
epoch  9/12   16 s  loss 2.5625  acc  33.3%  held 2.5000  acc   6.2%  entropy 2.079  skip 100.0%  eigenvalue 0.5
epoch 10/12 step 3/4   7m24s left  1,235 img/s  loss 3.4167  acc  25.0%  held 2.5000  acc   6.2%  entropy 2.079  skip 100.0%
epoch 10/12   16 s  loss 2.5625  acc  33.3%  held 2.5000  acc   6.2%  entropy 2.079  skip 100.0%  eigenvalue 0.5
warning: all edges skip
done: 12 epochs, 31,020 images, 26h00m
skip 0→2
`, out.String())
}

func TestPrinterWithoutHeldHalf(t *testing.T) {
	var out bytes.Buffer
	nan := math.NaN()
	p := newSteppedClock().printer(&out, false)
	for _, e := range []Event{
		Start{Task: "classification", Train: 1, Params: 1_000_000, MACs: 999, PlannedBytes: 1023, Epochs: 1, StepsPerEpoch: 1, Batch: 1, MicroBatch: 1},
		Epoch{Epoch: 1, TrainLoss: nan, TrainAccuracy: 1, HeldLoss: nan, HeldAccuracy: nan, Entropy: nan, SkipShare: nan, Eigenvalue: nan},
		Epoch{Epoch: 1, TrainLoss: 1, TrainAccuracy: 1, HeldLoss: nan, HeldAccuracy: 0.5, Entropy: nan, SkipShare: nan, Eigenvalue: nan,
			Scores: map[string]float64{"miou": 0.25, "iou_1": 0.125}, ScoreName: "miou"},
		Done{Epochs: 1, Images: 1},
	} {
		require.NoError(t, p.Record(e))
	}
	assert.Equal(t, `classification: 1 image, 1 epoch of 1 step, batch 1
1.0 M parameters, 999 multiply-adds, 1023 B of memory
epoch 1/1    0 s  acc 100.0%
epoch 1/1    0 s  loss 1.0000  acc 100.0%  held acc  50.0%  held miou  25.0%
done: 1 epoch, 1 image, 0 s
`, out.String())
}

func TestPrinterTellsHowMemoryIsSpared(t *testing.T) {
	for want, start := range map[string]Start{
		"3.0 KiB of memory\n":                                      {MicroBatch: 64},
		"3.0 KiB of memory, 16 images at once\n":                   {MicroBatch: 16},
		"3.0 KiB of memory, with recomputation\n":                  {MicroBatch: 64, Recompute: true},
		"3.0 KiB of memory, 1 image at once, with recomputation\n": {MicroBatch: 1, Recompute: true},
	} {
		start.Batch, start.PlannedBytes = 64, 3<<10
		var out bytes.Buffer
		require.NoError(t, NewPrinter(&out, false).Record(start))
		assert.True(t, strings.HasSuffix(out.String(), want), "%q", out.String())
	}
}

func TestPrinterFitsTerminal(t *testing.T) {
	step := Step{Epoch: 3, Step: 20, Steps: 160, Loss: 2, Accuracy: 0.5, HeldLoss: 2, HeldAccuracy: 0.5,
		Entropy: 2, SkipShare: 0.5, ImagesPerSecond: 99.44, Left: 5 * time.Second}
	const all = "epoch 3/9 [=       ]  20/160     5 s left   99.4 img/s  loss 2.0000  acc  50.0%  held 2.0000  acc  50.0%  entropy 2.000  skip  50.0%"
	for columns := -1; columns <= len(all)+2; columns++ {
		var out bytes.Buffer
		p := newSteppedClock().printer(&out, true)
		p.Columns = columns
		p.start.Epochs = 9
		require.NoError(t, p.Record(step))
		line, ok := strings.CutPrefix(visible(out.String()), "<clear>")
		require.True(t, ok)
		assert.LessOrEqual(t, len(line), max(columns-1, 0), "%d columns", columns)
		rest, ok := strings.CutPrefix(all, line)
		assert.True(t, ok, "%d columns: %q", columns, line)
		switch {
		case columns > len(all):
			assert.Empty(t, rest)
		case len(line) >= len("epoch 3/9 [=       ]  20/160"):
			assert.True(t, strings.HasPrefix(rest, "  "), "%d columns cut a figure: %q", columns, line)
		}
	}
}

func TestPrinterCloseEndsLiveLine(t *testing.T) {
	var out bytes.Buffer
	p := newSteppedClock().printer(&out, true)
	p.start.Epochs = 1
	nan := math.NaN()
	require.NoError(t, p.Record(Step{Epoch: 1, Step: 1, Steps: 2, Loss: 1, Accuracy: nan, HeldLoss: nan, HeldAccuracy: nan,
		Entropy: nan, SkipShare: nan, ImagesPerSecond: math.Inf(1)}))
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	assert.Equal(t, "<clear>epoch 1/1 [====    ] 1/2     0 s left      - img/s  loss 1.0000<end>\n", visible(out.String()))
}

func TestFormats(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(-123456), "-123,456"}, {count(1234567), "1,234,567"},
		{plural(0, "step"), "0 steps"}, {plural(1, "step"), "1 step"}, {plural(2000, "step"), "2,000 steps"},
		{rate(0), "0"}, {rate(3.456), "3.46"}, {rate(99.94), "99.9"}, {rate(99.99), "100"}, {rate(1234.5), "1,235"}, {rate(math.NaN()), "-"},
		{metric(0), "0"}, {metric(999), "999"}, {metric(1000), "1.0 k"}, {metric(99_949), "99.9 k"}, {metric(99_950), "100 k"},
		{metric(12_345_678_901), "12.3 G"}, {metric(math.MaxInt64), "9223 P"},
		{storage(1023), "1023 B"}, {storage(1024), "1.0 KiB"}, {storage(3 << 29), "1.5 GiB"},
		{duration(0), "0 s"}, {duration(59_400 * time.Millisecond), "59 s"}, {duration(59_600 * time.Millisecond), "1m00s"},
		{duration(65 * time.Second), "1m05s"}, {duration(7384 * time.Second), "2h03m"}, {duration(100 * time.Hour), "100h00m"},
		{bar(0, 4), "[        ]"}, {bar(1, 4), "[==      ]"}, {bar(4, 4), "[========]"}, {bar(5, 4), "[========]"}, {bar(1, 0), "[        ]"},
	} {
		assert.Equal(t, test.want, test.got)
	}
}

// TestPrinterProgress evaluates 20,000 images, 1,000 in four seconds.
func TestPrinterProgress(t *testing.T) {
	show := func(live bool) string {
		var out bytes.Buffer
		c := newSteppedClock()
		p := c.printer(&out, live)
		require.NoError(t, p.Record(Warning{Text: "begin"}))
		for done := 1000; done <= 4000; done += 1000 {
			c.wait(4 * time.Second)
			require.NoError(t, p.Record(Progress{Work: "evaluating", Done: done, Total: 20_000, Unit: "images", Elapsed: time.Duration(done/250) * time.Second}))
		}
		require.NoError(t, p.Record(Progress{Work: "evaluating", Total: 20_000, Unit: "images"}))
		require.NoError(t, p.Close())
		return visible(out.String())
	}
	assert.Equal(t, "warning: begin<end>\nevaluating  3000/20000   1m08s left    250 images/s<end>\n", show(false))
	assert.Equal(t, "warning: begin<end>\n<clear>evaluating [        ]  1000/20000   1m16s left    250 images/s"+
		"<clear>evaluating [        ]  2000/20000   1m12s left    250 images/s"+
		"<clear>evaluating [=       ]  3000/20000   1m08s left    250 images/s"+
		"<clear>evaluating [=       ]  4000/20000   1m04s left    250 images/s<end>\n", show(true))
}

// TestPrinterStepAfterPasses shows a step though its passes have just been told of.
func TestPrinterStepAfterPasses(t *testing.T) {
	for _, live := range []bool{false, true} {
		var out bytes.Buffer
		c := newSteppedClock()
		p := c.printer(&out, live)
		for step := 1; step <= 2; step++ {
			c.wait(11 * time.Second)
			require.NoError(t, p.Record(Progress{Work: "passing", Done: 3, Total: 4, Unit: "passes", Elapsed: 11 * time.Second}))
			require.NoError(t, p.Record(Step{Epoch: 1, Step: step, Steps: 2, Loss: 0.5}))
		}
		require.NoError(t, p.Close())
		assert.Equal(t, 2, strings.Count(out.String(), "loss 0.5000"), "%q", out.String())
		assert.Equal(t, 2, strings.Count(out.String(), "passes/s"))
	}
}

// TestPrinterProgressAtItsBegin says nothing of work that may soon be over.
func TestPrinterProgressAtItsBegin(t *testing.T) {
	var out bytes.Buffer
	p := newSteppedClock().printer(&out, false)
	require.NoError(t, p.Record(Progress{Work: "listing", Done: 6, Total: 7, Unit: "classes", Elapsed: 1999 * time.Millisecond}))
	require.NoError(t, p.Record(Progress{Work: "listing", Total: 7, Unit: "classes", Elapsed: 2 * time.Second}))
	assert.Equal(t, "listing 0/7      0 classes/s\n", out.String())
}
