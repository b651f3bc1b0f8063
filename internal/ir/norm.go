package ir

import (
	"fmt"
	"strings"
)

// Moments are the mean, the biased variance, and the rounding error of the mean of each
// channel of a map: [3, C].
type Moments struct{}

func (Moments) String() string { return "Moments" }

// Infer returns [3, C].
func (Moments) Infer(in []Shape) ([]Shape, error) { return []Shape{{3, in[0].Channels()}}, nil }

// BatchStatistics are what a batch normalisation (Ioffe and Szegedy, 2015, arXiv
// 1502.03167) normalises with in training: those of the batch. It moves the running
// statistics towards them. Inputs: the moments [3, C] of the map of Count values per
// channel, the running mean and variance [C]. Outputs: the statistics [3, C], which are
// mean, rounding error of the mean and reciprocal standard deviation; the new running
// mean and variance.
type BatchStatistics struct {
	Epsilon, Momentum float64
	Count             int
}

func (o BatchStatistics) String() string {
	return fmt.Sprintf("BatchStatistics{ε=%v momentum=%v n=%d}", o.Epsilon, o.Momentum, o.Count)
}

// Infer returns the shapes of the statistics and the states.
func (o BatchStatistics) Infer(in []Shape) ([]Shape, error) { return in, nil }

// States returns the running mean and variance.
func (o BatchStatistics) States() map[int]int { return map[int]int{1: 1, 2: 2} }

// Evaluation returns RunningStatistics.
func (o BatchStatistics) Evaluation() (Op, []int) { return RunningStatistics{o.Epsilon}, []int{1, 2} }

// RunningStatistics are what a batch normalisation normalises with in evaluation. Inputs:
// the running mean and variance [C]. Output: the statistics [3, C] as of
// BatchStatistics.
type RunningStatistics struct{ Epsilon float64 }

func (o RunningStatistics) String() string { return fmt.Sprintf("RunningStatistics{ε=%v}", o.Epsilon) }

// Infer returns [3, C].
func (o RunningStatistics) Infer(in []Shape) ([]Shape, error) {
	return []Shape{{3, in[0].Channels()}}, nil
}

// BatchNorm normalises each channel with given statistics. Inputs: x, statistics [3, C],
// scale and shift [C] if Affine. Outputs: y, coefficients [3, C] with y = row 0 · x + row
// 1 + row 2.
type BatchNorm struct{ Affine bool }

func (o BatchNorm) String() string { return "BatchNorm" + flag(o.Affine, "{affine}") }

// Infer returns the shapes of y and the coefficients.
func (o BatchNorm) Infer(in []Shape) ([]Shape, error) { return []Shape{in[0], in[1]}, nil }

// NeedsGrad returns true for all but the statistics, whose gradient is part of that of x.
func (o BatchNorm) NeedsGrad(inputs int) []bool {
	needs := all(inputs)
	needs[1] = false
	return needs
}

// Gradient applies NormSums and BatchNormGrad.
func (o BatchNorm) Gradient(b *Builder, in, _ []*Value, gy *Value) []*Value {
	sums := b.Apply(NormSums{}, gy, in[0], in[1])[0]
	args := []*Value{gy, in[0], in[1], sums}
	if !o.Affine {
		return []*Value{b.Apply(BatchNormGrad{Batch: true}, args...)[0], nil}
	}
	g := b.Apply(BatchNormGrad{Affine: true, Batch: true}, append(args, in[2])...)
	return []*Value{g[0], nil, g[2], g[3]}
}

// Cost counts the inputs.
func (o BatchNorm) Cost(in []Shape) Cost { return Cost{NormElements: int64(in[0].Size())} }

// NormSums are the sums over the pixels of each channel of gy and of gy·x̂, where x̂ is x
// normalised: [2, C]. They are the gradients of shift and scale. Inputs: gy, x,
// statistics.
type NormSums struct{}

func (NormSums) String() string { return "NormSums" }

// Infer returns [2, C].
func (NormSums) Infer(in []Shape) ([]Shape, error) { return []Shape{{2, in[1].Channels()}}, nil }

// BatchNormGrad is the gradient of BatchNorm. Inputs: gy, x, statistics, the sums [2, C]
// of NormSums if Batch or Affine, scale if Affine. Outputs: the gradient of x,
// coefficients [3, C] with gx = row 0 · gy + row 1 · x + row 2, the gradients of scale and
// shift.
//
// From y = scale·x̂ + shift, x̂ = (x-mean)·rstd follows, with n pixels and the sums S = Σgy
// and T = Σgy·x̂ of a channel,
//
//	gx = scale·rstd·(gy - S/n - x̂·T/n)
//
// if the statistics are those of the batch, and scale·rstd·gy otherwise.
type BatchNormGrad struct{ Affine, Batch bool }

func (o BatchNormGrad) String() string {
	return "GradBatchNorm{" + strings.TrimSpace(flag(o.Batch, "batch")+flag(o.Affine, " affine")) + "}"
}

// Infer returns the shapes of the gradients and the coefficients.
func (o BatchNormGrad) Infer(in []Shape) ([]Shape, error) {
	c := in[1].Channels()
	return []Shape{in[1], {3, c}, {c}, {c}}, nil
}

// Evaluation returns the gradient for statistics that do not depend on x.
func (o BatchNormGrad) Evaluation() (Op, []int) {
	inputs := []int{0, 1, 2}
	if o.Affine {
		inputs = append(inputs, 3, 4)
	}
	return BatchNormGrad{Affine: o.Affine}, inputs
}
