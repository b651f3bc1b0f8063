package darts

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/pretext"
)

// BenchmarkStep times one bilevel step of the published CIFAR supernet on data
// in memory.
func BenchmarkStep(b *testing.B) {
	for _, batch := range []int{16, 64} {
		b.Run(fmt.Sprintf("cifar/batch=%d", batch), func(b *testing.B) {
			c := DARTS()
			task := pretext.Classification{View: pretext.CIFAR10(), Classes: 10}
			m, err := newModel(cell.DARTS(cell.CIFARStem, 16, 8), task, batch, 1)
			require.NoError(b, err)
			o := &fixed{model: m, batch: randomBatch(task, batch)}
			rule := newBilevel(c, m.team, o)
			step := func() {
				require.NoError(b, rule.arch(o))
				require.NoError(b, rule.weights(o, c.LR.Base))
			}
			step() // takes the memory
			b.ReportAllocs()
			b.ReportMetric(float64(m.bytes)/(1<<20), "planned-MiB")
			for b.Loop() {
				step()
			}
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
