package darts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/record"
	"unnas/internal/engine"
	"unnas/internal/ranks/rankstest"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

var _ Communicator = (*rankstest.Rank)(nil)

// onRanks does a run on a number of ranks, which are goroutines, and returns the error of
// each. Rank 0 gets the directory, and all the same context.
func onRanks(t *testing.T, size int, dir string, run func(rank int, rt Runtime) error) []error {
	t.Helper()
	return rankstest.Run(size, func(r *rankstest.Rank) (err error) {
		rt := Runtime{Communicator: r, Workers: 1 + r.Rank()%2}
		if r.Rank() == 0 {
			if rt.Dir, err = OpenRunDir(dir); err != nil {
				r.Abort(err)
				return err
			}
			defer func() { err = errors.Join(err, rt.Dir.Close()) }()
		}
		return run(r.Rank(), rt)
	})
}

// phases are runs of six micro-batches, one of each kind.
func phases() map[string]func(ctx context.Context, rt Runtime) (*ops.Params, error) {
	search := func(c SearchConfig, task pretext.Task) func(ctx context.Context, rt Runtime) (*ops.Params, error) {
		return func(ctx context.Context, rt Runtime) (*ops.Params, error) {
			r, err := Search(ctx, resumableSource, task, c, rt)
			if r == nil {
				return nil, err
			}
			return r.Params, err
		}
	}
	train := func(c TrainConfig, task pretext.Task, src, val Source) func(ctx context.Context, rt Runtime) (*ops.Params, error) {
		return func(ctx context.Context, rt Runtime) (*ops.Params, error) {
			r, err := Train(ctx, src, val, task, c, rt)
			if r == nil {
				return nil, err
			}
			return r.Params, err
		}
	}
	all := map[string]func(ctx context.Context, rt Runtime) (*ops.Params, error){}
	for _, a := range []Algorithm{FirstOrder{}, SecondOrder{}, GDAS{}, DrNAS{}, SDARTSADV{0.1, 2}, OLES{2, 0.4}, PT{1}} {
		c := microBatch(a, 1)
		all[a.Name()] = search(c, smallTask())
	}
	measured := microBatch(DrNAS{}, 1)
	measured.StopEigenvalue, measured.Epochs = 0.75, 2
	all["DrNAS, measured"] = search(measured, smallTask())
	dropped := dropping()
	dropped.MicroBatch = 1
	all["PC-DARTS, skip dropout"] = search(dropped, smallTask())
	all["a task without labels"] = search(microBatch(FirstOrder{}, 1), pretext.Rotation{Transform: pretext.CIFAR10Transform()})

	c := smallTraining()
	c.MicroBatch, c.DropPath, c.EMADecay, c.PreciseBN, c.EvaluateEvery = 1, 0.4, 0.5, 5, 1
	all["training"] = train(c, smallTask(), stripes{n: 19, fail: -1}, stripes{n: 43, fail: -1})
	pixels := segmentation.Task{Transform: pretext.ScenesTransform(33), ASPP: segmentation.SearchASPP(3)}
	s := smallTraining()
	s.Batch, s.MicroBatch, s.Epochs, s.EvaluateEvery = 12, 2, 2, 1 // a pooling makes each image a pixel
	s.Network = cell.Network{Backbone: cell.Backbone{Stem: cell.ImageNetStem, Width: 4, Cells: 3, Reductions: []int{1}}, Genotype: c.Network.(cell.Network).Genotype, Ops: ops.All()}
	all["segmentation"] = train(s, pixels, masked{25}, masked{5})
	return all
}

// masked are images with masks of three classes, of which no two are equal.
type masked struct{ n int }

func (m masked) Len() int { return m.n }

func (m masked) Load(_ context.Context, i int) (*pretext.Image, error) {
	img := &pretext.Image{Width: 44, Height: 40, Pix: make([]uint8, 3*44*40), Mask: make([]uint8, 44*40)}
	for p := range img.Mask {
		img.Mask[p] = uint8((p/44 + p%44/(i+2)) % 3)
		for ch := range 3 {
			img.Pix[3*p+ch] = img.Mask[p]*80 + uint8(7*i+ch)
		}
	}
	return img, nil
}

