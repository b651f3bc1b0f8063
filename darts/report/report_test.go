package report_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset/scenes"
	"unnas/darts/record"
	"unnas/darts/report"
	"unnas/pretext"
)

var nan = math.NaN()

// start, step, epoch and done are events of a search of two epochs.

func start() record.Start {
	c := darts.DARTS()
	c.Space = cell.DARTS(cell.CIFARStem, 4, 3)
	return record.Start{Task: "rotation", Images: 512, Train: 256, Val: 255, Params: 393436, MACs: 2465157, PlannedBytes: 3 << 20, Epochs: 2, StepsPerEpoch: 3, Batch: 8, ScoreName: "accuracy", TrainScoreName: "accuracy", Ops: c.Space.Ops.Names(), Config: c}
}

func step(epoch, n int) record.Step {
	return record.Step{Epoch: epoch, Step: n, Steps: 3, TrainLoss: 1 / float64(n), TrainScore: 0.25, ValLoss: nan, ValScore: nan, LR: 0.025, Entropy: 0.9, SkipWeight: 0.1, ImagesPerSecond: 20.5, Left: 25 * time.Second}
}

// alphas returns those of an edge each with the operation that has the largest.
func alphas(shift int) [][]float64 {
	rows := make([][]float64, 14)
	for i := range rows {
		rows[i] = make([]float64, 8)
		rows[i][1+(i+shift)%7] = 2
	}
	return rows
}

func epoch(n int) record.Epoch {
	g, _ := cell.GenotypeByName("darts_v2")
	return record.Epoch{
		Epoch: n, TrainLoss: 0.5, TrainScore: 0.75, ValLoss: 0.375, ValScore: 0.8125, Entropy: 0.7, SkipWeight: 0.125, PoolWeight: 0.25,
		Stability: 0.5, Eigenvalue: nan, Genotype: g.String(), Normal: alphas(0), Reduce: alphas(3),
	}
}

func done() record.Done {
	return record.Done{Epochs: 2, Images: 48, Genotype: epoch(2).Genotype, Elapsed: 95 * time.Second}
}

// feed passes events to a report.
func feed(t *testing.T, r *report.Report, events ...record.Event) {
	t.Helper()
	for _, e := range events {
		require.NoError(t, r.Record(e))
	}
}

// html returns the page as it is.
func html(t *testing.T, r *report.Report) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, r.WriteHTML(&b))
	check(t, b.String())
	return b.String()
}

// check demands what every page has: elements that end, nothing from elsewhere.
func check(t *testing.T, page string) {
	t.Helper()
	texts := regexp.MustCompile(`base64,[^"]*`).ReplaceAllString(page, "")
	assert.NotContains(t, texts, "ZgotmplZ", "a value that its place does not take")
	assert.NotContains(t, texts, "NaN")
	assert.NotContains(t, texts, "Inf")
	for _, name := range []string{"section", "figure", "div", "svg", "table", "tr", "ul", "main", "script", "style", "dl"} {
		assert.Equal(t, len(regexp.MustCompile(`<`+name+`[\s>]`).FindAllString(page, -1)), strings.Count(page, "</"+name+">"), "elements %s that end", name)
	}
	for _, found := range regexp.MustCompile(`(?:\s(?:src|href)="|url\()([^")]*)`).FindAllStringSubmatch(page, -1) {
		assert.True(t, strings.HasPrefix(found[1], "data:image/png;base64,"), "%.60s", found[1])
	}
}

// section returns a section of a page.
func section(t *testing.T, page, id string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, `<section id="`+id+`">`)
	require.True(t, ok, id)
	text, _, ok := strings.Cut(rest, "</section>")
	require.True(t, ok, id)
	return text
}

