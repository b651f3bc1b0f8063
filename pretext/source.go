package pretext

import "context"

// A Source holds the images of a data set, numbered from zero. The numbers must
// not depend on anything that changes between runs, such as directory order.
//
// A source may have methods that say more. One that wraps another hands them on, as
// dataset.Wrapper does:
//
//	Classes() []string                        the names of the labels
//	Fingerprint() string                      identifies the images, by their names and labels for example
//	Decoder() string                          Decoder.String of what decodes its JPEG files, empty if it has none
//	DecodesImages() bool                      whether Load decodes files, whose memory a run has to count
//	Unreadable() (count int, first []string)  how many images could not be decoded so far and were
//	                                          replaced by others, and the paths of some
type Source interface {
	// Len returns the number of images. It stays the same.
	Len() int
	// Load returns image i. Several goroutines call it at once. The caller only
	// reads the image, so the source may keep it and return it again. When ctx
	// is done, Load should return its error soon; it is what Decode should get, too.
	Load(ctx context.Context, i int) (*Image, error)
}
