package loader

import (
	"math"
	"slices"

	"unnas/internal/rng"
	"unnas/pretext"
)

// Split splits the images below n at random into ⌊fraction·n⌋ for training and the rest
// for validation. fraction is from 0 to 1. Both are in ascending order and depend only
// on the arguments.
func Split(n int, fraction float64, seed uint64) (train, val []int) {
	order := rng.Perm(rng.New(seed, "halves", 0, 0), n)
	cut := int(math.Floor(fraction * float64(n)))
	train, val = order[:cut:cut], order[cut:]
	slices.Sort(train)
	slices.Sort(val)
	return train, val
}

// All returns the indices of all images of a source.
func All(src pretext.Source) []int {
	all := make([]int, src.Len())
	for i := range all {
		all[i] = i
	}
	return all
}
