package kernel

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// eachPool runs a test for parts of 1 to 8 workers, at work or not yet begun.
func eachPool(t *testing.T, body func(t *testing.T, pool *ThreadPool)) {
	for size := 1; size <= 8; size++ {
		for _, begun := range []bool{false, true} {
			t.Run(fmt.Sprintf("size=%d,begun=%v", size, begun), func(t *testing.T) {
				pool := NewThreadPool(size)
				require.Equal(t, size, pool.Size())
				if begun {
					pool.Start()
					defer pool.Stop()
				}
				body(t, pool)
			})
		}
	}
}

func TestPoolVisitsEachIndexOnce(t *testing.T) {
	eachPool(t, func(t *testing.T, pool *ThreadPool) {
		for _, n := range []int{-1, 0, 1, 2, 3, 7, 8, 9, 1000} {
			visits := make([]atomic.Int32, max(n, 0))
			pool.ParallelFor(n, func(_ *Worker, i int) { visits[i].Add(1) })
			for i := range visits {
				require.EqualValues(t, 1, visits[i].Load(), "index %d of %d", i, n)
			}
		}
	})
}

// A worker is never in two tasks at a time, so what it owns needs no lock: the
// race detector sees writes to the same scratch.
func TestWorkersShareNothing(t *testing.T) {
	eachPool(t, func(t *testing.T, pool *ThreadPool) {
		sums := make([]float32, 300)
		for round := range 5 {
			pool.ParallelFor(len(sums), func(w *Worker, i int) {
				x := w.Scratch(3 + i%5)
				for j := range x {
					x[j] = float32(i)
				}
				runtime.Gosched()
				sums[i] = x[0] + x[len(x)-1]
			})
			for i, s := range sums {
				require.EqualValues(t, 2*i, s, "round %d", round)
			}
		}
	})
}

func TestPoolPassesOnPanics(t *testing.T) {
	eachPool(t, func(t *testing.T, pool *ThreadPool) {
		for _, bad := range []int{0, 5, 19} {
			recovered := func() (value any) {
				defer func() {
					if value = recover(); value != nil {
						value = fmt.Sprint(value)
					}
				}()
				pool.ParallelFor(20, func(_ *Worker, i int) {
					if i == bad {
						panic(fmt.Sprintf("task %d failed", i))
					}
				})
				return nil
			}()
			require.Equal(t, fmt.Sprintf("task %d failed", bad), recovered)

			var sum atomic.Int64
			pool.ParallelFor(20, func(_ *Worker, i int) { sum.Add(int64(i)) })
			require.EqualValues(t, 190, sum.Load(), "after a panic the pool works as before")
		}
	})
}

// workers returns the number of goroutines that are workers of a pool.
func workers() int {
	stacks := make([]byte, 1<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("created by unnas/internal/kernel.(*ThreadPool).Start"))
}

func TestPoolLeavesNoGoroutine(t *testing.T) {
	// A goroutine that has said that it is done takes a moment to go.
	gone := func() {
		for end := time.Now().Add(time.Minute); workers() > 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		require.Zero(t, workers())
	}
	gone()
	pool := NewThreadPool(6)
	for range 3 {
		pool.Start()
		pool.ParallelFor(50, func(*Worker, int) {})
		require.Equal(t, 5, workers())
		pool.Stop()
		gone()
	}
}

// TestPoolWakesParkedWorkers has tasks that wait for each other, each of which needs
// a worker.
func TestPoolWakesParkedWorkers(t *testing.T) {
	const size = 8
	pool := NewThreadPool(size)
	pool.Start()
	defer pool.Stop()
	for range 3 {
		require.Eventually(t, func() bool { return pool.threads.parked.Load() == size-1 }, time.Minute, time.Millisecond)
		var arrived sync.WaitGroup
		arrived.Add(size)
		pool.ParallelFor(size, func(*Worker, int) {
			arrived.Done()
			arrived.Wait()
		})
	}
}

// TestLoopsInLoops holds that a loop in the body of another loses no work, whatever
// the size of the pool.
func TestLoopsInLoops(t *testing.T) {
	const outer, inner = 16, 64
	eachPool(t, func(t *testing.T, pool *ThreadPool) {
		var done [outer]atomic.Int32
		var visits [outer * inner]atomic.Int32
		pool.ParallelFor(outer, func(w *Worker, i int) {
			mine := w.Scratch(1)
			mine[0] = float32(i)
			pool.ParallelFor(inner, func(w *Worker, j int) {
				w.Scratch(1)[0] = -1
				visits[i*inner+j].Add(1)
			})
			if mine[0] == float32(i) {
				done[i].Add(1)
			}
		})
		for i := range done {
			require.EqualValues(t, 1, done[i].Load(), "index %d", i)
		}
		for i := range visits {
			require.EqualValues(t, 1, visits[i].Load(), "inner index %d", i)
		}
	})
}

