package pretext

import "context"

// A Source is a data set of images, indexed from zero. The order must not depend on
// anything that changes between runs, such as directory order.
//
// A source may have optional methods. One that wraps another forwards them, as
// dataset.Wrapper does:
//
//	Classes() []string                        the names of the labels
//	Fingerprint() string                      identifies the images, for example by names and labels
//	Decoder() string                          Decoder.String of the decoder of its JPEG files, empty if it has none;
//	                                          of a packed data set, how it was packed
//	DecodesImages() bool                      whether Load decodes files, whose memory counts in a run
//	Unreadable() (count int, first []string)  the number of images that could not be decoded so far and
//	                                          were replaced by others, and the paths of some
type Source interface {
	// Len returns the number of images. It is constant.
	Len() int
	// Load returns image i. It is called concurrently. The caller does not modify the
	// image, so the source may return it again. Once ctx is done, Load should return its
	// error soon; it should pass ctx to Decode.
	Load(ctx context.Context, i int) (*Image, error)
}
