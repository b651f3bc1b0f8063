package rankstest

import (
	"errors"
	"fmt"
	"sync"
)

// A Rank is the communicator of one goroutine.
type Rank struct {
	hub  *hub
	rank int
}

// hub is where the ranks meet.
type hub struct {
	mu      sync.Mutex
	arrived *sync.Cond
	here    int
	round   int
	data    [][]float32 // what each rank shows to the others
	aborted error
}

// New returns the communicators of a number of ranks.
func New(size int) []*Rank {
	h := &hub{data: make([][]float32, size)}
	h.arrived = sync.NewCond(&h.mu)
	all := make([]*Rank, size)
	for i := range all {
		all[i] = &Rank{h, i}
	}
	return all
}

// Rank returns the number of the rank.
func (r *Rank) Rank() int { return r.rank }

// Size returns the number of ranks.
func (r *Rank) Size() int { return len(r.hub.data) }

// Barrier waits for all ranks.
func (r *Rank) Barrier() error {
	h := r.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	round := h.round
	if h.here++; h.here == r.Size() {
		h.here = 0
		h.round++
		h.arrived.Broadcast()
	}
	for h.round == round && h.aborted == nil {
		h.arrived.Wait()
	}
	return h.aborted
}

// show lets the others read data while read runs.
func (r *Rank) show(data []float32, read func(all [][]float32) error) error {
	r.hub.data[r.rank] = data
	if err := r.Barrier(); err != nil {
		return err
	}
	return errors.Join(read(r.hub.data), r.Barrier())
}

// AllToAll exchanges blocks.
func (r *Rank) AllToAll(recv, send []float32) error {
	n := len(send) / r.Size()
	if len(send)%r.Size() != 0 || len(recv) != len(send) {
		return fmt.Errorf("%d floats are received and %d sent between %d ranks", len(recv), len(send), r.Size())
	}
	return r.show(send, func(all [][]float32) error {
		for i, from := range all {
			if len(from) != len(send) {
				return fmt.Errorf("rank %d sends %d floats, rank %d %d", i, len(from), r.rank, len(send))
			}
			copy(recv[i*n:][:n], from[r.rank*n:])
		}
		return nil
	})
}

// AllGather gathers blocks.
func (r *Rank) AllGather(recv, send []float32) error {
	n := len(send)
	if len(recv) != n*r.Size() {
		return fmt.Errorf("%d floats are received and %d sent by each of %d ranks", len(recv), n, r.Size())
	}
	return r.show(send, func(all [][]float32) error {
		for i, from := range all {
			if len(from) != n {
				return fmt.Errorf("rank %d sends %d floats, rank %d %d", i, len(from), r.rank, n)
			}
			copy(recv[i*n:][:n], from)
		}
		return nil
	})
}

// Broadcast copies the data of a rank.
func (r *Rank) Broadcast(data []float32, root int) error {
	return r.show(data, func(all [][]float32) error {
		if len(all[root]) != len(data) {
			return fmt.Errorf("rank %d sends %d floats, rank %d wants %d", root, len(all[root]), r.rank, len(data))
		}
		if root != r.rank {
			copy(data, all[root])
		}
		return nil
	})
}

// Abort makes every collective fail, from now on.
func (r *Rank) Abort(err error) {
	h := r.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.aborted = fmt.Errorf("aborted by rank %d: %w", r.rank, err)
	h.arrived.Broadcast()
}

// Run runs a function on each of a number of ranks at the same time, and returns the
// error of each.
func Run(size int, f func(r *Rank) error) []error {
	errs := make([]error, size)
	var all sync.WaitGroup
	for i, r := range New(size) {
		all.Go(func() { errs[i] = f(r) })
	}
	all.Wait()
	return errs
}
