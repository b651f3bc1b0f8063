// Package filelock keeps two programs from writing one file.
//
// The locks are those of the operating system: they end with the program that
// holds them, however it ends, and leave nothing behind that would have to be
// removed. Programs that ask for no lock are not held off.
package filelock

import "errors"

// ErrHeld is the error of a file that is locked already.
var ErrHeld = errors.New("filelock: another program holds the file")

// ErrUnsupported is the error of a file on a file system that keeps no locks, or
// none that other machines would see.
var ErrUnsupported = errors.New("filelock: locks are not supported here")
