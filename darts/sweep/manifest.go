package sweep

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"unnas/internal/atomicfile"
)

// Job is one piece of work.
type Job struct {
	// Name is its own, and part of the names of files: up to 100 letters, digits,
	// '_', '-' and '.', the first a letter or a digit.
	Name string `json:"name"`
	// Spec says what to do, in whatever form the program likes.
	Spec json.RawMessage `json:"spec"`
}

// Manifest is what a sweep is to do. It does not change while it is done.
type Manifest struct {
	Settings json.RawMessage `json:"settings"` // of all jobs, in whatever form the program likes; may be nil
	Jobs     []Job           `json:"jobs"`
}

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Validate returns an error that names the first job that no sweep can have.
func (m Manifest) Validate() error {
	if len(m.Jobs) == 0 {
		return errors.New("sweep: the manifest has no jobs")
	}
	seen := make(map[string]int, len(m.Jobs))
	for i, j := range m.Jobs {
		if !name.MatchString(j.Name) {
			return fmt.Errorf("sweep: job %d is named %.120q; use up to 100 letters, digits, '_', '-' and '.', the first a letter or a digit", i, j.Name)
		}
		if first, twice := seen[j.Name]; twice {
			return fmt.Errorf("sweep: jobs %d and %d are both named %s; give each a name of its own", first, i, j.Name)
		}
		seen[j.Name] = i
	}
	return nil
}

// The files and folders of a sweep.
const (
	manifestFile  = "manifest.json"
	resultFolder  = "results"
	failureFolder = "failures"
	workFolder    = "work"
)

// Sweep is a folder with a manifest and what became of its jobs.
type Sweep struct {
	dir      string
	manifest Manifest
	digest   string // of the manifest
}

// Open keeps a manifest in a folder, which it makes with those above it, or opens
// the folder if it holds the same manifest already. Another manifest there is an
// error that tells the first difference.
func Open(dir string, m Manifest) (*Sweep, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, fmt.Errorf("sweep: the manifest has no JSON form: %w", err)
	}
	for _, part := range []string{"", resultFolder, failureFolder, workFolder} {
		if err := os.MkdirAll(filepath.Join(dir, part), 0o755); err != nil {
			return nil, fmt.Errorf("sweep: %w; choose a folder that can be written", err)
		}
	}
	path := filepath.Join(dir, manifestFile)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		err := atomicfile.Write(path, func(w io.Writer) error {
			_, err := w.Write(text)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("sweep: %w; choose a folder that can be written", err)
		}
	}
	// Read again: another program may have been first.
	s, err := Load(dir)
	if err != nil {
		return nil, err
	}
	if s.digest != digestOf(text) {
		return nil, fmt.Errorf("sweep: folder %s holds another sweep: %s; choose another folder, or repeat what began it", dir, difference(s.manifest, m))
	}
	return s, nil
}

// maxManifest bounds the size of a manifest in bytes.
const maxManifest = 1 << 28

// Load opens the folder of a sweep that was begun.
func Load(dir string) (*Sweep, error) {
	path := filepath.Join(dir, manifestFile)
	text, err := read(path, maxManifest)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("sweep: folder %s holds no sweep: %w; give the folder of one that was begun", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	s := &Sweep{dir: dir, digest: digestOf(text)}
	if err := json.Unmarshal(text, &s.manifest); err != nil {
		return nil, fmt.Errorf("sweep: %s is no manifest: %w", path, err)
	}
	if err := s.manifest.Validate(); err != nil {
		return nil, fmt.Errorf("%w (in %s)", err, path)
	}
	return s, nil
}

// Dir returns the path of the folder.
func (s *Sweep) Dir() string { return s.dir }

// Manifest returns what the sweep is to do.
func (s *Sweep) Manifest() Manifest { return s.manifest }

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// difference tells the first difference between two manifests.
func difference(saved, given Manifest) string {
	equal := func(a, b json.RawMessage) bool {
		var x, y bytes.Buffer
		return json.Compact(&x, orNull(a)) == nil && json.Compact(&y, orNull(b)) == nil && bytes.Equal(x.Bytes(), y.Bytes())
	}
	if !equal(saved.Settings, given.Settings) {
		return fmt.Sprintf("its settings are %.300s, not %.300s", saved.Settings, given.Settings)
	}
	if len(saved.Jobs) != len(given.Jobs) {
		return fmt.Sprintf("it has %d jobs, not %d", len(saved.Jobs), len(given.Jobs))
	}
	for i, j := range saved.Jobs {
		k := given.Jobs[i]
		if j.Name != k.Name {
			return fmt.Sprintf("its job %d is %s, not %s", i, j.Name, k.Name)
		}
		if !equal(j.Spec, k.Spec) {
			return fmt.Sprintf("its job %s is %.300s, not %.300s", j.Name, j.Spec, k.Spec)
		}
	}
	return "it was written in another way"
}

// orNull returns what JSON is made of a message that is not there.
func orNull(m json.RawMessage) json.RawMessage {
	if m == nil {
		return json.RawMessage("null")
	}
	return m
}

// read returns the content of a file of at most limit bytes.
func read(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s has more than %d bytes; it is no file of a sweep", path, limit)
	}
	return text, err
}
