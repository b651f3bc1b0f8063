//go:build !(((linux && !android) || darwin) && (amd64 || arm64))

package mpi

import (
	"fmt"
	"runtime"
)

// callable returns an error: libraries cannot be called on this system.
func callable() error {
	return fmt.Errorf("cannot call MPI libraries on %s/%s; use Linux or macOS, on amd64 or arm64", runtime.GOOS, runtime.GOARCH)
}

// open and handlers are not called.
func open(string) (library, error) { return nil, callable() }
func handlers() (restore func())   { return func() {} }
