package darts

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/dataset"
	"unnas/darts/record"
	"unnas/internal/checkpoint"
	"unnas/internal/engine"
	"unnas/internal/loader"
	"unnas/ops"
	"unnas/pretext"
)

// The parts of a checkpoint, and the name of its file.
const (
	checkpointMagic   = "unnas checkpoint"
	checkpointPrefix  = len(checkpointMagic) + 8
	checkpointTrailer = 4
	checkpointFile    = "checkpoint-%d"
)

// contents returns what the files in the folder of a run hold; of checkpoints
// without times.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		if strings.HasPrefix(f.Name(), "checkpoint-") {
			r := bytes.NewReader(b)
			var h header
			err := checkpoint.ReadHeader(r, r.Size(), &h)
			require.NoError(t, err)
			h.At.Elapsed, h.At.Lap = 0, 0
			arrays, err := io.ReadAll(r)
			require.NoError(t, err)
			text, err := json.Marshal(h)
			require.NoError(t, err)
			b = append(text, arrays[:len(arrays)-checkpointTrailer]...)
		}
		all[f.Name()] = string(b)
	}
	return all
}

// outcome returns what a complete run has left: with all of its files, but of the
// checkpoints only the last.
func outcome(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := contents(t, dir)
	steps, err := checkpoint.Store{Dir: dir}.Steps()
	require.NoError(t, err)
	require.NotEmpty(t, steps)
	for _, n := range steps[:len(steps)-1] {
		delete(all, fmt.Sprintf(checkpointFile, n))
	}
	return all
}

// assertSame compares files by name, without printing all that they hold.
func assertSame(t *testing.T, want, got map[string]string) {
	t.Helper()
	for name := range want {
		assert.True(t, want[name] == got[name], "%s differs", name)
	}
	assert.Len(t, got, len(want))
}

// resumable is a search of three epochs of three steps, the alphas learning from
// the second, whose second half wraps around within an epoch.
func resumable() SearchConfig {
	c := smallConfig()
	c.Space = cell.DARTS(cell.CIFARStem, 2, 3)
	c.Space.Ops, c.Space.Nodes = c.Space.Ops[:5], 2 // the small ones
	c.Epochs, c.ArchStartEpoch, c.TrainFraction = 3, 1, 0.6
	return c
}

const resumableSteps = 9

var resumableSource = stripes{n: 33, fail: -1} // 19 images for the weights, 14 for the alphas

// keepRun does a part of a run in dir, as long as ctx holds.
func keepRun(ctx context.Context, dir string, src Source, c SearchConfig, rt Runtime) (*SearchResult, error) {
	return keepTask(ctx, dir, src, smallTask(), c, rt)
}

// keepTask is keepRun with a task.
func keepTask(ctx context.Context, dir string, src Source, task pretext.Task, c SearchConfig, rt Runtime) (*SearchResult, error) {
	folder, err := OpenRunDir(dir)
	if err != nil {
		return nil, err
	}
	folder.Interval = time.Hour
	if rt.Dir != nil { // how the test wants it
		folder.Interval, folder.Keep = rt.Dir.Interval, rt.Dir.Keep
	}
	rt.Dir = folder
	r, err := Search(ctx, src, task, c, rt)
	return r, errors.Join(err, folder.Close())
}

// stopAfter returns a context and a recorder that ends it after some steps.
func stopAfter(t *testing.T, n int) (context.Context, record.Recorder) {
	ctx, cancel := context.WithCancel(t.Context())
	return ctx, record.Func(func(e record.Event) error {
		if _, ok := e.(record.Step); ok {
			if n--; n == 0 {
				cancel()
			}
		}
		return nil
	})
}

