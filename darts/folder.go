package darts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

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

	checkpointFile = "checkpoint-%d" // the state after so many steps
)

// Folder keeps a run in a folder: config.json, metrics.jsonl and checkpoints
// while it goes on, and, by Save, genotype.json, normal.svg and reduce.svg. Set
// it in the Config of the run. Runs of equal seeds write equal bytes, but for
// the times in checkpoints.
//
// A checkpoint is kept at the end of every epoch, after every Interval within
// one, and when the context of the run is done or an image cannot be loaded. A
// run that stopped, for whatever reason, goes on with OpenFolder.
type Folder struct {
	// Interval is the least time between checkpoints within an epoch.
	Interval time.Duration
	// Keep is how many checkpoints there are at most, the newest ones. If one is
	// damaged, the one before it serves. Less than 1 counts as 1.
	Keep int

	dir     string
	opened  bool // rather than made
	metrics *os.File
	lines   *JSONLines
	kept    time.Time // when the last checkpoint was, or the folder was opened
}

// NewFolder makes the folder of a run, with those above it, for a checkpoint
// every ten minutes, of which two are kept. It refuses a folder that holds a run
// already.
func NewFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("darts: run folder: %w; choose a folder that can be written", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, metricsFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("darts: run folder %s holds a run already; go on with it, choose another or remove it", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("darts: run folder: %w; choose a folder that can be written", err)
	}
	return newFolder(dir, f), nil
}

// OpenFolder opens the folder of an earlier run, so that a run goes on from its
// last checkpoint, or begins anew if there is none yet. What metrics.jsonl says
// about the time after the checkpoint is removed then. Only one program at a time
// may write to the folder.
func OpenFolder(dir string) (*Folder, error) {
	f, err := os.OpenFile(filepath.Join(dir, metricsFile), os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("darts: run folder %s holds no run: %w; give the folder of a run that was begun", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("darts: run folder: %w; a run that goes on needs to write there", err)
	}
	if err := atomicfile.Sweep(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("darts: run folder: %w", err), f.Close())
	}
	folder := newFolder(dir, f)
	folder.opened = true
	return folder, nil
}

func newFolder(dir string, metrics *os.File) *Folder {
	return &Folder{Interval: 10 * time.Minute, Keep: 2, dir: dir, metrics: metrics, lines: NewJSONLines(metrics), kept: time.Now()}
}

// Dir returns the path of the folder.
func (f *Folder) Dir() string { return f.dir }

// record keeps an event.
func (f *Folder) record(e Event) error {
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

// Discard closes the folder of a run that failed before its first step, and
// removes what the run has written, and the folder if nothing else is in it. An
// earlier run that OpenFolder found is kept.
func (f *Folder) Discard() error {
	if f.opened {
		return f.Close()
	}
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

// due says whether it is time for a checkpoint.
func (f *Folder) due() bool { return time.Since(f.kept) >= f.Interval }

// keep writes a checkpoint after so many steps, and removes those that it
// replaces: all but the newest, and those of more steps, which were damaged.
func (f *Folder) keep(steps int, checkpoint func(w io.Writer, metrics int64) error) error {
	fault := func(err error) error { return fmt.Errorf("darts: run folder %s: checkpoint: %w", f.dir, err) }
	// The lines that a checkpoint counts must outlive what it outlives.
	if err := f.metrics.Sync(); err != nil {
		return fault(err)
	}
	size, err := f.metrics.Seek(0, io.SeekCurrent)
	if err != nil {
		return fault(err)
	}
	name := fmt.Sprintf(checkpointFile, steps)
	if err := f.write(name, func(w io.Writer) error { return checkpoint(w, size) }); err != nil {
		return err
	}
	f.kept = time.Now()
	all, err := f.checkpoints()
	if err != nil {
		return fault(err)
	}
	at := slices.Index(all, steps)
	for i, n := range all {
		if i > at || i <= at-max(f.Keep, 1) {
			if err := os.Remove(f.path(n)); err != nil {
				return fault(err)
			}
		}
	}
	return nil
}

// path returns where the checkpoint after so many steps lies.
func (f *Folder) path(steps int) string {
	return filepath.Join(f.dir, fmt.Sprintf(checkpointFile, steps))
}

// checkpoints returns after how many steps there are checkpoints, in order.
func (f *Folder) checkpoints() ([]int, error) {
	files, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var all []int
	for _, file := range files {
		var n int
		if _, err := fmt.Sscanf(file.Name(), checkpointFile, &n); err == nil && file.Name() == fmt.Sprintf(checkpointFile, n) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

// resume has the newest good checkpoint restored, and cuts metrics.jsonl back to
// it, or to nothing if there is none. Faults are those of newer checkpoints.
func (f *Folder) resume(restore func(r io.ReadSeeker, size, limit int64) (metrics int64, err error)) (resumed bool, faults []error, err error) {
	fault := func(err error) error { return fmt.Errorf("darts: run folder %s: %w", f.dir, err) }
	all, err := f.checkpoints()
	if err != nil {
		return false, nil, fault(err)
	}
	info, err := f.metrics.Stat()
	if err != nil {
		return false, nil, fault(err)
	}
	metrics := int64(0)
	for _, n := range slices.Backward(all) {
		metrics, err = open(f.path(n), func(r io.ReadSeeker, size int64) (int64, error) { return restore(r, size, info.Size()) })
		if err == nil {
			resumed = true
			break
		}
		err = fmt.Errorf("darts: checkpoint %s: %w", f.path(n), err)
		if errors.Is(err, errOther) {
			return false, nil, err
		}
		faults = append(faults, err)
	}
	if len(all) > 0 && !resumed {
		return false, nil, fmt.Errorf("%w\nno checkpoint is left; remove them to begin the run anew", errors.Join(faults...))
	}
	if err := f.metrics.Truncate(metrics); err != nil {
		return false, nil, fault(err)
	}
	if _, err := f.metrics.Seek(metrics, io.SeekStart); err != nil {
		return false, nil, fault(err)
	}
	return resumed, faults, nil
}

// batch returns the batch of the run that the newest good checkpoint is of, or 0 if
// there is none.
func (f *Folder) batch() int {
	all, err := f.checkpoints()
	if err != nil {
		return 0 // resume will say so
	}
	var run struct{ Batch int }
	for _, n := range slices.Backward(all) {
		if _, err := open(f.path(n), func(r io.ReadSeeker, size int64) (int64, error) {
			h, err := readHeader(r, size)
			if err != nil {
				return 0, err
			}
			return 0, json.Unmarshal(h.Run, &run)
		}); err == nil {
			return run.Batch
		}
	}
	return 0
}

// open calls read with the file at path and its size.
func open(path string, read func(r io.ReadSeeker, size int64) (int64, error)) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return read(f, info.Size())
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
