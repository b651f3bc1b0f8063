package atomicfile_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/atomicfile"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// names returns the sorted names of the files in dir.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var s []string
	for _, e := range entries {
		s = append(s, e.Name())
	}
	return s
}

func TestWriteReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.ckpt")
	for _, want := range []string{"first", "", strings.Repeat("longer than any buffer ", 10_000), "short"} {
		require.NoError(t, atomicfile.Write(path, text(want)))
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
		require.Equal(t, []string{"model.ckpt"}, names(t, dir))
	}
}

func TestWriteInWorkingDirectory(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	require.NoError(t, atomicfile.Write("here", text("x")))
	assert.Equal(t, []string{"here"}, names(t, dir))
}

func TestWritePermission(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no such permissions")
	}
	dir := t.TempDir()
	// A file created by the system with the same wish shows what the umask leaves.
	plain, err := os.OpenFile(filepath.Join(dir, "plain"), os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	require.NoError(t, plain.Close())
	want, err := os.Stat(plain.Name())
	require.NoError(t, err)

	path := filepath.Join(dir, "ours")
	require.NoError(t, atomicfile.Write(path, text("x")))
	got, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, want.Mode(), got.Mode())
}

func TestWriteReplacesLink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(target, []byte("kept"), 0o644))
	if err := os.Symlink(target, link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	require.NoError(t, atomicfile.Write(link, text("new")))
	got, err := os.ReadFile(target)
	require.NoError(t, err)
	assert.Equal(t, "kept", string(got))
	info, err := os.Lstat(link)
	require.NoError(t, err)
	assert.True(t, info.Mode().IsRegular())
}

func TestWriteFaults(t *testing.T) {
	full := errors.New("no space left")
	big := bytes.Repeat([]byte{1}, 1<<20)
	tests := []struct {
		name  string
		write func(io.Writer) error
	}{
		{"before the first byte", func(io.Writer) error { return full }},
		{"in the middle", func(w io.Writer) error {
			if _, err := w.Write(big); err != nil {
				return err
			}
			return full
		}},
		{"while copying", func(w io.Writer) error {
			_, err := io.Copy(w, io.MultiReader(bytes.NewReader(big), iotest.ErrReader(full)))
			return err
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state")
			require.NoError(t, os.WriteFile(path, []byte("old"), 0o644))

			err := atomicfile.Write(path, test.write)
			require.ErrorIs(t, err, full)
			assert.ErrorContains(t, err, path)
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, "old", string(got))
			assert.Equal(t, []string{"state"}, names(t, dir))
		})
	}
}

func TestWritePanics(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o644))
	assert.PanicsWithValue(t, "bug", func() {
		_ = atomicfile.Write(path, func(io.Writer) error { panic("bug") })
	})
	assert.Equal(t, []string{"state"}, names(t, dir))
}

func TestWriteBadPath(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o644))
	folder := filepath.Join(dir, "folder")
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "inside"), 0o755))

	t.Chdir(dir) // where a temporary file without a directory would be left

	for name, path := range map[string]string{
		"no such directory":       filepath.Join(dir, "absent", "state"),
		"a file as the directory": filepath.Join(file, "state"),
		"a directory as the file": folder,
		"no file name":            folder + string(filepath.Separator),
		"no path":                 "",
	} {
		t.Run(name, func(t *testing.T) {
			err := atomicfile.Write(path, text("x"))
			require.Error(t, err)
			assert.ErrorContains(t, err, "atomicfile: write "+path)
			assert.Equal(t, []string{"file", "folder"}, names(t, dir))
			assert.Equal(t, []string{"inside"}, names(t, folder))
		})
	}
	assert.ErrorIs(t, atomicfile.Write(filepath.Join(dir, "absent", "state"), text("x")), fs.ErrNotExist)
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	kept := []string{".hidden", ".notes.tmp", ".state.0123456789ABCDEF.tmp", "state", "state.0123456789abcdef.tmp"}
	for _, name := range append([]string{".state.0123456789abcdef.tmp", ".a.b.fedcba9876543210.tmp"}, kept...) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	// The name that Write itself uses, as when it is killed in the middle.
	before := names(t, dir)
	var temporary string
	require.NoError(t, atomicfile.Write(filepath.Join(dir, "model"), func(io.Writer) error {
		for _, name := range names(t, dir) {
			if !slices.Contains(before, name) {
				temporary = name
			}
		}
		return nil
	}))
	require.NotEmpty(t, temporary)
	require.NoError(t, os.WriteFile(filepath.Join(dir, temporary), nil, 0o644))
	require.NoError(t, atomicfile.Sweep(dir))
	assert.ElementsMatch(t, append(kept, "model"), names(t, dir))
	assert.ErrorIs(t, atomicfile.Sweep(filepath.Join(dir, "absent")), fs.ErrNotExist)
}