func TestResumeGivesTheSameBytes(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "run")
	wantResult, err := keepRun(t.Context(), whole, resumableSource, resumable(), Runtime{})
	require.NoError(t, err)
	want := outcome(t, whole)
	require.Len(t, want, 9)
	for _, stops := range [][]int{{3}, {5}, {1, 1, 1, 1, 1, 1, 1, 1}, {9}} {
		t.Run(fmt.Sprint(stops), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			done := 0
			for _, n := range stops {
				c := resumable()
				var rt Runtime
				var ctx context.Context
				ctx, rt.Recorder = stopAfter(t, n)
				r, err := keepRun(ctx, dir, resumableSource, c, rt)
				if done += n; done == resumableSteps { // nothing was left to be stopped
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, context.Canceled)
				assert.Equal(t, done, r.Steps)
				assert.Equal(t, done/3, r.Epochs)
			}
			c := resumable()
			var rt Runtime
			rt.Workers = 3 // what changes no result may change
			rt.Recompute = done == resumableSteps
			r, err := keepRun(t.Context(), dir, resumableSource, c, rt)
			require.NoError(t, err)
			assertSame(t, want, outcome(t, dir))
			want, got := *wantResult, *r
			assert.True(t, slices.Equal(want.Params.Weights(), got.Params.Weights()))
			want.Config, got.Config = SearchConfig{}, SearchConfig{}
			want.Params, got.Params = nil, nil
			assert.True(t, math.IsNaN(want.Last.Eigenvalue) && math.IsNaN(got.Last.Eigenvalue))
			want.Last.Eigenvalue, got.Last.Eigenvalue = 0, 0
			assert.Equal(t, want, got)
		})
	}
}

// TestResumeWithReadings is of a search that draws weights and measures
// eigenvalues. It is stopped within epochs and between them.
func TestResumeWithReadings(t *testing.T) {
	config := func() SearchConfig {
		c := resumable()
		c.Algorithms, c.StopEigenvalue = Algorithms{DrNAS{}}, 0.75
		return c
	}
	whole, dir := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	want, err := keepRun(t.Context(), whole, resumableSource, config(), Runtime{})
	require.NoError(t, err)
	for _, n := range []int{4, 2, 2} {
		c := config()
		var rt Runtime
		var ctx context.Context
		ctx, rt.Recorder = stopAfter(t, n)
		_, err := keepRun(ctx, dir, resumableSource, c, rt)
		require.ErrorIs(t, err, context.Canceled)
	}
	for range 2 { // the second time nothing is left
		got, err := keepRun(t.Context(), dir, resumableSource, config(), Runtime{})
		require.NoError(t, err)
		assert.Equal(t, want.Last, got.Last)
	}
	assert.NotZero(t, want.Last.Eigenvalue)
	events := func(dir string) []string {
		lines := strings.Split(contents(t, dir)[record.File], "\n")
		return slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, `{"event":"done"`) })
	}
	assert.Equal(t, events(whole), events(dir))
	last := fmt.Sprintf(checkpointFile, resumableSteps)
	assert.True(t, contents(t, whole)[last] == contents(t, dir)[last])
	assert.Contains(t, contents(t, whole)[last], `"past":[{"epoch":2,"eigenvalue":`)
}

// stopping is a source that ends a run in the middle of a step, when it is asked
// for so many images.
type stopping struct {
	Source
	left atomic.Int64
	stop func()
}

func (s *stopping) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if s.left.Add(-1) == 0 {
		s.stop()
	}
	return s.Source.Load(ctx, i)
}

func TestResumeAfterStopWithinStep(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "run")
	_, err := keepRun(t.Context(), whole, resumableSource, resumable(), Runtime{})
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "run")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		src := &stopping{Source: resumableSource, stop: cancel}
		src.left.Store(1 + r.Int64N(50))
		_, err = keepRun(ctx, dir, src, resumable(), Runtime{})
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
		cancel()
	}
	_, err = keepRun(t.Context(), dir, resumableSource, resumable(), Runtime{})
	require.NoError(t, err)
	assertSame(t, outcome(t, whole), outcome(t, dir))
}

// TestResumeAfterBrokenImage goes on once the image has been repaired.
func TestResumeAfterBrokenImage(t *testing.T) {
	whole, dir := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	_, err := keepRun(t.Context(), whole, resumableSource, resumable(), Runtime{})
	require.NoError(t, err)
	_, alphas := loader.Split(resumableSource.n, resumable().TrainFraction, resumable().Seed)
	broken := resumableSource
	broken.fail = alphas[3] // met in the second epoch
	_, err = keepRun(t.Context(), dir, broken, resumable(), Runtime{})
	require.ErrorContains(t, err, "this image is broken")
	_, err = keepRun(t.Context(), dir, resumableSource, resumable(), Runtime{})
	require.NoError(t, err)
	assertSame(t, outcome(t, whole), outcome(t, dir))
}

