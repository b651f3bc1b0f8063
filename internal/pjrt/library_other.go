//go:build !(((linux && !android) || darwin) && (amd64 || arm64))

package pjrt

import (
	"fmt"
	"runtime"
	"unsafe"
)

// open returns an error: libraries cannot be called on this system.
func open(string) (*table, error) {
	return nil, fmt.Errorf("cannot call plugins on %s/%s; use Linux or macOS, on amd64 or arm64", runtime.GOOS, runtime.GOARCH)
}

// invoke, release and loads are not called.
func invoke(uintptr, unsafe.Pointer) uintptr { return 0 }
func release(function, owner uintptr)        {}
func loads(string) bool                      { return false }
