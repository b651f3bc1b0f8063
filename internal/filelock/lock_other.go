//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd && !windows

package filelock

import (
	"fmt"
	"os"
	"runtime"
)

// Lock locks a file until it is closed. It fails with ErrHeld if the file is locked
// through another os.File, of this or another program, and with ErrUnsupported if the
// file system or the operating system has no locks.
func Lock(f *os.File) error {
	return fmt.Errorf("%w (%s, on %s)", ErrUnsupported, f.Name(), runtime.GOOS)
}
