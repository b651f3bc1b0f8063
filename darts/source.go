package darts

import (
	"context"
	"fmt"
	"math"
	"slices"

	"unnas/internal/rng"
	"unnas/pretext"
)

// Source holds the images of a data set; see pretext.Source. It may have a method
// Fingerprint() string that identifies its images, by their names and labels for
// example. A run that knows the fingerprint of its images is not resumed with
// those of another; of a source without one only the number is compared.
type Source = pretext.Source

// Subset returns a source of some images of src: its image i is image indices[i]
// of src. Loading an image that src does not have is an error.
func Subset(src Source, indices []int) Source {
	return subset{wrapped{src}, slices.Clone(indices)}
}

// Sample returns a source of n images of src, drawn at random, in their order. The
// same images are drawn from the same seed.
func Sample(src Source, n int, seed uint64) (Source, error) {
	if n < 1 || n > src.Len() {
		return nil, fmt.Errorf("darts: a sample of %d of %d images; draw 1 or more, and at most all", n, src.Len())
	}
	indices := rng.Perm(rng.New(seed, "sample", 0, 0), src.Len())[:n]
	slices.Sort(indices)
	return Subset(src, indices), nil
}

type subset struct {
	wrapped
	indices []int
}

func (s subset) Len() int { return len(s.indices) }

func (s subset) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if i < 0 || i >= len(s.indices) {
		return nil, fmt.Errorf("darts: image %d of a subset of %d", i, len(s.indices))
	}
	if j := s.indices[i]; j < 0 || j >= s.Source.Len() {
		return nil, fmt.Errorf("darts: image %d of a subset is image %d of a source of %d", i, j, s.Source.Len())
	}
	return s.Source.Load(ctx, s.indices[i])
}

// wrapped hands on what a source says of itself, for those that change its images.
type wrapped struct{ Source }

// Classes returns the names of the classes of the source, if it has any.
func (w wrapped) Classes() []string { return classesOf(w.Source) }

// DecodesJPEG returns that of the source.
func (w wrapped) DecodesJPEG() bool { return pretext.DecodesJPEG(w.Source) }

// DecodesImages returns that of the source.
func (w wrapped) DecodesImages() bool { return pretext.DecodesImages(w.Source) }

// Unreadable returns that of the source, which may count images that the wrapper
// leaves out.
func (w wrapped) Unreadable() (count int, first []string) { return unreadable(w.Source) }

// Fingerprint returns that of the source.
func (w wrapped) Fingerprint() string { return fingerprint(w.Source) }

// classesOf returns the names of the classes of a source, nil if it has none.
func classesOf(src Source) []string {
	if s, named := src.(interface{ Classes() []string }); named {
		return s.Classes()
	}
	return nil
}

// unreadable returns how many images of a source could not be decoded so far and
// were replaced by others, and the paths of some; zero if it has no such method.
func unreadable(src Source) (count int, first []string) {
	if s, counts := src.(interface {
		Unreadable() (count int, first []string)
	}); counts {
		return s.Unreadable()
	}
	return 0, nil
}

// decoder returns the name of what decodes the JPEG files of sources, of which
// some may be nil, or "" if none has such files.
func decoder(sources ...Source) string {
	for _, src := range sources {
		if src != nil && pretext.DecodesJPEG(src) {
			return pretext.JPEGDecoder()
		}
	}
	return ""
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
