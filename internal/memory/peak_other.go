//go:build !linux

package memory

// Peak returns the peak memory of this program in bytes, or 0 if unknown.
func Peak() int64 { return 0 }
