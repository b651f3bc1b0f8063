package darts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"unnas/darts/record"
	"unnas/internal/checkpoint"
	"unnas/internal/cpu"
	"unnas/internal/ranks"
	"unnas/ops"
	"unnas/pretext"
)

// run takes a phase through its epochs and steps. It records events, keeps checkpoints,
// and resumes from one.
type run struct {
	phase     phase
	ctx       context.Context
	epochs    int
	batch     int
	lr        Schedule
	dir       *RunDir         // may be nil
	entered   bool            // the directory is this run's, until end
	recorder  record.Recorder // may be nil
	ranks     *ranks.Group
	identity  []byte  // see identify
	program   program // this one
	prints    fingerprints
	metadata  map[string]string // of model files; nil for none
	sources   []Source          // some may be nil
	replaced  int               // images that sources have replaced, as recorded
	elsewhere int               // those of other ranks
	meter     *record.Meter     // of what takes a while

	epoch, step    int // under way, from 0, and how many steps of it are done
	complete       int // epochs
	saved          point
	lost           bool          // the folder lacks an event, so that no later state may follow there
	restored       program       // that kept the state of a run that resumes
	started, begun time.Time     // the run and the epoch, as if never interrupted
	waited         time.Duration // for other ranks, before the epoch
}

// point is how far a run is.
type point struct{ steps, epochs int }

// phase is what a run does: it searches a cell, or trains a network.
type phase interface {
	// steps returns the number of steps of an epoch.
	steps() int
	// open begins to load the batches of the current epoch but for those of the
	// steps that are done, and close ends that.
	open(ctx context.Context)
	close()
	// fetch waits for the batches of a step. It is all of a step that a context or an
	// image can end, and comes first, so that a run stops between two steps.
	fetch() error
	// update takes a step; passes is its number of passes through the network.
	update(rate float64) error
	passes() int
	// endEpoch follows the last step of an epoch, again if a run stopped in it.
	endEpoch() error
	// afterEpoch follows the record of an epoch.
	afterEpoch() error
	// best returns the number of the best epoch, from 1, and the parameters after it; 0
	// if there is none, or none is kept.
	best() (p *ops.Params, epoch int)
	// metrics returns those of the current epoch. An error ends the run.
	metrics() (record.Epoch, error)
	// stopReason says, in a sentence, why a run ends now, if not because all its epochs are
	// complete.
	stopReason() string

	// host makes the memory that the phase resumes from, which a device may keep, that of
	// the host.
	host() error
	// arrays returns the memory that the phase resumes from, and state all else, as
	// what JSON is made of.
	arrays() []checkpoint.Array
	state() any
	// restoreState checks a state that was kept after so many steps, and returns what makes
	// it that of the phase.
	restoreState(state json.RawMessage, steps int) (commit func(), err error)
}

// newRun returns the run of a phase. The source of validation may be nil.
func newRun(p phase, epochs, batch int, lr Schedule, rt Runtime, group *ranks.Group, src, val Source) run {
	return run{
		phase: p, epochs: epochs, batch: batch, lr: lr, dir: rt.Dir, recorder: rt.Recorder, ranks: group,
		program: thisProgram, prints: fingerprintsOf(src, val), sources: []Source{src, val},
	}
}

// start begins the run with what it is about to do, of which it fills in what every run
// knows, and with warnings, unless empty.
func (r *run) start(s record.Start, task pretext.Task, p *ops.Params, warnings ...string) (err error) {
	s.Task, s.Epochs, s.StepsPerEpoch, s.Batch = task.Name(), r.epochs, r.phase.steps(), r.batch
	s.Decoder, s.Kernel = decoder(r.sources...), kernels()
	r.program.Device = s.Device
	s.Version, s.Revision = r.program.Version, r.program.Revision
	s.Ranks = r.ranks.Size()
	if r.dir != nil || s.Ranks > 1 {
		r.identity, err = identify(s, task, p)
	}
	if err := r.ranks.Agree(err); err != nil {
		return err
	}
	if err := r.compare(); err != nil {
		return err
	}
	events := []record.Event{s}
	for _, text := range warnings {
		if text != "" {
			events = append(events, record.Warning{Text: text})
		}
	}
	if err := r.ranks.Agree(r.begin(events...)); err != nil {
		r.end()
		return err
	}
	if err := r.spread(); err != nil {
		r.end()
		return err
	}
	return nil
}