func TestPageOfSearch(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "first")
	require.NoError(t, os.Mkdir(dir, 0o755))
	r := report.New(dir)
	feed(t, r, start(), step(1, 1), step(1, 2))
	assert.NoFileExists(t, filepath.Join(dir, report.File))
	page := html(t, r)
	assert.Contains(t, section(t, page, "head"), "width: 33.33%")
	assert.Contains(t, section(t, page, "head"), "not complete when this page was written")
	assert.Empty(t, section(t, page, "cells"))

	feed(t, r, step(1, 3), epoch(1), step(2, 1), step(2, 2), step(2, 3), epoch(2), record.Warning{Text: "cells collapse"}, done())
	require.NoError(t, r.Close())
	kept, err := os.ReadFile(filepath.Join(dir, report.File))
	require.NoError(t, err)
	page = html(t, r)
	assert.Equal(t, page, string(kept))
	assert.NotContains(t, page, "<script", "what has ended has no news")
	assert.NotContains(t, page, filepath.Dir(dir))

	head := section(t, page, "head")
	for _, want := range []string{
		"<h1>first</h1>", "rotation · search", "complete after 2 of 2 epochs", "width: 100.00%", "<dd>0.5</dd>", "<dd>75%</dd>", "<dd>0.375</dd>", "<dd>81.2%</dd>",
		"<dd>393 k</dd>", "<dd>2.5 M</dd>", "<dd>3.0 MiB</dd>", "<dd>20.5</dd>", "<dd>1m35s</dd>", "<dd>256</dd>", "<dd>255</dd>",
	} {
		assert.Contains(t, head, want)
	}
	assert.NotContains(t, head, "time left")
	assert.Contains(t, section(t, page, "warnings"), "<li>cells collapse</li>")
	curves := section(t, page, "curves")
	for _, title := range []string{"Loss", "Score", "Entropy", "Weight of parameter-free operations", "Stability", "Learning rate", "Throughput"} {
		assert.Contains(t, curves, "<h3>"+title)
	}
	assert.NotContains(t, curves, "eigenvalue", "it was not measured")
	cells := section(t, page, "cells")
	assert.Equal(t, 2, strings.Count(cells, "<svg "))
	assert.Contains(t, cells, done().Genotype[:40])
	assert.NotContains(t, cells, "<?xml")
	heats := section(t, page, "alphas")
	assert.Equal(t, 2*14+1, strings.Count(heats, "<img "), "an edge each, and the scale")
	assert.Contains(t, heats, "normal cells")
	assert.Contains(t, heats, "reduction cells")
	assert.Contains(t, heats, "largest: max_pool_3x3, 51.4%", "of the first edge: 1/(1+7e⁻²)")
	assert.Contains(t, heats, "c<sub>k−2</sub>")
	settings := section(t, page, "settings")
	assert.Regexp(t, `(?s)space\.ops.*none, max_pool_3x3.*space\.backbone\.cells</th><td>3<.*arch_lr`, settings)
}

// TestPageOfTraining has no alphas, but scores and the cells that are trained.
func TestPageOfTraining(t *testing.T) {
	g, _ := cell.GenotypeByName("unnas_imagenet_rot")
	r := report.New("")
	s := start()
	s.Config, s.Ops, s.ScoreName, s.TrainScoreName = darts.Training(g), nil, "miou", "accuracy"
	scores := map[string]float64{"top5": 0.9, "mean": nan}
	for i := range 19 {
		scores[fmt.Sprintf("iou_%d", i)] = float64(i) / 20
	}
	e := record.Epoch{Epoch: 1, TrainLoss: 2, TrainScore: 0.5, ValLoss: nan, ValScore: 0.4375, ScoreName: "miou", Entropy: nan, SkipWeight: nan, PoolWeight: nan, Stability: nan, Eigenvalue: nan, Scores: scores}
	feed(t, r, s, e)
	page := html(t, r)
	assert.Contains(t, section(t, page, "head"), "rotation · training")
	assert.NotContains(t, section(t, page, "head"), "validation loss")
	assert.Regexp(t, `(?s)training accuracy.{0,40}50%.{0,80}validation miou.{0,40}43\.8%`, section(t, page, "head"), "each under its name")
	assert.Empty(t, section(t, page, "alphas"))
	assert.Contains(t, section(t, page, "cells"), g.String()[:40])
	assert.Equal(t, 2, strings.Count(section(t, page, "cells"), "<svg "))
	curves := section(t, page, "curves")
	assert.Contains(t, curves, "top5 <b>90%</b>")
	assert.NotContains(t, curves, "iou_3", "of many scores those of single classes have no curve")
	assert.NotContains(t, curves, "Entropy")
	assert.Contains(t, section(t, page, "scores"), `iou_3</th><td>15%</td>`)
	assert.NotContains(t, section(t, page, "scores"), "mean")
}

