package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"unnas/internal/rng"
	"unnas/pretext"
)

// A Wrapper has the optional methods of the source that it holds (see
// [pretext.Source]), and answers for a source that lacks one. A source that changes
// the images of another embeds it:
//
//	type mirrored struct{ dataset.Wrapper }
//
//	func (m mirrored) Load(ctx context.Context, i int) (*pretext.Image, error) { … m.Source.Load(ctx, i) … }
type Wrapper struct{ pretext.Source }

// Classes returns the names of the labels, nil if the source has none.
func (w Wrapper) Classes() []string {
	if s, ok := w.Source.(interface{ Classes() []string }); ok {
		return s.Classes()
	}
	return nil
}

// Fingerprint returns what identifies the images, empty if the source has nothing.
func (w Wrapper) Fingerprint() string {
	if s, ok := w.Source.(interface{ Fingerprint() string }); ok {
		return s.Fingerprint()
	}
	return ""
}

// Decoder returns what decodes the JPEG files of the source, empty if it says
// nothing.
func (w Wrapper) Decoder() string {
	if s, ok := w.Source.(interface{ Decoder() string }); ok {
		return s.Decoder()
	}
	return ""
}

// DecodesImages reports whether the source says that it decodes files.
func (w Wrapper) DecodesImages() bool {
	s, ok := w.Source.(interface{ DecodesImages() bool })
	return ok && s.DecodesImages()
}

// Unreadable returns how many images of the source could not be decoded so far and
// were replaced by others, and the paths of some. A subset may leave these out.
func (w Wrapper) Unreadable() (count int, first []string) {
	if s, ok := w.Source.(interface {
		Unreadable() (count int, first []string)
	}); ok {
		return s.Unreadable()
	}
	return 0, nil
}

// Subset returns a source of some images of src: its image i is image indices[i]
// of src. Loading an image that src does not have is an error.
func Subset(src pretext.Source, indices []int) pretext.Source {
	return subset{Wrapper{src}, slices.Clone(indices)}
}

// RandomSubset returns a source of n images of src, drawn at random, in their order.
// The same images are drawn from the same seed, and more images of the same seed are
// those and others.
func RandomSubset(src pretext.Source, n int, seed uint64) (pretext.Source, error) {
	if n < 1 || n > src.Len() {
		return nil, fmt.Errorf("dataset: a random subset of %d of %d images; draw 1 or more, and at most all", n, src.Len())
	}
	indices := rng.Perm(rng.New(seed, "sample", 0, 0), src.Len())[:n]
	slices.Sort(indices)
	return Subset(src, indices), nil
}

type subset struct {
	Wrapper
	indices []int
}

func (s subset) Len() int { return len(s.indices) }

func (s subset) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if i < 0 || i >= len(s.indices) {
		return nil, fmt.Errorf("dataset: image %d of a subset of %d", i, len(s.indices))
	}
	if j := s.indices[i]; j < 0 || j >= s.Source.Len() {
		return nil, fmt.Errorf("dataset: image %d of a subset is image %d of a source of %d", i, j, s.Source.Len())
	}
	return s.Source.Load(ctx, s.indices[i])
}

// Fingerprint returns a digest of that of the source that the images are of, and of
// which they are; empty if that has none.
func (s subset) Fingerprint() string {
	of := s.Wrapper.Fingerprint()
	if of == "" {
		return ""
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %d", of, s.indices)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
