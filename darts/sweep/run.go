package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"unnas/internal/atomicfile"
	"unnas/internal/filelock"
)

// Options are how a sweep is run.
type Options struct {
	Shard    Shard       // the jobs to do; all by default
	Attempts int         // how often a job is tried that fails, over all runs; 0 is 3
	Report   func(Event) // unless nil, is told what happens, on the goroutine of Run
}

// Event is what Report is told of.
type Event struct {
	Job     Job
	Kind    Kind
	Attempt int           // from 1
	Elapsed time.Duration // of the attempt, once it has ended
	Err     error         // why it failed, or what is wrong with the result file that is redone
}

// Kind says what has happened to a job.
type Kind string

// The kinds of events.
const (
	Begun  Kind = "begun"
	Done   Kind = "done"
	Failed Kind = "failed"
	Redone Kind = "redone" // its result file is damaged, so it begins anew
)

// record is a file of a result or of a failure.
type record struct {
	Job      string          `json:"job"`
	Manifest string          `json:"manifest"` // its digest
	Elapsed  time.Duration   `json:"elapsed_ns"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"`
}

// Run does the jobs of a shard that are not done: in the order of the manifest,
// but for those that another program is at. do gets a folder of the job's own,
// which is empty at first, is still there when an interrupted job is begun again,
// and goes when the job is done; what do returns must have a JSON form. An error
// or a panic of do is a failure, which is recorded, and the job is tried again
// after the others.
//
// It returns when nothing is left to do for it: with the error of ctx if that is
// done, which is no failure of the job under way, with an error that names the
// jobs that have failed for good, or with that of the folder.
func (s *Sweep) Run(ctx context.Context, o Options, do func(ctx context.Context, job Job, dir string) (any, error)) error {
	if err := o.Shard.validate(); err != nil {
		return err
	}
	if o.Attempts == 0 {
		o.Attempts = 3
	}
	if o.Report == nil {
		o.Report = func(Event) {}
	}
	for progress := true; progress; {
		progress = false
		for i, job := range s.manifest.Jobs {
			if !o.Shard.has(i, len(s.manifest.Jobs)) {
				continue
			}
			did, err := s.try(ctx, job, o, do)
			if err != nil {
				return err
			}
			progress = progress || did
		}
	}
	var failed []string
	for i, job := range s.manifest.Jobs {
		if !o.Shard.has(i, len(s.manifest.Jobs)) || s.result(job) == nil {
			continue
		}
		if n, last := s.failures(job); n >= o.Attempts {
			failed = append(failed, fmt.Sprintf("%s: %s", job.Name, last))
		}
	}
	if failed != nil {
		return fmt.Errorf("sweep: %d jobs have failed %d times; remove their files in %s to try again:\n%s",
			len(failed), o.Attempts, filepath.Join(s.dir, failureFolder), strings.Join(failed, "\n"))
	}
	return nil
}

// beat is how often the lock of a job under way is touched, and silence after how
// long it is taken to be abandoned by those who only look.
const (
	beat    = 20 * time.Second
	silence = 3 * beat
)

// try does a job if it is to be done and nobody is at it. An error ends the run.
func (s *Sweep) try(ctx context.Context, job Job, o Options, do func(context.Context, Job, string) (any, error)) (did bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if s.result(job) == nil {
		return false, nil
	}
	if n, _ := s.failures(job); n >= o.Attempts {
		return false, nil
	}
	dir := filepath.Join(s.dir, workFolder, job.Name)
	lock, err := os.OpenFile(dir+".lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return false, fmt.Errorf("sweep: %w; the folder must be writable", err)
	}
	defer lock.Close()
	switch err := filelock.Lock(lock); {
	case errors.Is(err, filelock.ErrHeld):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("sweep: %w", err)
	}
	// Whoever was at it a moment ago may be through.
	damage := s.result(job)
	n, _ := s.failures(job)
	if damage == nil || n >= o.Attempts {
		return false, nil
	}
	if !errors.Is(damage, os.ErrNotExist) {
		o.Report(Event{Job: job, Kind: Redone, Attempt: n + 1, Err: damage})
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, fmt.Errorf("sweep: %w", err)
	}
	stop := touch(lock.Name())
	defer stop()
	o.Report(Event{Job: job, Kind: Begun, Attempt: n + 1})
	start := time.Now()
	result, failure := guarded(ctx, job, dir, do)
	r := record{Job: job.Name, Manifest: s.digest, Elapsed: time.Since(start)}
	if failure == nil {
		if r.Result, failure = json.Marshal(result); failure != nil {
			failure = fmt.Errorf("the result has no JSON form: %w", failure)
		}
	}
	if failure != nil && ctx.Err() != nil {
		return true, ctx.Err() // begun again where it was
	}
	to, kind := filepath.Join(s.dir, resultFolder, job.Name+".json"), Done
	if failure != nil {
		r.Error, r.Result = failure.Error(), nil
		to, kind = s.failure(job, n+1), Failed
	}
	if err := write(to, r); err != nil {
		return true, err
	}
	if failure == nil {
		if err := os.RemoveAll(dir); err != nil {
			return true, fmt.Errorf("sweep: %w", err)
		}
		// Whoever still locks it sees that the job is done. Where files that are open
		// cannot be removed it stays.
		_ = os.Remove(lock.Name())
	}
	o.Report(Event{Job: job, Kind: kind, Attempt: n + 1, Elapsed: r.Elapsed, Err: failure})
	return true, nil
}

