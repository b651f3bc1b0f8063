//go:build ((linux && !android) || darwin) && (amd64 || arm64)

package pjrt

import (
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"
)

// open loads a library and returns its table of functions.
func open(path string) (*table, error) {
	library, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, err
	}
	get, err := purego.Dlsym(library, "GetPjrtApi")
	if err != nil {
		return nil, fmt.Errorf("%s is not a PJRT plugin: it does not export GetPjrtApi", path)
	}
	api, _, _ := purego.SyscallN(get)
	return pointer[table](api), nil
}

// invoke calls a function with the address of its arguments, which escape to the heap here
// and do not move.
func invoke(function uintptr, args unsafe.Pointer) uintptr {
	result, _, _ := purego.SyscallN(function, uintptr(args))
	return result
}

// release calls the function that frees what it is given.
func release(function, owner uintptr) { purego.SyscallN(function, owner) }

// loads returns whether the system has a library.
func loads(name string) bool {
	_, err := purego.Dlopen(name, purego.RTLD_LAZY|purego.RTLD_LOCAL)
	return err == nil
}
