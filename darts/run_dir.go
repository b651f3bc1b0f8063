package darts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"unnas/cell"
	"unnas/cell/draw"
	"unnas/darts/record"
	"unnas/internal/atomicfile"
	"unnas/internal/checkpoint"
	"unnas/internal/filelock"
	"unnas/ops"
)

// The files of a run directory.
const (
	configFile   = "config.json"   // the hyperparameters of the run
	genotypeFile = "genotype.json" // the cells that were found
	normalFile   = "normal.svg"    // pictures of them
	reduceFile   = "reduce.svg"
	cellsFile    = "cells.svg"            // both in a compact form
	growthFile   = "evolution.gif"        // how they changed from epoch to epoch
	supernetFile = "supernet.safetensors" // the weights and alphas of a search
	modelFile    = "model.safetensors"    // the network of a training after its last epoch; see LoadModel
	bestFile     = "best.safetensors"     // that after its best epoch
)

// RunDir is a directory that keeps a run: config.json, metrics.jsonl and checkpoints
// while it lasts, and its result, of which Search and Train write genotype.json,
// normal.svg, reduce.svg, cells.svg and supernet.safetensors or model.safetensors; of a
// search of several epochs also evolution.gif. Set it in the Runtime of the run. Runs of equal seeds write
// equal bytes, but for the times in checkpoints and for when a warning counts images
// that were replaced. One program at a time can write to a run directory: it is locked
// from OpenRunDir to Close or Discard, and the lock ends with the program, however that
// ends. A RunDir serves one run at a time, others get ErrInUse.
//
// A checkpoint is kept at the end of every epoch, after every Interval within
// one, and when the context of the run is done or an image cannot be loaded. A
// run that stopped, for whatever reason, resumes with OpenRunDir.
//
// A training keeps the network of its best epoch as best.safetensors, from the checkpoint
// of that epoch on. LoadModel reads both.
type RunDir struct {
	// Interval is the least time between checkpoints within an epoch.
	Interval time.Duration
	// Keep is how many checkpoints there are at most, the newest ones. If one is
	// damaged, the one before it serves. Less than 1 counts as 1.
	Keep int

	dir     string
	hasRun  bool     // whether it held a run when it was opened
	own     []string // files of WriteFile
	running atomic.Bool
	lockErr error // why another run in the folder would not be noticed, if so
	metrics atomicfile.File
	lines   *record.JSONLines
	kept    time.Time // when the last checkpoint was, or the folder was opened
}

// ErrInUse is the error of a run directory that another run is writing to, in this
// program or another one.
var ErrInUse = errors.New("another run is writing to it")

// OpenRunDir opens the directory of a run, or creates it with those above it. A run in
// it resumes from its last checkpoint, or begins anew if there is none yet; what
// metrics.jsonl says about the time after the checkpoint is removed then. See HasRun.
// Checkpoints are kept every ten minutes, the newest two.
//
// It fails with ErrInUse while another run is writing to the directory, which shows only
// on a file system that keeps locks; on others a run warns that it has none.
func OpenRunDir(path string) (*RunDir, error) {
	metrics, hasRun, err := openMetrics(path)
	if err != nil {
		return nil, fmt.Errorf("darts: run directory: %w; choose one that can be written", err)
	}
	d, err := newRunDir(path, metrics)
	if err != nil {
		return nil, err
	}
	d.hasRun = hasRun
	if err := atomicfile.Sweep(path); err != nil {
		return nil, errors.Join(d.fault(err), d.Close())
	}
	return d, nil
}

// openMetrics opens the events of the run in a directory, or creates it and them.
func openMetrics(path string) (metrics atomicfile.File, existed bool, err error) {
	name := filepath.Join(path, record.File)
	for {
		metrics, err = atomicfile.OpenFile(name, os.O_WRONLY, 0)
		if !errors.Is(err, os.ErrNotExist) {
			return metrics, true, err
		}
		if err := os.MkdirAll(path, 0o755); err != nil {
			return metrics, false, err
		}
		metrics, err = atomicfile.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if !errors.Is(err, os.ErrExist) { // else another program has just created it
			return metrics, false, err
		}
	}
}

// HasRun reports whether the directory held a run when it was opened, which another
// run resumes.
func (f *RunDir) HasRun() bool { return f.hasRun }

// locking locks a file; tests replace it.
var locking = filelock.Lock