func TestPoolOfAllCores(t *testing.T) {
	for _, size := range []int{0, -3} {
		assert.Equal(t, runtime.GOMAXPROCS(0), NewThreadPool(size).Size())
	}
}

func TestReservedMemoryIsKept(t *testing.T) {
	pool := NewThreadPool(3)
	pool.Reserve(100, 200, 50)
	shared := pool.Shared(200)
	for _, member := range pool.threads.parts {
		w := member.own
		x := w.Scratch(100)
		assert.Same(t, &x[0], &w.Scratch(7)[0])
		assert.Zero(t, uintptr(unsafe.Pointer(&x[0]))%64, "scratch begins at a cache line")
		assert.Panics(t, func() { _ = w.Scratch(7)[:8] }, "scratch ends where it was asked to")
	}
	assert.Same(t, &shared[0], &pool.Shared(50)[0])
	assert.Zero(t, uintptr(unsafe.Pointer(&shared[0]))%64)
}

// TestKernelsAtTheSameTime runs kernels of several loops each. What a loop leaves in the
// pool's memory is there for the next loop of the same kernel.
func TestKernelsAtTheSameTime(t *testing.T) {
	eachPool(t, func(t *testing.T, pool *ThreadPool) {
		for _, n := range []int{1, 2, 5, 40} {
			sums := make([]float32, n)
			pool.Concurrently(n, func(own *ThreadPool, k int) {
				tasks := 1 + k%7
				parts := own.Shared(tasks)
				for range 3 {
					own.ParallelFor(tasks, func(w *Worker, i int) {
						w.Scratch(4)[0] = float32(k + i)
						runtime.Gosched()
						parts[i] = w.Scratch(4)[0]
					})
				}
				for _, p := range parts {
					sums[k] += p
				}
			})
			for k, sum := range sums {
				tasks := 1 + k%7
				require.EqualValues(t, tasks*k+tasks*(tasks-1)/2, sum, "kernel %d of %d", k, n)
			}
		}
		require.PanicsWithValue(t, "kernel 3", func() {
			defer func() {
				if r := recover(); r != nil {
					panic(fmt.Sprint(r))
				}
			}()
			pool.Concurrently(9, func(own *ThreadPool, k int) {
				own.ParallelFor(4, func(_ *Worker, i int) {
					if k == 3 && i == 2 {
						panic("kernel 3")
					}
				})
			})
		})
	})
}

// TestKernelsHelpEachOther has tasks of one kernel that wait for each other, so it needs
// all workers, while other kernels end at once.
func TestKernelsHelpEachOther(t *testing.T) {
	const size = 6
	pool := NewThreadPool(size)
	pool.Start()
	defer pool.Stop()
	for range 20 {
		var arrived sync.WaitGroup
		arrived.Add(size)
		pool.Concurrently(3, func(own *ThreadPool, k int) {
			if k == 1 {
				own.ParallelFor(size, func(*Worker, int) {
					arrived.Done()
					arrived.Wait()
				})
			}
		})
	}
}

func TestTrace(t *testing.T) {
	pool := NewThreadPool(4)
	pool.Start()
	defer pool.Stop()
	var loops []int
	pool.Trace(func(tasks []time.Duration) { loops = append(loops, len(tasks)) })
	pool.ParallelFor(3, func(*Worker, int) {})
	pool.ParallelFor(5, func(*Worker, int) {})
	pool.Trace(nil)
	pool.ParallelFor(7, func(*Worker, int) {})
	assert.Equal(t, []int{3, 5}, loops)
}

type addArgs struct {
	x    []float32
	term float32
}

var addLoop = newLoop(func(a *addArgs, w *Worker, i int) {
	w.Scratch(16)[0] = a.term
	a.x[i] += a.term
})

func TestLoopsDoNotAllocate(t *testing.T) {
	for _, size := range []int{1, 4} {
		pool := NewThreadPool(size)
		pool.Reserve(16, 0, 0)
		pool.Start()
		x := Floats(40)
		allocs := testing.AllocsPerRun(100, func() { addLoop.run(pool, len(x), addArgs{x, 1}) })
		pool.Stop()
		assert.Zero(t, allocs, "size %d", size)
		for i, v := range x { // the first run is not counted
			require.EqualValues(t, 101, v, "element %d", i)
		}
	}
}

// A finished loop keeps no memory of its arguments alive.
func TestLoopForgetsItsArguments(t *testing.T) {
	addLoop.run(NewThreadPool(2), 3, addArgs{Floats(3), 1})
	for _, j := range addLoop.free {
		assert.Zero(t, j.args)
	}
}