// TestWrite makes the same page of a folder as of its events, but for what the
// folder does not tell.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, record.File))
	require.NoError(t, err)
	lines := record.NewJSONLines(f)
	lines.Clock = true
	events := []record.Event{start(), record.Warning{Text: "w"}, step(1, 1), step(1, 2), step(1, 3), epoch(1), step(2, 1)}
	live := report.New("")
	for _, e := range events {
		require.NoError(t, lines.Record(e))
		require.NoError(t, live.Record(e))
	}
	// A newer program knows more; the last line is being written.
	_, err = f.WriteString(`{"event":"visit","of":"a stranger"}` + "\n" + `{"event":"warning","text":"x","more":[1]}` + "\n" + `{"event":"epo`)
	require.NoError(t, errors.Join(err, f.Close()))
	feed(t, live, record.Warning{Text: "x"})
	var b strings.Builder
	require.NoError(t, report.Write(&b, dir))
	check(t, b.String())
	for _, id := range []string{"warnings", "curves", "cells", "alphas", "scores", "settings"} {
		assert.Equal(t, section(t, html(t, live), id), section(t, b.String(), id), id)
	}
	assert.Contains(t, section(t, b.String(), "head"), "not complete when this page was written: 1 of 2 epochs")
}

// TestResumed shows a resumed run with the history in its run directory.
func TestResumed(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, record.File))
	require.NoError(t, err)
	lines := record.NewJSONLines(f)
	for _, e := range []record.Event{start(), step(1, 1), step(1, 2), step(1, 3), epoch(1)} {
		require.NoError(t, lines.Record(e))
	}
	require.NoError(t, f.Close())
	r := report.New(dir)
	feed(t, r, start(), step(2, 1))
	page := html(t, r)
	assert.Contains(t, section(t, page, "head"), "1 of 2 epochs")
	assert.Contains(t, section(t, page, "head"), "3.0 MiB", "which the folder does not tell")
	assert.Contains(t, section(t, page, "alphas"), "normal cells")
	assert.Equal(t, 1, strings.Count(section(t, page, "settings"), ">arch_lr<"))
}

func TestHostile(t *testing.T) {
	const evil = `<script>alert("x")</script><img src=x onerror=alert(1)>"'` + "`"
	r := report.New(filepath.Join(t.TempDir(), "<b>run"))
	s := start()
	s.Task, s.Config = evil, json.RawMessage(`{"space":{"ops":["<i>"]},"<u>":"<script>1</script>","deep":{"a":{"b":[["<s>",1],null]}}}`)
	e := epoch(1)
	e.Scores = map[string]float64{evil: 0.5}
	e.Genotype = `{"normal":[["<script>evil</script>",0],["\"><script>",1]],"normal_concat":[2],"reduce":[["a&b",0],["c",1]],"reduce_concat":[2]}`
	s.Epochs = -3
	require.NoError(t, r.Record(s))
	_ = r.Record(e) // there is no folder
	feed(t, r, record.Warning{Text: evil}, record.Warning{Text: "checkpoint /data/someone/runs/a/checkpoint-32: damaged, ratio 3/4"}, record.Warning{Text: `open C:\Users\me\x.jpg: no`})
	page := html(t, r)
	for _, tag := range []string{"<script", "<img src=x", "<b>run", "<i>", "<u>", "<s>"} {
		assert.NotContains(t, page, tag)
	}
	assert.Contains(t, section(t, page, "cells"), "&lt;script&gt;evil")
	assert.Contains(t, page, "&lt;b&gt;run")
	assert.Contains(t, page, "deep.a.b")
	assert.NotContains(t, page, "someone")
	assert.Contains(t, page, "checkpoint …/checkpoint-32: damaged, ratio 3/4")
	assert.NotContains(t, page, "Users")
}

