package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"

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
	return valued(Metric{Name: "mse", LowerIsBetter: true}, ir.SquaredError{Ignore: ignore}, x, y)
}
