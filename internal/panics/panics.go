// Package panics turns recovered panics into errors that keep the stack.
package panics

import (
	"fmt"
	"runtime/debug"
)

// Error is a recovered panic. Its message is the value of the panic alone.
type Error struct {
	value any
	stack []byte
}

// Recovered returns the error for a value that recover returned, which must not be
// nil. It is called by the deferred function, while the stack is still that of the
// panic. An Error that another goroutine recovered, and panicked with again, keeps
// its first stack.
func Recovered(value any) *Error {
	if e, ok := value.(*Error); ok {
		return e
	}
	return &Error{value, debug.Stack()}
}

// Error returns the value of the panic.
func (e *Error) Error() string { return fmt.Sprint(e.value) }

// Unwrap returns the value of the panic if it is an error.
func (e *Error) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// Stack returns the stack of the goroutine that panicked, as debug.Stack formats it.
func (e *Error) Stack() []byte { return e.stack }
