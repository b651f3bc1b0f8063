//go:build unix

package mpi

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// rankProgram is the variable that makes this program a rank of a job.
const rankProgram = "UNNAS_TEST_MPI"

// programs are what ranks run.
var programs = map[string]func(c *Comm) error{
	"collectives": collectives,
	"fault":       fault,
	"vote":        vote,
	"wait":        wait,
	"abort":       abort,
	"late":        late,
	"leave":       leave,
	"panic":       panics,
	"cores":       cores,
	"runs":        runs,
}

func TestMain(m *testing.M) {
	program, ok := programs[os.Getenv(rankProgram)]
	if !ok {
		os.Exit(m.Run())
	}
	c, err := Start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := program(c); err != nil {
		c.Abort(err)
	}
	if err := c.Close(); err != nil {
		c.Abort(err)
	}
	os.Exit(0)
}

// value returns what rank from sends to rank to at place i: a NaN with a payload, quiet or
// signaling.
func value(from, to, i int) float32 {
	return math.Float32frombits(0x7f800001 + uint32(from<<20+to<<17+i%0x1fff))
}

// collectives makes every call with lengths that cut, do not cut, and do not fit.
func collectives(c *Comm) error {
	if c.Library() == "" || c.Size() < 2 {
		return fmt.Errorf("%d ranks of library %q", c.Size(), c.Library())
	}
	for _, most := range []int{most, 1, 5, 7 * c.Size()} {
		c.most = most
		for _, n := range []int{0, 1, 3, 23} {
			if err := exchange(c, n); err != nil {
				return fmt.Errorf("%d values to each of %d ranks, %d at once: %w", n, c.Size(), most, err)
			}
		}
	}
	c.most = 50_000
	for _, n := range []int{1009, 20_011} {
		if err := exchange(c, n); err != nil {
			return err
		}
	}
	for _, err := range []error{
		c.AllToAll(make([]float32, c.Size()+1), make([]float32, c.Size()+1)),
		c.AllToAll(make([]float32, c.Size()), make([]float32, 2*c.Size())),
		c.AllGather(make([]float32, 2*c.Size()+1), make([]float32, 2)),
		c.Broadcast(nil, c.Size()),
		c.Broadcast(nil, -1),
	} {
		if err == nil {
			return errors.New("a wrong length is no error")
		}
	}
	return c.Barrier()
}

// exchange makes every call with blocks of n values.
func exchange(c *Comm, n int) error {
	size := c.Size()
	send, recv := make([]float32, size*n), make([]float32, size*n)
	for to := range size {
		for i := range n {
			send[to*n+i] = value(c.Rank(), to, i)
		}
	}
	if err := c.AllToAll(recv, send); err != nil {
		return err
	}
	if err := want(recv, n, func(from, i int) float32 { return value(from, c.Rank(), i) }); err != nil {
		return fmt.Errorf("AllToAll: %w", err)
	}
	if err := c.AllGather(recv, send[:n]); err != nil {
		return err
	}
	if err := want(recv, n, func(from, i int) float32 { return value(from, 0, i) }); err != nil {
		return fmt.Errorf("AllGather: %w", err)
	}
	for root := range size {
		copy(recv, send)
		if err := c.Broadcast(recv, root); err != nil {
			return err
		}
		if err := want(recv, n, func(to, i int) float32 { return value(root, to, i) }); err != nil {
			return fmt.Errorf("Broadcast from %d: %w", root, err)
		}
	}
	return nil
}

// want returns an error if blocks of n values do not have the bits of f.
func want(got []float32, n int, f func(block, i int) float32) error {
	for k, v := range got {
		if w := f(k/n, k%n); math.Float32bits(v) != math.Float32bits(w) {
			return fmt.Errorf("value %d of block %d is %#x, want %#x", k%n, k/n, math.Float32bits(v), math.Float32bits(w))
		}
	}
	return nil
}

// vote runs until any rank gets a signal, and ends on all at the same step.
func vote(c *Comm) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for step := 0; ; step++ {
		own, all := make([]float32, 1), make([]float32, c.Size())
		if ctx.Err() != nil {
			own[0] = 1
		}
		if err := c.AllGather(all, own); err != nil {
			return err
		}
		for rank, v := range all {
			if v != 0 {
				fmt.Printf("rank %d stops, rank %d got a signal\n", c.Rank(), rank)
				return nil
			}
		}
		if step == 3 {
			fmt.Printf("ready %d %d\n", c.Rank(), os.Getpid())
		}
		time.Sleep(time.Millisecond)
	}
}

// wait waits in a call that rank 1 does not make.
func wait(c *Comm) error {
	fmt.Printf("ready %d %d\n", c.Rank(), os.Getpid())
	if c.Rank() == 1 {
		select {}
	}
	return c.Barrier()
}

// abort fails on rank 1 while the others wait for it.
func abort(c *Comm) error {
	if c.Rank() == 1 {
		time.Sleep(100 * time.Millisecond) // the others wait
		return errors.New("no space left")
	}
	return c.Barrier()
}

// late aborts on rank 0 while that rank itself waits.
func late(c *Comm) error {
	if c.Rank() == 1 {
		select {}
	}
	if c.Rank() == 0 {
		time.AfterFunc(100*time.Millisecond, func() { c.Abort(errors.New("a second signal")) })
	}
	return c.Barrier()
}

// leave ends rank 1 without an error while the others wait for it.
func leave(c *Comm) error {
	if c.Rank() == 1 {
		os.Exit(0)
	}
	err := c.Barrier()
	fmt.Printf("rank %d continued: %v\n", c.Rank(), err)
	return err
}

// panics recovers from a nil pointer, as Go programs can, and panics on rank 1.
func panics(c *Comm) error {
	caught := make(chan any)
	go func() {
		defer func() { caught <- recover() }()
		var p *int
		*p = 1
	}()
	if <-caught == nil {
		return errors.New("a nil pointer makes no panic")
	}
	if c.Rank() == 1 {
		panic("a fault of rank 1")
	}
	return c.Barrier()
}

// cores prints how ranks share the host.
func cores(c *Comm) error {
	fmt.Printf("rank %d of %d uses %d cores\n", c.Rank(), c.Size(), runtime.GOMAXPROCS(0))
	return nil
}

// fault makes a call that the library refuses, and continues.
func fault(c *Comm) error {
	fmt.Println(c.call(func() error { return c.library.broadcast(make([]float32, 1), c.Size()) }))
	return c.Barrier()
}
