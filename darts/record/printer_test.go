package record

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
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
	p := NewPrinter(w)
	p.Live, p.now = live, c.now
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
	events := []Event{Start{Task: "jigsaw", Train: 2585, Val: 1, Params: 999, MACs: 12_345_678_901, PlannedBytes: 99 << 20,
		Epochs: 12, StepsPerEpoch: 4, Batch: 646, ScoreName: "top1", TrainScoreName: "top1"}}
	for epoch := 9; epoch <= 10; epoch++ {
		for n := 1; n <= 4; n++ {
			events = append(events, Step{Epoch: epoch, Step: n, Steps: 4, TrainLoss: 10.25 / float64(n), TrainScore: 0.333 * float64(n) / 4,
				ValLoss: 2.5, ValScore: 0.0625, Entropy: 2.0794, SkipWeight: 1, ImagesPerSecond: 1234.5, Left: 4000 * time.Second / time.Duration(n*n)})
		}
		events = append(events, Epoch{Epoch: epoch, TrainLoss: 2.5625, TrainScore: 0.333, ValLoss: 2.5, ValScore: 0.0625,
			Entropy: 2.0794, SkipWeight: 1, Eigenvalue: 0.5, Elapsed: 4 * step})
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
<clear>epoch  9/12 [====    ] 2/4  16m40s left  1,235 img/s  loss 5.1250  top1  16.7%<clear>epoch  9/12 [========] 4/4   4m10s left  1,235 img/s  loss 2.5625  top1  33.3%<clear>epoch  9/12    0 s  loss 2.5625  top1  33.3%  val loss 2.5000  val top1   6.2%  entropy 2.079  skip 100.0%  eigenvalue 0.5<end>
<clear>epoch 10/12 [====    ] 2/4  16m40s left  1,235 img/s  loss 5.1250  top1  16.7%<clear>epoch 10/12 [========] 4/4   4m10s left  1,235 img/s  loss 2.5625  top1  33.3%<clear>epoch 10/12    0 s  loss 2.5625  top1  33.3%  val loss 2.5000  val top1   6.2%  entropy 2.079  skip 100.0%  eigenvalue 0.5<end>
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
epoch  9/12 step 3/4   7m24s left  1,235 img/s  loss 3.4167  top1  25.0%  val loss 2.5000  val top1   6.2%  entropy 2.079  skip 100.0%
epoch  9/12   16 s  loss 2.5625  top1  33.3%  val loss 2.5000  val top1   6.2%  entropy 2.079  skip 100.0%  eigenvalue 0.5
epoch 10/12 step 3/4   7m24s left  1,235 img/s  loss 3.4167  top1  25.0%  val loss 2.5000  val top1   6.2%  entropy 2.079  skip 100.0%
epoch 10/12   16 s  loss 2.5625  top1  33.3%  val loss 2.5000  val top1   6.2%  entropy 2.079  skip 100.0%  eigenvalue 0.5
warning: all edges skip
done: 12 epochs, 31,020 images, 26h00m
skip 0→2
`, out.String())
}

func TestPrinterWithoutValidation(t *testing.T) {
	var out bytes.Buffer
	nan := math.NaN()
	p := newSteppedClock().printer(&out, false)
	for _, e := range []Event{
		Start{Task: "classification", Train: 1, Params: 1_000_000, MACs: 999, PlannedBytes: 1023, Epochs: 1, StepsPerEpoch: 1, Batch: 1, MicroBatch: 1, ScoreName: "miou", TrainScoreName: "accuracy"},
		Epoch{Epoch: 1, TrainLoss: nan, TrainScore: 1, ValLoss: nan, ValScore: nan, Entropy: nan, SkipWeight: nan, Eigenvalue: nan},
		Epoch{Epoch: 1, TrainLoss: 1, TrainScore: 1, ValLoss: nan, ValScore: 0.5, Entropy: nan, SkipWeight: nan, Eigenvalue: nan,
			Scores: map[string]float64{"iou_1": 0.125}, ScoreName: "miou"},
		Done{Epochs: 1, Images: 1},
	} {
		require.NoError(t, p.Record(e))
	}
	assert.Equal(t, `classification: 1 image, 1 epoch of 1 step, batch 1
1.0 M parameters, 999 multiply-adds, 1023 B of memory
epoch 1/1    0 s  accuracy 100.0%
epoch 1/1    0 s  loss 1.0000  accuracy 100.0%  val miou  50.0%
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
		require.NoError(t, NewPrinter(&out).Record(start))
		assert.True(t, strings.HasSuffix(out.String(), want), "%q", out.String())
	}
}

func TestPrinterFitsTerminal(t *testing.T) {
	step := Step{Epoch: 3, Step: 20, Steps: 160, TrainLoss: 2, TrainScore: 0.5, ValLoss: 2, ValScore: 0.5,
		Entropy: 2, SkipWeight: 0.5, ImagesPerSecond: 99.44, Left: 5 * time.Second}
	const all = "epoch 3/9 [=       ]  20/160     5 s left   99.4 img/s  loss 2.0000  score  50.0%  val loss 2.0000  val score  50.0%  entropy 2.000  skip  50.0%"
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
	require.NoError(t, p.Record(Step{Epoch: 1, Step: 1, Steps: 2, TrainLoss: 1, TrainScore: nan, ValLoss: nan, ValScore: nan,
		Entropy: nan, SkipWeight: nan, ImagesPerSecond: math.Inf(1)}))
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	assert.Equal(t, "<clear>epoch 1/1 [====    ] 1/2     0 s left      - img/s  loss 1.0000<end>\n", visible(out.String()))
}

func TestBar(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{bar(0, 4), "[        ]"}, {bar(1, 4), "[==      ]"}, {bar(4, 4), "[========]"}, {bar(5, 4), "[========]"}, {bar(1, 0), "[        ]"},
	} {
		assert.Equal(t, test.want, test.got)
	}
}

// TestPrinterScores shows scores of which less is better as they are.
func TestPrinterScores(t *testing.T) {
	var out bytes.Buffer
	p := NewPrinter(&out)
	nan := math.NaN()
	require.NoError(t, p.Record(Start{Epochs: 1, ScoreName: "rmse", TrainScoreName: "rmse", LowerIsBetter: true}))
	out.Reset()
	require.NoError(t, p.Record(Epoch{Epoch: 1, TrainLoss: 1, TrainScore: 2.5, ValLoss: 3, ValScore: 12.25, Entropy: nan, SkipWeight: nan, Eigenvalue: nan}))
	assert.Equal(t, "epoch 1/1    0 s  loss 1.0000  rmse 2.5000  val loss 3.0000  val rmse 12.2500\n", out.String())
}

// TestPrinterOfFile is not live: a file is no terminal.
func TestPrinterOfFile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	defer f.Close()
	assert.False(t, NewPrinter(f).Live)
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

// TestPrinterStepAfterPasses shows a step though its passes have just been shown.
func TestPrinterStepAfterPasses(t *testing.T) {
	for _, live := range []bool{false, true} {
		var out bytes.Buffer
		c := newSteppedClock()
		p := c.printer(&out, live)
		for step := 1; step <= 2; step++ {
			c.wait(11 * time.Second)
			require.NoError(t, p.Record(Progress{Work: "passing", Done: 3, Total: 4, Unit: "passes", Elapsed: 11 * time.Second}))
			require.NoError(t, p.Record(Step{Epoch: 1, Step: step, Steps: 2, TrainLoss: 0.5}))
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
