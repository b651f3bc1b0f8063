package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Write replaces the file at path by the output of write. It writes a temporary file in
// the same directory and renames it once its contents are on disk; Write returns once
// the new name is on disk too. The new file has permission 0644 less the process's
// umask; a symbolic link at path is replaced, not followed. The writer is buffered.
//
// If write or the file system fails, the old file is unchanged and the temporary file
// removed. Only if the error says so may the new file be in place without being safe
// from a power failure.
func Write(path string, write func(w io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("atomicfile: write %s: %w", path, err)
		}
	}()
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	// os.CreateTemp would make the file unreadable for group and others.
	temp := filepath.Join(dir, fmt.Sprintf(temporary, base, rand.Uint64()))
	f, err := OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return creation(dir, err)
	}
	renamed := false
	defer func() { // also when write panics
		if !renamed {
			_ = f.Close() // harmless if already closed
			_ = Remove(temp)
		}
	}()

	buffer := bufio.NewWriter(struct{ io.Writer }{f}) // without ReadFrom, which bypasses Write
	if err := write(buffer); err != nil {
		return err
	}
	if err := buffer.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := place(temp, path); err != nil {
		return err
	}
	renamed = true
	return settle(dir)
}

// creation returns the error of a temporary file that could not be created in dir, without
// its name.
func creation(dir string, err error) error {
	if _, e := os.Stat(dir); errors.Is(e, os.ErrNotExist) {
		return missing(filepath.Clean(dir))
	}
	if at := (*os.PathError)(nil); errors.As(err, &at) {
		return at.Err
	}
	return err
}

// missing is the error of a folder that is not there.
type missing string

func (m missing) Error() string {
	return fmt.Sprintf("no folder %s; make it, or choose another path", string(m))
}

func (missing) Unwrap() error { return os.ErrNotExist }

// WriteAs writes the file at path like Write, in the format of its extension. The keys
// of formats are lower-case extensions, such as ".svg".
func WriteAs(path string, formats map[string]func(w io.Writer) error) error {
	extension := strings.ToLower(filepath.Ext(path))
	write, known := formats[extension]
	if !known {
		return fmt.Errorf("atomicfile: write %s: extension %q: want one of %s",
			path, extension, strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	}
	return Write(path, write)
}

// Link gives the file at path a second name in its directory, replacing an existing
// file. Without hard links the second file is a copy. Link gives the guarantees of
// Write.
func Link(path, name string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("atomicfile: link %s to %s: %w", name, path, err)
		}
	}()
	dir := filepath.Dir(path)
	target := filepath.Join(dir, name)
	if err := fault("link", target); err != nil {
		return err
	}
	temp := filepath.Join(dir, fmt.Sprintf(temporary, name, rand.Uint64()))
	if os.Link(path, temp) != nil {
		return copyFile(path, target)
	}
	defer func() { _ = Remove(temp) }() // remains if both are already names of one file
	if err := place(temp, target); err != nil {
		return err
	}
	return settle(dir)
}

func copyFile(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return Write(to, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}

// place renames the temporary file.
func place(temp, path string) error {
	if err := fault("rename", path); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// settle returns once the new name of a file is on disk.
func settle(dir string) error {
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("the file is in place, but its directory cannot be synced: %w", err)
	}
	return nil
}

// temporary is the pattern of temporary names, and leftover matches them.
const temporary = ".%s.%016x.tmp"

var leftover = regexp.MustCompile(`^\..*\.[0-9a-f]{16}\.tmp$`)

// Sweep removes the temporary files of processes killed during Write from a directory.
// No process may be writing there.
func Sweep(dir string) error { return sweep(dir, func(os.FileInfo) bool { return true }) }

// SweepOlder is Sweep for a directory that others may be writing to: it keeps files
// written less than age ago.
func SweepOlder(dir string, age time.Duration) error {
	return sweep(dir, func(f os.FileInfo) bool { return time.Since(f.ModTime()) > age })
}

func sweep(dir string, stale func(os.FileInfo) bool) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("atomicfile: sweep: %w", err)
	}
	for _, f := range files {
		if !leftover.MatchString(f.Name()) {
			continue
		}
		info, err := f.Info()
		if err == nil && stale(info) {
			err = Remove(filepath.Join(dir, f.Name()))
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) { // it may have been renamed or removed
			return fmt.Errorf("atomicfile: sweep: %w", err)
		}
	}
	return nil
}

// syncDir syncs the names in a directory.
func syncDir(dir string) error {
	if err := fault("sync", dir); err != nil || Unsynced {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced; the file system's journal protects names
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// File systems that cannot sync directories report an invalid argument.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
