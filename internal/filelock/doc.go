// Package filelock locks files against other programs.
//
// The locks are those of the operating system: they end with the program that holds
// them and leave nothing behind. They are advisory: programs that do not lock are not
// prevented from writing.
package filelock

import "errors"

// ErrHeld is the error of a file that is already locked.
var ErrHeld = errors.New("filelock: another program holds the file")

// ErrUnsupported is the error of a file on a file system without locks, or with locks
// that other machines do not see.
var ErrUnsupported = errors.New("filelock: locks are not supported here")