// TestRanksGiveEqualBytes compares the run directories of one rank and of more.
func TestRanksGiveEqualBytes(t *testing.T) {
	for name, phase := range phases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var want map[string]string
			for _, size := range []int{1, 2, 3, 6} {
				dir := filepath.Join(t.TempDir(), "run")
				params := make([]*ops.Params, size)
				for rank, err := range onRanks(t, size, dir, func(rank int, rt Runtime) (err error) {
					params[rank], err = phase(t.Context(), rt)
					return err
				}) {
					require.NoError(t, err, "rank %d of %d", rank, size)
				}
				for _, p := range params {
					require.Equal(t, params[0].Weights(), p.Weights())
					require.Equal(t, params[0].Alphas(), p.Alphas())
					require.Equal(t, params[0].Running(), p.Running())
				}
				files := outcome(t, dir)
				if size == 1 {
					want = files
					continue
				}
				assertSame(t, want, files)
			}
		})
	}
}

// TestRanksResume stops a run on some ranks, by the context of one of them, and resumes it on
// other ranks.
func TestRanksResume(t *testing.T) {
	phase := phases()
	for name, sizes := range map[string][]int{"second-order": {2, 3, 1}, "training": {1, 6, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := filepath.Join(t.TempDir(), "run")
			require.NoError(t, errors.Join(onRanks(t, 1, whole, func(_ int, rt Runtime) error {
				_, err := phase[name](t.Context(), rt)
				return err
			})...))
			dir := filepath.Join(t.TempDir(), "run")
			for i, size := range sizes {
				var steps atomic.Int64
				for rank, err := range onRanks(t, size, dir, func(rank int, rt Runtime) error {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if rank == 0 && i < len(sizes)-1 {
						rt.Recorder = record.Func(func(e record.Event) error {
							if _, ok := e.(record.Step); ok {
								steps.Add(1)
							}
							return nil
						})
					}
					if rank == size-1 && i < len(sizes)-1 { // the last rank stops the run
						ctx = doneWhen{ctx, func() bool { return steps.Load() >= 2 }}
					}
					_, err := phase[name](ctx, rt)
					return err
				}) {
					if i == len(sizes)-1 {
						require.NoError(t, err)
						continue
					}
					require.ErrorIs(t, err, context.Canceled, "rank %d", rank)
					by, ok := RankError(err)
					require.Equal(t, size > 1, ok)
					if ok {
						assert.Equal(t, size-1, by)
					}
				}
			}
			assertSame(t, outcome(t, whole), outcome(t, dir))
		})
	}
}

// TestRanksResumeWhatHasEnded gives all ranks the result of a search that has ended early, by
// the skip connections of its last epoch. The first alphas have none.
func TestRanksResumeWhatHasEnded(t *testing.T) {
	c := microBatch(FirstOrder{}, 1)
	c.Space.Ops, c.Seed, c.ArchLR, c.StopSkips = ops.Set{ops.None(), ops.Skip(), ops.AvgPool(3), ops.MaxPool(3)}, 1, 0.1, 1
	dir := filepath.Join(t.TempDir(), "run")
	for range 2 {
		var results [2]*SearchResult
		require.NoError(t, errors.Join(onRanks(t, 2, dir, func(rank int, rt Runtime) (err error) {
			results[rank], err = Search(t.Context(), resumableSource, smallTask(), c, rt)
			return err
		})...))
		assert.Equal(t, 2, results[0].Epochs, "of 3")
		assert.Equal(t, results[0].Genotype, results[1].Genotype)
		assert.Equal(t, results[0].Normal, results[1].Normal)
		assert.Equal(t, results[0].Steps, results[1].Steps)
	}
}

// doneWhen is a context that is done once a condition holds, for those who ask Err.
type doneWhen struct {
	context.Context
	when func() bool
}

func (s doneWhen) Err() error {
	if s.when() {
		return context.Canceled
	}
	return nil
}

