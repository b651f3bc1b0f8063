//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package filelock

import "os"

// shared returns nil: these systems do not say whether other machines that mount
// the file's folder see its locks.
func shared(*os.File) error { return nil }
