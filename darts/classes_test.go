package darts

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/dataset"
	"unnas/darts/record"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// classed are stripes whose labels have names.
type classed struct {
	stripes
	names []string
}

func (c classed) Classes() []string { return c.names }

func (c classed) Load(ctx context.Context, i int) (*pretext.Image, error) {
	img, err := c.stripes.Load(ctx, i)
	if err == nil {
		img.Label = i % len(c.names)
	}
	return img, err
}

// A listening task keeps the labels of images that a network is evaluated on.
type listening struct {
	pretext.Classification
	lock *sync.Mutex
	seen *[]int
}

func (l listening) Sample(dst pretext.Sample, img *pretext.Image, train bool, r *rand.Rand) error {
	if !train {
		l.lock.Lock()
		*l.seen = append(*l.seen, img.Label)
		l.lock.Unlock()
	}
	return l.Classification.Sample(dst, img, train, r)
}

// TestClassesOfBothSources evaluates labels by the names that they have.
func TestClassesOfBothSources(t *testing.T) {
	train := classed{stripes{n: 12, fail: -1}, []string{"a", "b", "c"}}
	for name, test := range map[string]struct {
		held    Source
		want    []int
		warning string
	}{
		"the same":      {classed{stripes{n: 3, fail: -1}, []string{"a", "b", "c"}}, []int{0, 1, 2}, ""},
		"one missing":   {classed{stripes{n: 4, fail: -1}, []string{"a", "c"}}, []int{0, 0, 2, 2}, "no image to evaluate on is of the classes b; labels are compared by the names of their classes"},
		"another order": {classed{stripes{n: 3, fail: -1}, []string{"c", "a", "b"}}, []int{0, 1, 2}, ""},
		"no names":      {stripes{n: 3, fail: -1}, []int{0, 1, 2}, ""},
		"a subset":      {dataset.Subset(classed{stripes{n: 4, fail: -1}, []string{"c", "a"}}, []int{0, 2}), []int{2, 2}, "no image to evaluate on is of the classes b; labels are compared by the names of their classes"},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []int
			task := listening{smallTask().(pretext.Classification), new(sync.Mutex), &seen}
			c := smallTraining()
			var rt Runtime
			c.Epochs = 1
			warning := ""
			rt.Recorder = record.Func(func(e record.Event) error {
				if w, is := e.(record.Warning); is {
					warning += w.Text
				}
				return nil
			})
			_, err := Train(t.Context(), train, test.held, task, c, rt)
			require.NoError(t, err)
			slices.Sort(seen)
			assert.Equal(t, test.want, seen)
			assert.Equal(t, test.warning, warning)
		})
	}
}

// TestClassesThatDiffer refuses labels that mean nothing to the network.
func TestClassesThatDiffer(t *testing.T) {
	train := classed{stripes{n: 12, fail: -1}, []string{"a", "b", "c"}}
	more := classed{stripes{n: 6, fail: -1}, []string{"a", "x", "b", "y"}}
	fewer := classed{stripes{n: 6, fail: -1}, []string{"a", "b"}}
	maps := segmentation.Task{Transform: pretext.CityscapesTransform(64, 64), ASPP: segmentation.SearchASPP(3)}
	rotation := pretext.Rotation{Transform: pretext.ScenesTransform(8)}
	for name, test := range map[string]struct {
		src, held Source
		task      pretext.Task
		want      string
	}{
		"unknown classes":  {train, more, smallTask(), "darts: the images to evaluate on have classes that the images to train on lack: x, y; remove them"},
		"maps of labels":   {train, fewer, maps, "darts: the images to train on have the classes a, b, c, those to evaluate on a, b; give both the same"},
		"a name twice":     {classed{train.stripes, []string{"a", "b", "a"}}, fewer, smallTask(), "give both the same"},
		"no labels needed": {train, more, rotation, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := smallTraining()
			c.Epochs = 1
			_, err := Train(t.Context(), test.src, test.held, test.task, c, Runtime{})
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
		})
	}
}

// replacing are images of which some are replaced.
type replacing struct {
	stripes
	count *atomic.Int64
}

func (r replacing) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if i%5 == 0 {
		r.count.Add(1)
	}
	return r.stripes.Load(ctx, i)
}

func (r replacing) Unreadable() (int, []string) {
	if r.count.Load() == 0 {
		return 0, nil
	}
	return int(r.count.Load()), []string{"n01440764/1.JPEG"}
}

// TestReplacedImages warns of them: early, and after each epoch with more of them.
func TestReplacedImages(t *testing.T) {
	warnings := func(run func(record.Recorder) error) (all []string) {
		require.NoError(t, run(record.Func(func(e record.Event) error {
			if w, is := e.(record.Warning); is {
				all = append(all, w.Text)
			}
			if _, is := e.(record.Epoch); is {
				all = append(all, "epoch")
			}
			return nil
		})))
		return all
	}
	c := smallTraining()
	rt := Runtime{Workers: 1}
	c.Epochs, c.EvaluateEvery = 2, 0
	src := dataset.Subset(replacing{stripes{n: 18, fail: -1}, new(atomic.Int64)}, []int{0, 1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13})
	got := warnings(func(r record.Recorder) error {
		rt.Recorder = r
		_, err := Train(t.Context(), src, nil, smallTask(), c, rt)
		return err
	})
	const text = "images that cannot be decoded were replaced by others: "
	require.Len(t, got, 4)
	assert.Equal(t, text+"1 so far, such as n01440764/1.JPEG", got[0])
	assert.Equal(t, []string{"epoch", "epoch", text + "2 so far, such as n01440764/1.JPEG"}, got[1:])

	search := smallConfig()
	search.Epochs = 1
	got = warnings(func(r record.Recorder) error {
		rt.Recorder = r
		_, err := Search(t.Context(), replacing{stripes{n: 24, fail: -1}, new(atomic.Int64)}, smallTask(), search, rt)
		return err
	})
	assert.Contains(t, got[0], text)
}

// An asking task measures networks by what it learns of the images.
type asking struct {
	pretext.Task
	asked *[]string
}

func (asking) Metric() (string, bool) { return "answers", false }

func (a asking) Evaluate(_ context.Context, _ cell.Architecture, _ *ops.Params, held pretext.Source, _ string) (func(context.Context, []int) ([]float64, error), int64, error) {
	*a.asked = about(held).Classes()
	return func(context.Context, []int) ([]float64, error) { return []float64{1}, nil }, 0, nil
}

func (asking) Scores(counts []float64) map[string]float64 {
	return map[string]float64{"answers": counts[0]}
}

// TestEvaluatorAsks hands on what a source says of itself.
func TestEvaluatorAsks(t *testing.T) {
	var asked []string
	held := classed{stripes{n: 4, fail: -1}, []string{"c", "a"}}
	train := classed{stripes{n: 12, fail: -1}, []string{"a", "b", "c"}}
	c := smallTraining()
	c.Epochs = 1
	for want, src := range map[string]Source{"[c a]": stripes{n: 12, fail: -1}, "[a b c]": train} {
		_, err := Train(t.Context(), src, held, asking{smallTask(), &asked}, c, Runtime{})
		require.NoError(t, err)
		assert.Equal(t, want, fmt.Sprint(asked))
	}
}
