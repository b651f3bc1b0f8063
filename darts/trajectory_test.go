package darts

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/internal/engine"
	"unnas/internal/format"
	"unnas/internal/golden"
	"unnas/internal/loader"
	"unnas/internal/ranks/rankstest"
	"unnas/internal/rng"
	"unnas/ops"
	"unnas/pretext"
)

// goldenBatch returns a batch that a golden case recorded.
func goldenBatch(c *golden.Case, step int, half string) *loader.Batch {
	name := fmt.Sprintf("step.%d.%s", step, half)
	return &loader.Batch{X: c.Tensors[name+".input"].NHWC(), Y: c.Tensors[name+".target"].I}
}

// published returns values of a parameter as they are published.
func published(t *testing.T, q *ops.Param, values []float32) []float32 {
	out := make([]float32, q.Shape.TotalSize())
	require.NoError(t, q.ToPyTorch(out, values))
	return out
}

var goldenAlgorithms = map[string]Algorithm{
	"": FirstOrder{}, "first_order": FirstOrder{}, "second_order": SecondOrder{}, "gdas": GDAS{}, "drnas": DrNAS{},
}

// TestGoldenTrajectories takes steps of searches from recorded weights on recorded
// batches. What an algorithm draws is what its reference was given.
func TestGoldenTrajectories(t *testing.T) {
	for _, file := range golden.Files(t) {
		c := golden.Read(t, file)
		if c.Kind != "trajectory" {
			continue
		}
		t.Run(golden.Name(file), func(t *testing.T) {
			m := follow(t, c)
			for _, q := range m.Params.List() {
				c.CheckFinal(t, "param", q.Name, published(t, q, m.Params.Data(q)))
			}
			for _, s := range m.Params.Stats() {
				if _, ok := c.Tensors["final.buffer."+s.Name+".running_mean"]; ok {
					c.Check(t, "final.buffer."+s.Name+".running_mean", s.Mean)
					c.Check(t, "final.buffer."+s.Name+".running_var", s.Var)
				}
			}
			if c.Genotype.Normal != nil {
				g, err := m.net.Genotype()
				require.NoError(t, err)
				assert.Equal(t, c.Genotype.Normal, g.Normal)
				assert.Equal(t, c.Genotype.Reduce, g.Reduce)
			}
			t.Logf("largest error is %.3f of the allowed one", c.Worst)
		})
	}
}

// follow takes the steps of a trajectory, and compares their losses. Ranks that share
// micro-batches must take equal ones, to the bit.
func follow(t *testing.T, c *golden.Case) *model {
	m, losses, err := stepsOf(t, c, Runtime{})
	require.NoError(t, err)
	for step, loss := range losses {
		c.Check(t, fmt.Sprintf("step.%d.train_loss", step), []float32{float32(loss[0])})
		c.Check(t, fmt.Sprintf("step.%d.val_loss", step), []float32{float32(loss[1])})
	}
	for size := 2; c.MicroBatch > 0 && size <= c.Batch/c.MicroBatch; size++ {
		if c.Batch/c.MicroBatch%size > 0 {
			continue
		}
		for rank, err := range rankstest.Run(size, func(r *rankstest.Rank) error {
			other, theirs, err := stepsOf(t, c, Runtime{Communicator: r})
			if err != nil {
				return err
			}
			assert.Equal(t, losses, theirs)
			assert.Equal(t, m.Params.Weights(), other.Params.Weights())
			assert.Equal(t, m.Params.Alphas(), other.Params.Alphas())
			assert.Equal(t, m.Params.Running(), other.Params.Running())
			return nil
		}) {
			require.NoError(t, err, "rank %d of %d", rank, size)
		}
	}
	return m
}

// stepsOf takes the steps of a trajectory on a rank, and returns the losses of training and
// of validation.
func stepsOf(t *testing.T, c *golden.Case, rt Runtime) (m *model, losses [][2]float64, err error) {
	config := DARTS()
	config.Space = cell.DARTS(c.Stem, c.Width, c.Depth)
	config.Space.Backbone, config.Batch, config.MicroBatch, config.ArchLR = c.Body(), c.Batch, c.MicroBatch, c.ArchLR
	if c.Algorithm != "" { // the file says more
		algorithm, known := goldenAlgorithms[c.Algorithm]
		require.True(t, known, c.Algorithm)
		config.Algorithms, config.Space.PartialChannels = Algorithms{algorithm}, c.Partial
		config.Momentum, config.WeightDecay, config.ArchWeightDecay, config.GradClip = c.Momentum, c.WeightDecay, c.ArchDecay, c.Clip
		config.Epochs, config.Seed = c.Epochs, c.Seed
	}
	if m, err = newModel(config, rt, c.Problem("step.0.train.input", "step.0.train.target")); err != nil {
		return nil, nil, err
	}
	c.Adopt(t, m.Params)
	s := &search{c: config, m: m, valBatches: &loader.Batches{}, result: &SearchResult{}}
	s.rule, err = newBilevel(config, m.rules, m.Engine, s)
	require.NoError(t, err)
	s.epoch = c.Epoch
	for s.step = range c.Steps {
		train := goldenBatch(c, s.step, "train").Part(m.Ranks.Rank(), m.Ranks.Size())
		val := goldenBatch(c, s.step, "val").Part(m.Ranks.Rank(), m.Ranks.Size())
		s.trainBatch, s.valBatch, s.trainMean, s.valMean = &train, &val, engine.Mean{}, engine.Mean{}
		if err := s.update(c.LR); err != nil {
			return nil, nil, err
		}
		trainLoss, _ := s.trainMean.Value()
		valLoss, _ := s.valMean.Value()
		losses = append(losses, [2]float64{trainLoss, valLoss})
	}
	return m, losses, nil
}

