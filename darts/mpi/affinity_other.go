//go:build !linux

package mpi

import "runtime"

// affinity returns the cores that this process may use: all of the host.
func affinity() mask { return firstCores(runtime.NumCPU()) }
