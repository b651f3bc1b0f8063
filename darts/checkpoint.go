package darts

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"unnas/darts/record"
	"unnas/internal/checkpoint"
	"unnas/internal/engine"
	"unnas/ops"
	"unnas/pretext"
)

// header is what a checkpoint holds besides arrays.
type header struct {
	Run     json.RawMessage    `json:"run"` // see identify
	Images  fingerprints       `json:"images"`
	Program program            `json:"program"`
	At      position           `json:"at"`
	Arrays  []checkpoint.Array `json:"arrays"`
}

// position is where in a run a checkpoint was made: between two steps, or after
// an epoch.
type position struct {
	Epoch    int             `json:"epoch"`      // under way, from 0
	Step     int             `json:"step"`       // steps of it that are done
	Complete int             `json:"complete"`   // epochs that are
	State    json.RawMessage `json:"state"`      // of the phase
	Elapsed  time.Duration   `json:"elapsed_ns"` // time that the run has taken
	Lap      time.Duration   `json:"lap_ns"`     // time that the epoch has taken
	Metrics  int64           `json:"metrics"`    // length of metrics.jsonl in bytes
}

// identify returns, as JSON, what must be equal in a run that resumes from another's
// state: the numbers of its start with the configuration, the hyperparameters
// of the task if they have a JSON form, and a digest of the names and shapes of
// all parameters, which differ when an operation is built in another way.
func identify(start record.Start, task pretext.Task, p *ops.Params) ([]byte, error) {
	// These may change from machine to machine.
	start.PlannedBytes, start.DeviceBytes, start.Recompute, start.Ranks = 0, 0, false, 0
	start.Version, start.Revision, start.Device = "", "", "" // are warned of
	names := sha256.New()
	for _, q := range p.List() {
		fmt.Fprintf(names, "%s %v\n", q.Name, q.Shape)
	}
	for _, s := range p.Stats() {
		fmt.Fprintf(names, "%s %d\n", s.Name, len(s.Mean))
	}
	settings, err := json.Marshal(task)
	if err != nil { // a task may hold what has no JSON form
		settings = []byte("null")
	}
	b, err := json.Marshal(struct {
		record.Start
		Settings   json.RawMessage `json:"task_settings"`
		Parameters string          `json:"parameters"`
	}{start, settings, hex.EncodeToString(names.Sum(nil))})
	if err != nil {
		return nil, fmt.Errorf("darts: the configuration has no JSON form: %w", err)
	}
	return b, nil
}

// header returns what a checkpoint holds besides arrays, as JSON. Metrics is the size
// of metrics.jsonl in bytes.
func (r *run) header(metrics int64) ([]byte, error) {
	state, err := json.Marshal(r.phase.state())
	if err != nil {
		return nil, err
	}
	return json.Marshal(header{Run: r.identity, Images: r.prints, Program: r.program, Arrays: r.phase.arrays(), At: position{
		Epoch: r.epoch, Step: r.step, Complete: r.complete, State: state,
		Elapsed: time.Since(r.started), Lap: time.Since(r.begun), Metrics: metrics,
	}})
}

// checkpoint writes the state of a run. Metrics is the size of metrics.jsonl in bytes.
func (r *run) checkpoint(w io.Writer, metrics int64) error {
	text, err := r.header(metrics)
	if err != nil {
		return err
	}
	return checkpoint.Write(w, text, r.phase.arrays())
}

// restore brings a run to the state in a checkpoint of size bytes, made when
// metrics.jsonl had a number of bytes that limit must not be below; it returns
// that number. The run changes only once the whole checkpoint has proved to be
// good. The error of one that is not of this run is
// checkpoint.ErrOther.
func (r *run) restore(f io.ReadSeeker, size, limit int64) (metrics int64, err error) {
	var h header
	if err := checkpoint.ReadHeader(f, size, &h); err != nil {
		return 0, err
	}
	if d := append(checkpoint.Differences(h.Run, r.identity), h.Images.differences(r.prints)...); len(d) > 0 {
		return 0, fmt.Errorf("%w (saved → given):\n%s\n%sgive what was saved, or choose another directory", checkpoint.ErrOther, strings.Join(d, "\n"), kernelRemedy(h.Run, r.identity))
	}
	all, at, steps := r.phase.arrays(), h.At, r.phase.steps()
	if err := checkpoint.Match(f, size, h.Arrays, all); err != nil {
		return 0, err
	}
	switch {
	case at.Epoch < 0 || at.Epoch >= r.epochs || at.Step < 0 || at.Step > steps || at.Complete != at.Epoch && (at.Complete != at.Epoch+1 || at.Step < steps):
		return 0, fmt.Errorf("there is no step %d in epoch %d with %d epochs complete", at.Step, at.Epoch+1, at.Complete)
	case at.Metrics < 0 || at.Metrics > limit:
		return 0, fmt.Errorf("%s has lost lines since: it has %d bytes and had %d", record.File, limit, at.Metrics)
	}
	commit, err := r.phase.restoreState(at.State, at.Epoch*steps+at.Step)
	if err != nil {
		return 0, err
	}
	if err := r.phase.host(); err != nil {
		return 0, err
	}
	if err := checkpoint.ReadArrays(f, all); err != nil {
		return 0, err
	}
	commit()
	r.restored, r.prints = h.Program, r.prints.or(h.Images)
	r.epoch, r.step, r.complete = at.Epoch, at.Step, at.Complete
	r.started, r.begun = time.Now().Add(-at.Elapsed), time.Now().Add(-at.Lap)
	return at.Metrics, nil
}

func sumsOf(m engine.Mean) [3]float64 { return [3]float64{m.Loss, m.Score, m.Count} }

func meanOf(sums [3]float64) engine.Mean {
	return engine.Mean{Loss: sums[0], Score: sums[1], Count: sums[2]}
}
