package filelock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// beyond is an offset, in 4 GiB, beyond the end of any file: Windows prevents reading
// of locked bytes, which should stay possible.
const beyond = 1 << 30

// Lock locks a file until it is closed. It fails with ErrHeld if the file is locked
// through another os.File, of this or another program, and with ErrUnsupported if the
// file system has no locks.
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
