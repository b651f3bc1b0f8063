// Package golden reads reference cases for tests: networks with parameters,
// inputs, outputs and gradients, computed in float64 by an independent
// implementation in PyTorch 1.13 and rounded to float32. A case is a file in the
// safetensors format whose metadata says what to build.
package golden
