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

// An Index says what a file keeps and how it is made.
type Index[T any] struct {
	Given  string // file that the user names; empty: Beside, or one in the cache folder
	Beside string // file beside the data
	Read   func(path string) (T, error)
	Write  func(path string, v T) error
	Build  func() (T, error) // what takes minutes
	// Foreign is the error of Read about a file that was never an index.
	Foreign error
}

// Open returns what the index holds. If there is none that serves, it is built, and
// written as a whole or not at all. Rebuilt is why one that was there did not serve,
// or why the new one could not be kept.
//
// It returns an error if Build does, and if a given file is foreign or cannot be
// written, before anything is built.
func (x Index[T]) Open() (v T, rebuilt, err error) {
	paths := x.paths()
	for _, path := range paths {
		v, err := x.Read(path)
		switch {
		case err == nil:
			return v, nil, nil
		case errors.Is(err, x.Foreign) && x.Given != "":
			return v, nil, fmt.Errorf("%w; name another file for the index, or remove this one", err) // do not overwrite a file that is not ours
		case rebuilt == nil && !errors.Is(err, os.ErrNotExist):
			rebuilt = fmt.Errorf("%w; it was built anew", err)
		}
	}
	place, denied := place(paths)
	if denied != nil && x.Given != "" {
		return v, nil, fmt.Errorf("the index cannot be written: %w; name another file for it", denied)
	}
	if v, err = x.Build(); err != nil {
		return v, nil, err
	}
	if denied == nil {
		denied = x.Write(place, v)
	}
	if denied != nil {
		rebuilt = fmt.Errorf("the index cannot be kept, so it is built each time: %w; name a file for it", denied)
	}
	return v, rebuilt, nil
}

// paths returns where the index may be, the best place first.
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

// place returns the first path at which a file can be written. If there is none it
// says why.
func place(paths []string) (string, error) {
	var denied error
	for i, path := range paths {
		if i > 0 { // a folder of the user's own
			_ = os.MkdirAll(filepath.Dir(path), 0o700) // else writable fails
		}
		err := writable(path)
		if err == nil {
			return path, nil
		}
		denied = errors.Join(denied, err)
	}
	return "", denied
}

// writable returns an error if path is something else than a file, or if no file
// can be made in its folder.
func writable(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a plain file", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".unnas-index-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
