package darts

import (
	"fmt"

	"unnas/internal/format"
	"unnas/internal/quota"
)

// All loaders of a run share the memory in which they decode images, so that it has
// a bound whatever the images are and how many workers load them. One image that
// takes more is decoded while no other is.
const (
	// leastDecoding is what a plan leaves for it: a photograph of 12 megapixels.
	leastDecoding = 64 << 20
	// mostDecoding is what a run takes for it where there is room.
	mostDecoding = 256 << 20
)

// reserved returns the bytes that a plan leaves for decoding images of sources, of
// which some may be nil.
func reserved(sources ...Source) int64 {
	for _, src := range sources {
		if about(src).DecodesImages() {
			return leastDecoding
		}
	}
	return 0
}

// refused adds to the error of a run without enough memory what of it is reserved.
func refused(err error, reserved int64) error {
	if err == nil || reserved == 0 {
		return err
	}
	return fmt.Errorf("%w; %s of the memory is for decoding images", err, format.Bytes(reserved))
}

// share returns the quota that the loaders of a run share, and the bytes that the run
// takes with it. Planned are the bytes without it, those reserved for it included.
func (b budget) share(planned, reserved int64) (shared *quota.Quota, bytes int64) {
	decoding := int64(mostDecoding)
	if room := b.room(); room > 0 {
		decoding = max(leastDecoding, min(decoding, room-planned+reserved))
	}
	if reserved > 0 {
		planned += decoding - reserved
	}
	return quota.New(decoding), planned
}
