package mpi

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// most is the number of elements that one call of a library moves at most. Counts are
// 32-bit integers, and libraries have overflowed in products of them.
const most = 1 << 26

// A Comm connects the processes, the ranks, of a job. Its methods are collective: all
// ranks call the same ones in the same order with the same lengths, from one goroutine at
// a time. Values are carried bit by bit. Only Abort may be called at any time.
type Comm struct {
	rank, size int
	host       string
	library    library // nil for one rank
	calls      chan func()
	most       int
	closed     atomic.Bool
}

// joined is whether this process has joined a job, which it can do once.
var joined atomic.Bool

// Start joins the job of the launcher that started this process: mpirun, mpiexec, srun or
// an MPIJob. All processes of the job have to call it. Without a launcher, or if it started
// one process, the communicator has one rank and no library is loaded.
//
// Ranks of one host share its cores: Start sets GOMAXPROCS to the cores of this rank's
// affinity mask, divided by the number of ranks on this host that may use them, unless the
// environment variable GOMAXPROCS is set.
//
// After Start a program ends with Close on all ranks, or with Abort on any of them after an
// error. It must not just return: others would wait for it in a collective call, and a
// launcher ends them only if it notices.
func Start() (*Comm, error) {
	c, err := start()
	if err != nil {
		return nil, fmt.Errorf("mpi: %w", err)
	}
	if err := c.settle(); err != nil {
		return nil, err
	}
	return c, nil
}