func TestCheckpointsKept(t *testing.T) {
	for _, test := range []struct {
		interval time.Duration
		keep     int
		want     []int
	}{
		{time.Hour, 5, []int{3, 6, 9}},
		{0, 4, []int{6, 7, 8, 9}},
		{0, 0, []int{9}},
	} {
		t.Run(fmt.Sprintf("%v, %d", test.interval, test.keep), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			c := resumable()
			var rt Runtime
			rt.Dir = &RunDir{Interval: test.interval, Keep: test.keep}
			_, err := keepRun(t.Context(), dir, resumableSource, c, rt)
			require.NoError(t, err)
			got, err := checkpoint.Store{Dir: dir}.Steps()
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}

// stopped makes a folder with two checkpoints, after 4 and 5 steps.
func stopped(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "run")
	c := resumable()
	var rt Runtime
	var ctx context.Context
	ctx, rt.Recorder = stopAfter(t, 5)
	rt.Dir = &RunDir{Keep: 2}
	_, err := keepRun(ctx, dir, resumableSource, c, rt)
	require.ErrorIs(t, err, context.Canceled)
	return dir
}

// seal corrects the checksum of a changed checkpoint.
func seal(b []byte) []byte {
	body := b[:len(b)-checkpointTrailer]
	return binary.LittleEndian.AppendUint32(slices.Clone(body), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// damages are ways in which a checkpoint can be no good, and what is said then.
var damages = map[string]struct {
	damage func(b []byte) []byte
	want   string
}{
	"empty":                {func([]byte) []byte { return nil }, "truncated"},
	"prefix only":          {func(b []byte) []byte { return b[:checkpointPrefix] }, "truncated"},
	"half":                 {func(b []byte) []byte { return b[:len(b)/2] }, "checksum"},
	"one byte less":        {func(b []byte) []byte { return b[:len(b)-1] }, "checksum"},
	"one byte more":        {func(b []byte) []byte { return append(b, 0) }, "checksum"},
	"a bit of a weight":    {func(b []byte) []byte { b[len(b)/2] ^= 4; return b }, "checksum"},
	"a bit of a header":    {func(b []byte) []byte { b[checkpointPrefix+9] ^= 1; return b }, "checksum"},
	"a bit of the version": {func(b []byte) []byte { b[len(checkpointMagic)] ^= 2; return b }, "checksum"},
	"another file":         {func([]byte) []byte { return bytes.Repeat([]byte("weights "), 100) }, "not a checkpoint file"},
	"huge header": {func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[len(checkpointMagic)+4:], 1<<31)
		return seal(b)
	}, "2147483648 bytes is too long"},
	"no header": {func(b []byte) []byte {
		binary.LittleEndian.PutUint32(b[len(checkpointMagic)+4:], 0)
		return seal(b)
	}, "JSON"},
	"missing values":     {func(b []byte) []byte { return seal(b[:len(b)-8]) }, "do not match the size of the arrays"},
	"other arrays":       {replaced(`"name":"velocity"`, `"name":"velocitx"`), "not those of the network"},
	"epoch beyond":       {replaced(`"at":{"epoch":1`, `"at":{"epoch":3`), "epoch 4"},
	"negative step":      {replaced(`"step":2,"complete`, `"step":-2,"complete`), "no step -2"},
	"more epochs":        {replaced(`"complete":1`, `"complete":2`), "with 2 epochs complete"},
	"alphas ahead":       {replaced(`"arch_steps":5`, `"arch_steps":7`), "no 7 steps of the alphas in 6"},
	"a state of another": {replaced(`"state":{`, `"state":[],"x":{`), "cannot unmarshal array"},
	"lost lines":         {replaced(`"metrics":`, `"metrics":9`), "lost lines"},
	"position of a text": {replaced(`"epoch":1`, `"epoch":"1"`), "JSON"},
}

// replaced changes the header of a checkpoint, and its length and checksum.
func replaced(old, new string) func(b []byte) []byte {
	return func(b []byte) []byte {
		n := binary.LittleEndian.Uint32(b[len(checkpointMagic)+4:])
		text := b[checkpointPrefix : checkpointPrefix+int(n)]
		changed := bytes.Replace(text, []byte(old), []byte(new), 1)
		if bytes.Equal(text, changed) {
			panic(old + " is not in " + string(text))
		}
		out := slices.Clone(b[:checkpointPrefix])
		binary.LittleEndian.PutUint32(out[len(checkpointMagic)+4:], uint32(len(changed)))
		return seal(append(append(out, changed...), b[checkpointPrefix+int(n):]...))
	}
}

func TestDamagedCheckpoint(t *testing.T) {
	s := blank(t)
	s.epoch, s.step, s.complete, s.rule.archSteps = 1, 2, 1, 5
	var whole bytes.Buffer
	require.NoError(t, s.checkpoint(&whole, 10))
	require.NoError(t, restored(blank(t), whole.Bytes()))
	for name, test := range damages {
		t.Run(name, func(t *testing.T) {
			fresh := blank(t)
			err := restored(fresh, test.damage(slices.Clone(whole.Bytes())))
			require.ErrorContains(t, err, test.want)
			assert.NotErrorIs(t, err, checkpoint.ErrOther)
			assert.Equal(t, blank(t), fresh, "nothing has changed")
		})
	}
}

func restored(s *search, b []byte) error {
	_, err := s.restore(bytes.NewReader(b), int64(len(b)), 10)
	return err
}

func TestDamagedCheckpointIsPassedOver(t *testing.T) {
	whole, dir := filepath.Join(t.TempDir(), "run"), stopped(t)
	_, err := keepRun(t.Context(), whole, resumableSource, resumable(), Runtime{})
	require.NoError(t, err)
	newest := filepath.Join(dir, "checkpoint-5")
	b, err := os.ReadFile(newest)
	require.NoError(t, err)
	b[len(b)/2] ^= 4
	require.NoError(t, os.WriteFile(newest, b, 0o644))
	c := resumable()
	var rt Runtime
	var warnings []string
	var first record.Step
	rt.Recorder = record.Func(func(e record.Event) error {
		switch e := e.(type) {
		case record.Warning:
			warnings = append(warnings, e.Text)
		case record.Step:
			if first.Steps == 0 {
				first = e
			}
		}
		return nil
	})
	_, err = keepRun(t.Context(), dir, resumableSource, c, rt)
	require.NoError(t, err)
	require.Len(t, warnings, 1)
	assert.Contains(t, warnings[0], newest)
	assert.Contains(t, warnings[0], "wrong checksum; the checkpoint before it is used")
	assert.Equal(t, 5*c.Batch, first.Images, "the fifth step is done again")
	assertSame(t, outcome(t, whole), outcome(t, dir))
	assert.NoFileExists(t, newest, "another has replaced it")
}

// TestMetricsAreCutBack removes what was written after the last checkpoint by a
// program that was killed.
func TestMetricsAreCutBack(t *testing.T) {
	dir := stopped(t)
	path := filepath.Join(dir, record.File)
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, append(slices.Clone(want), `{"event":"st`...), 0o644))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := keepRun(ctx, dir, resumableSource, resumable(), Runtime{})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 5, r.Steps)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got))
}

