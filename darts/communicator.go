package darts

import (
	"errors"
	"fmt"
	"os"

	"unnas/internal/engine"
	"unnas/internal/ranks"
)

// A Communicator connects the processes of one run, its ranks, which are numbered from 0;
// package unnas/darts/mpi has one. Values travel bit by bit, so that other data can travel
// as floats. All ranks call the same methods in the same order, each from one goroutine at a
// time. The error of one rank may leave the others waiting: a run that gets an error calls
// Abort.
//
// The ranks of a run call Search or Train with equal arguments, besides the Runtime. Each
// loads and computes its share of the micro-batches of every step and of the images of
// every evaluation. A run has as many micro-batches as SearchConfig.MicroBatch says, which
// must be a multiple of the number of ranks, and its results depend on the micro-batches, not
// on the ranks: they are equal to the bit for one rank and for many, and a checkpoint may be
// resumed with another number. Rank 0 records and writes: Dir and Recorder of the other
// ranks are not used. An error of one rank is an error on all; see RankError.
type Communicator interface {
	// Rank returns the number of this process, and Size that of all.
	Rank() int
	Size() int
	// AllToAll sends block i of send to rank i, and sets block i of recv to what rank i sends
	// here. Both are Size blocks of one length.
	AllToAll(recv, send []float32) error
	// AllGather sets block i of recv to what rank i sends. recv is Size times as long.
	AllGather(recv, send []float32) error
	// Broadcast sets data on every rank to that of rank root.
	Broadcast(data []float32, root int) error
	// Barrier waits for all ranks.
	Barrier() error
	// Abort ends all ranks at once, with a message on standard error.
	Abort(err error)
}

// RankError returns the rank whose error ended a run on all ranks, as errors.As finds it in
// the error of the run. The text of another rank's error begins with "rank 2: ".
func RankError(err error) (rank int, ok bool) {
	var e *ranks.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	return e.Rank, true
}

// Agree is a vote of all ranks: it returns nil if err is nil on all ranks, and an error on
// all of them otherwise: a rank's own, or else that of the first rank that failed; see
// RankError. A rank that fails outside of a run votes so that the others, which begin their
// run with a vote, do not wait for it. The error of a run needs no vote, and is returned.
func Agree(c Communicator, err error) error {
	return Runtime{Communicator: c}.group().Agree(err)
}

// First calls f on rank 0, and then on the other ranks: for work whose result rank 0 leaves
// to the others in a file, such as the index of a data set. If f fails on any rank, all get
// an error. A Communicator of nil is one rank.
func First(c Communicator, f func() error) error {
	group := Runtime{Communicator: c}.group()
	var err error
	if group.Leads() {
		err = f()
	}
	if err := group.Agree(err); err != nil || group.Size() == 1 {
		return err
	}
	if !group.Leads() {
		err = f()
	}
	return group.Agree(err)
}

// Share calls f on rank 0 and returns its result on all ranks.
func Share(c Communicator, f func() (string, error)) (string, error) {
	group := Runtime{Communicator: c}.group()
	var text string
	var err error
	if group.Leads() {
		text, err = f()
	}
	if err := group.Agree(err); err != nil {
		return "", err
	}
	all, err := group.Gather([]byte(text))
	if err != nil {
		return "", err
	}
	return string(all[0]), nil
}

// join votes on the error that a rank has found in its arguments, and returns the Runtime of
// this rank.
func (rt Runtime) join(group *ranks.Group, err error) (Runtime, error) {
	if err := group.Agree(err); err != nil {
		return rt, err
	}
	return rt.settle(group)
}

// settle returns the Runtime of this rank: with the least Memory of any rank, whose share of
// a machine is equal to that of the other ranks there, and without what rank 0 alone uses.
func (rt Runtime) settle(group *ranks.Group) (Runtime, error) {
	if group.Size() == 1 {
		return rt, nil
	}
	if group.Rank() > 0 {
		rt.Dir, rt.Recorder = nil, nil
	}
	host, err := os.Hostname()
	if err := group.Agree(err); err != nil {
		return rt, fmt.Errorf("darts: %w", err)
	}
	hosts, err := group.Gather([]byte(host))
	if err != nil {
		return rt, err
	}
	here := int64(0)
	for i, h := range hosts {
		if string(h) != host {
			continue
		}
		if here++; i < group.Rank() {
			rt.onHost++
		}
	}
	if rt.Memory == 0 {
		rt.Memory = engine.Budget{}.Room() / here
	}
	rooms, err := group.GatherFloat64(float64(rt.Memory))
	for _, room := range rooms {
		if rt.Memory == 0 || room > 0 && int64(room) < rt.Memory {
			rt.Memory = int64(room)
		}
	}
	return rt, err
}

// shared returns an error if the devices of ranks cannot share the micro-batches of a batch
// equally.
func shared(batch, micro, ranks, devices int) error {
	all := ranks * devices
	if all == 1 || micro > 0 && batch/micro%all == 0 {
		return nil
	}
	who := fmt.Sprintf("%d ranks", ranks)
	switch {
	case ranks == 1:
		who = fmt.Sprintf("%d devices", devices)
	case devices > 1:
		who += fmt.Sprintf(" of %d devices", devices)
	}
	what := fmt.Sprintf("with MicroBatch %d makes %d micro-batches, which", micro, batch/max(micro, 1))
	if micro == 0 {
		what = "with MicroBatch 0 goes through the network at once, which"
	}
	remedy := fmt.Sprintf("set MicroBatch to %d or to a divisor of it", batch/all)
	if batch%all != 0 {
		remedy = fmt.Sprintf("choose a Batch that is a multiple of %d", all)
	}
	return fmt.Errorf("Batch %d %s %s cannot share equally; %s", batch, what, who, remedy)
}
