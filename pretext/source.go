package pretext

import "context"

// A Source holds the images of a data set, numbered from zero. The numbers must
// not depend on anything that changes between runs, such as directory order.
type Source interface {
	// Len returns the number of images. It stays the same.
	Len() int
	// Load returns image i. Several goroutines call it at once. The caller only
	// reads the image, so the source may keep it and return it again. When ctx
	// is done, Load should return its error soon.
	Load(ctx context.Context, i int) (*Image, error)
}
