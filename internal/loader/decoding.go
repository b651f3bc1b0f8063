package loader

import (
	"unnas/internal/quota"
)

// All loaders of a run share the memory in which they decode images, so that it has
// a bound whatever the images are and how many workers load them. One image that
// takes more is decoded while no other is.
const (
	// LeastDecoding is what a plan leaves for it: a photograph of 12 megapixels.
	LeastDecoding = 64 << 20
	// MostDecoding is what a run takes for it where there is room.
	MostDecoding = 256 << 20
)

// Share returns the quota that the loaders of a run share, and the bytes that the run
// takes with it. Room is what it may take, 0 if that is not known; planned are the bytes
// without the quota, those reserved for it included.
func Share(room, planned, reserved int64) (shared *quota.Quota, bytes int64) {
	decoding := int64(MostDecoding)
	if room > 0 {
		decoding = max(LeastDecoding, min(decoding, room-planned+reserved))
	}
	if reserved > 0 {
		planned += decoding - reserved
	}
	return quota.New(decoding), planned
}
