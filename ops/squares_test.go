package ops_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
	"unnas/ops/optest"
)

// meanSquares is the definition of the mean squared error.
func meanSquares(x, y []float64, ignore float64) (loss, sum float64, count int) {
	for i := range x {
		if y[i] != ignore {
			sum += (x[i] - y[i]) * (x[i] - y[i])
			count++
		}
	}
	return sum / math.Max(1, float64(count)), sum, count
}

func TestMeanSquaredError(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		ignore  float32
		ignored func(i int) bool
	}{
		"all count":   {nan, func(int) bool { return false }},
		"some count":  {-math.MaxFloat32, func(i int) bool { return i%3 == 1 }},
		"none counts": {-1, func(int) bool { return true }},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNet(t)
			x := n.maps("x", 3, 2, 5, 4)
			targets := make([]float32, 120)
			r := rand.New(rand.NewPCG(1, 2))
			for i := range targets {
				if targets[i] = float32(r.NormFloat64()); c.ignored(i) {
					targets[i] = c.ignore
				}
			}
			y := n.values("y", targets, 3, 2, 5, 4)
			l, err := ops.MeanSquaredError(x, y, c.ignore)
			require.NoError(t, err)
			assert.Equal(t, ops.Metric{Name: "mse", LowerIsBetter: true}, l.Metric)
			_, err = gorgonia.Grad(l.Value, x, y)
			require.NoError(t, err)
			n.run(l.Value, l.Score, l.Count, x.Deriv(), y.Deriv())
			a, b := float64s(value(x)), float64s(targets)
			loss, sum, count := meanSquares(a, b, float64(c.ignore))
			requireClose(t, []float64{loss, sum, float64(count)}, []float32{value(l.Value)[0], value(l.Score)[0], value(l.Count)[0]})
			gradient := differences(a, func() float64 { f, _, _ := meanSquares(a, b, float64(c.ignore)); return f })
			requireClose(t, gradient, value(x.Deriv()))
			for i := range gradient {
				gradient[i] = -gradient[i]
			}
			requireClose(t, gradient, value(y.Deriv()))
		})
	}
}

func TestMeanSquaredErrorConforms(t *testing.T) {
	optest.RunGraph(t, func(_ *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
		l, err := ops.MeanSquaredError(in[0], in[1], float32(math.NaN()))
		return l.Value, err
	}, ops.Array{Shape: tensor.Shape{2, 50, 7, 29}}, ops.Array{Shape: tensor.Shape{2, 50, 7, 29}}) // more than one core takes at a time
}

// TestMeanSquaredErrorCountsManyTargets beyond what a float32 counts.
func TestMeanSquaredErrorCountsManyTargets(t *testing.T) {
	n := newNet(t)
	const many = 1<<24 + 3
	zeros := make([]float32, many)
	l, err := ops.MeanSquaredError(n.values("x", zeros, 1, many), n.values("y", zeros, 1, many), float32(math.NaN()))
	require.NoError(t, err)
	n.run(l.Count)
	count, err := ops.Count(l.Count)
	require.NoError(t, err)
	assert.EqualValues(t, many, count)
}

func TestMeanSquaredErrorRefuses(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 6, 4)
	_, err := ops.MeanSquaredError(x, n.maps("y", 4, 6), 0)
	assert.ErrorContains(t, err, "predictions of shape (6, 4) and targets of shape (4, 6); want equal shapes [N, ...]")
	_, err = ops.MeanSquaredError(x, nil, 0)
	assert.ErrorContains(t, err, "nil node")
	_, err = ops.MeanSquaredError(n.labels("labels", make([]int32, 24), 6, 4), x, 0)
	assert.ErrorContains(t, err, "int32")
}

func ExampleMeanSquaredError() {
	var loss ops.Loss
	g := gorgonia.NewGraph()
	err := ops.Build(func() error {
		x, err := ops.Values(g, "predictions", 1, 3)
		if err != nil {
			return err
		}
		y, err := ops.Values(g, "targets", 1, 3)
		if err != nil {
			return err
		}
		if loss, err = ops.MeanSquaredError(x, y, -1); err != nil {
			return err
		}
		if err := ops.Bind(x, []float32{5, 2, 7}); err != nil {
			return err
		}
		return ops.Bind(y, []float32{5, 6, -1}) // the last does not count
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := ops.NewVM(g, loss.Value, loss.Score, loss.Count)
	if err == nil {
		err = m.RunAll()
	}
	fmt.Println(loss.Value.Value(), loss.Score.Value(), loss.Count.Value(), loss.Metric.Name, err)
	// Output: 8 16 2 mse <nil>
}
