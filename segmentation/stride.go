package segmentation

import (
	"fmt"
	"slices"

	"unnas/cell"
)

// StrideMode selects how a reduction cell is converted to stride 1. The paper, which
// replaces the last layer of stride 2 by one of stride 1, can be read in two ways (Liu
// et al., 2020, arXiv 2003.12056, supplement B.2).
type StrideMode string

// The stride modes.
const (
	// RemoveReduction replaces it by a normal cell and keeps the channels, as in the
	// authors' release and in all published networks.
	RemoveReduction StrideMode = "normal"
	// KeepReduction keeps the reduction cell, with doubled channels and stride 1 on all
	// edges.
	KeepReduction StrideMode = "reduction"
)

// WithStride returns the backbone of a classification network, changed to the given
// output stride (cell.Backbone.OutputStride): its last reductions are converted to
// stride 1 by mode. Behind the ImageNet stem, with two reductions, 32 becomes 16, the
// published stride, or 8.
//
// If one reduction is converted, nothing else changes, as in the authors' release. If
// two are, all cells after the first of them are dilated, to keep their receptive
// fields (Chen et al., 2017, arXiv 1706.05587, who then also double the rates of the
// head). An impossible stride is an error that lists the possible ones.
func WithStride(backbone cell.Backbone, stride int, mode StrideMode) (cell.Backbone, error) {
	if err := backbone.Validate(); err != nil {
		return cell.Backbone{}, fmt.Errorf("segmentation: %w", err)
	}
	if mode != RemoveReduction && mode != KeepReduction {
		return cell.Backbone{}, fmt.Errorf("segmentation: StrideMode %q, want %q or %q", mode, RemoveReduction, KeepReduction)
	}
	var possible []int
	strided := slices.DeleteFunc(slices.Clone(backbone.Reductions), func(i int) bool { return slices.Contains(backbone.StrideOne, i) })
	for keep := len(strided); keep >= max(0, len(strided)-2); keep-- {
		converted := strided[keep:]
		b := backbone
		if len(converted) == 2 {
			b.Dilated = nil
			for i := converted[0] + 1; i < b.Cells; i++ {
				b.Dilated = append(b.Dilated, i)
			}
		}
		if mode == KeepReduction {
			b.StrideOne = slices.Concat(backbone.StrideOne, converted)
			slices.Sort(b.StrideOne)
		} else {
			b.Reductions = slices.DeleteFunc(slices.Clone(backbone.Reductions), func(i int) bool { return slices.Contains(converted, i) })
		}
		if b.OutputStride() == stride {
			return b, nil
		}
		possible = append(possible, b.OutputStride())
	}
	return cell.Backbone{}, fmt.Errorf("segmentation: output stride %d, want one of %v for this backbone", stride, possible)
}
