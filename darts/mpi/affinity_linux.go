package mpi

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// affinity returns the cores that this process may use. Libraries may bind the thread that
// initialises them, so it is the mask of the first thread.
func affinity() (m mask) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &set); err != nil { // more cores than a set holds
		return firstCores(runtime.NumCPU())
	}
	for i := range 64 * len(m) {
		if set.IsSet(i) {
			m[i/64] |= 1 << (i % 64)
		}
	}
	return m
}
