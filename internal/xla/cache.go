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

// compile compiles a program, or loads it from the cache. What the cache cannot do, such as
// store on a full disk, costs time alone.
func compile(c *pjrt.Client, text string, o pjrt.CompileOptions, cache string) (*pjrt.Executable, error) {
	if cache == "" {
		return c.Compile(text, o)
	}
	path := filepath.Join(cache, key(c, text, o))
	if e := load(c, path); e != nil {
		return e, nil
	}
	e, err := c.Compile(text, o)
	if err != nil {
		return nil, err
	}
	if code, err := e.Serialize(); err == nil {
		_ = store(path, code)
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
	fmt.Fprintf(h, "%q %q %d %q %q\n", p.Path(), p.Version(), size, c.Platform(), c.Version())
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