func TestNoGoodCheckpoint(t *testing.T) {
	dir := stopped(t)
	for _, name := range []string{"checkpoint-4", "checkpoint-5"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644))
	}
	before := allFiles(t, dir)
	r, err := keepRun(t.Context(), dir, resumableSource, resumable(), Runtime{})
	assert.Nil(t, r)
	for _, want := range []string{"darts: ", "checkpoint-4", "checkpoint-5", "truncated", "remove them"} {
		assert.ErrorContains(t, err, want)
	}
	assert.Equal(t, before, allFiles(t, dir), "nothing is lost")
}

func allFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		all[f.Name()] = string(b)
	}
	return all
}

func TestCheckpointOfAnotherSearch(t *testing.T) {
	dir := stopped(t)
	before := allFiles(t, dir)
	for name, test := range map[string]struct {
		change func(*SearchConfig)
		src    Source
		task   pretext.Task
		want   []string
	}{
		"two settings": {change: func(c *SearchConfig) { c.LR.Base, c.ArchWeightDecay = 0.5, 0.25 },
			want: []string{"\nconfig.arch_weight_decay: 0.001 → 0.25\nconfig.lr.base: 0.025 → 0.5\n"}},
		"seed":   {change: func(c *SearchConfig) { c.Seed = 1<<64 - 1 }, want: []string{"\nconfig.seed: 7 → 18446744073709551615\n"}},
		"space":  {change: func(c *SearchConfig) { c.Space.Ops = c.Space.Ops[1:] }, want: []string{"config.space.ops: [\"none\"", "parameters: "}},
		"images": {src: stripes{n: 34, fail: -1}, want: []string{"\nimages: 33 → 34\n"}},
		"view": {task: func() pretext.Task {
			task := smallTask().(pretext.Classification)
			task.Transform.Flip = false
			return task
		}(), want: []string{"\ntask_settings.transform.flip: true → false\n"}},
		"task": {task: pretext.Rotation{Transform: pretext.ScenesTransform(10)}, want: []string{"\ntask: \"classification\" → \"rotation\"\n", "task_settings.classes: 3 → nothing"}},
	} {
		t.Run(name, func(t *testing.T) {
			folder, err := OpenRunDir(dir)
			require.NoError(t, err)
			c := resumable()
			var rt Runtime
			if test.change != nil {
				test.change(&c)
			}
			rt.Dir = folder
			src, task := test.src, test.task
			if src == nil {
				src = resumableSource
			}
			if task == nil {
				task = smallTask()
			}
			r, err := Search(t.Context(), src, task, c, rt)
			assert.Nil(t, r)
			for _, want := range append(test.want, "darts: ", "checkpoint-5", "saved → given", "choose another directory") {
				assert.ErrorContains(t, err, want)
			}
			require.NoError(t, folder.Discard())
			assert.Equal(t, before, allFiles(t, dir), "the earlier run is kept")
		})
	}
}

