// Unnas searches cells, trains networks of them, and uses what was trained: the
// command-line tool of the library.
//
//	unnas search -data photos
//	unnas train -cell runs/search-1 -data photos
//	unnas predict runs/train-1 photo.jpg
//	unnas help
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(status(run(ctx, os.Args[1:], os.Stdout), os.Stderr))
}

// The exit codes besides 0.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // as shells report an interrupted program
)

// usageError is an error of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usagef returns an error of the command line.
func usagef(format string, values ...any) error {
	return usageError{fmt.Errorf(format, values...)}
}

// status prints an error and returns the exit code of the program.
func status(err error, stderr io.Writer) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "unnas: %v\n", err)
	var fault interface{ Stack() []byte }
	if errors.As(err, &fault) { // a panic, to report
		fmt.Fprintf(stderr, "\n%s", fault.Stack())
	}
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}
