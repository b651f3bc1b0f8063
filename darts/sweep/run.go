package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"unnas/internal/atomicfile"
	"unnas/internal/filelock"
	"unnas/internal/panics"
)

// Options configures a run of a sweep.
type Options struct {
	Shard Shard // the jobs to run; all by default
	// Attempts is the number of attempts at a failing job per host, over all runs; 0
	// means 3. A job that has failed that often on three hosts is not retried.
	Attempts int
	Report   func(Event) // unless nil, receives events, on the goroutine of Run
}

// Event is an event of a job, or of the whole run.
type Event struct {
	Job     Job // zero for Unlocked
	Kind    Kind
	Attempt int           // on this host, from 1
	Elapsed time.Duration // duration of the attempt, once it has ended
	Err     error         // why it failed, what is wrong with its result file, or why there are no locks
}

// Kind is the kind of an Event.
type Kind string

// The kinds of events.
const (
	Started  Kind = "started"
	Done     Kind = "done"
	Failed   Kind = "failed"
	Retried  Kind = "retried"  // its result file is damaged, so it is run again
	Unlocked Kind = "unlocked" // the folder does not support locks: two programs with the same shard would both run its jobs
)

// record is the file of a result or of a failure.
type record struct {
	Job      string          `json:"job"`
	Manifest string          `json:"manifest"` // digest of the manifest
	Host     string          `json:"host"`
	Elapsed  time.Duration   `json:"elapsed_ns"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    string          `json:"error,omitempty"`
	Stack    string          `json:"stack,omitempty"` // of a panic
}

// The limits of failures.
const (
	maxInRow = 5           // different failed jobs in a row that end a run
	maxHosts = 3           // hosts that use up their attempts at a job
	backOff  = time.Second // the wait after a failure, doubled for each further failed job
)

// Run runs the jobs of a shard that are not done, in the order of the manifest, except
// those that another program is running. do gets the work folder of the job, which is
// empty at first, kept when an interrupted job is started again, and removed when the
// job is done; the result of do must have a JSON form. An error or a panic of do is a
// failure: it is recorded with the host, and the job is retried after the others.
// Attempts count per host, so that a broken host leaves the jobs to the others: it
// waits after each failure, and ends when five different jobs have failed in a row.
//
// Run returns when it has nothing left to do: with the error of ctx once that is done,
// which does not count as a failure of the running job, with an error that names the
// jobs that have failed in a row or for good, or with that of the folder. It refuses a
// folder whose file system does not support locks, unless the shard is only a part of
// the jobs: then the caller must ensure that no other program has the same shard, and
// an event of kind Unlocked reports it.
func (s *Sweep) Run(ctx context.Context, o Options, do func(ctx context.Context, job Job, dir string) (any, error)) error {
	if err := o.Shard.validate(); err != nil {
		return err
	}
	if o.Attempts < 0 {
		return fmt.Errorf("sweep: %d attempts; want 1 or more, or 0 for 3", o.Attempts)
	}
	if o.Attempts == 0 {
		o.Attempts = 3
	}
	if o.Report == nil {
		o.Report = func(Event) {}
	}
	if err := s.tidy(); err != nil {
		return err
	}
	w := &worker{Sweep: s, Options: o, do: do}
	for progress := true; progress; {
		progress = false
		for job := range w.jobs() {
			did, err := w.try(ctx, job)
			if err != nil {
				return err
			}
			progress = progress || did
		}
	}
	return w.failed()
}

// old is the age from which a temporary file is a leftover.
const old = 24 * time.Hour

// tidy removes leftovers of killed programs: temporary files, and the work folders of
// jobs that are done.
func (s *Sweep) tidy() error {
	failed, err := s.list(failureFolder)
	if err != nil {
		return err
	}
	folders := []string{s.dir, filepath.Join(s.dir, resultFolder)}
	for name := range failed {
		folders = append(folders, filepath.Join(s.dir, failureFolder, name))
	}
	for _, dir := range folders {
		if err := atomicfile.SweepOlder(dir, old); err != nil && !errors.Is(err, os.ErrNotExist) { // another program removed it
			return fmt.Errorf("sweep: %w", err)
		}
	}
	work, err := s.list(workFolder)
	if err != nil {
		return err
	}
	for _, job := range s.manifest.Jobs {
		if work[job.Name] == nil {
			continue
		}
		if _, err := s.result(job); err == nil {
			_ = os.RemoveAll(s.work(job)) // the program that ran the job may remove it at the same time
		}
	}
	return nil
}

// worker is a call of Run.
type worker struct {
	*Sweep
	Options
	do       func(context.Context, Job, string) (any, error)
	unlocked bool     // Unlocked was reported
	inRow    []string // the jobs that have failed since the last success
	faults   []string // their errors
}

// jobs yields the jobs of the shard.
func (w *worker) jobs() iter.Seq[Job] {
	return func(yield func(Job) bool) {
		for i, job := range w.manifest.Jobs {
			if w.Shard.has(i, len(w.manifest.Jobs)) && !yield(job) {
				return
			}
		}
	}
}

// failed returns an error that names the jobs that are not retried, and those whose
// results are lost.
func (w *worker) failed() error {
	var failed, done []string
	for job := range w.jobs() {
		if _, err := w.result(job); err == nil {
			continue
		}
		if text, _ := os.ReadFile(w.lockPath(job)); string(text) == mark {
			done = append(done, job.Name)
			continue
		}
		f, err := w.failures(job)
		if err != nil {
			return err
		}
		if w.exhausted(f) {
			failed = append(failed, fmt.Sprintf("%s: %s", job.Name, f.last))
		}
	}
	results, err := w.list(resultFolder) // read after the marks
	if err != nil {
		return err
	}
	lost := slices.DeleteFunc(done, func(name string) bool { return results[name+".json"] != nil })
	if len(lost) > 0 {
		err = fmt.Errorf("sweep: %d jobs are done, but their results are missing: %s; remove their files in %s to run them again",
			len(lost), strings.Join(lost, ", "), filepath.Join(w.dir, lockFolder))
	}
	if failed != nil {
		err = errors.Join(err, fmt.Errorf("sweep: %d jobs have failed %d times on %s, or on %d other hosts; run them on another host, or remove their folders in %s to retry them:\n%s",
			len(failed), w.Attempts, w.host, maxHosts, filepath.Join(w.dir, failureFolder), strings.Join(failed, "\n")))
	}
	return err
}

// exhausted reports whether a job is not retried on this host.
func (w *worker) exhausted(f failures) bool {
	hosts := 0
	for _, n := range f.attempts {
		if n >= w.Attempts {
			hosts++
		}
	}
	return f.attempts[w.host] >= w.Attempts || hosts >= maxHosts
}

// beat is the interval at which the lock of a running job is touched, and silence the
// age from which State considers a lock abandoned.
const (
	beat    = 20 * time.Second
	silence = 3 * beat
)

// due returns why a job must be run, nil if it need not, and its failures so far.
func (w *worker) due(job Job) (why error, f failures, err error) {
	_, why = w.result(job)
	switch {
	case why == nil:
		return nil, f, nil
	case !errors.Is(why, os.ErrNotExist) && !errors.Is(why, errDamaged):
		return nil, f, fmt.Errorf("sweep: %w", why) // an unreadable disk does not undo the job
	}
	f, err = w.failures(job)
	if err != nil || w.exhausted(f) {
		return nil, f, err
	}
	return why, f, nil
}

// try runs a job if it is due and no other program is running it. An error ends the run.
func (w *worker) try(ctx context.Context, job Job) (did bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	why, f, err := w.due(job)
	if why == nil || err != nil {
		return false, err
	}
	if err := w.wait(ctx); err != nil {
		return false, err
	}
	lock, err := w.hold(job)
	if lock == nil || err != nil {
		return false, err
	}
	defer lock.Close()
	// Check again under the lock: another program may just have finished.
	done, err := marked(lock)
	if err != nil {
		return false, fmt.Errorf("sweep: %w", err)
	}
	why, f, err = w.due(job)
	switch {
	case err != nil:
		return false, err
	case why == nil:
		return false, nil
	case done && errors.Is(why, os.ErrNotExist):
		// An NFS client may believe for a while that a file does not exist, but reads
		// the contents of a file that it has locked.
		return false, nil
	case done: // done, but the result is damaged
		if err := lock.Truncate(0); err != nil {
			return false, fmt.Errorf("sweep: %w", err)
		}
	}
	attempt := f.attempts[w.host] + 1
	if errors.Is(why, errDamaged) {
		w.Report(Event{Job: job, Kind: Retried, Attempt: attempt, Err: why})
	}
	dir := w.work(job)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, fmt.Errorf("sweep: %w", err)
	}
	stop := touch(lock.Name())
	defer stop()
	w.Report(Event{Job: job, Kind: Started, Attempt: attempt})
	start := time.Now()
	result, failure := guarded(ctx, job, dir, w.do)
	r := record{Job: job.Name, Manifest: w.digest, Host: w.host, Elapsed: time.Since(start)}
	if failure == nil {
		if r.Result, failure = json.Marshal(result); failure != nil {
			failure = fmt.Errorf("the result has no JSON form: %w", failure)
		}
	}
	switch {
	case failure != nil && ctx.Err() != nil:
		return true, ctx.Err() // resumed in a later run
	case failure != nil:
		r.Error, r.Result = failure.Error(), nil
		var p interface{ Stack() []byte }
		if errors.As(failure, &p) {
			r.Stack = string(p.Stack())
		}
		err = w.fail(job, f.next, r)
	default:
		err = w.finish(job, lock, r)
	}
	if err != nil {
		return true, err
	}
	kind := Done
	if failure != nil {
		kind = Failed
	}
	w.Report(Event{Job: job, Kind: kind, Attempt: attempt, Elapsed: r.Elapsed, Err: failure})
	return true, w.count(job, failure)
}

// hold opens and locks the lock file of a job; it returns nil if another program has
// locked it.
func (w *worker) hold(job Job) (*os.File, error) {
	f, err := os.OpenFile(w.lockPath(job), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("sweep: %w; choose a writable folder", err)
	}
	err = w.lock(f)
	switch {
	case err == nil:
		return f, nil
	case errors.Is(err, filelock.ErrHeld):
		return nil, f.Close()
	case errors.Is(err, filelock.ErrUnsupported) && w.Shard.Count > 1:
		if !w.unlocked {
			w.unlocked = true
			w.Report(Event{Kind: Unlocked, Err: err})
		}
		return f, nil
	case errors.Is(err, filelock.ErrUnsupported):
		err = fmt.Errorf("%w, so two programs could run one job; choose a folder on another file system, or give each program a shard", err)
	}
	return nil, errors.Join(fmt.Errorf("sweep: %w", err), f.Close())
}

// mark is the contents of the lock file of a job that is done.
const mark = "done\n"

func marked(lock *os.File) (bool, error) {
	text, err := io.ReadAll(io.NewSectionReader(lock, 0, int64(len(mark))))
	return string(text) == mark, err
}

// finish writes the result of a job. A program killed here leaves a job that is not
// done, or one that is done with a work folder that tidy removes.
func (w *worker) finish(job Job, lock *os.File, r record) error {
	if err := write(filepath.Join(w.dir, resultFolder, job.Name+".json"), r); err != nil {
		return err
	}
	if _, err := lock.WriteAt([]byte(mark), 0); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	if err := os.RemoveAll(w.work(job)); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return nil
}

// fail records a failed attempt.
func (w *worker) fail(job Job, number int, r record) error {
	dir := filepath.Join(w.dir, failureFolder, job.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	return write(filepath.Join(dir, fmt.Sprintf("%s-%d.json", w.host, number)), r)
}

// count counts the different jobs that fail in a row, and returns an error after maxInRow.
func (w *worker) count(job Job, failure error) error {
	switch {
	case failure == nil:
		w.inRow, w.faults = nil, nil
		return nil
	case slices.Contains(w.inRow, job.Name):
		return nil
	}
	w.inRow = append(w.inRow, job.Name)
	w.faults = append(w.faults, fmt.Sprintf("%s: %v", job.Name, failure))
	if len(w.inRow) < maxInRow {
		return nil
	}
	return fmt.Errorf("sweep: %d jobs in a row have failed on %s; fix this host, or the jobs, and run again:\n%s",
		maxInRow, w.host, strings.Join(w.faults, "\n"))
}

// wait waits before an attempt after a failure.
func (w *worker) wait(ctx context.Context) error {
	if w.inRow == nil {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(backOff << (len(w.inRow) - 1)):
		return nil
	}
}

// guarded calls do and turns a panic into an error.
func guarded(ctx context.Context, job Job, dir string, do func(context.Context, Job, string) (any, error)) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %w", panics.Recovered(p))
		}
	}()
	return do(ctx, job, dir)
}

// touch keeps the modification time of a file current until stop is called, which makes
// it look abandoned.
func touch(path string) (stop func()) {
	set := func(t time.Time) { _ = os.Chtimes(path, time.Time{}, t) } // only State needs it
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

// failures are the failed attempts at a job.
type failures struct {
	attempts map[string]int // by host
	next     int            // number of the next record of this host
	last     string         // error of a last attempt, preferably on this host
}

var failureFile = regexp.MustCompile(`^([A-Za-z0-9._-]+)-([0-9]{1,9})\.json$`)

// failures reads the failure records of a job.
func (s *Sweep) failures(job Job) (failures, error) {
	f := failures{attempts: map[string]int{}, next: 1}
	dir := filepath.Join(s.dir, failureFolder, job.Name)
	files, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("sweep: %w", err)
	}
	last, own := "", false
	for _, file := range files {
		m := failureFile.FindStringSubmatch(file.Name())
		if m == nil {
			continue
		}
		f.attempts[m[1]]++
		here := m[1] == s.host
		if n, _ := strconv.Atoi(m[2]); here && n >= f.next {
			f.next, own, last = n+1, true, file.Name()
		}
		if !own {
			last = file.Name()
		}
	}
	if last == "" {
		return f, nil
	}
	text, err := read(filepath.Join(dir, last), maxRecord)
	if err == nil {
		var r record
		_ = json.Unmarshal(text, &r) // a damaged record is a failure as well
		f.last = r.Error
	}
	return f, nil
}

// maxRecord limits the size of a result in bytes.
const maxRecord = 1 << 26

// work returns the work folder of a job.
func (s *Sweep) work(job Job) string { return filepath.Join(s.dir, workFolder, job.Name) }

func (s *Sweep) lockPath(job Job) string {
	return filepath.Join(s.dir, lockFolder, job.Name+".lock")
}

// result reads the result of a job. The error wraps os.ErrNotExist if there is no file,
// and errDamaged if the file is damaged.
func (s *Sweep) result(job Job) (record, error) {
	path := filepath.Join(s.dir, resultFolder, job.Name+".json")
	var r record
	text, err := read(path, maxRecord)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s is %w: %w", path, errDamaged, err)
	}
	if r.Job != job.Name || r.Manifest != s.digest || r.Result == nil {
		return r, fmt.Errorf("%s is %w: it belongs to another job or manifest", path, errDamaged)
	}
	return r, nil
}

// Results calls each with the existing results, in the order of the manifest. It skips
// jobs that are not done and damaged files, which Run retries. A file that cannot be
// read is an error.
func (s *Sweep) Results(each func(job Job, result json.RawMessage) error) error {
	for _, job := range s.manifest.Jobs {
		r, err := s.result(job)
		switch {
		case errors.Is(err, os.ErrNotExist) || errors.Is(err, errDamaged):
			continue
		case err != nil:
			return fmt.Errorf("sweep: %w", err)
		}
		if err := each(job, r.Result); err != nil {
			return err
		}
	}
	return nil
}

// State is the progress of a sweep.
type State struct {
	Jobs    int
	Done    int // the result file exists; Run also reads it
	Running int // a program has touched the lock recently
	Failed  int // not done, with failed attempts
	// Left estimates the remaining time with as many programs as are running now, from
	// the durations of some of the jobs that are done; 0 if there are none.
	Left time.Duration
}

// State returns the progress of the sweep, including programs on other machines. It
// lists folders and reads few files, so it may be called every few seconds.
func (s *Sweep) State() (State, error) {
	state := State{Jobs: len(s.manifest.Jobs)}
	results, err := s.list(resultFolder)
	if err != nil {
		return state, err
	}
	failed, err := s.list(failureFolder)
	if err != nil {
		return state, err
	}
	locks, err := s.list(lockFolder)
	if err != nil {
		return state, err
	}
	var done []Job
	for _, job := range s.manifest.Jobs {
		if results[job.Name+".json"] != nil {
			done = append(done, job)
			continue
		}
		if lock := locks[job.Name+".lock"]; lock != nil {
			if info, err := lock.Info(); err == nil && time.Since(info.ModTime()) < silence {
				state.Running++
			}
		}
		if failed[job.Name] != nil {
			state.Failed++
		}
	}
	state.Done = len(done)
	const enough = 20
	var spent time.Duration
	n := min(enough, len(done))
	for i := range n {
		if r, err := s.result(done[i*len(done)/n]); err == nil {
			spent += r.Elapsed / time.Duration(n)
		}
	}
	left := float64(state.Jobs-state.Done) * float64(spent)
	state.Left = time.Duration(left / float64(max(1, state.Running)))
	return state, nil
}

// list returns the entries of a folder of the sweep by name.
func (s *Sweep) list(folder string) (map[string]os.DirEntry, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, folder))
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	all := make(map[string]os.DirEntry, len(entries))
	for _, e := range entries {
		all[e.Name()] = e
	}
	return all, nil
}