// compare returns an error if another rank has been given another run.
func (r *run) compare() error {
	mine, err := json.Marshal(struct {
		Run     json.RawMessage `json:"run"`
		Images  fingerprints    `json:"images"`
		Program program         `json:"program"`
	}{r.identity, r.prints, r.program})
	if err := r.ranks.Agree(err); err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	err = r.ranks.Differences(mine, func(first, other []byte) []string { return checkpoint.Differences(first, other) })
	if err != nil {
		return fmt.Errorf("darts: %w\nstart all ranks with the same program, hyperparameters and images", err)
	}
	return nil
}

// spread gives all ranks the state of rank 0.
func (r *run) spread() error {
	if r.ranks.Size() == 1 {
		return nil
	}
	var at []byte
	var err error
	if r.ranks.Leads() {
		var state json.RawMessage
		if state, err = json.Marshal(r.phase.state()); err == nil {
			at, err = json.Marshal(position{Epoch: r.epoch, Step: r.step, Complete: r.complete, State: state})
		}
	}
	if err := r.ranks.Agree(err); err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	all, err := r.ranks.Gather(at)
	if err != nil {
		return err
	}
	if !r.ranks.Leads() {
		err = r.follow(all[0])
	}
	if err := r.ranks.Agree(err); err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	for _, a := range r.phase.arrays() {
		if err := r.ranks.Broadcast(a.Data); err != nil {
			return err
		}
	}
	_, err = r.phase.metrics() // the result, and whether the run ends here, follow from the state
	return r.ranks.Agree(err)
}

// follow brings this rank to where rank 0 is, but for the arrays.
func (r *run) follow(text []byte) error {
	var at position
	if err := json.Unmarshal(text, &at); err != nil {
		return err
	}
	commit, err := r.phase.restoreState(at.State, at.Epoch*r.phase.steps()+at.Step)
	if err != nil {
		return err
	}
	commit()
	r.epoch, r.step, r.complete = at.Epoch, at.Step, at.Complete
	return nil
}

// verify returns an error if the state of another rank differs from that of rank 0, which
// only a fault of a machine or of a program can cause.
func (r *run) verify() error {
	if r.ranks.Size() == 1 {
		return nil
	}
	sums := map[string]uint32{}
	for _, a := range r.phase.arrays() {
		sums[a.Name] = a.Checksum()
	}
	mine, err := json.Marshal(sums)
	if err := r.ranks.Agree(err); err != nil {
		return err
	}
	err = r.ranks.Differences(mine, checkpoint.Differences)
	if err != nil {
		return fmt.Errorf("darts: checksums after epoch %d: %w\nthe ranks no longer compute the same: look for a faulty machine, and resume from the last checkpoint", r.epoch+1, err)
	}
	return nil
}

// done returns the number of steps done.
func (r *run) done() int { return r.epoch*r.phase.steps() + r.step }

// images returns the number of images seen, repeats counted.
func (r *run) images() int { return r.done() * r.batch }

