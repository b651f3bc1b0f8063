//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filelock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Lock locks a file until it is closed. It fails with ErrHeld if the file is
// locked through another os.File, of this program or of any other. Where the file
// system or the operating system keeps no locks, it does nothing.
func Lock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err == nil || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EOPNOTSUPP):
			return nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrHeld
		}
		return fmt.Errorf("filelock: %s: %w", f.Name(), err)
	}
}
