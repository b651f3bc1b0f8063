//go:build !linux

package memory

// Peak returns the most bytes of memory that this program has had at once, or 0 if
// they are not known.
func Peak() int64 { return 0 }
