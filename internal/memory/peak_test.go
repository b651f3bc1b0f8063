package memory_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/memory"
)

func TestPeak(t *testing.T) {
	if runtime.GOOS != "linux" {
		assert.Zero(t, memory.Peak())
		return
	}
	before := memory.Peak()
	assert.Greater(t, before, int64(1<<20))
	taken := make([]byte, 64<<20)
	for i := 0; i < len(taken); i += 1 << 10 {
		taken[i] = 1
	}
	assert.Greater(t, memory.Peak(), before+(48<<20))
	runtime.KeepAlive(taken)
}