// begin restores the state that the folder holds, if any, and records the events that
// begin a run. On resume, metrics.jsonl already has these. After it the folder is that
// of the run until end.
func (r *run) begin(events ...record.Event) (err error) {
	r.started = time.Now()
	r.begun = r.started
	if text := slow(cpu.Best()); text != "" {
		events = append(events, record.Warning{Text: text})
	}
	emit, changed := r.record, ""
	if r.dir != nil {
		if err := r.dir.enter(); err != nil {
			return err
		}
		r.entered = true
		if err := r.dir.lockErr; err != nil {
			events = append(events, record.Warning{Text: fmt.Sprintf("a second run in the folder %s would not be noticed, and would damage this one: %v", r.dir.dir, err)})
		}
		// What is too long should be known now, not after the first epoch.
		if text, err := r.header(0); err != nil {
			return fmt.Errorf("darts: %w", err)
		} else if len(text) > checkpoint.MaxHeader/2 { // the other half is for what the run adds
			return fmt.Errorf("darts: the hyperparameters take %d bytes as JSON, a checkpoint has room for %d; give a smaller configuration or task", len(text), checkpoint.MaxHeader/2)
		}
		resumed, faults, err := r.dir.resume(r.restore)
		if err != nil {
			return err
		}
		for _, fault := range faults {
			events = append(events, record.Warning{Text: fmt.Sprintf("%v; the checkpoint before it is used", fault)})
		}
		if resumed {
			r.saved = point{r.done(), r.complete}
			emit = r.emit
			// What the directory has may be of another epoch, or missing.
			if p, epoch := r.phase.best(); epoch > 0 {
				if err := r.dir.writeParams(bestFile, p, r.metadata); err != nil {
					return err
				}
			}
			changed = r.program.unlike(r.restored)
		}
	}
	if _, err := r.phase.metrics(); err != nil {
		return err
	}
	for _, e := range events {
		if err := emit(e); err != nil {
			return err
		}
	}
	if changed != "" {
		return r.record(record.Warning{Text: changed}) // which metrics.jsonl lacks
	}
	return nil
}

// end leaves the folder to other runs.
func (r *run) end() {
	if r.entered {
		r.dir.leave()
	}
}

// all takes what is left of the run, and returns what was done.
func (r *run) all(ctx context.Context) (record.Done, error) {
	r.ctx = ctx
	for {
		why := r.phase.stopReason()
		if why != "" {
			if err := r.ranks.Agree(r.record(record.Warning{Text: why})); err != nil {
				return record.Done{}, err
			}
		}
		if why != "" || r.complete == r.epochs {
			break
		}
		if err := r.runEpoch(); err != nil {
			return record.Done{}, err
		}
	}
	return record.Done{Epochs: r.complete, Images: r.images(), Elapsed: time.Since(r.started)}, nil
}

func (r *run) runEpoch() error {
	if r.complete > r.epoch {
		r.epoch, r.step = r.epoch+1, 0
	}
	if r.step == 0 {
		r.begun, r.waited = time.Now(), r.ranks.Waited()
	}
	r.phase.open(r.ctx)
	defer r.phase.close()
	for r.step < r.phase.steps() {
		if err := r.runStep(); err != nil {
			return err
		}
	}
	if err := r.ranks.Agree(r.phase.endEpoch()); err != nil {
		return errors.Join(r.place(err), r.save())
	}
	e, err := r.phase.metrics()
	if err := r.ranks.Agree(err); err != nil {
		return err
	}
	if e.Ranks, err = r.loads(); err != nil {
		return err
	}
	if err := r.gatherReplaced(); err != nil {
		return err
	}
	e.Elapsed = time.Since(r.begun)
	if err := r.verify(); err != nil {
		return err
	}
	if err := r.ranks.Agree(r.keep(e)); err != nil {
		return err
	}
	err = r.emit(e) // a recorder that fails ends the run, and loses nothing of it
	if err == nil {
		err = r.warnOfReplaced()
	}
	r.complete++
	return r.ranks.Agree(errors.Join(err, r.phase.afterEpoch(), r.save()))
}

func (r *run) runStep() error {
	if err := r.ranks.Agree(r.phase.fetch()); err != nil {
		return errors.Join(r.place(err), r.save())
	}
	r.meter.Begin("", "", 0)
	if r.recorder != nil && r.phase.passes() > 1 {
		r.meter.Begin(fmt.Sprintf("epoch %d/%d step %d/%d", r.epoch+1, r.epochs, r.step+1, r.phase.steps()), "passes", r.phase.passes())
	}
	rate := r.lr.Rate(r.epoch, r.epochs, r.step, r.phase.steps())
	if err := r.phase.update(rate); err != nil {
		return r.place(err)
	}
	r.step++
	e, err := r.phase.metrics()
	if err != nil {
		return err
	}
	elapsed := time.Since(r.started)
	left := r.epochs*r.phase.steps() - r.done()
	step := record.Step{
		Epoch: e.Epoch, Step: r.step, Steps: r.phase.steps(), Images: r.images(),
		TrainLoss: e.TrainLoss, TrainScore: e.TrainScore, ValLoss: e.ValLoss, ValScore: e.ValScore,
		LR: rate, Entropy: e.Entropy, SkipWeight: e.SkipWeight,
		ImagesPerSecond: float64(r.batch*r.step) / time.Since(r.begun).Seconds(),
		Left:            time.Duration(float64(elapsed) / float64(r.done()) * float64(left)),
	}
	return r.ranks.Agree(r.afterStep(step))
}

