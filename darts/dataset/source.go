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

// A Wrapper forwards the optional methods of a source (see [pretext.Source]), with
// defaults for missing ones. A source that changes the images of another embeds it:
//
//	type mirrored struct{ dataset.Wrapper }
//
//	func (m mirrored) Load(ctx context.Context, i int) (*pretext.Image, error) { … m.Source.Load(ctx, i) … }
type Wrapper struct{ pretext.Source }

// Classes returns the class names, nil without any.
func (w Wrapper) Classes() []string {
	if s, ok := w.Source.(interface{ Classes() []string }); ok {
		return s.Classes()
	}
	return nil
}

// Fingerprint returns the fingerprint of the images, empty without one.
func (w Wrapper) Fingerprint() string {
	if s, ok := w.Source.(interface{ Fingerprint() string }); ok {
		return s.Fingerprint()
	}
	return ""
}

// Decoder returns the name of the decoder of JPEG files, empty without one.
func (w Wrapper) Decoder() string {
	if s, ok := w.Source.(interface{ Decoder() string }); ok {
		return s.Decoder()
	}
	return ""
}

// DecodesImages reports whether the source decodes files.
func (w Wrapper) DecodesImages() bool {
	s, ok := w.Source.(interface{ DecodesImages() bool })
	return ok && s.DecodesImages()
}

// Unreadable returns the number of images of the source that could not be decoded so
// far and were replaced by others, and the paths of some. They may be outside of a
// subset.
func (w Wrapper) Unreadable() (count int, first []string) {
	if s, ok := w.Source.(interface {
		Unreadable() (count int, first []string)
	}); ok {
		return s.Unreadable()
	}
	return 0, nil
}

// Subset returns a source of some images of src: its image i is image indices[i] of
// src. Loading an index out of range is an error.
func Subset(src pretext.Source, indices []int) pretext.Source {
	return subset{Wrapper{src}, slices.Clone(indices)}
}

// RandomSubset returns a source of n random images of src, in their order. Equal seeds
// draw equal images, and a larger n only adds others.
func RandomSubset(src pretext.Source, n int, seed uint64) (pretext.Source, error) {
	if n < 1 || n > src.Len() {
		return nil, fmt.Errorf("dataset: random subset of %d of %d images; want 1 to all", n, src.Len())
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

// Fingerprint returns a digest of the source's fingerprint and the indices; empty if
// the source has no fingerprint.
func (s subset) Fingerprint() string {
	of := s.Wrapper.Fingerprint()
	if of == "" {
		return ""
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %d", of, s.indices)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
