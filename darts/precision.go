package darts

import "fmt"

// Precision says how the feature maps of a step are stored, and what its convolutions
// multiply. Sums, statistics of batch normalisations, weights, alphas, gradients of both,
// the state of optimisers and evaluations are float32 in any case.
type Precision string

// The precisions.
const (
	// Float32 stores all maps as they are computed; "" means the same.
	Float32 Precision = "float32"
	// BFloat16 stores those that wait for the backward pass in half of the memory, with 8
	// bits of precision, and rounds the operands of pointwise and dense convolutions with an
	// even number of channels to it (Kalamkar et al., 2019, arXiv 1905.12322). Depthwise
	// convolutions, factorised reductions and linear layers multiply float32. CPUs with
	// AVX512_BF16 take less time than with Float32, others more; the bits are the same.
	BFloat16 Precision = "bfloat16"
	// TF32 lets a device (Runtime.Device) compute convolutions and products as it prefers:
	// in TF32 on GPUs, in bfloat16 on TPUs. The CPU has none. On a device BFloat16 rounds
	// the operands and the results of convolutions and products instead.
	TF32 Precision = "tf32"
)

func (p Precision) validate() error {
	switch p {
	case "", Float32, BFloat16, TF32:
		return nil
	}
	return fmt.Errorf("darts: Precision is %q, must be %q, %q or %q", p, Float32, BFloat16, TF32)
}
