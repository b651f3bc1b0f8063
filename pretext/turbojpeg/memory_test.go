//go:build linux && !race

package turbojpeg_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMemoryIsGivenBack decodes large images on several threads and demands that none
// keeps what that took.
func TestMemoryIsGivenBack(t *testing.T) {
	turbo(t)
	const width, height, threads = 2048, 4096, 4
	file := samples(t)["progressive"]
	sof := bytes.Index(file, []byte{0xff, 0xc2})
	binary.BigEndian.PutUint16(file[sof+5:], height)
	binary.BigEndian.PutUint16(file[sof+7:], width)
	before := resident(t)
	var group sync.WaitGroup
	for range threads {
		group.Go(func() {
			runtime.LockOSThread() // which ends with the goroutine
			for range 3 {
				_, err := inTurbo(t, file) // there are too few pixels in it
				assert.Error(t, err)
			}
		})
	}
	group.Wait()
	debug.FreeOSMemory()
	coefficients := 2 * width * height * 3 / 2
	assert.Less(t, resident(t)-before, coefficients)
}

// resident returns the memory of the process besides files, in bytes.
func resident(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rest, found := bytes.Cut(status, []byte("RssAnon:"))
	require.True(t, found)
	var kilobytes int
	_, err = fmt.Sscan(string(rest), &kilobytes)
	require.NoError(t, err)
	return kilobytes << 10
}