// newRunDir locks the directory of a run by its file of events, or else closes that.
func newRunDir(dir string, metrics atomicfile.File) (*RunDir, error) {
	f := &RunDir{Interval: 10 * time.Minute, Keep: 2, dir: dir, metrics: metrics, lines: record.NewJSONLines(metrics), kept: time.Now()}
	err := locking(metrics.File)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, filelock.ErrUnsupported):
		f.lockErr = err
		return f, nil
	case errors.Is(err, filelock.ErrHeld):
		err = fmt.Errorf("darts: run directory %s: %w; wait until the run there ends, stop it, or choose another directory", dir, ErrInUse)
	default:
		err = fmt.Errorf("darts: run directory %s: %w", dir, err)
	}
	return nil, errors.Join(err, metrics.Close())
}

// Path returns the path of the directory.
func (f *RunDir) Path() string { return f.dir }

// record keeps an event.
func (f *RunDir) record(e record.Event) error {
	if start, ok := e.(record.Start); ok {
		if err := f.write(configFile, func(w io.Writer) error { return indented(w, start.Config) }); err != nil {
			return err
		}
	}
	if err := f.lines.Record(e); err != nil {
		return fmt.Errorf("darts: run directory %s: %w", f.dir, err)
	}
	return nil
}

// saveSearch writes the cells that a search has found, pictures of them (draw.Cell,
// draw.Pair and, of the epochs in metrics.jsonl, draw.Evolution), and the parameters
// of the supernet.
func (f *RunDir) saveSearch(r *SearchResult) error {
	err := f.save(supernetFile, r.Params, nil, &r.Genotype)
	e, fault := f.evolution()
	if fault == nil && len(e) > 1 {
		fault = f.write(growthFile, e.WriteGIF)
	}
	return errors.Join(err, fault)
}

// maxFrames is how many epochs an animation shows at most; of more, it leaves out
// some at equal distances.
const maxFrames = 50

// evolution returns the cells after the epochs so far.
func (f *RunDir) evolution() (draw.Evolution, error) {
	metrics, err := os.Open(filepath.Join(f.dir, record.File))
	if err != nil {
		return nil, f.fault(err)
	}
	defer metrics.Close()
	var all draw.Evolution
	for event, err := range record.Read(metrics) {
		if err != nil {
			return nil, f.fault(fmt.Errorf("%s: %w", record.File, err))
		}
		e, ok := event.(record.Epoch)
		if !ok || e.Genotype == "" {
			continue
		}
		g, err := cell.ParseGenotype(e.Genotype)
		if err != nil {
			return nil, f.fault(fmt.Errorf("%s: epoch %d: %w", record.File, e.Epoch, err))
		}
		all = append(all, draw.Pair{Title: fmt.Sprintf("epoch %d", e.Epoch), Genotype: g})
	}
	stride := (len(all) + maxFrames - 1) / maxFrames
	var some draw.Evolution
	for i, p := range all {
		if (len(all)-1-i)%stride == 0 {
			some = append(some, p)
		}
	}
	return some, nil
}

// saveTraining writes the network that was trained, with metadata, and its cells, if it
// is a cell.Network or a pointer to one.
func (f *RunDir) saveTraining(t *TrainResult, metadata map[string]string) error {
	var g *cell.Genotype
	switch d := t.Config.Network.(type) {
	case cell.Network:
		g = &d.Genotype
	case *cell.Network:
		g = &d.Genotype
	}
	return f.save(modelFile, t.Params, metadata, g)
}

// save writes parameters to a file, and cells, unless nil.
func (f *RunDir) save(name string, p *ops.Params, metadata map[string]string, g *cell.Genotype) error {
	err := f.writeParams(name, p, metadata)
	if g == nil {
		return err
	}
	err = errors.Join(
		err,
		f.write(genotypeFile, func(w io.Writer) error { return indented(w, g) }),
		f.write(cellsFile, draw.Pair{Genotype: *g}.WriteSVG),
	)
	for i, c := range draw.Cells(*g) {
		err = errors.Join(err, f.write([]string{normalFile, reduceFile}[i], c.WriteSVG))
	}
	return err
}

// WriteFile writes a file of the program's own beside those of the run: as a
// whole, or, if write or the file system fails, not at all. The name is not that
// of a file of the run.
func (f *RunDir) WriteFile(name string, write func(w io.Writer) error) error {
	f.own = append(f.own, name)
	return f.write(name, write)
}

