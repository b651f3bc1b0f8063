package panics_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/panics"
)

func recovered(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it failed: %w", panics.Recovered(r))
		}
	}()
	f()
	return nil
}

func beyondTheEnd() {
	var x []int
	_ = x[4+cap(x)]
}

func TestErrorsKeepTheStack(t *testing.T) {
	err := recovered(beyondTheEnd)
	assert.EqualError(t, err, "it failed: runtime error: index out of range [4] with length 0", "the message is one line")
	var s interface{ Stack() []byte }
	require.True(t, errors.As(err, &s))
	assert.Contains(t, string(s.Stack()), "beyondTheEnd")
	assert.ErrorIs(t, recovered(func() { panic(io.EOF) }), io.EOF)
}

// TestPanicsAgain is about a panic that one goroutine recovers for another.
func TestPanicsAgain(t *testing.T) {
	var first error
	again := recovered(func() {
		first = recovered(beyondTheEnd)
		var e *panics.Error
		require.True(t, errors.As(first, &e))
		panic(e)
	})
	var a, b *panics.Error
	require.True(t, errors.As(first, &a))
	require.True(t, errors.As(again, &b))
	assert.Same(t, a, b)
	assert.Contains(t, string(b.Stack()), "beyondTheEnd")
}
