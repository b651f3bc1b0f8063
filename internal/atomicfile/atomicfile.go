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

// Write replaces the file at path by what write writes. It goes to a temporary
// file in the same directory, which takes the name of the old one only once its
// content is on the disk; Write returns once the new name is there too. The new
// file has permission 0644 less the process's umask; a symbolic link at path is
// replaced, not followed. The writer is buffered.
//
// If write or the file system fails, the old file is untouched and the
// temporary one is gone. Only after an error that says so may the new file be
// in place without the promise that it outlives a power cut.
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
	// os.CreateTemp would deny the group and others to read the file.
	temp := filepath.Join(dir, fmt.Sprintf(temporary, base, rand.Uint64()))
	f, err := OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	renamed := false
	defer func() { // also when write panics
		if !renamed {
			_ = f.Close() // harmless when closed already
			_ = Remove(temp)
		}
	}()

	buffer := bufio.NewWriter(struct{ io.Writer }{f}) // every byte through Write
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

// WriteAs writes the file at path, as Write does, in the format of its extension. The
// keys of formats are extensions in lower case, such as ".svg".
func WriteAs(path string, formats map[string]func(w io.Writer) error) error {
	extension := strings.ToLower(filepath.Ext(path))
	write, known := formats[extension]
	if !known {
		return fmt.Errorf("atomicfile: write %s: extension %q: want one of %s",
			path, extension, strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
	}
	return Write(path, write)
}

// Link gives the file at path a second name in its directory, in place of the file
// that has it. Where the file system has no hard links, or not for this file, the
// second file is a copy. Link returns as Write does.
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
	defer func() { _ = Remove(temp) }() // stays if both are names of one file already
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

// place gives the temporary file its name.
func place(temp, path string) error {
	if err := fault("rename", path); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// settle returns once the new name of a file is on the disk.
func settle(dir string) error {
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("the file is in place, but its directory cannot be synced: %w", err)
	}
	return nil
}

// temporary is the name of a file that becomes another when it is complete, and
// leftover matches it.
const temporary = ".%s.%016x.tmp"

var leftover = regexp.MustCompile(`^\..*\.[0-9a-f]{16}\.tmp$`)

// Sweep removes the temporary files that processes have left in a directory
// which were killed in the middle of Write. None may be writing there now.
func Sweep(dir string) error { return sweep(dir, func(os.FileInfo) bool { return true }) }

// SweepOlder is Sweep for a directory where others may be writing: it leaves files
// that were last written less than age ago.
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
		if err != nil && !errors.Is(err, os.ErrNotExist) { // it was renamed or removed meanwhile
			return fmt.Errorf("atomicfile: sweep: %w", err)
		}
	}
	return nil
}

// syncDir puts the names in a directory on the disk.
func syncDir(dir string) error {
	if err := fault("sync", dir); err != nil || Unsynced {
		return err
	}
	if runtime.GOOS == "windows" {
		return nil // cannot open a directory for syncing; the file system's journal keeps names
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems keep no directories to sync, and say that the argument
	// is invalid: there is nothing to be done.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
