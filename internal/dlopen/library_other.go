//go:build !(((linux && !android) || darwin) && (amd64 || arm64))

package dlopen

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Library loads and calls libraries.
type Library struct{}

// Symbol returns an error: libraries cannot be called on this system.
func (Library) Symbol(path, name string) (uintptr, error) {
	return 0, fmt.Errorf("cannot call shared libraries on %s/%s; use Linux or macOS, on amd64 or arm64", runtime.GOOS, runtime.GOARCH)
}

// Call is not called, since there is no address.
func (Library) Call(function uintptr, args unsafe.Pointer) uintptr { return 0 }

// Has reports whether the system has a library.
func (Library) Has(name string) bool { return false }
