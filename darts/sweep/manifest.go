package sweep

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"unnas/internal/atomicfile"
	"unnas/internal/filelock"
)

// Job is one unit of work.
type Job struct {
	// Name is used in file names: up to 100 letters, digits, '_', '-' and '.', starting
	// with a letter or a digit, not ending in '.'. Names that differ only in case, and
	// device names of Windows, such as "con" and "nul.x", are refused, so that a folder
	// can be moved to any system.
	Name string `json:"name"`
	// Spec describes the work, in a form that the program chooses.
	Spec json.RawMessage `json:"spec"`
}

// Manifest is the work of a sweep. It must not change during the sweep.
type Manifest struct {
	Settings json.RawMessage `json:"settings"` // common to all jobs, in a form that the program chooses; may be nil
	Jobs     []Job           `json:"jobs"`
}

var (
	name   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?$`)
	device = regexp.MustCompile(`(?i)^(con|prn|aux|nul|(com|lpt)[0-9])(\.|$)`) // Windows devices, with any extension
)

// Validate returns an error that names the first invalid job.
func (m Manifest) Validate() error {
	if len(m.Jobs) == 0 {
		return errors.New("sweep: the manifest has no jobs")
	}
	seen := make(map[string]int, len(m.Jobs))
	for i, j := range m.Jobs {
		if !name.MatchString(j.Name) {
			return fmt.Errorf("sweep: job %d is named %.120q; want up to 100 letters, digits, '_', '-' and '.', starting with a letter or a digit, not ending in '.'", i, j.Name)
		}
		if device.MatchString(j.Name) {
			return fmt.Errorf("sweep: job %d is named %s, which is a device on Windows; use another name", i, j.Name)
		}
		folded := strings.ToLower(j.Name)
		first, twice := seen[folded]
		switch {
		case twice && m.Jobs[first].Name == j.Name:
			return fmt.Errorf("sweep: jobs %d and %d are both named %s; names must differ", first, i, j.Name)
		case twice:
			return fmt.Errorf("sweep: the names of jobs %d and %d, %s and %s, differ only in case, which some file systems ignore; use another name", first, i, m.Jobs[first].Name, j.Name)
		}
		seen[folded] = i
	}
	return nil
}

// The files and folders of a sweep.
const (
	manifestFile  = "manifest.json"
	resultFolder  = "results"
	failureFolder = "failures"
	workFolder    = "work"
	lockFolder    = "locks"
)

// Sweep is a folder with a manifest and the state of its jobs.
type Sweep struct {
	dir      string
	manifest Manifest
	digest   string               // of the manifest
	host     string               // name of this machine, for file names
	lock     func(*os.File) error // filelock.Lock
}

// Open stores a manifest in a folder, which it creates with its parents, or opens the
// folder if it already has the same manifest. Another manifest there is an error that
// describes the first difference. If several programs open one folder with different
// manifests, one succeeds.
func Open(dir string, m Manifest) (*Sweep, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, fmt.Errorf("sweep: the manifest has no JSON form: %w", err)
	}
	for _, part := range []string{"", resultFolder, failureFolder, workFolder, lockFolder} {
		if err := os.MkdirAll(filepath.Join(dir, part), 0o755); err != nil {
			return nil, fmt.Errorf("sweep: %w; choose a writable folder", err)
		}
	}
	if err := create(filepath.Join(dir, manifestFile), text); err != nil {
		return nil, fmt.Errorf("sweep: %w; choose a writable folder", err)
	}
	// Read it back: another program may have been first.
	s, err := Load(dir)
	if err != nil {
		return nil, err
	}
	if s.digest != digestOf(text) {
		return nil, fmt.Errorf("sweep: folder %s has another sweep: %s; choose another folder, or use the same manifest", dir, difference(s.manifest, m))
	}
	return s, nil
}

// create writes a file unless it exists. The file is complete from the start, except on
// a file system without hard links.
func create(path string, text []byte) error {
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	write := func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	}
	// The name is one that atomicfile.SweepOlder removes.
	temp := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%016x.tmp", manifestFile, rand.Uint64()))
	if err := atomicfile.Write(temp, write); err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp) }() // leftovers are removed later
	err := os.Link(temp, path)
	if err != nil && !errors.Is(err, os.ErrExist) {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); err == nil {
			if err = errors.Join(write(f), f.Sync(), f.Close()); err != nil {
				_ = os.Remove(path)
			}
		}
	}
	if errors.Is(err, os.ErrExist) {
		return nil // another program was first
	}
	return err
}

// maxManifest limits the size of a manifest in bytes.
const maxManifest = 1 << 28

// Load opens the folder of an existing sweep.
func Load(dir string) (*Sweep, error) {
	path := filepath.Join(dir, manifestFile)
	text, err := read(path, maxManifest)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("sweep: no sweep in folder %s: %w; want the folder of an existing sweep", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	s := &Sweep{dir: dir, digest: digestOf(text), host: hostname(), lock: filelock.Lock}
	if err := json.Unmarshal(text, &s.manifest); err != nil {
		return nil, fmt.Errorf("sweep: %s is not a manifest: %w", path, err)
	}
	if err := s.manifest.Validate(); err != nil {
		return nil, fmt.Errorf("%w (in %s)", err, path)
	}
	return s, nil
}

// Dir returns the path of the folder.
func (s *Sweep) Dir() string { return s.dir }

// Manifest returns the manifest of the sweep.
func (s *Sweep) Manifest() Manifest { return s.manifest }

// hostname returns the name of this machine, with '_' for characters that are not
// allowed in file names.
func hostname() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	return unfit.ReplaceAllString(host, "_")
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9._-]`)

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// difference describes the first difference between two manifests.
func difference(saved, given Manifest) string {
	equal := func(a, b json.RawMessage) bool {
		var x, y bytes.Buffer
		return json.Compact(&x, orNull(a)) == nil && json.Compact(&y, orNull(b)) == nil && bytes.Equal(x.Bytes(), y.Bytes())
	}
	if !equal(saved.Settings, given.Settings) {
		return fmt.Sprintf("the settings are %.300s, not %.300s", saved.Settings, given.Settings)
	}
	if len(saved.Jobs) != len(given.Jobs) {
		return fmt.Sprintf("there are %d jobs, not %d", len(saved.Jobs), len(given.Jobs))
	}
	for i, j := range saved.Jobs {
		k := given.Jobs[i]
		if j.Name != k.Name {
			return fmt.Sprintf("job %d is %s, not %s", i, j.Name, k.Name)
		}
		if !equal(j.Spec, k.Spec) {
			return fmt.Sprintf("job %s is %.300s, not %.300s", j.Name, j.Spec, k.Spec)
		}
	}
	return "the formatting differs"
}

// orNull returns the JSON of a message, null if it is nil.
func orNull(m json.RawMessage) json.RawMessage {
	if m == nil {
		return json.RawMessage("null")
	}
	return m
}

// errDamaged is the error of a damaged file.
var errDamaged = errors.New("damaged")

// read returns the contents of a file of at most limit bytes; a longer one is damaged.
func read(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s is %w: it has more than %d bytes", path, errDamaged, limit)
	}
	return text, err
}