// TestTrajectoriesOfAllTasks follows cases of other tasks than the public one, which
// have other channels, inputs and labels. They demand nothing but finite weights.
func TestTrajectoriesOfAllTasks(t *testing.T) {
	for name, c := range map[string]struct {
		golden.Case
		input, target []int
	}{
		"one channel":  {golden.Case{Task: "cls", Classes: 3}, []int{2, 1, 9, 10}, []int{2}},
		"colorization": {golden.Case{Task: "col", Classes: 5}, []int{2, 1, 8, 11}, []int{2, 8, 11}},
		"jigsaw":       {golden.Case{Task: "jig", Classes: 24}, []int{2, 4, 3, 6, 7}, []int{2}},
		"segmentation": {golden.Case{Task: "seg", Classes: 4, ASPP: 3, Rates: []int{2}}, []int{2, 3, 10, 9}, []int{2, 10, 9}},
	} {
		t.Run(name, func(t *testing.T) {
			g := &c.Case
			g.Kind, g.Stem, g.Width, g.Depth, g.Batch, g.Steps = "trajectory", cell.CIFARStem, 2, 3, 2, 2
			g.LR, g.ArchLR, g.Tolerance, g.Floor = 0.01, 1e-3, 1e6, 1e6
			g.Tensors = map[string]golden.Tensor{}
			draw := func(shape []int) golden.Tensor {
				v := golden.Tensor{Shape: shape, F: make([]float32, tensor.Shape(shape).TotalSize())}
				v.I = make([]int32, len(v.F))
				r := rng.New(1, "trajectory", 0, len(g.Tensors))
				for i := range v.F {
					v.F[i], v.I[i] = float32(rng.Normal(r)), int32(rng.IntN(r, g.Classes))
				}
				return v
			}
			for step := range g.Steps {
				for _, half := range []string{"train", "val"} {
					at := fmt.Sprintf("step.%d.%s", step, half)
					g.Tensors[at+".input"], g.Tensors[at+".target"], g.Tensors[at+"_loss"] = draw(c.input), draw(c.target), draw([]int{1})
				}
			}
			p := ops.NewParams()
			space := cell.DARTS(g.Stem, g.Width, g.Depth)
			space.Backbone = g.Body()
			_, _, err := build(p, space, ops.Softmax, g.Problem("step.0.train.input", "step.0.train.target"), nil, g.Batch)
			require.NoError(t, err)
			for _, q := range p.List() {
				g.Tensors["param."+q.Name] = draw(q.PyTorchShape())
			}
			m := follow(t, g)
			assert.Greater(t, g.Worst, 0.0, "the losses were compared")
			for _, v := range m.Params.Weights() {
				require.True(t, format.Finite(float64(v)))
			}
		})
	}
}

// TestGoldenTrainings takes steps of trainings, with all that their configs have.
func TestGoldenTrainings(t *testing.T) {
	for _, file := range golden.Files(t) {
		c := golden.Read(t, file)
		if c.Kind != "training" {
			continue
		}
		t.Run(golden.Name(file), func(t *testing.T) {
			g, ok := cell.GenotypeByName("darts_v2")
			require.True(t, ok)
			body := cell.Backbone{Stem: c.Stem, Width: c.Width, Cells: c.Depth, Reductions: cell.Reductions(c.Depth, 2)}
			view := pretext.Transform{Height: c.Size[0], Width: c.Size[1], Std: [3]float64{1, 1, 1}, Crop: pretext.CropNone}
			task := pretext.Classification{Transform: view, Classes: c.Classes, Smoothing: c.Smoothing}
			tr := trainer(task, cell.Network{Backbone: body, Genotype: g, Ops: ops.All()}, c.Batch)
			tr.c.Momentum, tr.c.Nesterov, tr.c.WeightDecay, tr.c.GradClip = c.Momentum, c.Nesterov, c.WeightDecay, c.Clip
			tr.c.Auxiliary, tr.c.DropPath, tr.c.EMADecay = c.Auxiliary, c.DropPath, c.EMADecay
			tr.c.Epochs, tr.c.Seed = c.Epochs, c.Seed
			require.NoError(t, tr.plan(t.Context(), 0))
			c.Adopt(t, tr.Params)
			copy(tr.average, tr.Params.Weights())
			tr.epoch = c.Epoch
			for tr.step = range c.Steps {
				tr.batch, tr.mean = goldenBatch(c, tr.step, "train"), engine.Mean{}
				require.NoError(t, tr.update(c.LR))
				loss, _ := tr.mean.Value()
				c.Check(t, fmt.Sprintf("step.%d.train_loss", tr.step), []float32{float32(loss)})
			}
			check := func(kind string) {
				for _, q := range tr.Params.List() {
					c.CheckFinal(t, kind, q.Name, published(t, q, tr.Params.Data(q)))
				}
			}
			check("param")
			for _, s := range tr.Params.Stats() {
				c.Check(t, "final.buffer."+s.Name+".running_mean", s.Mean)
				c.Check(t, "final.buffer."+s.Name+".running_var", s.Var)
			}
			require.NoError(t, tr.swap())
			check("average")
			for _, s := range tr.Params.Stats() {
				c.Check(t, "final.average."+s.Name+".running_mean", s.Mean)
				c.Check(t, "final.average."+s.Name+".running_var", s.Var)
			}
			t.Logf("largest error is %.3f of the allowed one", c.Worst)
		})
	}
}
