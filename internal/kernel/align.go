package kernel

import "unsafe"

// align drops elements until the slice starts on a cache line of 64 bytes.
func align(x []float32) []float32 {
	if len(x) == 0 {
		return x
	}
	at := uintptr(unsafe.Pointer(&x[0])) % 64
	return x[(64-at)%64/4:]
}