// TestEmpty writes pages of runs of which little or nothing is known.
func TestEmpty(t *testing.T) {
	r := report.New("")
	assert.Contains(t, html(t, r), "not started")
	feed(t, r, record.Start{Config: nil})
	html(t, r)
	nothing := record.Epoch{TrainLoss: nan, TrainScore: nan, ValLoss: math.Inf(1), ValScore: nan, Entropy: nan, SkipWeight: nan, PoolWeight: nan, Stability: nan, Eigenvalue: nan, Normal: [][]float64{{}, {nan, 1}, nil, {1, 2, 3}}, Genotype: "none"}
	feed(t, r, record.Step{TrainLoss: nan, TrainScore: nan, ValLoss: nan, ValScore: nan, LR: nan, Entropy: nan, SkipWeight: nan, ImagesPerSecond: nan}, nothing, record.Done{})
	html(t, r)
	assert.ErrorContains(t, r.Record(nil), "unknown event")

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, record.File), nil, 0o644))
	var b strings.Builder
	require.NoError(t, report.Write(&b, dir))
	check(t, b.String())
	require.NoError(t, report.New(dir).Close())
	assert.NoFileExists(t, filepath.Join(dir, report.File), "a run without steps leaves nothing")
}

func TestWriteErrors(t *testing.T) {
	dir := t.TempDir()
	err := report.Write(io.Discard, dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "want a run directory")
	for name, text := range map[string]string{
		"no JSON":         "{\"event\":\"start\"}\nfoo\n",
		"of another type": "{\"event\":\"start\"}\n{\"event\":\"step\",\"train_loss\":\"low\"}\n",
		"score":           "{\"event\":\"start\"}\n{\"event\":\"epoch\",\"val_top5\":\"low\"}\n",
		"long":            "{\"event\":\"start\"}\n" + strings.Repeat(" ", 9<<20),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, record.File), []byte(text), 0o644))
		err := report.Write(io.Discard, dir)
		assert.ErrorContains(t, err, "metrics.jsonl: record: line 2: ", name)
		assert.ErrorContains(t, report.New(dir).Record(start()), "line 2", name)
	}
}

// TestLong thins out what does not fit a page.
func TestLong(t *testing.T) {
	r := report.New("")
	s := start()
	s.Epochs, s.StepsPerEpoch = 700, 3
	feed(t, r, s)
	for n := range 700 {
		feed(t, r, step(n+1, 1), step(n+1, 2), step(n+1, 3), epoch(n+1), record.Warning{Text: fmt.Sprintf("warning %d.", n)})
	}
	page := html(t, r)
	assert.Less(t, len(page), 1<<20)
	assert.Contains(t, page, "700 of 700 epochs", "the last one is there")
	assert.Contains(t, page, "650 earlier warnings are not shown")
	assert.Contains(t, page, "warning 699.")
}

func FuzzWrite(f *testing.F) {
	var b bytes.Buffer
	lines := record.NewJSONLines(&b)
	for _, e := range []record.Event{start(), step(1, 1), epoch(1), done()} {
		require.NoError(f, lines.Record(e))
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"event":"epoch","epoch":-1,"normal":[[1],[],[null,2,3]],"val_x":null}` + "\n"))
	f.Add([]byte(`{"event":"start","epochs":9223372036854775807,"config":[]}` + "\n" + `{"event":"step","epoch":-9223372036854775808,"train_loss":1e308}` + "\n" + `{"event":"step","train_loss":-1e308}` + "\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, record.File), text, 0o644))
		_ = report.Write(io.Discard, dir) // neither panics nor hangs
	})
}

// TestSamples shows what each kind of task makes of images.
func TestSamples(t *testing.T) {
	src, err := scenes.New(9, 40, 24, 1)
	require.NoError(t, err)
	jigsaw := pretext.JigsawCIFAR10()
	plain := pretext.ScenesTransform(32)
	plain.Crop = pretext.CropNone
	for name, test := range map[string]struct {
		task     pretext.TaskData
		pictures int // of an image
		want     string
	}{
		"rotation":     {pretext.Rotation{Transform: pretext.ScenesTransform(32)}, 4, "270°</div>"},
		"jigsaw":       {jigsaw, 4, "<figcaption>class "},
		"colorization": {pretext.Colorization{Transform: plain}, 2, "labels</div>"},
		"large":        {pretext.Classification{Transform: pretext.ImageNetTransform(224), Classes: 8}, 1, "<figcaption>bus</figcaption>"},
		"patches":      {pretext.RelativePatchCIFAR10(), 2, "<figcaption>"},
		"hidden":       {pretext.ReconstructionCIFAR10(), 1, `width="`},
		"views":        {pretext.ContrastiveCIFAR10(), 2, `width="`},
		"own":          {odd{}, 16, `width="`},
	} {
		t.Run(name, func(t *testing.T) {
			pages := [2]string{}
			for i := range pages {
				r := report.New("")
				r.SetSamples(t.Context(), src, test.task)
				feed(t, r, start())
				pages[i] = html(t, r)
			}
			assert.Equal(t, pages[0], pages[1])
			_, samples, ok := strings.Cut(pages[0], "<h2>Samples</h2>")
			require.True(t, ok)
			assert.Equal(t, 4*test.pictures, strings.Count(samples, "<img "))
			assert.Contains(t, samples, test.want)
			assert.Less(t, len(samples), 400<<10)
			if test.task.Spec().Classes == 0 {
				assert.NotContains(t, samples, "class 0")
			}
		})
	}
	r := report.New("")
	r.SetSamples(t.Context(), src, oneLabel{})
	feed(t, r, start())
	assert.Contains(t, html(t, r), "<figcaption>class 0</figcaption>", "which is not the bus that the source has")

	r = report.New("")
	r.SetSamples(t.Context(), broken{}, jigsaw)
	feed(t, r, start())
	page := html(t, r)
	assert.Contains(t, page, "no sample of image 0")
	assert.NotContains(t, page, "secret")
}