func start() (*Comm, error) {
	file := os.Getenv(variable)
	l, err := launched(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	c := &Comm{size: 1, most: most}
	if c.host, err = os.Hostname(); err != nil {
		return nil, err
	}
	if l.size == 1 || file == off {
		return c, nil
	}
	if err := callable(); err != nil {
		return nil, fmt.Errorf("%s started this process: %w", l.name, err)
	}
	if joined.Swap(true) {
		return nil, errors.New("this process has already joined a job; call Start once")
	}
	c.calls = make(chan func())
	go serve(c.calls)
	if err := c.call(func() error { return c.join(file, l) }); err != nil {
		return nil, err
	}
	return c, nil
}

// serve makes the calls on one thread, which libraries demand.
func serve(calls <-chan func()) {
	runtime.LockOSThread()
	for f := range calls {
		f()
	}
}

// call makes a call on the thread of the library, and waits for it.
func (c *Comm) call(f func() error) error {
	if c.closed.Load() {
		return errors.New("the communicator is closed")
	}
	result := make(chan error, 1)
	c.calls <- func() { result <- f() }
	return <-result
}

// join loads the library and initialises it.
func (c *Comm) join(file string, l launcher) error {
	defer handlers()()
	var err error
	if file != "" {
		if c.library, err = open(file); err != nil {
			return fmt.Errorf("environment variable %s: %w", variable, err)
		}
	} else if c.library, err = choose(candidates(runtime.GOOS, l), l, open); err != nil {
		return err
	}
	if c.rank, c.size, err = c.library.initialize(); err != nil {
		return err
	}
	if err := l.agree(c.library, c.rank, c.size); err != nil {
		if c.size == 1 {
			_ = c.library.finalize() // waits for no other rank
		}
		return err
	}
	return nil
}

// Rank returns the number of this process, from 0 to Size-1.
func (c *Comm) Rank() int { return c.rank }

// Size returns the number of ranks.
func (c *Comm) Size() int { return c.size }

// Library returns the version and the path of the MPI library, or "" if none is loaded.
func (c *Comm) Library() string {
	if c.library == nil {
		return ""
	}
	return c.library.String()
}

// AllToAll sends block i of send to rank i, and sets block i of recv to what rank i sends
// to this one. Both have Size blocks of equal length.
func (c *Comm) AllToAll(recv, send []float32) error {
	switch {
	case len(send)%c.size != 0:
		return fmt.Errorf("mpi: AllToAll sends %d values to %d ranks, want a multiple", len(send), c.size)
	case len(recv) != len(send):
		return fmt.Errorf("mpi: AllToAll receives %d values and sends %d, want as many", len(recv), len(send))
	case overlap(recv, send):
		return errors.New("mpi: AllToAll receives into what it sends, want separate slices")
	}
	return c.collective("AllToAll", func() error { copy(recv, send); return nil }, func() error {
		if len(send) <= c.most {
			return c.library.allToAll(recv, send)
		}
		return c.pieces(len(send)/c.size, func(from, to int, got []float32) error {
			sent := make([]float32, len(got))
			block, n := len(send)/c.size, to-from
			for r := range c.size {
				copy(sent[r*n:], send[r*block+from:r*block+to])
			}
			return c.library.allToAll(got, sent)
		}, recv)
	})
}

// AllGather sets block i of recv to what rank i sends. recv is Size times as long as send.
func (c *Comm) AllGather(recv, send []float32) error {
	switch {
	case len(recv) != c.size*len(send):
		return fmt.Errorf("mpi: AllGather receives %d values, want %d, %d of each of %d ranks",
			len(recv), c.size*len(send), len(send), c.size)
	case overlap(recv, send):
		return errors.New("mpi: AllGather receives into what it sends, want separate slices")
	}
	return c.collective("AllGather", func() error { copy(recv, send); return nil }, func() error {
		if len(recv) <= c.most {
			return c.library.allGather(recv, send)
		}
		return c.pieces(len(send), func(from, to int, got []float32) error {
			return c.library.allGather(got, send[from:to])
		}, recv)
	})
}

// pieces cuts blocks of n elements so that no call of the library moves more than most.
// exchange gets elements from to to of each block, which pieces puts in their places.
func (c *Comm) pieces(n int, exchange func(from, to int, got []float32) error, recv []float32) error {
	step := max(1, c.most/c.size)
	got := make([]float32, c.size*step)
	for from := 0; from < n; from += step {
		to := min(from+step, n)
		got := got[:c.size*(to-from)]
		if err := exchange(from, to, got); err != nil {
			return err
		}
		for r := range c.size {
			copy(recv[r*n+from:r*n+to], got[r*(to-from):])
		}
	}
	return nil
}

// Broadcast sets data on every rank to that of rank root.
func (c *Comm) Broadcast(data []float32, root int) error {
	if root < 0 || root >= c.size {
		return fmt.Errorf("mpi: Broadcast from rank %d, want 0 to %d", root, c.size-1)
	}
	return c.collective("Broadcast", func() error { return nil }, func() error {
		for ; len(data) > c.most; data = data[c.most:] {
			if err := c.library.broadcast(data[:c.most], root); err != nil {
				return err
			}
		}
		return c.library.broadcast(data, root)
	})
}

// Barrier returns once all ranks have called it.
func (c *Comm) Barrier() error {
	return c.collective("Barrier", func() error { return nil }, func() error { return c.library.barrier() })
}

// collective makes a call of all ranks, or what it is for one.
func (c *Comm) collective(name string, one, all func() error) error {
	if c.library == nil {
		return one()
	}
	if err := c.call(all); err != nil {
		return fmt.Errorf("mpi: %s on rank %d of %d: %w", name, c.rank, c.size, err)
	}
	return nil
}

// Close leaves the job. It waits until all ranks call it, so a rank that has failed calls
// Abort instead.
func (c *Comm) Close() error {
	if c.library == nil || c.closed.Load() {
		return nil
	}
	err := c.collective("Close", nil, c.library.finalize)
	c.closed.Store(true)
	close(c.calls)
	return err
}

// Abort prints the error with this rank and host to standard error and ends all ranks at
// once, also while this one waits in a collective call. It does not return.
func (c *Comm) Abort(err error) {
	if c.library == nil || c.closed.Load() {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintf(os.Stderr, "rank %d of %d on %s: %v\n", c.rank, c.size, c.host, err)
	time.Sleep(200 * time.Millisecond) // MPICH's launcher loses lines that it has not read
	c.library.abortWait()
	select {
	case c.calls <- c.library.abort:
	case <-time.After(time.Second):
	}
	// The library has ended the process, or is about to. Where it does not, the launcher
	// ends the others once this rank has exited with a code.
	time.Sleep(time.Second)
	os.Exit(1)
}

// overlap returns whether two slices share elements.
func overlap(a, b []float32) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	begin := func(s []float32) uintptr { return uintptr(unsafe.Pointer(&s[0])) }
	end := func(s []float32) uintptr { return uintptr(unsafe.Pointer(&s[len(s)-1])) }
	return begin(a) <= end(b) && begin(b) <= end(a)
}
