//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package filelock

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

func TestFileSystemsWithoutLocksSaySo(t *testing.T) {
	for _, err := range []error{unix.ENOSYS, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOLCK} {
		assert.ErrorIs(t, fault("results", err), ErrUnsupported)
		assert.ErrorContains(t, fault("results", err), "locks are not supported here (results: ")
	}
	assert.NotErrorIs(t, fault("results", unix.EIO), ErrUnsupported)
	assert.ErrorIs(t, fault("results", unix.EIO), unix.EIO)
	assert.ErrorIs(t, fault("results", unix.EWOULDBLOCK), ErrHeld)
}