// TestCheckpointOfAnotherDecoder goes on where JPEG files give other pixels.
func TestCheckpointOfAnotherDecoder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	ctx, recorder := stopAfter(t, 5)
	c := resumable()
	var rt Runtime
	rt.Recorder = recorder
	_, err := keepRun(ctx, dir, photographed{resumableSource, "in Go"}, c, rt)
	require.ErrorIs(t, err, context.Canceled)
	_, err = keepRun(t.Context(), dir, photographed{resumableSource, "fast jpeg 9"}, resumable(), Runtime{})
	require.ErrorContains(t, err, "\ndecoder: \"in Go\" → \"fast jpeg 9\"\n")
	_, err = keepRun(t.Context(), dir, photographed{resumableSource, "in Go"}, resumable(), Runtime{})
	require.NoError(t, err)
	metrics, err := os.ReadFile(filepath.Join(dir, record.File))
	require.NoError(t, err)
	assert.Contains(t, string(metrics), `"decoder":"in Go"`)
}

// photographed are stripes that come from JPEG files, and say what decodes these; if
// nothing does, they say that they come from no JPEG file.
type photographed struct {
	stripes
	decoder string
}

func (p photographed) Decoder() string { return p.decoder }

// TestDecoder records the decoders of a search and of a training, and none where the
// images come from no JPEG files.
func TestDecoder(t *testing.T) {
	held := stripes{n: 11, fail: -1}
	for _, test := range []struct {
		src, held Source
		want      string
	}{
		{photographed{resumableSource, ""}, photographed{held, ""}, ""},
		{photographed{resumableSource, ""}, nil, ""},
		{resumableSource, held, ""},
		{photographed{resumableSource, ""}, photographed{held, "a"}, "a"},
		{photographed{resumableSource, "a"}, nil, "a"},
		{photographed{resumableSource, "a"}, photographed{held, "a"}, "a"},
		{photographed{resumableSource, "a"}, photographed{held, "b"}, "a; b"},
		{dataset.Subset(photographed{resumableSource, "a"}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}), held, "a"},
	} {
		folder, err := OpenRunDir(filepath.Join(t.TempDir(), "run"))
		require.NoError(t, err)
		assert.Empty(t, folder.Decoder(), "there is no checkpoint")
		c := smallTraining()
		var rt Runtime
		rt.Dir, c.Epochs, c.EvaluateEvery = folder, 1, 0
		_, err = Train(t.Context(), test.src, test.held, smallTask(), c, rt)
		require.NoError(t, err)
		assert.Equal(t, test.want, folder.Decoder())
		require.NoError(t, folder.Close())
	}
}

func TestCheckpointOfAnotherVersion(t *testing.T) {
	dir := stopped(t)
	newest := filepath.Join(dir, "checkpoint-5")
	b, err := os.ReadFile(newest)
	require.NoError(t, err)
	binary.LittleEndian.PutUint32(b[len(checkpointMagic):], 8)
	require.NoError(t, os.WriteFile(newest, seal(b), 0o644))
	_, err = keepRun(t.Context(), dir, resumableSource, resumable(), Runtime{})
	for _, want := range []string{"darts: ", newest, "version 8", "want 1"} {
		assert.ErrorContains(t, err, want)
	}
}

