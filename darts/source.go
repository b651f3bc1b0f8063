package darts

import (
	"slices"
	"strings"

	"unnas/darts/dataset"
	"unnas/internal/loader"
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

// reserved returns the bytes that a plan leaves for decoding images of sources, of
// which some may be nil.
func reserved(sources ...Source) int64 {
	for _, src := range sources {
		if about(src).DecodesImages() {
			return loader.LeastDecoding
		}
	}
	return 0
}
