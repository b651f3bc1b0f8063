package unnas_test

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Limits of the repository, in bytes.
const (
	maxFile     = 3 << 20
	maxTestdata = 8 << 20
)

// forbidden is what no text of the repository holds: marks of unfinished work,
// and paths that only one machine has. It is put together so that it does not
// find itself.
var forbidden = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b|(^|[^\w.])/(wo` + `rk|tm` + `p|ho` + `me|Us` + `ers)/`)

// TestFiles looks at all files that git keeps.
func TestFiles(t *testing.T) {
	out, err := exec.Command("git", "ls-files", "-z").Output()
	if err != nil {
		t.Skipf("git does not list the files of this folder: %v", err)
	}
	var testdata int64
	for _, name := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(name)
		if os.IsNotExist(err) {
			continue // removed, but not yet in git
		}
		require.NoError(t, err)
		assert.LessOrEqual(t, info.Size(), int64(maxFile), "%s is too large for the repository", name)
		if strings.Contains("/"+path.Dir(name)+"/", "/testdata/") {
			testdata += info.Size()
		}
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		if bytes.IndexByte(data, 0) >= 0 || !utf8.Valid(data) {
			continue // not text
		}
		n := 0
		for line := range strings.Lines(string(data)) {
			n++
			if found := forbidden.FindString(line); found != "" {
				t.Errorf("%s:%d: holds %q", name, n, found)
			}
		}
	}
	assert.LessOrEqual(t, testdata, int64(maxTestdata), "the folders testdata together are too large")
}