func TestOpenRunDir(t *testing.T) {
	// What was killed before its first checkpoint begins anew.
	dir := filepath.Join(t.TempDir(), "run")
	folder, err := OpenRunDir(dir)
	require.NoError(t, err)
	require.False(t, folder.HasRun())
	require.NoError(t, folder.record(record.Warning{Text: "of the first attempt"}))
	require.NoError(t, folder.Close())
	half := filepath.Join(dir, ".checkpoint-3.0123456789abcdef.tmp")
	require.NoError(t, os.WriteFile(half, []byte("ha"), 0o644))
	_, err = keepRun(t.Context(), dir, resumableSource, resumable(), Runtime{})
	require.NoError(t, err)
	whole := filepath.Join(t.TempDir(), "run")
	_, err = keepRun(t.Context(), whole, resumableSource, resumable(), Runtime{})
	require.NoError(t, err)
	assertSame(t, contents(t, whole), contents(t, dir))
}

// blank is a search without a network: five numbers and nothing else.
func blank(t testing.TB) *search {
	p := ops.NewParams()
	require.NoError(t, p.Init(0))
	images, err := loader.New(stripes{n: 8, fail: -1}, smallTask(), loader.All(stripes{n: 8}), loader.Options{Batch: 2, Workers: 1, Train: true})
	require.NoError(t, err)
	s := &search{
		m: &model{Engine: &engine.Engine{Params: p}}, result: &SearchResult{},
		trainLoader: images,
		rule:        &bilevel{velocity: []float32{1, 2}, mean: []float32{3}, squares: []float32{4, 5}},
	}
	s.run = run{phase: s, epochs: 3, identity: []byte(`{"config":{"seed":1}}`)}
	return s
}

// FuzzCheckpoint restores arbitrary bytes, with a good checksum if seal is set.
// What is refused changes nothing; what is taken is written again as it was.
func FuzzCheckpoint(f *testing.F) {
	s := blank(f)
	s.epoch, s.step, s.complete, s.rule.archSteps, s.trainMean = 1, 3, 1, 2, engine.Mean{Loss: 1.5, Score: 2, Count: 3}
	var b bytes.Buffer
	require.NoError(f, s.checkpoint(&b, 99))
	f.Add(b.Bytes(), false)
	f.Add(b.Bytes(), true)
	f.Add(b.Bytes()[:b.Len()-8], true)
	f.Add([]byte(checkpointMagic+"\x01\x00\x00\x00\xff\xff\xff\xff{}    "), true)
	f.Add([]byte(checkpointMagic+"\x02\x00\x00\x00\x02\x00\x00\x00{}    "), true)
	f.Fuzz(func(t *testing.T, b []byte, sealed bool) {
		if sealed && len(b) >= checkpointTrailer {
			b = seal(b)
		}
		s := blank(t)
		metrics, err := s.restore(bytes.NewReader(b), int64(len(b)), 1000)
		if err != nil {
			assert.Equal(t, blank(t), s)
			return
		}
		var again bytes.Buffer
		require.NoError(t, s.checkpoint(&again, metrics))
		const arrays = 4*5 + checkpointTrailer
		body := func(b []byte) []byte { return b[len(b)-arrays : len(b)-checkpointTrailer] }
		require.Equal(t, body(b), body(again.Bytes()))
		var h, g header
		require.NoError(t, checkpoint.ReadHeader(bytes.NewReader(b), int64(len(b)), &h))
		require.NoError(t, checkpoint.ReadHeader(bytes.NewReader(again.Bytes()), int64(again.Len()), &g))
		var read, written searchState
		require.NoError(t, json.Unmarshal(h.At.State, &read))
		require.NoError(t, json.Unmarshal(g.At.State, &written))
		require.Equal(t, read, written)
		h.At.Elapsed, h.At.Lap, h.At.State = g.At.Elapsed, g.At.Lap, g.At.State
		require.Equal(t, h.At, g.At)
	})
}

// TestRestoreTakesNoMemoryThatAFileAsksFor gives a header that promises more than there is.
func TestRestoreTakesNoMemoryThatAFileAsksFor(t *testing.T) {
	s := blank(t)
	var b bytes.Buffer
	require.NoError(t, s.checkpoint(&b, 0))
	forged := replaced(`"name":"velocity","len":2`, `"name":"velocity","len":2000000000000`)(b.Bytes())
	_, err := s.restore(bytes.NewReader(forged), int64(len(forged)), 0)
	assert.ErrorContains(t, err, "not those of the network")
}
