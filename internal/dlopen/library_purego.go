//go:build ((linux && !android) || darwin) && (amd64 || arm64)

package dlopen

import (
	"unsafe"

	"github.com/ebitengine/purego"
)

// Library loads and calls libraries.
type Library struct{}

// Symbol loads the library of a path and returns the address of one of its functions, 0 if
// it exports none of that name.
func (Library) Symbol(path, name string) (uintptr, error) {
	library, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return 0, err
	}
	address, err := purego.Dlsym(library, name)
	if err != nil {
		return 0, nil
	}
	return address, nil
}

// Call calls a function with one address. What args points to escapes to the heap and does
// not move.
func (Library) Call(function uintptr, args unsafe.Pointer) uintptr {
	result, _, _ := purego.SyscallN(function, uintptr(args))
	return result
}

// Has reports whether the system has a library.
func (Library) Has(name string) bool {
	_, err := purego.Dlopen(name, purego.RTLD_LAZY|purego.RTLD_LOCAL)
	return err == nil
}
