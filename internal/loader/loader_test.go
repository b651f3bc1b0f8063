package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/internal/rng"
	"unnas/pretext"
)

// countedImages is a source whose image i has label i and one pixel. The
// function load, if there is one, is called first.
type countedImages struct {
	n    int
	load func(ctx context.Context, i int) error
}

func (s countedImages) Len() int { return s.n }

func (s countedImages) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if s.load != nil {
		if err := s.load(ctx, i); err != nil {
			return nil, err
		}
	}
	return &pretext.Image{Width: 1, Height: 1, Pix: make([]uint8, 3), Label: i}, nil
}

// tagTask writes the number of the image and a random number into every input
// value in training, and the number alone in evaluation.
type tagTask struct{ spec pretext.Spec }

func newTagTask() tagTask {
	return tagTask{pretext.Spec{Height: 2, Width: 3, Channels: 5, Inputs: 4, LabelShape: []int{4, 7}, Classes: 1000, TargetShape: []int{3, 2}}}
}

func (t tagTask) Spec() pretext.Spec { return t.spec }

func (t tagTask) Sample(dst pretext.Sample, img *pretext.Image, train bool, r *rand.Rand) error {
	for i := range dst.Inputs {
		dst.Inputs[i] = float32(img.Label)
		if train {
			dst.Inputs[i] += float32(rng.Float(r)) / 2
		}
	}
	for i := range dst.Labels {
		dst.Labels[i] = int32(img.Label)
	}
	for i := range dst.Targets {
		dst.Targets[i] = -float32(img.Label)
	}
	return nil
}

func (b *Batch) clone() Batch {
	return Batch{X: slices.Clone(b.X), Y: slices.Clone(b.Y), T: slices.Clone(b.T), Images: b.Images}
}

// collect returns copies of at most limit batches of an epoch.
func collect(t require.TestingT, l *Loader, epoch, skip, limit int) []Batch {
	b := l.Epoch(context.Background(), epoch, skip)
	defer b.Close()
	var all []Batch
	for len(all) < limit {
		got, err := b.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		all = append(all, got.clone())
	}
	return all
}

