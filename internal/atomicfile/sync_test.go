package atomicfile

import (
	"io/fs"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSyncDir(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("directories are not synced on Windows")
	}
	dir := t.TempDir()
	assert.NoError(t, syncDir(dir))
	assert.ErrorIs(t, syncDir(filepath.Join(dir, "absent")), fs.ErrNotExist)
	if runtime.GOOS == "linux" {
		assert.NoError(t, syncDir("/proc"), "a file system that has nothing to sync")
	}
}