// TestRanksFail ends a run on all ranks by the fault of one, without waiting for ever.
func TestRanksFail(t *testing.T) {
	broken := func(rank, image int) func(int, Runtime) error {
		return func(r int, rt Runtime) error {
			src := resumableSource
			if r == rank {
				src.fail = image
			}
			_, err := Search(t.Context(), src, smallTask(), microBatch(FirstOrder{}, 1), rt)
			return err
		}
	}
	changed := func(change func(*SearchConfig)) func(int, Runtime) error {
		return func(r int, rt Runtime) error {
			c := microBatch(FirstOrder{}, 1)
			if r == 2 {
				change(&c)
			}
			_, err := Search(t.Context(), resumableSource, smallTask(), c, rt)
			return err
		}
	}
	for name, test := range map[string]struct {
		run  func(rank int, rt Runtime) error
		by   int
		want string
	}{
		"hyperparameters": {changed(func(c *SearchConfig) { c.Seed = 8 }), 2, "run.config.seed: 7 → 8\nstart all ranks with the same program"},
		"a bad one":       {changed(func(c *SearchConfig) { c.Epochs = 0 }), 2, "Epochs is 0"},
		"task": {func(r int, rt Runtime) error {
			task := smallTask().(pretext.Classification)
			task.Classes = 3 + r/2
			_, err := Search(t.Context(), resumableSource, task, microBatch(FirstOrder{}, 1), rt)
			return err
		}, 2, "run.params"},
		"images": {func(r int, rt Runtime) error {
			_, err := Search(t.Context(), stripes{n: 33 + r/2, fail: -1}, smallTask(), microBatch(FirstOrder{}, 1), rt)
			return err
		}, 2, "run.images: 33 → 34"},
		"no images": {func(r int, rt Runtime) error {
			var src Source
			if r != 1 {
				src = resumableSource
			}
			_, err := Search(t.Context(), src, smallTask(), microBatch(FirstOrder{}, 1), rt)
			return err
		}, 1, "the source of images is nil"},
		"a broken image": {broken(1, 20), 1, "this image is broken"},
		"a recorder": {func(r int, rt Runtime) error {
			n := 0
			rt.Recorder = record.Func(func(record.Event) error {
				if n++; n >= 9 {
					return fmt.Errorf("writing: %w", syscall.ENOSPC)
				}
				return nil
			})
			_, err := Search(t.Context(), resumableSource, smallTask(), microBatch(FirstOrder{}, 1), rt)
			return err
		}, 0, "no space left"},
		"no micro-batches": {func(_ int, rt Runtime) error {
			_, err := Search(t.Context(), resumableSource, smallTask(), microBatch(FirstOrder{}, 0), rt)
			return err
		}, -1, "Batch 6 with MicroBatch 0 goes through the network at once, which 3 ranks cannot share equally; set MicroBatch to 2 or to a divisor of it"},
		"too few micro-batches": {func(_ int, rt Runtime) error {
			_, err := Search(t.Context(), resumableSource, smallTask(), microBatch(FirstOrder{}, 3), rt)
			return err
		}, -1, "Batch 6 with MicroBatch 3 makes 2 micro-batches, which 3 ranks cannot share equally; set MicroBatch to 2 or"},
		"memory": {func(r int, rt Runtime) error {
			if r == 1 {
				rt.Memory = 1 << 16
			}
			_, err := Search(t.Context(), resumableSource, smallTask(), microBatch(FirstOrder{}, 1), rt)
			return err
		}, -1, "Memory is 64.0 KiB"},
		"an evaluation": {func(r int, rt Runtime) error {
			c := smallTraining()
			c.MicroBatch, c.EvaluateEvery = 2, 1
			val := stripes{n: 40, fail: -1}
			if r == 2 {
				val.fail = 17
			}
			_, err := Train(t.Context(), stripes{n: 19, fail: -1}, val, smallTask(), c, rt)
			return err
		}, 2, "this image is broken"},
		"a panic of an evaluator": {func(r int, rt Runtime) error {
			c := smallTraining()
			c.MicroBatch, c.EvaluateEvery = 2, 1
			var task pretext.Task = failing{smallTask(), false}
			if r != 1 {
				task = scored{smallTask(), "failures", false, map[string]float64{"failures": 1}}
			}
			_, err := Train(t.Context(), stripes{n: 19, fail: -1}, stripes{n: 3, fail: -1}, task, c, rt)
			return err
		}, -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for rank, err := range onRanks(t, 3, filepath.Join(t.TempDir(), "run"), test.run) {
				require.ErrorContains(t, err, test.want)
				if test.by < 0 {
					continue
				}
				by, ok := RankError(err)
				require.True(t, ok)
				assert.Equal(t, test.by, by)
				assert.Equal(t, rank != test.by || name == "hyperparameters" || name == "task" || name == "images",
					strings.Contains(err.Error(), fmt.Sprintf("rank %d", test.by)), "rank %d: %v", rank, err)
			}
		})
	}
}