// guarded calls do and makes an error of its panic.
func guarded(ctx context.Context, job Job, dir string, do func(context.Context, Job, string) (any, error)) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do(ctx, job, dir)
}

// touch keeps the time of a file up to date until stop is called, which makes it
// look abandoned.
func touch(path string) (stop func()) {
	set := func(t time.Time) { _ = os.Chtimes(path, time.Time{}, t) } // only those who look would miss it
	set(time.Now())
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(beat)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				set(time.Now())
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		set(time.Now().Add(-silence))
	}
}

func write(path string, r record) error {
	err := atomicfile.Write(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(r)
	})
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return nil
}

// failure returns where the record of an attempt that failed lies.
func (s *Sweep) failure(job Job, attempt int) string {
	return filepath.Join(s.dir, failureFolder, fmt.Sprintf("%s-%d.json", job.Name, attempt))
}

// failures returns how often a job has failed, and why the last time.
func (s *Sweep) failures(job Job) (n int, last string) {
	for {
		text, err := read(s.failure(job, n+1), maxRecord)
		if err != nil {
			return n, last
		}
		var r record
		_ = json.Unmarshal(text, &r) // a record that is damaged is one of a failure all the same
		n, last = n+1, r.Error
	}
}

// maxRecord bounds the size of a result in bytes.
const maxRecord = 1 << 26

// result returns why a job counts as not done, or nil.
func (s *Sweep) result(job Job) error {
	_, err := s.readResult(job)
	return err
}

func (s *Sweep) readResult(job Job) (record, error) {
	path := filepath.Join(s.dir, resultFolder, job.Name+".json")
	var r record
	text, err := read(path, maxRecord)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if r.Job != job.Name || r.Manifest != s.digest || r.Result == nil {
		return r, fmt.Errorf("%s is not of this job and manifest", path)
	}
	return r, nil
}

// Results calls each with the results there are, in the order of the manifest. It
// passes over jobs that are not done and files that are damaged, which Run does
// again.
func (s *Sweep) Results(each func(job Job, result json.RawMessage) error) error {
	for _, job := range s.manifest.Jobs {
		r, err := s.readResult(job)
		if err != nil {
			continue
		}
		if err := each(job, r.Result); err != nil {
			return err
		}
	}
	return nil
}

// State is how far a sweep is.
type State struct {
	Jobs    int
	Done    int // there is a result
	Running int // a program is at it, as far as one can see from here
	Failed  int // attempts have failed, and it is not done
	// Left is an estimate of the time until the end if as many programs go on as
	// are at it now; 0 if nobody knows.
	Left time.Duration
}

// State looks at what there is. Programs on other machines count too.
func (s *Sweep) State() (State, error) {
	state := State{Jobs: len(s.manifest.Jobs)}
	var spent time.Duration
	for _, job := range s.manifest.Jobs {
		r, err := s.readResult(job)
		if err == nil {
			state.Done++
			spent += r.Elapsed
			continue
		}
		if info, err := os.Stat(filepath.Join(s.dir, workFolder, job.Name+".lock")); err == nil && time.Since(info.ModTime()) < silence {
			state.Running++
		}
		if n, _ := s.failures(job); n > 0 {
			state.Failed++
		}
	}
	if state.Done > 0 {
		left := float64(state.Jobs-state.Done) * float64(spent) / float64(state.Done)
		state.Left = time.Duration(left / float64(max(1, state.Running)))
	}
	return state, nil
}
