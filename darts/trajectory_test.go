package darts

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/internal/golden"
	"unnas/internal/rng"
	"unnas/ops"
)

// TestGoldenTrajectory runs some steps of the search's own update rule from
// recorded weights on recorded batches.
func TestGoldenTrajectory(t *testing.T) {
	for _, file := range golden.Files(t) {
		c := golden.Read(t, file)
		if c.Kind != "trajectory" {
			continue
		}
		t.Run(golden.Name(file), func(t *testing.T) {
			m := follow(t, c)
			for _, q := range m.params.List() {
				out := make([]float32, q.Shape.TotalSize())
				require.NoError(t, q.Publish(out, m.params.Data(q)))
				c.Check(t, "final.param."+q.Name, out)
			}
			g, err := m.net.Genotype()
			require.NoError(t, err)
			assert.Equal(t, c.Genotype.Normal, g.Normal)
			assert.Equal(t, c.Genotype.Reduce, g.Reduce)
			t.Logf("largest error is %.3f of the allowed one", c.Worst)
		})
	}
}

// follow runs the steps of a trajectory, and compares their losses.
func follow(t *testing.T, c *golden.Case) *model {
	config := DARTS()
	config.Space = cell.DARTS(c.Stem, c.Width, c.Depth)
	config.Space.Body, config.Batch, config.ArchLR = c.Body(), c.Batch, c.ArchLR
	m, err := newModel(config, c.Problem("step.0.train.input", "step.0.train.target"))
	require.NoError(t, err)
	c.Adopt(t, m.params)
	r := &replay{model: m, c: c, t: t}
	rule := newBilevel(config, m.team, r)
	for r.step = range c.Steps {
		require.NoError(t, rule.arch(r, c.LR))
		require.NoError(t, rule.weights(r, c.LR))
	}
	return m
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
			space.Body = g.Body()
			_, _, err := build(p, space, ops.Softmax, g.Problem("step.0.train.input", "step.0.train.target"), g.Batch)
			require.NoError(t, err)
			for _, q := range p.List() {
				g.Tensors["param."+q.Name] = draw(q.PublishedShape())
			}
			m := follow(t, g)
			assert.Greater(t, g.Worst, 0.0, "the losses were compared")
			for _, v := range m.params.Weights() {
				require.True(t, isFinite(float64(v)))
			}
		})
	}
}

// replay is an objective with the batches of a golden case.
type replay struct {
	*model
	c    *golden.Case
	t    *testing.T
	step int
}

func (r *replay) Weights() (values, grads []float32) {
	return r.params.Weights(), r.params.WeightGrads()
}

func (r *replay) Alphas() (values, grads []float32) { return r.params.Alphas(), r.params.AlphaGrads() }

func (r *replay) TrainGrad() error { return r.grad("train") }

func (r *replay) HeldGrad() error { return r.grad("val") }

func (r *replay) Trial(trial) error { return errors.New("the golden cases are of first order") }

func (r *replay) grad(half string) error {
	name := fmt.Sprintf("step.%d.%s", r.step, half)
	machine := r.model.weights
	if half == "val" {
		machine = r.model.alphas
	}
	p, err := r.run(machine, &batch{X: r.c.Tensors[name+".input"].NHWC(), Y: r.c.Tensors[name+".target"].I})
	if err != nil {
		return err
	}
	r.c.Check(r.t, name+"_loss", []float32{float32(p.loss)})
	return nil
}