// TestRanksNoticeOtherBits ends a run whose ranks no longer have the same weights.
func TestRanksNoticeOtherBits(t *testing.T) {
	for rank, err := range rankstest.Run(2, func(r *rankstest.Rank) error {
		s, err := newSearch(resumableSource, smallTask(), microBatch(FirstOrder{}, 1), Runtime{Communicator: r})
		if err != nil {
			return err
		}
		if r.Rank() == 1 {
			s.m.Params.Weights()[3] += 1e-3
		}
		_, err = s.search(t.Context())
		return err
	}) {
		require.ErrorContains(t, err, "checksums after epoch 1: rank 1 differs", "rank %d", rank)
	}
}

// TestRanksStartFromTheSame gives all ranks the weights of rank 0, whose file may be
// another than theirs.
func TestRanksStartFromTheSame(t *testing.T) {
	r, err := Search(t.Context(), resumableSource, smallTask(), microBatch(FirstOrder{}, 1), Runtime{})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "weights.safetensors")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, r.Params.WriteSafetensors(f, nil))
	require.NoError(t, f.Close())
	var weights [2][]float32
	errs := rankstest.Run(2, func(r *rankstest.Rank) error {
		c := microBatch(FirstOrder{}, 1)
		c.Init = path
		s, err := newSearch(resumableSource, smallTask(), c, Runtime{Communicator: r})
		if err == nil {
			weights[r.Rank()] = slices.Clone(s.m.Params.Weights())
		}
		return err
	})
	require.NoError(t, errors.Join(errs...))
	assert.Equal(t, r.Params.Weights(), weights[0])
	assert.Equal(t, weights[0], weights[1])
}

// TestRanksResumeWithoutInit resumes a search whose first weights are gone.
func TestRanksResumeWithoutInit(t *testing.T) {
	r, err := Search(t.Context(), resumableSource, smallTask(), microBatch(FirstOrder{}, 1), Runtime{})
	require.NoError(t, err)
	c := microBatch(FirstOrder{}, 1)
	c.Init = filepath.Join(t.TempDir(), "weights.safetensors")
	f, err := os.Create(c.Init)
	require.NoError(t, err)
	require.NoError(t, errors.Join(r.Params.WriteSafetensors(f, nil), f.Close()))
	dir := filepath.Join(t.TempDir(), "run")
	for range 2 {
		require.NoError(t, errors.Join(onRanks(t, 2, dir, func(_ int, rt Runtime) error {
			_, err := Search(t.Context(), resumableSource, smallTask(), c, rt)
			return err
		})...))
		_ = os.Remove(c.Init)
	}
}

// TestRanksShareMemory divides the memory of a machine, unless a rank is given less.
func TestRanksShareMemory(t *testing.T) {
	equal := engine.Budget{}.Room() / 3
	for given, want := range map[int64]int64{0: equal, 1 << 20: 1 << 20, 3 * equal: equal} {
		var plans [3]Runtime
		require.NoError(t, errors.Join(rankstest.Run(3, func(r *rankstest.Rank) (err error) {
			rt := Runtime{Communicator: r}
			if r.Rank() == 1 {
				rt.Memory = given
			}
			plans[r.Rank()], err = rt.join(rt.group(), nil)
			return err
		})...))
		for _, rt := range plans {
			assert.Equal(t, want, rt.Memory)
		}
	}
}

// TestRanksLoads reports the load of each rank, which run directories do not keep.
func TestRanksLoads(t *testing.T) {
	var epochs []record.Epoch
	var steps []record.Step // the last of each epoch
	var start record.Start
	errs := onRanks(t, 3, filepath.Join(t.TempDir(), "run"), func(rank int, rt Runtime) error {
		rt.Recorder = record.Func(func(e record.Event) error {
			if rank > 0 {
				return errors.New("rank 0 has the word")
			}
			switch e := e.(type) {
			case record.Start:
				start = e
			case record.Step:
				if e.Step == e.Steps {
					steps = append(steps, e)
				}
			case record.Epoch:
				epochs = append(epochs, e)
			}
			return nil
		})
		_, err := Search(t.Context(), resumableSource, smallTask(), microBatch(FirstOrder{}, 1), rt)
		return err
	})
	require.NoError(t, errors.Join(errs...))
	assert.Equal(t, 3, start.Ranks)
	require.Len(t, epochs, 3)
	for i, e := range epochs {
		require.Len(t, e.Ranks, 3)
		for _, r := range e.Ranks {
			assert.Positive(t, r.ImagesPerSecond)
			assert.True(t, r.Waited > 0 && r.Waited < 1, "%v", r.Waited)
		}
		// The time of the epoch that follows from the load of rank 0 is between those of its
		// last step and of its end.
		own := float64(start.Batch * start.StepsPerEpoch / 3)
		seconds := own / e.Ranks[0].ImagesPerSecond / (1 - e.Ranks[0].Waited)
		assert.GreaterOrEqual(t, seconds*(1+1e-9), float64(start.Batch*start.StepsPerEpoch)/steps[i].ImagesPerSecond)
		assert.LessOrEqual(t, seconds, e.Elapsed.Seconds()*(1+1e-9))
	}
}

