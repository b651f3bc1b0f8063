//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filelock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Lock locks a file until it is closed. It fails with ErrHeld if the file is locked
// through another os.File, of this or another program, and with ErrUnsupported if the
// file system has no locks, or none that other machines see.
func Lock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err == nil:
			return shared(f)
		}
		return fault(f.Name(), err)
	}
}

// fault translates a system error.
func fault(name string, err error) error {
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return ErrHeld
	case errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOLCK):
		return fmt.Errorf("%w (%s: %w)", ErrUnsupported, name, err)
	}
	return fmt.Errorf("filelock: %s: %w", name, err)
}
