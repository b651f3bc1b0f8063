package darts

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/internal/golden"
	"unnas/pretext"
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
			view := pretext.View{Height: c.Size[0], Width: c.Size[1], Std: [3]float64{1, 1, 1}, Crop: pretext.CropNone}
			task := pretext.Classification{View: view, Classes: c.Classes}
			config := DARTS()
			config.Space, config.Batch, config.ArchLR = cell.DARTS(c.Stem, c.Width, c.Depth), c.Batch, c.ArchLR
			m, err := newModel(config, task)
			require.NoError(t, err)
			c.Adopt(t, m.params)
			r := &replay{model: m, c: c, t: t}
			rule := newBilevel(config, m.team, r)
			for r.step = range c.Steps {
				require.NoError(t, rule.arch(r, c.LR))
				require.NoError(t, rule.weights(r, c.LR))
			}
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
