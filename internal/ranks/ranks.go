package ranks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unsafe"
)

// A Communicator connects the ranks: what a Group needs of a darts.Communicator.
type Communicator interface {
	Rank() int
	Size() int
	AllToAll(recv, send []float32) error
	AllGather(recv, send []float32) error
	Broadcast(data []float32, root int) error
	Abort(err error)
}

// A Group is the ranks of a run. All ranks call the same methods in the same order. An
// error of the communicator aborts the job, since the other ranks may wait for ever.
type Group struct {
	comm       Communicator // nil in a group of one
	rank, size int
	waited     time.Duration
	send, recv []float32 // of votes
}

// New returns the group of a communicator; nil is a group of one.
func New(c Communicator) *Group {
	if c == nil || c.Size() == 1 {
		return &Group{size: 1}
	}
	return &Group{comm: c, rank: c.Rank(), size: c.Size(), send: make([]float32, 1), recv: make([]float32, c.Size())}
}

// Rank returns the number of this process, from 0.
func (g *Group) Rank() int { return g.rank }

// Size returns the number of ranks.
func (g *Group) Size() int { return g.size }

// Leads reports whether this is the rank that records and writes.
func (g *Group) Leads() bool { return g.rank == 0 }

// Waited returns the time that this rank has spent in the communicator: it waits for other
// ranks there, and for the network.
func (g *Group) Waited() time.Duration { return g.waited }

// call runs a collective.
func (g *Group) call(f func() error) error {
	began := time.Now()
	err := f()
	g.waited += time.Since(began)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("rank %d of %d lost the others: %w", g.rank, g.size, err)
	g.comm.Abort(err)
	return err
}

// AllToAll is that of the communicator.
func (g *Group) AllToAll(recv, send []float32) error {
	if g.size == 1 {
		copy(recv, send)
		return nil
	}
	return g.call(func() error { return g.comm.AllToAll(recv, send) })
}

// AllGather is that of the communicator.
func (g *Group) AllGather(recv, send []float32) error {
	if g.size == 1 {
		copy(recv, send)
		return nil
	}
	return g.call(func() error { return g.comm.AllGather(recv, send) })
}

// Broadcast sets data on every rank to that of rank 0.
func (g *Group) Broadcast(data []float32) error {
	if g.size == 1 || len(data) == 0 {
		return nil
	}
	return g.call(func() error { return g.comm.Broadcast(data, 0) })
}

// words returns the bits of floats, so that integers can travel as floats.
func words(f []float32) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(f))), len(f))
}

// bytesOf returns the memory of floats.
func bytesOf(f []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(f))), 4*len(f))
}

// Gather returns what each rank passes, in the order of ranks. Lengths may differ, and are
// below 4 GiB.
func (g *Group) Gather(data []byte) ([][]byte, error) {
	if g.size == 1 {
		return [][]byte{data}, nil
	}
	words(g.send)[0] = uint32(len(data))
	if err := g.AllGather(g.recv, g.send); err != nil {
		return nil, err
	}
	longest, lengths := 0, make([]int, g.size)
	for i, n := range words(g.recv) {
		lengths[i] = int(n)
		longest = max(longest, lengths[i])
	}
	block := (longest + 3) / 4
	send, recv := make([]float32, block), make([]float32, block*g.size)
	copy(bytesOf(send), data)
	if block > 0 {
		if err := g.AllGather(recv, send); err != nil {
			return nil, err
		}
	}
	all := make([][]byte, g.size)
	for i, n := range lengths {
		all[i] = bytesOf(recv[i*block:][:block])[:n:n]
	}
	return all, nil
}

// GatherFloat64 returns the numbers of each rank, in the order of ranks; each rank passes
// as many.
func (g *Group) GatherFloat64(values ...float64) ([]float64, error) {
	if g.size == 1 {
		return values, nil
	}
	send, recv := make([]float32, 2*len(values)), make([]float32, 2*len(values)*g.size)
	copy(bytesOf(send), unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 8*len(values)))
	if err := g.AllGather(recv, send); err != nil {
		return nil, err
	}
	all := make([]float64, len(values)*g.size)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(all))), 8*len(all)), bytesOf(recv))
	return all, nil
}

// An Error is one that all ranks know of, by a vote.
type Error struct {
	Rank int // that failed
	err  error
	text string
}

// Error returns the text, with the rank if it is another one.
func (e *Error) Error() string { return e.text }

// Unwrap returns the error itself. Of that of another rank only the error of a context is
// known.
func (e *Error) Unwrap() error { return e.err }

// remote is an error of another rank: its text, and what it is.
type remote struct {
	text string
	is   error
}

func (e remote) Error() string { return e.text }

func (e remote) Unwrap() error { return e.is }

// A vote is how bad an error is.
type vote uint32

const (
	fine vote = iota
	canceled
	late
	failed
)

func voteOf(err error) vote {
	switch {
	case err == nil:
		return fine
	case errors.Is(err, context.Canceled):
		return canceled
	case errors.Is(err, context.DeadlineExceeded):
		return late
	}
	return failed
}

// Agree is a vote: it returns nil on all ranks if all pass nil, and an *Error on all
// otherwise: a rank's own, or the first of the worst of others, where a context that is
// done is less bad than any other error. An error that all ranks know of is returned
// without a vote. So a rank that fails between two votes may leave any function at once,
// if votes come before other collectives there: the others learn of it in theirs.
func (g *Group) Agree(err error) error {
	if g.size == 1 || errors.As(err, new(*Error)) {
		return err
	}
	words(g.send)[0] = uint32(voteOf(err))
	if e := g.AllGather(g.recv, g.send); e != nil {
		return errors.Join(err, e)
	}
	worst, by := fine, 0
	for i, v := range words(g.recv) {
		if vote(v) > worst {
			worst, by = vote(v), i
		}
	}
	if worst == fine {
		return nil
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	texts, e := g.Gather([]byte(text))
	if e != nil {
		return errors.Join(err, e)
	}
	if err != nil {
		return &Error{g.rank, err, text}
	}
	other := remote{text: string(texts[by])}
	switch worst {
	case canceled:
		other.is = context.Canceled
	case late:
		other.is = context.DeadlineExceeded
	}
	return &Error{by, other, fmt.Sprintf("rank %d: %s", by, other.text)}
}

// Differences compares the text that each rank passes with that of rank 0, by a function
// that returns lines of differences. It returns an error on all ranks that names the first
// rank that differs.
func (g *Group) Differences(text []byte, compare func(first, other []byte) []string) error {
	all, err := g.Gather(text)
	if err != nil {
		return err
	}
	for i, other := range all[1:] {
		if lines := compare(all[0], other); len(lines) > 0 {
			return &Error{i + 1, nil, fmt.Sprintf("rank %d differs from rank 0 (rank 0 → rank %d):\n%s", i+1, i+1, strings.Join(lines, "\n"))}
		}
	}
	return nil
}
