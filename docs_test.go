package unnas_test

import (
	"encoding/json"
	"fmt"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReadme compiles the Go files that the README shows, each as a package of
// its own, and demands that they are formatted and import no internal package.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllSubmatch(text, -1)
	require.NotEmpty(t, blocks)

	// The files are laid over the module, where the go command sees them as if
	// they were there.
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	there := t.TempDir()
	overlay := map[string]string{}
	args := []string{"build", "-overlay", filepath.Join(there, "overlay.json")}
	for i, block := range blocks {
		shown := filepath.Join(there, fmt.Sprintf("%d.go", i))
		formatted, err := format.Source(block[1])
		require.NoError(t, err, "block %d of the README", i)
		assert.Equal(t, string(formatted), string(block[1]), "block %d of the README is not formatted", i)
		require.NoError(t, os.WriteFile(shown, block[1], 0o644))
		f, err := parser.ParseFile(token.NewFileSet(), shown, nil, parser.ImportsOnly)
		require.NoError(t, err, "every Go block of the README is a complete file")
		for _, spec := range f.Imports {
			assert.NotContains(t, spec.Path.Value, "internal/", "block %d of the README", i)
		}
		dir := fmt.Sprintf("examples/readme%d", i)
		overlay[filepath.Join(here, filepath.FromSlash(dir), "readme.go")] = shown
		args = append(args, "./"+dir)
	}
	data, err := json.Marshal(map[string]any{"Replace": overlay})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(there, "overlay.json"), data, 0o644))
	out, err := exec.Command("go", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// TestReadmeTable demands that the table of packages lists all public ones.
func TestReadmeTable(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var dirs []string
	for dir := range floors {
		dirs = append(dirs, dir)
	}
	for _, dir := range append(dirs, kits...) {
		assert.Equal(t, public(dir), strings.Contains(string(text), "| `unnas/"+dir+"` |"), "unnas/%s in the table of packages", dir)
	}
}