// TestRanksEvaluate compares the scores of a model on one rank and on more, on which each
// measures some of the images.
func TestRanksEvaluate(t *testing.T) {
	c := smallTraining()
	c.Epochs = 1
	trained, err := Train(t.Context(), stripes{n: 12, fail: -1}, nil, smallTask(), c, Runtime{})
	require.NoError(t, err)
	pixels := segmentation.Task{Transform: pretext.ScenesTransform(33), ASPP: segmentation.SearchASPP(3)}
	network := cell.Network{Backbone: cell.Backbone{Stem: cell.ImageNetStem, Width: 4, Cells: 3, Reductions: []int{1}}, Genotype: c.Network.(cell.Network).Genotype, Ops: ops.All()}
	params, err := NewParams(network, pixels, 3)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		model func() *Model
		src   Source
	}{
		"classes":                 {trained.Model, stripes{n: 27, fail: -1}}, // of four batches, the last on rank 0 again
		"fewer images than ranks": {func() *Model { return &Model{Architecture: network, Task: pixels, Params: params.Clone()} }, masked{2}},
		"pixels":                  {func() *Model { return &Model{Architecture: network, Task: pixels, Params: params.Clone()} }, masked{5}},
	} {
		want, err := test.model().Evaluate(t.Context(), test.src, Runtime{})
		require.NoError(t, err)
		var got [3]*Evaluation
		require.NoError(t, errors.Join(rankstest.Run(3, func(r *rankstest.Rank) (err error) {
			got[r.Rank()], err = test.model().Evaluate(t.Context(), test.src, Runtime{Communicator: r})
			return err
		})...))
		for _, e := range got {
			assert.Equal(t, fmt.Sprintf("%+v", *want), fmt.Sprintf("%+v", *e), name) // in which NaN is NaN
		}
		for rank, err := range rankstest.Run(2, func(r *rankstest.Rank) error {
			m := test.model()
			m.Params = m.Params.Clone()
			m.Params.Weights()[1] += float32(r.Rank())
			_, err := m.Evaluate(t.Context(), test.src, Runtime{Communicator: r})
			return err
		}) {
			require.ErrorContains(t, err, "rank 1 differs from rank 0 (rank 0 → rank 1):\nweights: ", "rank %d", rank)
		}
	}
}

// TestFirst calls on rank 0 before the others.
func TestFirst(t *testing.T) {
	var calls atomic.Int64
	var order [3]int64
	require.NoError(t, errors.Join(rankstest.Run(3, func(r *rankstest.Rank) error {
		return First(r, func() error {
			order[r.Rank()] = calls.Add(1)
			return nil
		})
	})...))
	assert.Equal(t, int64(1), order[0])
	assert.Equal(t, int64(3), calls.Load())
	for _, failing := range []int{0, 2} {
		for _, err := range rankstest.Run(3, func(r *rankstest.Rank) error {
			return First(r, func() error {
				if r.Rank() == failing {
					return errors.New("no such folder")
				}
				return nil
			})
		}) {
			assert.ErrorContains(t, err, "no such folder")
		}
	}
	for _, err := range rankstest.Run(3, func(r *rankstest.Rank) error {
		text, err := Share(r, func() (string, error) { return fmt.Sprintf("by rank %d", r.Rank()), nil })
		if text != "by rank 0" {
			return fmt.Errorf("got %q, %w", text, err)
		}
		_, err = Share(r, func() (string, error) { return "", errors.New("no folder") })
		return err
	}) {
		assert.ErrorContains(t, err, "no folder")
	}
	failed := errors.New("failed")
	assert.Equal(t, failed, First(nil, func() error { return failed }))
}