// checkGoroutines fails the test if it ends with more goroutines than it began with.
func checkGoroutines(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(5 * time.Second)
		for runtime.NumGoroutine() > before {
			if time.Now().After(deadline) {
				stacks := make([]byte, 1<<16)
				t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// wantBatches makes the batches of an epoch one image at a time, as documented.
func wantBatches(t require.TestingT, src pretext.Source, task pretext.TaskData, indices []int, o Options, epoch, limit int) []Batch {
	inputs, labels, targets := task.Spec().InputLen(), task.Spec().LabelLen(), task.Spec().TargetLen()
	var all []Batch
	for pass := 0; len(all) < limit && (pass == 0 || o.Wrap); pass++ {
		order := slices.Clone(indices)
		if o.Train {
			for i, j := range rng.Perm(rng.New(o.Seed, o.Purpose+" order", epoch, pass), len(indices)) {
				order[i] = indices[j]
			}
		}
		for chunk := range slices.Chunk(order, o.Batch) {
			if len(all) == limit || o.Train && len(chunk) < o.Batch {
				break
			}
			b := Batch{X: make([]float32, o.Batch*inputs), Y: make([]int32, o.Batch*labels), T: make([]float32, o.Batch*targets), Images: len(chunk)}
			for k := range o.Batch {
				i := chunk[k%len(chunk)]
				dst := pretext.Sample{Inputs: b.X[k*inputs:][:inputs], Labels: b.Y[k*labels:][:labels], Targets: b.T[k*targets:][:targets]}
				img, err := src.Load(context.Background(), i)
				require.NoError(t, err)
				require.NoError(t, task.Sample(dst, img, o.Train, rng.New(o.Seed, o.Purpose, epoch, i+pass*src.Len())))
				if k >= len(chunk) {
					for j := range dst.Labels {
						dst.Labels[j] = -1
					}
					for j := range dst.Targets {
						dst.Targets[j] = pretext.IgnoreValue
					}
				}
			}
			all = append(all, b)
		}
	}
	return all
}

func TestLoaderMatchesSequentialLoading(t *testing.T) {
	checkGoroutines(t)
	jitter := func(_ context.Context, i int) error { // images take different times
		for range i * 7 % 5 {
			runtime.Gosched()
		}
		return nil
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 23).Draw(t, "images")
		all := rapid.Permutation(indexRange(n+3)).Draw(t, "indices")
		src, indices := countedImages{n + 3, jitter}, all[:n]
		o := Options{
			Batch:   rapid.IntRange(1, n).Draw(t, "batch"),
			Seed:    rapid.Uint64().Draw(t, "seed"),
			Purpose: rapid.SampledFrom([]string{"weights", "alphas"}).Draw(t, "purpose"),
			Train:   rapid.Bool().Draw(t, "train"),
			Wrap:    rapid.Bool().Draw(t, "wrap"),
		}
		o.Workers = rapid.IntRange(1, 8).Draw(t, "workers")
		epoch := rapid.IntRange(0, 3).Draw(t, "epoch")

		l, err := New(src, newTagTask(), indices, o)
		require.NoError(t, err)
		limit := l.Steps()
		if o.Wrap {
			limit = 3*limit + 1
		}
		want := wantBatches(t, src, newTagTask(), indices, o, epoch, limit)
		require.Len(t, want, limit)
		require.Equal(t, want, collect(t, l, epoch, 0, limit))
		// A loader serves many epochs, and any part of one.
		skip := rapid.IntRange(0, limit).Draw(t, "skip")
		require.Len(t, collect(t, l, epoch+1, 0, 1), 1)
		rest := limit - skip
		if !o.Wrap {
			rest++ // there is no batch after the last
		}
		require.Equal(t, append([]Batch(nil), want[skip:]...), collect(t, l, epoch, skip, rest))
	})
}

// TestShards compares what ranks load with the batches of one.
func TestShards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, size := rapid.IntRange(1, 31).Draw(t, "images"), rapid.IntRange(1, 4).Draw(t, "ranks")
		whole := rapid.Bool().Draw(t, "whole")
		o := Options{Batch: size * rapid.IntRange(1, 3).Draw(t, "images of a rank"), Workers: rapid.IntRange(1, 3).Draw(t, "workers"), Seed: 5, Purpose: "weights", Train: true}
		if whole {
			o.Batch, o.Train = rapid.IntRange(1, n).Draw(t, "batch"), rapid.Bool().Draw(t, "train")
		} else {
			o.Wrap = rapid.Bool().Draw(t, "wrap")
		}
		if o.Train && o.Batch > n {
			t.Skip("too few images")
		}
		src := countedImages{n: n}
		all, err := New(src, newTagTask(), indexRange(n), o)
		require.NoError(t, err)
		limit := all.Steps()
		if o.Wrap {
			limit += 3
		}
		skip := 0
		if !whole {
			skip = rapid.IntRange(0, all.Steps()).Draw(t, "skip")
		}
		want := collect(t, all, 1, skip, limit)
		images := 0
		for rank := range size {
			o := o
			o.Shard = Shard{Rank: rank, Ranks: size, Whole: whole}
			l, err := New(src, newTagTask(), indexRange(n), o)
			require.NoError(t, err)
			require.Equal(t, all.Steps(), l.Steps())
			images += l.Images()
			got := collect(t, l, 1, skip, limit)
			if whole {
				var mine []Batch
				for i := rank; i < len(want); i += size {
					mine = append(mine, want[i])
				}
				require.Equal(t, mine, got)
				continue
			}
			require.Len(t, got, len(want))
			for i, b := range want {
				require.Equal(t, b.Part(rank, size), got[i])
			}
		}
		require.Equal(t, all.Images(), images)
	})
	for _, o := range []Options{
		{Batch: 5, Train: true, Shard: Shard{Ranks: 2}}, // no equal parts
		{Batch: 4, Shard: Shard{Ranks: 2}},              // the last batch may have fewer images
	} {
		o.Workers = 1
		_, err := New(countedImages{n: 9}, newTagTask(), indexRange(9), o)
		assert.ErrorContains(t, err, "cannot be divided between 2 ranks")
	}
}

