package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"unnas/darts/record"
	"unnas/internal/atomicfile"
	"unnas/internal/memory"
	"unnas/pretext"
)

// File is the name of the page in the run directory.
const File = "report.html"

// The limits of a page.
const (
	mostSteps    = 1000 // points of a curve
	mostEpochs   = 300  // columns of a heat map
	mostWarnings = 50
)

// Report is the page of a run. It is a record.Recorder for the events of the run, and
// an http.Handler that serves the live page; see ServeHTTP. It is safe for concurrent
// use.
type Report struct {
	dir                          string
	interval, patience, farewell time.Duration // see the constants

	mu      sync.Mutex
	samples []sample // may be empty
	now     state
	changed chan struct{} // closed and replaced when now changes

	rendering    sync.Mutex
	page, update rendered // last renderings of now

	serving sync.Mutex
	server  *http.Server
	served  chan error // the error of the server
}

// state is the state of a run.
type state struct {
	name     string       // name of the run directory
	begun    bool         // start is known
	start    record.Start // without its Config
	config   []byte       // Config as JSON
	steps    thinned[record.Step]
	epochs   thinned[record.Epoch]
	warnings []string // the last warnings
	omitted  int      // number of earlier warnings
	samples  []sample
	peak     int64 // peak memory of the program in bytes; 0 if unknown
	done     *record.Done
	closed   bool // no event follows
}

// New returns the page of a run that starts, or resumes, in the run directory dir. With
// an empty dir no report.html is written, and the history of a resumed run is unknown.
func New(dir string) *Report {
	r := &Report{dir: dir, interval: interval, patience: patience, farewell: farewell, changed: make(chan struct{})}
	r.now = blank(dir)
	return r
}

func blank(dir string) state {
	name := "run"
	if path, err := filepath.Abs(dir); err == nil && dir != "" {
		name = filepath.Base(path)
	}
	return state{
		name:   name,
		steps:  thinned[record.Step]{limit: mostSteps},
		epochs: thinned[record.Epoch]{limit: mostEpochs},
	}
}

// Write writes the page of a run directory; see darts.RunDir. It fails if there is no
// run, or if its metrics.jsonl is damaged.
func Write(w io.Writer, dir string) error {
	s := blank(dir)
	if err := read(dir, s.add); err != nil {
		return err
	}
	return s.render(w, "page", false)
}

// SetSamples shows samples of a task on the page, made from images of src, which it
// loads before it returns; call it before the run starts. A sample that fails, or that
// ctx interrupts, is shown as missing. Label maps have the colours of a method
// ClassColor(class int32) color.NRGBA of the task, if it has one. Single labels have
// the names of its method ClassName(class int32) string, if it has one, and those of a
// pretext.Classification the names of a method Classes() []string of src. If src or
// task is nil, there are no samples.
func (r *Report) SetSamples(ctx context.Context, src pretext.Source, task pretext.TaskData) {
	var samples []sample
	if src != nil && task != nil {
		samples = draw(ctx, src, task)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = samples
}

// Record adds an event to the page. After each epoch it writes report.html. It fails if
// that fails, or if the run directory has a damaged earlier part of the run.
func (r *Report) Record(e record.Event) error {
	if _, passing := e.(record.Progress); passing { // Progress is too frequent for the page
		return nil
	}
	var first state
	_, begins := e.(record.Start)
	if begins { // read the history of a resumed run
		first = blank(r.dir)
		if r.dir != "" {
			if err := read(r.dir, first.add); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		r.mu.Lock()
		first.samples = r.samples
		r.mu.Unlock()
	}
	_, ended := e.(record.Epoch)
	r.mu.Lock()
	if begins {
		r.now = first
	}
	err := r.now.add(e)
	if ended {
		r.now.peak = memory.Peak()
	}
	r.tell()
	r.mu.Unlock()
	if ended && err == nil {
		err = r.save()
	}
	return err
}

// path finds paths in text: the separator before one, and its last element with the
// slash. Pages do not disclose local paths.
var path = regexp.MustCompile(`(^|[\s"'(=])(?:[A-Za-z]:)?(?:[/\\][^\s/\\:;,"'()]*)*([/\\][^\s/\\:;,"'()]+)`)

// tell wakes those waiting for changes.
func (r *Report) tell() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// add adds an event.
func (s *state) add(e record.Event) error {
	switch e := e.(type) {
	case record.Start:
		config, err := json.Marshal(e.Config)
		if err != nil {
			return fmt.Errorf("report: configuration: %w", err)
		}
		e.Config = nil
		s.begun, s.start, s.config = true, e, config
	case record.Step:
		s.steps.add(e)
	case record.Epoch:
		s.epochs.add(e)
	case record.Warning:
		s.warnings = append(s.warnings, path.ReplaceAllString(e.Text, "$1…$2"))
		if over := len(s.warnings) - mostWarnings; over > 0 {
			s.warnings = s.warnings[over:]
			s.omitted += over
		}
	case record.Done:
		s.done = &e
	default:
		return fmt.Errorf("report: unknown event %T", e)
	}
	return nil
}

// copy returns a copy that later events do not change.
func (s *state) copy() state {
	c := *s
	c.steps.kept, c.epochs.kept, c.warnings = slices.Clone(s.steps.kept), slices.Clone(s.epochs.kept), slices.Clone(s.warnings)
	return c
}

// state returns the state, and a channel that is closed when it changes.
func (r *Report) state() (state, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now.copy(), r.changed
}

// WriteHTML writes the current page.
func (r *Report) WriteHTML(w io.Writer) error {
	s, _ := r.state()
	return s.render(w, "page", false)
}

// save writes report.html.
func (r *Report) save() error {
	if r.dir == "" {
		return nil
	}
	if err := atomicfile.Write(filepath.Join(r.dir, File), r.WriteHTML); err != nil {
		return fmt.Errorf("report: %w; choose a writable run directory", err)
	}
	return nil
}

// Close ends the run: it updates browsers, writes report.html, unless the run has made
// no step, and stops the server of Serve.
func (r *Report) Close() error {
	r.mu.Lock()
	r.now.closed = true
	moved := r.now.steps.added > 0
	r.tell()
	r.mu.Unlock()
	err := r.stop()
	if moved {
		err = errors.Join(err, r.save())
	}
	return err
}
