package loader

import (
	"unnas/internal/quota"
)

// All loaders of a run share a memory quota for decoding, which bounds it for any
// images and number of workers. An image that exceeds the quota is decoded alone.
const (
	// LeastDecoding is the smallest quota: a photograph of 12 megapixels.
	LeastDecoding = 64 << 20
	// MostDecoding is the quota with enough memory.
	MostDecoding = 256 << 20
)

// Share returns the decoding quota of a run, and the memory of the run with it. room is
// the memory that the run may take, 0 if unknown; planned is the memory without the
// quota, including what is reserved for it.
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
