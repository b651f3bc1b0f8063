package ops

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
)

// MeanSquaredError returns the mean of (x-y)² over the elements of predictions x and
// float targets y of equal shape, with the number of images first. Targets equal to
// ignore do not count, such as those of visible blocks (see pretext.IgnoreValue); with
// NaN all count. The score is the sum of the squared errors, "mse"; lower is better.
func MeanSquaredError(x, y *gorgonia.Node, ignore float32) (Loss, error) {
	for _, n := range []*gorgonia.Node{x, y} {
		if err := needFloats(n); err != nil {
			return Loss{}, fmt.Errorf("ops: mean squared error: %w", err)
		}
	}
	return valued(Metric{Name: "mse", LowerIsBetter: true}, squaredError{ignore}, x, y)
}

// valued applies the kernel of a loss with the outputs Value, Score and Count.
func valued(m Metric, k Kernel, in ...*gorgonia.Node) (Loss, error) {
	out, err := Apply(k, in...)
	if err != nil {
		return Loss{}, err
	}
	return Loss{Value: out[0], Score: out[1], Count: out[2], Metric: m}, nil
}

// squaredError computes a mean squared error. Inputs: predictions, targets. Outputs:
// loss, sum of squares, count.
type squaredError struct{ ignore float32 }

func (k squaredError) Name() string {
	return fmt.Sprintf("mean squared error ignoring %v", k.ignore)
}

func (k squaredError) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if in[0].Dims() == 0 || !in[0].Eq(in[1]) {
		return nil, fmt.Errorf("predictions of shape %v and targets of shape %v; want equal shapes [N, ...]", in[0], in[1])
	}
	count := tensor.Shape{}
	if in[0].TotalSize() > ir.ExactCount {
		count = tensor.Shape{2}
	}
	return []tensor.Shape{{}, {}, count}, nil
}

// squaresAtATime is the number of squares in a partial sum: sums do not depend on the
// number of cores.
const squaresAtATime = 1 << 13

func (k squaredError) each(r *Run, n int, f func(task, from, to int)) {
	r.Parallel((n+squaresAtATime-1)/squaresAtATime, func(i int) {
		f(i, i*squaresAtATime, min((i+1)*squaresAtATime, n))
	})
}

func (k squaredError) Forward(r *Run, out, in []Array) error {
	x, y := in[0].Data, in[1].Data
	type part struct {
		sum   float64
		count int
	}
	parts := make([]part, (len(x)+squaresAtATime-1)/squaresAtATime)
	k.each(r, len(x), func(task, from, to int) {
		var p part
		for i := from; i < to; i++ {
			if y[i] != k.ignore {
				d := float64(x[i]) - float64(y[i])
				p.sum += float64(d * d)
				p.count++
			}
		}
		parts[task] = p
	})
	var all part
	for _, p := range parts {
		all.sum += p.sum
		all.count += p.count
	}
	out[0].Data[0] = float32(all.sum / float64(max(1, all.count)))
	out[1].Data[0] = float32(all.sum)
	cpuexec.SetCount(out[2].Data, all.count)
	return nil
}

func (k squaredError) Backward(r *Run, grads []Array, gy Array, in, out []Array) error {
	var count float64
	for _, c := range out[2].Data {
		count += float64(c)
	}
	factor := 2 * float64(gy.Data[0]) / math.Max(1, count)
	x, y := in[0].Data, in[1].Data
	for side, sign := range []float64{1, -1} {
		g := grads[side].Data
		k.each(r, len(g), func(_, from, to int) {
			for i := from; i < to; i++ {
				g[i] = 0
				if y[i] != k.ignore {
					g[i] = float32(sign * factor * (float64(x[i]) - float64(y[i])))
				}
			}
		})
	}
	return nil
}
