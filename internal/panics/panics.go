package panics

import (
	"fmt"
	"runtime/debug"
)

// Error is a recovered panic. Its message is the value of the panic.
type Error struct {
	value any
	stack []byte
}

// Recovered returns the error for a value returned by recover, which must not be nil.
// The deferred function must call it, while the stack is that of the panic. An Error
// recovered in another goroutine and panicked again keeps its first stack.
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