func indexRange(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func TestLoaderWorkersGiveEqualBits(t *testing.T) {
	checkGoroutines(t)
	var want []Batch
	for workers := 1; workers <= 8; workers++ {
		l, err := New(countedImages{n: 29}, newTagTask(), indexRange(29),
			Options{Batch: 5, Workers: workers, Seed: 3, Purpose: "weights", Train: true})
		require.NoError(t, err)
		got := collect(t, l, 2, 0, 99)
		if workers == 1 {
			want = got
			require.Len(t, want, 5)
		}
		require.Equal(t, want, got, "%d workers", workers)
	}
}

func TestLoaderTrainingEpochs(t *testing.T) {
	l, err := New(countedImages{n: 17}, newTagTask(), indexRange(17),
		Options{Batch: 5, Workers: 2, Purpose: "weights", Train: true})
	require.NoError(t, err)
	require.Equal(t, 3, l.Steps())
	images := func(epoch int) []int32 {
		var s []int32
		for _, b := range collect(t, l, epoch, 0, 99) {
			require.Equal(t, 5, b.Images)
			for i := range b.Images {
				s = append(s, b.Y[i*4*7])
			}
		}
		return s
	}
	first, second := images(0), images(1)
	assert.NotEqual(t, first, second, "every epoch has its own order")
	for _, s := range [][]int32{first, second} {
		require.Len(t, s, 15, "the incomplete batch is dropped")
		slices.Sort(s)
		assert.Len(t, slices.Compact(s), 15, "no image comes twice")
	}
}

func TestLoaderPadsLastBatchOfEvaluation(t *testing.T) {
	l, err := New(countedImages{n: 9}, newTagTask(), []int{8, 3, 5, 1, 7}, Options{Batch: 3, Workers: 2, Purpose: "test"})
	require.NoError(t, err)
	got := collect(t, l, 0, 0, 99)
	require.Len(t, got, 2)
	assert.Equal(t, 3, got[0].Images)
	assert.Equal(t, 2, got[1].Images)
	inputs, labels := 4*2*3*5, 4*7
	for i, want := range []float32{1, 7, 1} {
		assert.Equal(t, want, got[1].X[i*inputs], "image %d", i)
		assert.Equal(t, want, got[1].X[(i+1)*inputs-1], "image %d", i)
	}
	for i, want := range []int32{1, 7, -1} {
		assert.Equal(t, want, got[1].Y[i*labels], "image %d", i)
		assert.Equal(t, want, got[1].Y[(i+1)*labels-1], "image %d", i)
	}
	for i, want := range []float32{-1, -7, pretext.IgnoreValue} {
		assert.Equal(t, want, got[1].T[i*6], "image %d", i)
		assert.Equal(t, want, got[1].T[i*6+5], "image %d", i)
	}
}

func TestLoaderEvaluationSmallerThanBatch(t *testing.T) {
	l, err := New(countedImages{n: 2}, newTagTask(), []int{0, 1}, Options{Batch: 5, Workers: 1, Purpose: "test"})
	require.NoError(t, err)
	got := collect(t, l, 0, 0, 99)
	require.Len(t, got, 1)
	assert.Equal(t, 2, got[0].Images)
}

func TestLoaderLoadsConcurrently(t *testing.T) {
	checkGoroutines(t)
	const workers = 4
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var meet sync.WaitGroup
	meet.Add(workers)
	all := make(chan struct{})
	go func() { meet.Wait(); close(all) }()
	src := countedImages{n: workers, load: func(ctx context.Context, _ int) error {
		meet.Done()
		select { // until all workers are here
		case <-all:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	l, err := New(src, newTagTask(), indexRange(workers), Options{Batch: 2, Workers: workers, Purpose: "test"})
	require.NoError(t, err)
	b := l.Epoch(ctx, 0, 0)
	defer b.Close()
	_, err = b.Next()
	require.NoError(t, err, "images are loaded one after the other")
}

func TestLoaderPrefetchLeavesGivenBatchAlone(t *testing.T) {
	var loads atomic.Int32
	src := countedImages{n: 100, load: func(context.Context, int) error { loads.Add(1); return nil }}
	l, err := New(src, newTagTask(), indexRange(100), Options{Batch: 4, Workers: 3, Purpose: "weights", Train: true})
	require.NoError(t, err)
	b := l.Epoch(context.Background(), 0, 0)
	defer b.Close()
	got, err := b.Next()
	require.NoError(t, err)
	before := got.clone()

	require.Eventually(t, func() bool { return loads.Load() == 3*4 }, 5*time.Second, time.Millisecond, "two batches are loaded ahead")
	time.Sleep(20 * time.Millisecond)
	assert.EqualValues(t, 3*4, loads.Load(), "and no more")
	assert.Equal(t, before, got.clone())
}

// bigTask has samples of a megabyte.
func bigTask() tagTask {
	return tagTask{pretext.Spec{Height: 256, Width: 256, Channels: 4, Inputs: 1, LabelShape: []int{1}, Classes: 2}}
}

func TestLoaderReusesBuffers(t *testing.T) {
	l, err := New(countedImages{n: 64}, bigTask(), indexRange(64), Options{Batch: 2, Workers: 2, Purpose: "test"})
	require.NoError(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b := l.Epoch(context.Background(), 0, 0)
	defer b.Close()
	for {
		_, err := b.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20), "bytes allocated by an epoch of 64 MiB")
}

func TestLoaderSourceError(t *testing.T) {
	checkGoroutines(t)
	broken := errors.New("broken file")
	src := countedImages{n: 24, load: func(_ context.Context, i int) error {
		if i == 18 || i == 19 {
			return fmt.Errorf("photo %d.jpg: %w", i, broken)
		}
		return nil
	}}
	for workers := 1; workers <= 8; workers++ {
		l, err := New(src, newTagTask(), indexRange(24), Options{Batch: 5, Workers: workers, Purpose: "test"})
		require.NoError(t, err)
		b := l.Epoch(context.Background(), 0, 0)
		for range 3 { // what comes before the error is not lost
			_, err = b.Next()
			require.NoError(t, err)
		}
		for range 2 { // an epoch that has failed has failed
			_, err = b.Next()
			require.ErrorIs(t, err, broken)
			assert.EqualError(t, err, "darts: load image 18: photo 18.jpg: broken file")
		}
		b.Close()
		// A later epoch does not see the error in the place of an image that it pads.
		assert.Len(t, collect(t, l, 1, 4, 99), 1)
	}
}

// taskFunc is a task with the sizes of tagTask.
type taskFunc func(img *pretext.Image) error

func (taskFunc) Spec() pretext.Spec { return newTagTask().spec }

func (f taskFunc) Sample(_ pretext.Sample, img *pretext.Image, _ bool, _ *rand.Rand) error {
	return f(img)
}

func TestLoaderFaultsOfUserCode(t *testing.T) {
	checkGoroutines(t)
	fault := errors.New("cannot")
	fine := taskFunc(func(*pretext.Image) error { return nil })
	tests := []struct {
		name string
		src  pretext.Source
		task pretext.TaskData
		want string
	}{
		{"task error", countedImages{n: 6}, taskFunc(func(img *pretext.Image) error {
			if img.Label == 4 {
				return fault
			}
			return nil
		}), "darts: sample image 4: cannot"},
		{"task panic", countedImages{n: 6}, taskFunc(func(img *pretext.Image) error {
			return []error{nil, nil, nil, nil}[img.Label]
		}), "darts: image 4: panic: runtime error: index out of range [4] with length 4"},
		{"source panic", countedImages{n: 6, load: func(_ context.Context, i int) error {
			if i == 4 {
				panic(fault)
			}
			return nil
		}}, fine, "darts: image 4: panic: cannot"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l, err := New(test.src, test.task, indexRange(6), Options{Batch: 3, Workers: 2, Purpose: "test"})
			require.NoError(t, err)
			b := l.Epoch(context.Background(), 0, 0)
			defer b.Close()
			_, err = b.Next()
			require.NoError(t, err)
			_, err = b.Next()
			require.Error(t, err)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// infinite is a task with a target that is no number, that of one image.
type infinite struct{ tagTask }

func (f infinite) Sample(dst pretext.Sample, img *pretext.Image, train bool, r *rand.Rand) error {
	err := f.tagTask.Sample(dst, img, train, r)
	if img.Label == 4 {
		dst.Targets[5] = float32(math.Inf(-1))
	}
	return err
}

func TestLoaderRefusesTargetsThatAreNotFinite(t *testing.T) {
	l, err := New(countedImages{n: 6}, infinite{newTagTask()}, indexRange(6), Options{Batch: 3, Workers: 2, Purpose: "test"})
	require.NoError(t, err)
	b := l.Epoch(context.Background(), 0, 0)
	defer b.Close()
	_, err = b.Next()
	require.NoError(t, err)
	_, err = b.Next()
	assert.EqualError(t, err, "darts: sample image 4: target 5 of [3 2] is -Inf, want a finite number or pretext.IgnoreValue")
}

func TestLoaderPanicShowsWhere(t *testing.T) {
	task := taskFunc(func(*pretext.Image) error { panic("bug") })
	l, err := New(countedImages{n: 1}, task, []int{0}, Options{Batch: 1, Workers: 1, Purpose: "test"})
	require.NoError(t, err)
	b := l.Epoch(context.Background(), 0, 0)
	defer b.Close()
	_, err = b.Next()
	assert.EqualError(t, err, "darts: image 0: panic: bug", "one line")
	var fault interface{ Stack() []byte }
	require.ErrorAs(t, err, &fault)
	assert.Contains(t, string(fault.Stack()), "loader_test.go", "the stack of the panic")
}

// TestLoaderKeepsManyWorkersBusy has small batches, as evaluation has, and workers for
// many of them: each has an image to load while a batch is in use.
func TestLoaderKeepsManyWorkersBusy(t *testing.T) {
	checkGoroutines(t)
	const workers = 20
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var all sync.WaitGroup
	all.Add(workers)
	src := countedImages{n: 2 + workers, load: func(ctx context.Context, i int) error {
		if i < 2 {
			return nil // the batch in use
		}
		all.Done()
		met := make(chan struct{})
		go func() { all.Wait(); close(met) }()
		select {
		case <-met:
		case <-ctx.Done():
			return ctx.Err()
		}
		return nil
	}}
	l, err := New(src, newTagTask(), indexRange(src.n), Options{Batch: 2, Workers: workers, Purpose: "test"})
	require.NoError(t, err)
	b := l.Epoch(ctx, 0, 0)
	defer b.Close()
	for range src.n / 2 {
		_, err = b.Next()
		require.NoError(t, err)
	}
	assert.Equal(t, Bytes(newTagTask().Spec(), nil, 2, workers), int64(len(l.ring))*2*l.each.bytes(), "and is planned")
	for _, c := range [][3]int{{1, 1, 3}, {64, 2, 3}, {64, 64, 3}, {8, 9, 4}, {8, 64, 10}, {1, 64, 66}} {
		assert.Equal(t, c[2], ringSize(c[0], c[1]), "%v", c)
	}
}

func TestLoaderCancel(t *testing.T) {
	checkGoroutines(t)
	newEpoch := func(ctx context.Context, load func(context.Context, int) error) *Batches {
		l, err := New(countedImages{20, load}, newTagTask(), indexRange(20), Options{Batch: 4, Workers: 3, Purpose: "test"})
		require.NoError(t, err)
		return l.Epoch(ctx, 0, 0)
	}
	hang := func(ctx context.Context, i int) error {
		if i < 4 {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	t.Run("before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		b := newEpoch(ctx, nil)
		defer b.Close()
		_, err := b.Next()
		assert.Equal(t, context.Canceled, err)
	})
	t.Run("while waiting", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		b := newEpoch(ctx, hang)
		defer b.Close()
		_, err := b.Next()
		require.NoError(t, err)
		time.AfterFunc(10*time.Millisecond, cancel)
		start := time.Now()
		_, err = b.Next()
		assert.Equal(t, context.Canceled, err)
		assert.Less(t, time.Since(start), 5*time.Second)
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		b := newEpoch(ctx, hang)
		defer b.Close()
		_, err := b.Next()
		for err == nil {
			_, err = b.Next()
		}
		assert.Equal(t, context.DeadlineExceeded, err)
	})
	t.Run("with a batch ready", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		b := newEpoch(ctx, nil)
		defer b.Close()
		_, err := b.Next()
		require.NoError(t, err)
		cancel()
		_, err = b.Next()
		assert.Equal(t, context.Canceled, err)
	})
	t.Run("source deaf to the context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		release := make(chan struct{})
		b := newEpoch(ctx, func(context.Context, int) error { <-release; return nil })
		time.AfterFunc(10*time.Millisecond, cancel)
		_, err := b.Next()
		assert.Equal(t, context.Canceled, err)
		close(release)
		b.Close()
	})
}

func TestLoaderCloseEarly(t *testing.T) {
	checkGoroutines(t)
	l, err := New(countedImages{n: 20}, newTagTask(), indexRange(20),
		Options{Batch: 2, Workers: 4, Purpose: "weights", Train: true, Wrap: true})
	require.NoError(t, err)
	for used := range 12 { // wherever it stops, the next epoch starts afresh
		b := l.Epoch(context.Background(), 0, 0)
		for range used {
			_, err := b.Next()
			require.NoError(t, err)
		}
		b.Close()
		b.Close()
	}
	require.Equal(t, wantBatches(t, l.src, l.task, l.indices, l.Options, 5, 12), collect(t, l, 5, 0, 12))
}

func TestLoaderBadSkip(t *testing.T) {
	checkGoroutines(t)
	for _, skip := range []int{-1, 4} {
		l, err := New(countedImages{n: 7}, newTagTask(), indexRange(7), Options{Batch: 2, Workers: 1, Train: true, Purpose: "weights"})
		require.NoError(t, err)
		b := l.Epoch(context.Background(), 0, skip)
		_, err = b.Next()
		assert.EqualError(t, err, fmt.Sprintf(
			"darts: cannot resume after %d of the 3 steps of an epoch: the run had other data or another batch", skip))
		b.Close()
	}
}

// TestBatchPart divides a batch of four images with labels and targets.
func TestBatchPart(t *testing.T) {
	b := Batch{X: []float32{0, 1, 2, 3, 4, 5, 6, 7}, Y: []int32{0, 1, 2, 3}, T: []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, Images: 4}
	assert.Equal(t, Batch{X: []float32{4, 5, 6, 7}, Y: []int32{2, 3}, T: []float32{6, 7, 8, 9, 10, 11}, Images: 2}, b.Part(1, 2))
}

func TestNewLoaderErrors(t *testing.T) {
	good := Options{Batch: 4, Workers: 2, Purpose: "alphas", Train: true}
	tests := []struct {
		name    string
		indices []int
		change  func(*Options, *pretext.Spec)
		want    string
	}{
		{"no workers", indexRange(5), func(o *Options, _ *pretext.Spec) { o.Workers = 0 }, "darts: 0 loader workers, want 1 or more"},
		{"no batch", indexRange(5), func(o *Options, _ *pretext.Spec) { o.Batch = -2 }, "darts: a batch of -2 images, want 1 or more"},
		{"no images", nil, func(*Options, *pretext.Spec) {}, "darts: no images for alphas: add images or change the fraction"},
		{"no images to evaluate", nil, func(o *Options, _ *pretext.Spec) { o.Train = false }, "darts: no images for alphas: add images or change the fraction"},
		{"large batch", indexRange(3), func(*Options, *pretext.Spec) {}, "darts: a batch of 4 images is larger than the 3 images for alphas: lower the batch or add images"},
		{"no inputs", indexRange(5), func(_ *Options, s *pretext.Spec) { s.Inputs = 0 }, "darts: task: pretext: Spec.Inputs = 0, want 1 or more"},
		{"no labels", indexRange(5), func(_ *Options, s *pretext.Spec) { s.LabelShape = []int{4, 0} }, "darts: task: pretext: Spec.LabelShape = [4 0], want numbers of 1 or more and at most 1073741824 labels"},
		{"index too large", []int{0, 1, 2, 6}, func(*Options, *pretext.Spec) {}, "darts: image 6, want 0 to below the 6 images of the source"},
		{"index negative", []int{0, 1, -1, 2}, func(*Options, *pretext.Spec) {}, "darts: image -1, want 0 to below the 6 images of the source"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o, task := good, newTagTask()
			test.change(&o, &task.spec)
			_, err := New(countedImages{n: 6}, task, test.indices, o)
			assert.EqualError(t, err, test.want)
		})
	}
}

// closer counts how often it is closed.
type closer struct{ times atomic.Int32 }

func (c *closer) Close() error { c.times.Add(1); return nil }

// TestPeek gives the next batch once it is loaded, without taking it, and closes what a batch
// has sent before the memory gets another one.
func TestPeek(t *testing.T) {
	checkGoroutines(t)
	held := make(chan struct{})
	src := countedImages{n: 17, load: func(_ context.Context, i int) error {
		if i == 16 { // of the last batch, which is padded
			<-held
		}
		return nil
	}}
	l, err := New(src, newTagTask(), All(src), Options{Batch: 4, Workers: 2, Purpose: "test"})
	require.NoError(t, err)
	want := func() []Batch {
		close(held)
		defer func() { held = make(chan struct{}) }()
		return collect(t, l, 0, 0, 9)
	}()
	b := l.Epoch(t.Context(), 0, 0)
	defer b.Close()
	var sent []*closer
	for i := range want {
		if i == 4 {
			assert.Nil(t, b.Peek(), "it is not loaded")
			close(held)
		}
		require.Eventually(t, func() bool { return b.Peek() != nil }, time.Minute, time.Millisecond)
		ahead := b.Peek()
		assert.Equal(t, want[i], ahead.clone())
		sent = append(sent, new(closer))
		ahead.Sent = sent[i]
		got, err := b.Next()
		require.NoError(t, err)
		assert.Same(t, ahead, got)
		assert.Equal(t, want[i], got.clone())
		part := got.Part(1, 2)
		assert.Same(t, sent[i], part.Sent)
		assert.EqualValues(t, 0, sent[i].times.Load(), "it is in use")
	}
	assert.EqualValues(t, 1, sent[0].times.Load(), "its memory has had another batch")
	assert.Nil(t, b.Peek())
	_, err = b.Next()
	assert.ErrorIs(t, err, io.EOF)
}
