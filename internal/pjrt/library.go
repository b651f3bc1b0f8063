package pjrt

import (
	"errors"
	"fmt"
	"unsafe"
)

// A Library loads shared libraries and calls them, as package dlopen does. It is not linked
// into every program, since it needs the system's C library.
type Library interface {
	// Symbol loads the library of a path and returns the address of one of its functions, 0
	// if it exports none of that name.
	Symbol(path, name string) (uintptr, error)
	// Call calls a function with one address, and returns its result.
	Call(function uintptr, args unsafe.Pointer) uintptr
	// Has reports whether the system has a library.
	Has(name string) bool
}

// library is what Use sets.
var library Library

// Use says how to call plugins, before any is opened.
func Use(l Library) { library = l }

// open loads a library and returns its table of functions.
func open(path string) (*table, error) {
	if library == nil {
		return nil, errors.New(`this program was built without plugins of accelerators; import _ "unnas/darts/xla"`)
	}
	get, err := library.Symbol(path, "GetPjrtApi")
	if err != nil {
		return nil, err
	}
	if get == 0 {
		return nil, fmt.Errorf("%s is not a PJRT plugin: it does not export GetPjrtApi", path)
	}
	return pointer[table](library.Call(get, nil)), nil
}