// Discard closes the directory of a run that failed before its first step, and
// removes what the run has written, and the directory if nothing else is in it. A run
// that was there before is kept.
func (f *RunDir) Discard() error {
	if f.hasRun {
		return f.Close()
	}
	err := f.metrics.Close()
	for _, name := range append(f.own, record.File, configFile) {
		if e := atomicfile.Remove(filepath.Join(f.dir, name)); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	if rest, e := os.ReadDir(f.dir); e == nil && len(rest) == 0 {
		err = errors.Join(err, os.Remove(f.dir))
	}
	if err != nil {
		return fmt.Errorf("darts: run directory %s: %w", f.dir, err)
	}
	return nil
}

// Close ends the file of events and the lock. Close of nil, which ranks other than 0 have,
// does nothing.
func (f *RunDir) Close() error {
	if f == nil {
		return nil
	}
	if err := errors.Join(f.metrics.Sync(), f.metrics.Close()); err != nil {
		return fmt.Errorf("darts: run directory %s: %w", f.dir, err)
	}
	return nil
}

// enter makes the directory that of a run under way, until leave.
func (f *RunDir) enter() error {
	if !f.running.CompareAndSwap(false, true) {
		return fmt.Errorf("darts: run directory %s: %w; give each run its own directory", f.dir, ErrInUse)
	}
	return nil
}

func (f *RunDir) leave() { f.running.Store(false) }

// due says whether it is time for a checkpoint.
func (f *RunDir) due() bool { return time.Since(f.kept) >= f.Interval }

// checkpoints returns the store of the run's checkpoints.
func (f *RunDir) checkpoints() checkpoint.Store { return checkpoint.Store{Dir: f.dir} }

// keep writes the checkpoint after a number of steps, and removes those that it
// replaces.
func (f *RunDir) keep(steps int, write func(w io.Writer, metrics int64) error) error {
	// The lines that a checkpoint counts must outlive what it outlives.
	if err := f.metrics.Sync(); err != nil {
		return f.fault(err)
	}
	size, err := f.metrics.Seek(0, io.SeekCurrent)
	if err != nil {
		return f.fault(err)
	}
	if err := f.checkpoints().Keep(steps, f.Keep, func(w io.Writer) error { return write(w, size) }); err != nil {
		return f.fault(err)
	}
	f.kept = time.Now()
	return nil
}

func (f *RunDir) writeParams(name string, p *ops.Params, metadata map[string]string) error {
	return f.write(name, func(w io.Writer) error { return p.WriteSafetensors(w, metadata) })
}

func (f *RunDir) fault(err error) error {
	return fmt.Errorf("darts: run directory %s: %w", f.dir, err)
}

// resume has the newest good checkpoint restored, and cuts metrics.jsonl back to
// it, or to nothing if there is none. Faults are those of newer checkpoints.
func (f *RunDir) resume(restore func(r io.ReadSeeker, size, limit int64) (metrics int64, err error)) (resumed bool, faults []error, err error) {
	info, err := f.metrics.Stat()
	if err != nil {
		return false, nil, f.fault(err)
	}
	metrics := int64(0)
	resumed, faults, err = f.checkpoints().Newest(func(r io.ReadSeeker, size int64) (err error) {
		metrics, err = restore(r, size, info.Size())
		return err
	})
	switch {
	case errors.Is(err, checkpoint.ErrOther):
		return false, nil, err
	case err != nil:
		return false, nil, f.fault(err)
	}
	if !resumed {
		if err := f.anew(faults); err != nil {
			return false, nil, err
		}
	}
	if err := f.metrics.Truncate(metrics); err != nil {
		return false, nil, f.fault(err)
	}
	if _, err := f.metrics.Seek(metrics, io.SeekStart); err != nil {
		return false, nil, f.fault(err)
	}
	return resumed, faults, nil
}

// anew returns why a run without a good checkpoint cannot begin anew in the directory:
// it would replace a run that has lost its checkpoints by the given faults, or
// otherwise.
func (f *RunDir) anew(faults []error) error {
	if len(faults) > 0 {
		return fmt.Errorf("%w\nno checkpoint is left; remove them to begin the run anew", errors.Join(faults...))
	}
	if _, err := os.Stat(filepath.Join(f.dir, bestFile)); err == nil {
		return fmt.Errorf("darts: run directory %s: no checkpoint is left, but %s; choose another directory, or remove that file to begin the run anew", f.dir, bestFile)
	}
	return nil
}

// Decoder returns the name of what decoded the JPEG files of the run so far, which
// it needs to resume; see record.Start. It is empty if there are none, or no checkpoint.
func (f *RunDir) Decoder() string { return f.begun().Decoder }

// begun returns how the run began that the newest good checkpoint is of, or zero if
// there is none.
func (f *RunDir) begun() (run struct {
	Batch   int
	Decoder string
}) {
	// What is wrong, resume will say.
	_, _, _ = f.checkpoints().Newest(func(r io.ReadSeeker, size int64) error {
		var h header
		if err := checkpoint.ReadHeader(r, size, &h); err != nil {
			return err
		}
		return json.Unmarshal(h.Run, &run)
	})
	return run
}

func (f *RunDir) write(name string, write func(io.Writer) error) error {
	if err := atomicfile.Write(filepath.Join(f.dir, name), write); err != nil {
		return fmt.Errorf("darts: run directory: %w", err)
	}
	return nil
}

func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