// afterStep records a step, and keeps a checkpoint when it is time to.
func (r *run) afterStep(step record.Step) error {
	if err := r.keep(step); err != nil {
		return err
	}
	err := r.emit(step)
	if err == nil && r.replaced == 0 {
		err = r.warnOfReplaced()
	}
	if err != nil || r.step < r.phase.steps() && r.dir != nil && r.dir.due() {
		err = errors.Join(err, r.save())
	}
	return err
}

// loads returns the load of each rank in the epoch; nil for one rank.
func (r *run) loads() ([]record.Rank, error) {
	size := r.ranks.Size()
	if size == 1 {
		return nil, nil
	}
	elapsed, waited := time.Since(r.begun), r.ranks.Waited()-r.waited
	images := float64(r.batch*r.phase.steps()) / float64(size)
	all, err := r.ranks.GatherFloat64(images/max(elapsed-waited, time.Nanosecond).Seconds(), waited.Seconds()/elapsed.Seconds())
	var list []record.Rank
	for ; len(all) > 0; all = all[2:] {
		list = append(list, record.Rank{ImagesPerSecond: all[0], Waited: all[1]})
	}
	return list, err
}

// unreadable returns how many images the sources of this rank have replaced by others, and
// the path of one.
func (r *run) unreadable() (count int, path string) {
	for _, src := range r.sources {
		n, first := about(src).Unreadable()
		if count += n; len(first) > 0 && path == "" {
			path = first[0]
		}
	}
	return count, path
}

// gatherReplaced counts the images that sources of other ranks have replaced.
func (r *run) gatherReplaced() error {
	if r.ranks.Size() == 1 {
		return nil
	}
	mine, _ := r.unreadable()
	all, err := r.ranks.GatherFloat64(float64(mine))
	r.elsewhere = -mine
	for _, n := range all {
		r.elsewhere += int(n)
	}
	return err
}

// warnOfReplaced records how many images the sources have replaced by others, if the
// number has grown.
func (r *run) warnOfReplaced() error {
	count, path := r.unreadable()
	count += r.elsewhere // as of the end of an epoch
	if path != "" {
		path = ", such as " + path
	}
	if count <= r.replaced {
		return nil
	}
	r.replaced = count
	return r.record(record.Warning{Text: fmt.Sprintf("images that cannot be decoded were replaced by others: %d so far%s", count, path)})
}

// save keeps a checkpoint in the folder, unless it has this one.
func (r *run) save() error {
	here := point{r.done(), r.complete}
	if r.dir == nil || r.lost || here == r.saved {
		return nil
	}
	if err := r.phase.host(); err != nil {
		return err
	}
	if err := r.dir.keep(r.done(), r.checkpoint); err != nil {
		return err
	}
	r.saved = here
	if p, epoch := r.phase.best(); epoch == r.complete && r.complete > r.epoch {
		return r.dir.writeParams(bestFile, p, r.metadata)
	}
	return nil
}

// place adds to an error where the run was.
func (r *run) place(err error) error {
	if _, elsewhere := RankError(err); (r.ctx.Err() != nil || elsewhere) && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	return fmt.Errorf("%w (epoch %d, step %d)", err, r.epoch+1, min(r.step+1, r.phase.steps()))
}

// record keeps an event in the run directory and hands it to the recorder.
func (r *run) record(e record.Event) error {
	if err := r.keep(e); err != nil {
		return err
	}
	return r.emit(e)
}

func (r *run) keep(e record.Event) error {
	if r.dir == nil {
		return nil
	}
	err := r.dir.record(e)
	r.lost = r.lost || err != nil
	return err
}

func (r *run) emit(e record.Event) error {
	if r.recorder == nil {
		return nil
	}
	if err := r.recorder.Record(e); err != nil {
		return fmt.Errorf("darts: recording: %w", err)
	}
	return nil
}
