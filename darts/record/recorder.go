package record

import (
	"slices"
	"strings"
)

// A Recorder receives the events of a run. Record is called on the goroutine of the
// run, or on those on which an evaluation loads images, one event at a time. An error
// stops the run, which writes a checkpoint if it has a run directory, and returns the
// error; see Optional for recorders whose errors should not stop it.
type Recorder interface {
	Record(e Event) error
}

// Func is an adapter that makes a function a Recorder, like http.HandlerFunc.
type Func func(Event) error

// Record calls f.
func (f Func) Record(e Event) error { return f(e) }

// Recorders returns a recorder that passes every event to each of list in order, up to
// the first error. Nil entries are ignored.
func Recorders(list ...Recorder) Recorder {
	var all recorders
	for _, r := range list {
		if r != nil {
			all = append(all, r)
		}
	}
	return all
}

type recorders []Recorder

func (all recorders) Record(e Event) error {
	for _, r := range all {
		if err := r.Record(e); err != nil {
			return err
		}
	}
	return nil
}

// Optional returns a recorder that passes every event to main and then to each of
// others. One of others that fails gets no more events, and main gets a Warning with
// its error. Nil entries of others are ignored; main must not be nil.
func Optional(main Recorder, others ...Recorder) Recorder {
	return &optional{main, slices.DeleteFunc(slices.Clone(others), func(r Recorder) bool { return r == nil })}
}

type optional struct {
	main   Recorder
	others []Recorder
}

func (o *optional) Record(e Event) error {
	if err := o.main.Record(e); err != nil {
		return err
	}
	var faults []error
	o.others = slices.DeleteFunc(o.others, func(r Recorder) bool {
		err := r.Record(e)
		if err != nil {
			faults = append(faults, err)
		}
		return err != nil
	})
	for _, err := range faults {
		text := strings.ReplaceAll(err.Error(), "\n", "; ")
		if err := o.main.Record(Warning{Text: text + ": the run continues without this recorder"}); err != nil {
			return err
		}
	}
	return nil
}
