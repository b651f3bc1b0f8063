//go:build !linux && !darwin

package memory

// Total returns the bytes of memory of the machine, or 0 if they are not known.
func Total() int64 { return 0 }
