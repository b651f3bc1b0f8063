package memory_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/memory"
)

func TestTotal(t *testing.T) {
	total := memory.Total()
	if total == 0 && runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("the memory of this system is not known")
	}
	assert.Greater(t, total, int64(64<<20))
	assert.Less(t, total, int64(1<<50))
}
