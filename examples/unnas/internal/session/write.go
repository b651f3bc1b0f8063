package session

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile writes a file as a whole or not at all.
func WriteFile(path string, content func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".unnas-*")
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: no folder %s; make it, or choose another path", path, dir)
	}
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		err = at.Err // without the temporary name
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err := content(f); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	const readable = 0o644
	if err := os.Chmod(f.Name(), readable); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