// panics are images, and a task, whose code fails.
type panics struct{ oneLabel }

func (panics) Len() int                                          { return 4 }
func (panics) Load(context.Context, int) (*pretext.Image, error) { panic("secret") }
func (panics) ClassName(int32) string                            { panic("secret") }

// TestSamplesOfPanics keeps panics of the user's own code from those of a run.
func TestSamplesOfPanics(t *testing.T) {
	images, err := scenes.New(4, 40, 24, 1)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		src  pretext.Source
		task pretext.TaskData
	}{"source": {panics{}, oneLabel{}}, "task": {images, panics{}}} {
		t.Run(name, func(t *testing.T) {
			r := report.New("")
			require.NotPanics(t, func() { r.SetSamples(t.Context(), test.src, test.task) })
			feed(t, r, start())
			page := html(t, r)
			assert.Contains(t, page, "no sample of image 3")
			assert.NotContains(t, page, "secret")
		})
	}
}

// stopped are images that load until their context is done.
type stopped struct{ broken }

func (stopped) Load(ctx context.Context, _ int) (*pretext.Image, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestSamplesContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := report.New("")
	r.SetSamples(ctx, stopped{}, oneLabel{})
	feed(t, r, start())
	assert.Contains(t, html(t, r), "no sample of image 0")
}

// oneLabel is a task of one class that is none of the source's.
type oneLabel struct{}

func (oneLabel) Spec() pretext.Spec {
	return pretext.Spec{Height: 4, Width: 5, Channels: 1, Inputs: 1, LabelShape: []int{1}, Classes: 1}
}

func (oneLabel) Sample(dst pretext.Sample, _ *pretext.Image, _ bool, _ *rand.Rand) error {
	dst.Labels[0] = 0
	return nil
}

// odd is a task with many inputs of two channels, no labels, and values that are
// no numbers.
type odd struct{}

func (odd) Spec() pretext.Spec {
	return pretext.Spec{Height: 3, Width: 5, Channels: 2, Inputs: 20, LabelShape: []int{2, 3}, Classes: 2}
}

func (odd) Sample(dst pretext.Sample, _ *pretext.Image, _ bool, r *rand.Rand) error {
	for i := range dst.Inputs {
		dst.Inputs[i] = r.Float32()
	}
	dst.Inputs[0], dst.Labels[0] = float32(nan), pretext.IgnoreIndex
	return nil
}

// broken is a source without readable images.
type broken struct{}

func (broken) Len() int { return 2 }
func (broken) Load(context.Context, int) (*pretext.Image, error) {
	return nil, errors.New("open /secret/place: no")
}

// reader reads server-sent events.
type reader struct{ *bufio.Scanner }

