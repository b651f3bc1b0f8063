package filelock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// beyond is a byte, counted in 4 GiB, that no file has: Windows denies others to
// read what is locked, and they may.
const beyond = 1 << 30

// Lock locks a file until it is closed. It fails with ErrHeld if the file is
// locked through another os.File, of this program or of any other, and with
// ErrUnsupported where the file system keeps no locks.
func Lock(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{OffsetHigh: beyond})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, windows.ERROR_NOT_SUPPORTED) || errors.Is(err, windows.ERROR_INVALID_FUNCTION):
		return fmt.Errorf("%w (%s: %w)", ErrUnsupported, f.Name(), err)
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION):
		return ErrHeld
	}
	return fmt.Errorf("filelock: %s: %w", f.Name(), err)
}
