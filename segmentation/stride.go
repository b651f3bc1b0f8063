package segmentation

import (
	"fmt"
	"slices"

	"unnas/cell"
)

// Reading says what becomes of a reduction cell whose stride gives way. The paper
// can be read in two ways: "the last stride-2 layer is replaced by stride 1" (Liu
// et al., 2020, arXiv 2003.12056).
type Reading string

// The readings.
const (
	// AsNormal makes a normal cell of it and leaves the channels as they are, as
	// the authors' release does; all published networks are of this form.
	AsNormal Reading = "normal"
	// AsReduction keeps the reduction cell, with the doubled channels and stride 1
	// on all edges.
	AsReduction Reading = "reduction"
)

// WithStride returns the body whose last map has 1/stride of the resolution of the
// image, 16 as a rule: as many of its last strided reductions as that takes give
// way, as the reading says. The last map of a body under the ImageNet stem has
// 1/32 with two reductions. A stride that the body cannot be given is an error
// that names those it can.
func WithStride(body cell.Body, stride int, r Reading) (cell.Body, error) {
	if err := body.Validate(); err != nil {
		return cell.Body{}, fmt.Errorf("segmentation: %w", err)
	}
	if r != AsNormal && r != AsReduction {
		return cell.Body{}, fmt.Errorf("segmentation: reading %q, want %q or %q", r, AsNormal, AsReduction)
	}
	var possible []int
	strided := slices.DeleteFunc(slices.Clone(body.Reductions), func(i int) bool { return slices.Contains(body.Unstrided, i) })
	for keep := len(strided); keep >= 0; keep-- {
		gone := strided[keep:]
		b := body
		if r == AsReduction {
			b.Unstrided = slices.Concat(body.Unstrided, gone)
			slices.Sort(b.Unstrided)
		} else {
			b.Reductions = slices.DeleteFunc(slices.Clone(body.Reductions), func(i int) bool { return slices.Contains(gone, i) })
		}
		if b.OutputStride() == stride {
			return b, nil
		}
		possible = append(possible, b.OutputStride())
	}
	return cell.Body{}, fmt.Errorf("segmentation: output stride %d, and the body can have %v", stride, possible)
}
