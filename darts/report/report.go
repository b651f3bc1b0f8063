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

// File is the name of the page in the folder of a run.
const File = "report.html"

// The most that a page shows.
const (
	mostSteps    = 1000 // points of a curve
	mostEpochs   = 300  // columns of a heat map
	mostWarnings = 50
)

// Report is the page of a run. It is a record.Recorder, which the events of the run
// are told, and an http.Handler, which shows the page and keeps it up to date; see
// ServeHTTP. Its methods may be called by many goroutines at once.
type Report struct {
	dir                          string
	interval, patience, farewell time.Duration // see the constants

	mu      sync.Mutex
	samples []sample // none if there are none to show
	now     state
	changed chan struct{} // is closed when now changes, and replaced

	rendering    sync.Mutex
	page, update rendered // what was last made of now

	serving sync.Mutex
	server  *http.Server
	served  chan error // what the server ended with
}

// state is what is known of a run.
type state struct {
	name     string       // of the folder
	begun    bool         // whether start is known
	start    record.Start // without its Config
	config   []byte       // that, as JSON
	steps    thinned[record.Step]
	epochs   thinned[record.Epoch]
	warnings []string // the last ones
	omitted  int      // warnings before them
	samples  []sample
	peak     int64 // bytes of memory that the program has taken; 0 if not known
	done     *record.Done
	closed   bool // whether nothing will follow
}

// New returns the page of a run that is about to begin, or to go on, in the folder
// dir. Without a dir, "", no report.html is written, and what the run did before
// it goes on is not known.
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

// Write writes the page of the run that is kept in a folder; see darts.RunDir. It
// fails if there is no run, or if its metrics.jsonl is damaged.
func Write(w io.Writer, dir string) error {
	s := blank(dir)
	if err := read(dir, s.add); err != nil {
		return err
	}
	return s.render(w, "page", false)
}

// SetSamples has the page show some samples of a task, made of images of src, which it
// loads before it returns, one after the other; call it before the run begins. One
// that cannot be had is said to be missing, as is what ctx keeps from loading. Maps of
// labels are in colours: those of a method ClassColor(class int32) color.NRGBA, if the
// task has one. Single labels have the names of a method ClassName(class int32)
// string, if it has that, and those of a pretext.Classification the names that a
// method Classes() []string of src has. Without src or task, nil, there are no samples.
func (r *Report) SetSamples(ctx context.Context, src pretext.Source, task pretext.TaskData) {
	var samples []sample
	if src != nil && task != nil {
		samples = draw(ctx, src, task)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = samples
}

// Record adds an event to the page. After an epoch report.html is written; Record
// fails if that does, or if the folder holds an earlier part of the run that is
// damaged.
func (r *Report) Record(e record.Event) error {
	if _, passing := e.(record.Progress); passing { // a page of an hour does not tell of seconds
		return nil
	}
	var first state
	_, begins := e.(record.Start)
	if begins { // the folder knows what came before
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

// path finds paths in texts: what is before one, and its last name with the slash.
// Where files lie is nobody's business.
var path = regexp.MustCompile(`(^|[\s"'(=])(?:[A-Za-z]:)?(?:[/\\][^\s/\\:;,"'()]*)*([/\\][^\s/\\:;,"'()]+)`)

// tell wakes those who wait for news.
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

// state returns the state, and what is closed when it changes.
func (r *Report) state() (state, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now.copy(), r.changed
}

// WriteHTML writes the page as it is now.
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
		return fmt.Errorf("report: %w; choose a folder that can be written", err)
	}
	return nil
}

// Close says that the run has ended: browsers are told and left, report.html is
// written, unless the run has made no step, and what Serve began ends.
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
