package indexfile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// An Index configures an index file: its path, and how to read, write and build it.
type Index[T any] struct {
	Given  string // path chosen by the user; empty: Beside, or a file in the cache directory
	Beside string // file beside the data
	Read   func(path string) (T, error)
	Write  func(path string, v T) error
	Build  func() (T, error) // may take minutes
	// Foreign is the error of Read about a file that was never an index.
	Foreign error
}

// Open returns the contents of the index. Without a valid index, it is built and
// written atomically; rebuilt is then why an existing one could not be used, or why the
// new one could not be written.
//
// It returns an error if Build does, and, before building, if Given is foreign or
// cannot be written.
func (x Index[T]) Open() (v T, rebuilt, err error) {
	paths := x.paths()
	for _, path := range paths {
		v, err := x.Read(path)
		switch {
		case err == nil:
			return v, nil, nil
		case errors.Is(err, x.Foreign) && x.Given != "":
			return v, nil, fmt.Errorf("%w; name another file for the index, or remove this one", err) // not an index: do not overwrite
		case rebuilt == nil && !errors.Is(err, os.ErrNotExist):
			rebuilt = fmt.Errorf("%w; it was rebuilt", err)
		}
	}
	place, denied := place(paths)
	if denied != nil && x.Given != "" {
		return v, nil, fmt.Errorf("the index cannot be written: %w; choose another file", denied)
	}
	if v, err = x.Build(); err != nil {
		return v, nil, err
	}
	if denied == nil {
		denied = x.Write(place, v)
	}
	if denied != nil {
		rebuilt = fmt.Errorf("the index cannot be written, so it is rebuilt each time: %w; choose a file for it", denied)
	}
	return v, rebuilt, nil
}

// paths returns the possible paths of the index, the preferred one first.
func (x Index[T]) paths() []string {
	if x.Given != "" {
		return []string{x.Given}
	}
	paths := []string{x.Beside}
	cache, err := os.UserCacheDir()
	if err != nil {
		return paths
	}
	whole, err := filepath.Abs(x.Beside)
	if err != nil {
		return paths
	}
	sum := sha256.Sum256([]byte(whole))
	name := hex.EncodeToString(sum[:8]) + "-" + strings.TrimPrefix(filepath.Base(whole), ".")
	return append(paths, filepath.Join(cache, "unnas", name))
}

// place returns the first path at which a file can be written, or why there is none.
func place(paths []string) (string, error) {
	var denied error
	for i, path := range paths {
		if i > 0 { // in the user's cache directory
			_ = os.MkdirAll(filepath.Dir(path), 0o700) // writable reports failures
		}
		err := writable(path)
		if err == nil {
			return path, nil
		}
		denied = errors.Join(denied, err)
	}
	return "", denied
}

// writable returns an error if path is not a regular file, or if no file can be created
// in its folder.
func writable(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".unnas-index-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
