package ir

import (
	"errors"
	"fmt"
)

// ReplicaMean averages values over the replicas of a program, each of which has a
// micro-batch, in the order of the replicas:
//
//	Σ (nᵢ/Whole)·vᵢ · Whole/Σ nᵢ
//
// where nᵢ counts what the values are a mean of, and Whole is the most that it can be. It
// is zero if nothing counts. Inputs: n, of which the elements are added, and values.
// Outputs: the means. Only devices run replicas.
type ReplicaMean struct{ Whole float64 }

func (o ReplicaMean) String() string { return fmt.Sprintf("ReplicaMean{%v}", o.Whole) }

// Infer returns the shapes of the values.
func (o ReplicaMean) Infer(in []Shape) ([]Shape, error) {
	if len(in) < 2 {
		return nil, errors.New("no values; want one or more after the count")
	}
	return in[1:], nil
}
