package darts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"unnas/cell"
	"unnas/internal/atomicfile"
)

// The files of a run folder.
const (
	configFile   = "config.json"   // the settings of the run
	metricsFile  = "metrics.jsonl" // every event, a JSON object a line (see JSONLines)
	genotypeFile = "genotype.json" // the cells that were found
	normalFile   = "normal.svg"    // pictures of them
	reduceFile   = "reduce.svg"
)

// Folder is a Recorder that keeps a run in a folder: config.json and
// metrics.jsonl while it goes on, and, by Save, genotype.json, normal.svg and
// reduce.svg. Runs of equal seeds write equal bytes.
type Folder struct {
	dir     string
	metrics *os.File
	lines   *JSONLines
}

// NewFolder makes the folder of a run, with those above it. It refuses a folder
// that holds a run already.
func NewFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("darts: run folder: %w; choose a folder that can be written", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, metricsFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("darts: run folder %s holds a run already; choose another or remove it", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("darts: run folder: %w; choose a folder that can be written", err)
	}
	return &Folder{dir, f, NewJSONLines(f)}, nil
}

// Dir returns the path of the folder.
func (f *Folder) Dir() string { return f.dir }

// Record keeps an event.
func (f *Folder) Record(e Event) error {
	if start, ok := e.(Start); ok {
		if err := f.write(configFile, func(w io.Writer) error { return indented(w, start.Config) }); err != nil {
			return err
		}
	}
	if err := f.lines.Record(e); err != nil {
		return fmt.Errorf("darts: run folder %s: %w", f.dir, err)
	}
	return nil
}

// Save writes the cells that a search has found.
func (f *Folder) Save(r *Result) error {
	g := r.Genotype
	return errors.Join(
		f.write(genotypeFile, func(w io.Writer) error { return indented(w, g) }),
		f.write(normalFile, cell.Picture{Title: "normal cell", Edges: g.Normal, Concat: g.NormalConcat}.WriteSVG),
		f.write(reduceFile, cell.Picture{Title: "reduction cell", Edges: g.Reduce, Concat: g.ReduceConcat}.WriteSVG),
	)
}

// Discard closes the folder of a run that failed before it began, and removes
// what Record has written, and the folder if nothing else is in it.
func (f *Folder) Discard() error {
	err := f.metrics.Close()
	for _, name := range []string{metricsFile, configFile} {
		if e := os.Remove(filepath.Join(f.dir, name)); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	if rest, e := os.ReadDir(f.dir); e == nil && len(rest) == 0 {
		err = errors.Join(err, os.Remove(f.dir))
	}
	if err != nil {
		return fmt.Errorf("darts: run folder %s: %w", f.dir, err)
	}
	return nil
}

// Close ends the file of events.
func (f *Folder) Close() error {
	if err := errors.Join(f.metrics.Sync(), f.metrics.Close()); err != nil {
		return fmt.Errorf("darts: run folder %s: %w", f.dir, err)
	}
	return nil
}

func (f *Folder) write(name string, write func(io.Writer) error) error {
	if err := atomicfile.Write(filepath.Join(f.dir, name), write); err != nil {
		return fmt.Errorf("darts: run folder: %w", err)
	}
	return nil
}

func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
