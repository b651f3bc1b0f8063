package xla

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"unnas/internal/atomicfile"
	"unnas/internal/pjrt"
)

// CacheDir returns the directory of compiled programs in the user's cache.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("xla: %w", err)
	}
	return filepath.Join(dir, "unnas", "xla"), nil
}

// cacheBytes is the size beyond which the programs that were not used for longest leave the
// cache.
const cacheBytes = 4 << 30

// cacheFormat is the version of the files of the cache.
const cacheFormat = 1

// compile compiles a program, or loads it from the cache. What the cache cannot do, such as
// store on a full disk, costs time alone.
func compile(c *pjrt.Client, text string, o pjrt.CompileOptions, cache string) (*pjrt.Executable, error) {
	if cache == "" {
		return c.Compile(text, o)
	}
	path := filepath.Join(cache, key(c, text, o))
	if e := load(c, path); e != nil {
		now := time.Now()
		_ = os.Chtimes(path, now, now)
		return e, nil
	}
	e, err := c.Compile(text, o)
	if err != nil {
		return nil, err
	}
	if code, err := e.Serialize(); err == nil {
		if store(path, code) == nil {
			prune(cache, cacheBytes, filepath.Base(path))
		}
	}
	return e, nil
}

// key returns the name of a compiled program: a digest of all that it depends on.
func key(c *pjrt.Client, text string, o pjrt.CompileOptions) string {
	h := sha256.New()
	p := c.Plugin()
	var size int64
	if info, err := os.Stat(p.Path()); err == nil {
		size = info.Size()
	}
	fmt.Fprintf(h, "%d %q %q %d %q %q\n", cacheFormat, p.Path(), p.Version(), size, c.Platform(), c.Version())
	for _, d := range o.Devices {
		fmt.Fprintf(h, "device %d of kind %q\n", d, c.Devices()[d].Kind)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Flags)) {
		fmt.Fprintf(h, "%s=%v\n", name, o.Flags[name])
	}
	_, _ = io.WriteString(h, text) // a hash never fails
	return hex.EncodeToString(h.Sum(nil))
}

// load returns a compiled program, nil if the file is not there, is not whole, or is of
// another version.
func load(c *pjrt.Client, path string) *pjrt.Executable {
	file, err := os.ReadFile(path)
	if err != nil || len(file) < sha256.Size {
		return nil
	}
	sum, code := file[:sha256.Size], file[sha256.Size:]
	if want := sha256.Sum256(code); !bytes.Equal(sum, want[:]) {
		return nil
	}
	e, err := c.Load(code)
	if err != nil {
		return nil
	}
	return e
}

// store writes a compiled program after its digest, since a plugin may crash on one that is
// not whole.
func store(path string, code []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	sum := sha256.Sum256(code)
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(append(sum[:], code...))
		return err
	})
}

// prune removes files from a directory, those that were not used for longest first, until
// their sizes add up to a limit. It leaves the one to keep. Other processes may do the same,
// or read a file meanwhile: what one of them finds gone, it compiles again.
func prune(dir string, limit int64, keep string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	var files []os.FileInfo
	total := int64(0)
	for _, e := range entries {
		if f, err := e.Info(); err == nil && f.Mode().IsRegular() {
			files = append(files, f)
			total += f.Size()
		}
	}
	slices.SortStableFunc(files, func(a, b os.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, f := range files {
		if total <= limit {
			return
		}
		if f.Name() != keep {
			_ = os.Remove(filepath.Join(dir, f.Name()))
			total -= f.Size()
		}
	}
}
