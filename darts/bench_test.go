package darts

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/pretext"
)

// BenchmarkStep times one bilevel step of the published supernets on a batch in
// memory. internal/peer measures the same steps in PyTorch.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		stem  cell.Stem
		view  pretext.View
		batch int
	}{
		{cell.CIFARStem, pretext.CIFAR10(), 16},
		{cell.CIFARStem, pretext.CIFAR10(), 64},
		{cell.ImageNetStem, pretext.ImageNet(224), 16},
	} {
		b.Run(fmt.Sprintf("%s/batch=%d", c.stem, c.batch), func(b *testing.B) {
			config := DARTS()
			task := pretext.Classification{View: c.view, Classes: 10}
			config.Space, config.Batch, config.Seed = cell.DARTS(c.stem, 16, 8), c.batch, 1
			m, err := newModel(config, task)
			require.NoError(b, err)
			o := &fixed{model: m, batch: randomBatch(task, c.batch)}
			rule := newBilevel(config, m.team, o)
			step := func() {
				require.NoError(b, rule.arch(o))
				require.NoError(b, rule.weights(o, config.LR.Base))
			}
			step() // touches the memory
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
			b.ReportMetric(float64(m.bytes)/(1<<20), "planned-MiB")
		})
	}
}

// fixed is an objective with one batch for everything.
type fixed struct {
	*model
	batch *batch
}

func randomBatch(task pretext.Task, n int) *batch {
	spec := task.Spec()
	b := &batch{X: make([]float32, n*spec.InputLen()), Y: make([]int32, n*spec.LabelLen()), Images: n}
	for i := range b.X {
		b.X[i] = float32((i*7919)%1000)/500 - 1
	}
	for i := range b.Y {
		b.Y[i] = int32(i % spec.Classes)
	}
	return b
}

func (f *fixed) Weights() (values, grads []float32) {
	return f.params.Weights(), f.params.WeightGrads()
}

func (f *fixed) Alphas() (values, grads []float32) { return f.params.Alphas(), f.params.AlphaGrads() }

func (f *fixed) TrainGrad() error {
	_, err := f.run(f.model.weights, f.batch)
	return err
}

func (f *fixed) HeldGrad() error {
	_, err := f.run(f.model.alphas, f.batch)
	return err
}
