package darts

import (
	"math"
	"slices"
	"strings"

	"unnas/darts/dataset"
	"unnas/internal/rng"
	"unnas/pretext"
)

// Source holds the images of a data set; see pretext.Source. A run that knows the
// fingerprint of its images is not resumed with those of another; of a source without
// one only the number is compared.
type Source = pretext.Source

// about returns what a source, which may be nil, says of itself.
func about(src Source) dataset.Wrapper { return dataset.Wrapper{Source: src} }

// decoder returns the names of what decodes the JPEG files of sources, of which
// some may be nil, or "" if none has such files.
func decoder(sources ...Source) string {
	var names []string
	for _, src := range sources {
		if name := about(src).Decoder(); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, "; ")
}

// halves splits the images below n at random into those that the weights learn
// from, ⌊portion·n⌋ of them, and those that the alphas learn from, the rest.
// Portion is from 0 to 1. Both halves are in ascending order, and depend on
// nothing but the arguments.
func halves(n int, portion float64, seed uint64) (w, alpha []int) {
	order := rng.Perm(rng.New(seed, "halves", 0, 0), n)
	cut := int(math.Floor(portion * float64(n)))
	w, alpha = order[:cut:cut], order[cut:]
	slices.Sort(w)
	slices.Sort(alpha)
	return w, alpha
}
