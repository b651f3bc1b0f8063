//go:build !(((linux && !android) || darwin) && (amd64 || arm64))

package mpi

import (
	"fmt"
	"runtime"
)

// open returns an error: no library can be called here.
func open(string) (library, error) {
	return nil, fmt.Errorf("cannot call MPI libraries on %s/%s; use Linux or macOS, on amd64 or arm64", runtime.GOOS, runtime.GOARCH)
}

// handlers returns a function that does nothing, as no library changes signal handlers.
func handlers() (restore func()) { return func() {} }