// next returns the name and the data of the next event.
func (r reader) next(t *testing.T) (name, data string) {
	t.Helper()
	for r.Scan() {
		switch line := r.Text(); {
		case line == "":
			return name, data
		case strings.HasPrefix(line, "event: "):
			name = line[7:]
		default:
			text, ok := strings.CutPrefix(line, "data: ")
			require.True(t, ok, line)
			data += text + "\n"
		}
	}
	require.NoError(t, r.Err())
	require.Fail(t, "the stream has ended")
	return "", ""
}

// follow opens the stream of news at a URL.
func follow(ctx context.Context, t *testing.T, url string) reader {
	t.Helper()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"events", nil)
	require.NoError(t, err)
	a, err := http.DefaultClient.Do(q)
	require.NoError(t, err)
	t.Cleanup(func() { _ = a.Body.Close() })
	assert.Equal(t, "text/event-stream", a.Header.Get("Content-Type"))
	s := bufio.NewScanner(a.Body)
	s.Buffer(nil, 1<<20)
	return reader{s}
}

// TestLive serves two browsers until the run ends, and a third that leaves.
func TestLive(t *testing.T) {
	before := runtime.NumGoroutine()
	r := report.New("")
	r.SetTimes(50*time.Millisecond, 10*time.Second, 5*time.Second)
	url, err := r.Serve(":0")
	require.NoError(t, err)
	require.Regexp(t, `^http://127\.0\.0\.1:\d+/$`, url, "for this machine alone")
	_, err = r.Serve(":0")
	require.ErrorContains(t, err, "already")
	a, err := http.Get(url)
	require.NoError(t, err)
	page, err := io.ReadAll(a.Body)
	require.NoError(t, errors.Join(err, a.Body.Close()))
	assert.Contains(t, string(page), "new EventSource('events')")
	check(t, string(page))

	ctx, leave := context.WithCancel(t.Context())
	first, second, third := follow(t.Context(), t, url), follow(t.Context(), t, url), follow(ctx, t, url)
	for _, c := range []reader{first, second, third} {
		name, data := c.next(t)
		assert.Empty(t, name)
		assert.Contains(t, data, "not started")
	}
	leave()
	feed(t, r, start(), step(1, 1))
	for _, c := range []reader{first, second} {
		_, data := c.next(t)
		assert.Contains(t, section(t, data, "head"), "running")
		assert.Contains(t, section(t, data, "settings"), "arch_lr")
		assert.NotContains(t, data, "<html", "sections alone")
	}
	feed(t, r, done())
	closed := make(chan error)
	go func() { closed <- r.Close() }()
	for _, c := range []reader{first, second} {
		_, data := c.next(t)
		if !strings.Contains(data, "complete after") { // the news of a second earlier
			_, data = c.next(t)
		}
		assert.Contains(t, data, "complete after")
		name, _ := c.next(t)
		for name == "" { // the same, once closed
			name, _ = c.next(t)
		}
		assert.Equal(t, "end", name)
		assert.False(t, c.Scan(), "nothing follows")
	}
	require.NoError(t, <-closed)
	_, err = net.DialTimeout("tcp", strings.Trim(url, "htp:/"), time.Second)
	require.Error(t, err, "nobody listens any more")
	http.DefaultClient.CloseIdleConnections()
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 5*time.Second, 20*time.Millisecond, "goroutines are left")
}

// TestReadOnly answers nothing but reading of the page.
func TestReadOnly(t *testing.T) {
	r := report.New("")
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 200}, {"HEAD", "/", 200}, {"HEAD", "/events", 200},
		{"POST", "/", 405}, {"DELETE", "/events", 405},
		{"GET", "/metrics.jsonl", 404}, {"GET", "/../../etc/passwd", 404}, {"GET", "/events/x", 404}, {"POST", "/x", 404},
	} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		assert.Equal(t, test.status, w.Code, test)
	}
}

func TestServeErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	for address, want := range map[string]string{
		"6060":                  "want a port such as :6060",
		"":                      "want a port such as :6060",
		":http-or-so":           "choose another port",
		":70000":                "choose another port",
		taken.Addr().String():   "choose another port",
		"no.such.host.invalid:": "report: ",
	} {
		r := report.New("")
		_, err := r.Serve(address)
		require.ErrorContains(t, err, want, address)
		require.NoError(t, r.Close())
	}
}
