package indexfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/indexfile"
)

var errForeign = errors.New("it is a letter")

// index returns one of a text beside data in a folder of its own, and counts how
// often it is built.
func index(t *testing.T, built *int) indexfile.Index[string] {
	t.Setenv("XDG_CACHE_HOME", filepath.Join(t.TempDir(), "cache"))
	t.Setenv("HOME", t.TempDir())
	return indexfile.Index[string]{
		Beside: filepath.Join(t.TempDir(), ".index"),
		Read: func(path string) (string, error) {
			text, err := os.ReadFile(path)
			switch {
			case err != nil:
				return "", err
			case string(text) == "letter":
				return "", errForeign
			case string(text) != "good":
				return "", errors.New("it is stale")
			}
			return string(text), nil
		},
		Write:   func(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) },
		Build:   func() (string, error) { *built++; return "good", nil },
		Foreign: errForeign,
	}
}

// open demands that an index can be had, and returns why it was rebuilt.
func open(t *testing.T, x indexfile.Index[string]) error {
	t.Helper()
	text, rebuilt, err := x.Open()
	require.NoError(t, err)
	require.Equal(t, "good", text)
	return rebuilt
}

func TestBeside(t *testing.T) {
	built := 0
	x := index(t, &built)
	for range 2 {
		require.NoError(t, open(t, x))
		assert.Equal(t, 1, built)
	}
	assert.FileExists(t, x.Beside)
	for content, want := range map[string]string{"old": "it is stale; it was rebuilt", "letter": "it is a letter; it was rebuilt"} {
		require.NoError(t, os.WriteFile(x.Beside, []byte(content), 0o600))
		assert.EqualError(t, open(t, x), want)
		assert.NoError(t, open(t, x))
	}
	assert.Equal(t, 3, built)
}

// TestReadOnly keeps the index in the cache folder where no file can be made beside
// the data. Another folder of data has another one.
func TestReadOnly(t *testing.T) {
	built := 0
	x := index(t, &built)
	require.NoError(t, os.Mkdir(x.Beside, 0o700)) // so no file can be there
	_ = open(t, x)
	require.NoError(t, os.Remove(x.Beside))
	require.NoError(t, open(t, x))
	assert.Equal(t, 1, built, "that of the cache folder serves")
	assert.NoFileExists(t, x.Beside)
	other := x
	other.Beside = filepath.Join(t.TempDir(), ".index")
	require.NoError(t, os.Mkdir(other.Beside, 0o700))
	_ = open(t, other)
	assert.Equal(t, 2, built)
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	files, err := os.ReadDir(filepath.Join(cache, "unnas"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, f := range files {
		assert.True(t, strings.HasSuffix(f.Name(), "-index"), f.Name())
	}
}

// TestNowhere does without a file, and says so.
func TestNowhere(t *testing.T) {
	built := 0
	x := index(t, &built)
	require.NoError(t, os.Mkdir(x.Beside, 0o700))
	require.NoError(t, os.WriteFile(os.Getenv("XDG_CACHE_HOME"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(os.Getenv("HOME"), "Library"), nil, 0o600)) // where macOS has it
	for range 2 {
		rebuilt := open(t, x)
		require.ErrorContains(t, rebuilt, "the index cannot be written, so it is rebuilt each time: ")
		assert.ErrorContains(t, rebuilt, x.Beside+" is not a regular file")
	}
	assert.Equal(t, 2, built)
}

func TestWriteError(t *testing.T) {
	built := 0
	x := index(t, &built)
	full := errors.New("no space left")
	x.Write = func(string, string) error { return full }
	assert.ErrorIs(t, open(t, x), full, "what took minutes is not lost")
}

func TestGiven(t *testing.T) {
	built := 0
	x := index(t, &built)
	x.Given = filepath.Join(t.TempDir(), "mine")
	for range 2 {
		require.NoError(t, open(t, x))
	}
	assert.Equal(t, 1, built)
	assert.FileExists(t, x.Given)
	assert.NoFileExists(t, x.Beside)

	require.NoError(t, os.WriteFile(x.Given, []byte("letter"), 0o600))
	_, _, err := x.Open()
	assert.EqualError(t, err, "it is a letter; name another file for the index, or remove this one")
	x.Given = filepath.Join(x.Given, "index")
	_, _, err = x.Open()
	assert.ErrorContains(t, err, "the index cannot be written: ")
	assert.ErrorContains(t, err, "; choose another file")
	assert.Equal(t, 1, built)
}

func TestBuildError(t *testing.T) {
	built := 0
	x := index(t, &built)
	lost := errors.New("the data is gone")
	x.Build = func() (string, error) { return "", lost }
	_, _, err := x.Open()
	require.ErrorIs(t, err, lost)
	assert.NoFileExists(t, x.Beside)
}
