package pretext

import "context"

// A Source holds the images of a data set, numbered from zero. The numbers must
// not depend on anything that changes between runs, such as directory order.
//
// A source may have methods that say more: Classes() []string, the names of the
// labels; DecodesJPEG() and DecodesImages() bool, see the functions of these names; and
// Unreadable() (count int, first []string), how many images could not be decoded so
// far and were replaced by others, and the paths of some. One that wraps another hands
// them on.
type Source interface {
	// Len returns the number of images. It stays the same.
	Len() int
	// Load returns image i. Several goroutines call it at once. The caller only
	// reads the image, so the source may keep it and return it again. When ctx
	// is done, Load should return its error soon; it is what Decode should get, too.
	Load(ctx context.Context, i int) (*Image, error)
}