func TestLink(t *testing.T) {
	dir := t.TempDir()
	state, best := filepath.Join(dir, "state"), filepath.Join(dir, "best")
	require.NoError(t, atomicfile.Write(state, text("first")))
	for _, want := range []string{"first", "first", "second"} { // anew, of the same file, of another one
		require.NoError(t, atomicfile.Write(state, text(want)))
		for range 2 {
			require.NoError(t, atomicfile.Link(state, "best"))
			got, err := os.ReadFile(best)
			require.NoError(t, err)
			assert.Equal(t, want, string(got))
			assert.Equal(t, []string{"best", "state"}, names(t, dir))
		}
	}
	require.NoError(t, os.Remove(state))
	got, err := os.ReadFile(best)
	require.NoError(t, err)
	assert.Equal(t, "second", string(got), "it outlives the first name")
	assert.ErrorIs(t, atomicfile.Link(state, "best"), fs.ErrNotExist)
	assert.Equal(t, []string{"best"}, names(t, dir))
}

// TestFault lets every operation fail in turn: what is at the path is whole, old or
// new, and the fault is reported.
func TestFault(t *testing.T) {
	full := errors.New("no space left on device")
	t.Cleanup(func() { atomicfile.Fault = nil })
	for name, change := range map[string]func(dir string) error{
		"write": func(dir string) error { return atomicfile.Write(filepath.Join(dir, "new"), text("new")) },
		"link":  func(dir string) error { return atomicfile.Link(filepath.Join(dir, "other"), "new") },
	} {
		t.Run(name, func(t *testing.T) {
			for n, done := 1, false; !done; n++ {
				dir := t.TempDir()
				require.NoError(t, os.WriteFile(filepath.Join(dir, "new"), []byte("old"), 0o644))
				require.NoError(t, os.WriteFile(filepath.Join(dir, "other"), []byte("new"), 0o644))
				left, operation := n, ""
				atomicfile.Fault = func(what, _ string) error {
					if left--; left == 0 {
						operation = what
						return full
					}
					return nil
				}
				err := change(dir)
				atomicfile.Fault = nil
				done = operation == ""
				if done || operation == "remove" { // of what is left over, which Sweep finds
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, full, operation)
				}
				got, err := os.ReadFile(filepath.Join(dir, "new"))
				require.NoError(t, err)
				assert.Contains(t, []string{"old", "new"}, string(got))
				require.NoError(t, atomicfile.Sweep(dir))
				assert.Equal(t, []string{"new", "other"}, names(t, dir), operation)
			}
		})
	}
}

func TestSweepOlder(t *testing.T) {
	dir := t.TempDir()
	const fresh, old, other = ".a.0123456789abcdef.tmp", ".b.0123456789abcdef.tmp", "old"
	past := time.Now().Add(-2 * time.Hour)
	for _, name := range []string{fresh, old, other} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
		if name != fresh {
			require.NoError(t, os.Chtimes(filepath.Join(dir, name), past, past))
		}
	}
	require.NoError(t, atomicfile.SweepOlder(dir, time.Hour))
	assert.ElementsMatch(t, []string{fresh, other}, names(t, dir))
}

func TestWriteWithoutFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	path := filepath.Join("nodir", "file")
	err := atomicfile.Write(path, text("x"))
	require.EqualError(t, err, "atomicfile: write "+path+": no folder nodir; make it, or choose another path")
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, os.WriteFile("nodir", nil, 0o644))
	err = atomicfile.Write(path, text("x"))
	require.Error(t, err)
	assert.NotContains(t, err.Error(), ".tmp")
}
