package segmentation

import (
	"fmt"
	"slices"

	"unnas/cell"
)

// StrideMode selects how a reduction cell is converted to stride 1. The paper,
// which replaces the last layer of stride 2 by one of stride 1, can be read in two
// ways (Liu et al., 2020, arXiv 2003.12056, supplement B.2).
type StrideMode string

// The readings.
const (
	// RemoveReduction makes a normal cell of it and leaves the channels as they are, as
	// the authors' release does; all published networks are of this form.
	RemoveReduction StrideMode = "normal"
	// KeepReduction keeps the reduction cell, with the doubled channels and stride 1
	// on all edges.
	KeepReduction StrideMode = "reduction"
)

// WithStride returns the body, which is that of a network for classification, with
// the given output stride (cell.Backbone.OutputStride): the strides of its last
// reductions give way, as the reading says. Under the ImageNet stem, with two
// reductions, 32 becomes 16, the published stride, or 8.
//
// Where one stride gives way, nothing else changes, as in the authors' release.
// Where two do, all cells after the first of them are dilated, so that they see as
// much of the image as with one (Chen et al., 2017, arXiv 1706.05587, who double
// the rates of the head then, too). A stride that the body cannot be given so is an
// error that names those it can.
func WithStride(body cell.Backbone, stride int, r StrideMode) (cell.Backbone, error) {
	if err := body.Validate(); err != nil {
		return cell.Backbone{}, fmt.Errorf("segmentation: %w", err)
	}
	if r != RemoveReduction && r != KeepReduction {
		return cell.Backbone{}, fmt.Errorf("segmentation: reading %q, want %q or %q", r, RemoveReduction, KeepReduction)
	}
	var possible []int
	strided := slices.DeleteFunc(slices.Clone(body.Reductions), func(i int) bool { return slices.Contains(body.StrideOne, i) })
	for keep := len(strided); keep >= max(0, len(strided)-2); keep-- {
		gone := strided[keep:]
		b := body
		if len(gone) == 2 {
			b.Dilated = nil
			for i := gone[0] + 1; i < b.Cells; i++ {
				b.Dilated = append(b.Dilated, i)
			}
		}
		if r == KeepReduction {
			b.StrideOne = slices.Concat(body.StrideOne, gone)
			slices.Sort(b.StrideOne)
		} else {
			b.Reductions = slices.DeleteFunc(slices.Clone(body.Reductions), func(i int) bool { return slices.Contains(gone, i) })
		}
		if b.OutputStride() == stride {
			return b, nil
		}
		possible = append(possible, b.OutputStride())
	}
	return cell.Backbone{}, fmt.Errorf("segmentation: output stride %d, and the body can have %v", stride, possible)
}
