package kernel

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"

	"unnas/internal/panics"
)

// A ThreadPool is a thread pool as one kernel at a time sees it. Between Start and Stop its
// workers spin for a while after each loop, since waking a sleeping thread costs as much
// as a whole kernel, and then park; outside they do not exist.
//
// How a loop is cut into tasks never depends on the number of workers, so neither do
// results.
type ThreadPool struct {
	threads *threads
	number  int
	own     *Worker // runs the kernel, and takes part in its loops
	sums    []float32
	busy    atomic.Bool // while a loop runs
	fault   atomic.Pointer[panics.Error]
	trace   func([]time.Duration)

	// left holds the number of tasks of the current loop that no worker has taken
	// yet, or less. A worker that lowers it from above zero owns a task, and until
	// that task is counted in done the loop cannot end, so task and count stay
	// valid.
	_     cpu.CacheLinePad
	left  atomic.Int64
	task  task
	count int64
	_     cpu.CacheLinePad
	done  atomic.Int64
	_     cpu.CacheLinePad
}

// threads is what the parts of all workers share.
type threads struct {
	parts  []*ThreadPool // of each worker; parts[0] is that of the caller
	enter  []func()      // what the other workers run, bound once so that Start does not allocate
	exited sync.WaitGroup
	wake   chan struct{} // a token for each parked worker that is woken
	// group is the loop over kernels that run at the same time, and kernels its body.
	group   ThreadPool
	kernels kernels

	_    cpu.CacheLinePad
	stop atomic.Bool
	// parked counts the workers that wait for a token, but for those that one is
	// on its way to.
	parked atomic.Int64
	_      cpu.CacheLinePad
}

// task is the body of a loop.
type task interface {
	do(w *Worker, i int)
}

// Worker is what one goroutine of a pool owns: memory for intermediate results.
type Worker struct {
	_    cpu.CacheLinePad
	pool *ThreadPool // of the kernels that it runs
	buf  []float32

	tasks       uint      // begun
	rested      time.Time // when the worker last yielded
	preemptions int64     // of its thread until then
	shares      bool      // whether another thread took the core then
	_           cpu.CacheLinePad
}

// Scratch returns n floats of undefined content that belong to the worker until
// its next call.
func (w *Worker) Scratch(n int) []float32 {
	if len(w.buf) < n {
		w.buf = Floats(n)
	}
	return w.buf[:n:n]
}

// NewThreadPool returns a pool of size workers. If size is zero or less there is one for
// each core that the process may use: GOMAXPROCS, which follows the CPU quota of a
// container.
func NewThreadPool(size int) *ThreadPool {
	if size <= 0 {
		size = runtime.GOMAXPROCS(0)
	}
	p := &threads{parts: make([]*ThreadPool, size), enter: make([]func(), size), wake: make(chan struct{}, size)}
	for i := range p.parts {
		t := &ThreadPool{threads: p, number: i, own: &Worker{}}
		t.own.pool = t
		p.parts[i] = t
		p.enter[i] = func() { p.work(t.own) }
	}
	return p.parts[0]
}

// Size returns the number of workers.
func (t *ThreadPool) Size() int { return len(t.threads.parts) }

// Number returns the number of the part that the running kernel has of the pool, 0 to
// Size-1: kernels that run at the same time have different ones.
func (t *ThreadPool) Number() int { return t.number }

// Reserve takes the memory that loops will need: perWorker floats for each worker and
// shared floats for results that are combined after a loop, together floats for those of
// each other kernel that runs at the same time.
func (t *ThreadPool) Reserve(perWorker, shared, together int) {
	for _, other := range t.threads.parts {
		other.own.Scratch(perWorker)
		other.Shared(together)
	}
	t.Shared(max(shared, together))
}

// Shared returns n floats of undefined content that belong to the running kernel.
func (t *ThreadPool) Shared(n int) []float32 {
	if len(t.sums) < n {
		t.sums = Floats(n)
	}
	return t.sums[:n:n]
}

// Start starts the workers. Without it loops run on the caller alone.
func (t *ThreadPool) Start() {
	p := t.threads
	p.stop.Store(false)
	for _, enter := range p.enter[1:] {
		p.exited.Add(1)
		go enter()
	}
}

// Stop stops the workers and waits until they are gone.
func (t *ThreadPool) Stop() {
	p := t.threads
	p.stop.Store(true)
	p.unpark(len(p.parts))
	p.exited.Wait()
}

// Concurrently calls f for every i below n, several at a time, with a pool that shares
// the workers: those that have no kernel to run take part in the loops of the others. It
// passes on the first panic. Only the caller of Start may call it.
func (t *ThreadPool) Concurrently(n int, f func(t *ThreadPool, i int)) {
	if n == 1 {
		f(t, 0)
		return
	}
	p := t.threads
	p.kernels.run = f
	p.group.execute(p, t.own, n, &p.kernels)
}

// kernels is the loop over kernels that run at the same time.
type kernels struct{ run func(t *ThreadPool, i int) }

func (k *kernels) do(w *Worker, i int) { k.run(w.pool, i) }

// ParallelFor calls body for every i below n, on all workers, in no fixed order. It
// passes on the first panic of a body. A body may call ParallelFor: that loop runs on the
// caller alone.
func (t *ThreadPool) ParallelFor(n int, body func(w *Worker, i int)) { t.run(n, bodyFunc(body)) }

type bodyFunc func(w *Worker, i int)

func (f bodyFunc) do(w *Worker, i int) { f(w, i) }

func (t *ThreadPool) run(n int, body task) {
	if n <= 0 {
		return
	}
	if !t.busy.CompareAndSwap(false, true) {
		w := &Worker{} // the caller's own is in use
		for i := range n {
			body.do(w, i)
		}
		return
	}
	defer t.busy.Store(false)
	if t.trace != nil {
		t.timed(n, body)
		return
	}
	t.execute(t.threads, t.own, n, body)
}

// execute runs a loop on the worker w, with the help of others.
func (t *ThreadPool) execute(p *threads, w *Worker, n int, body task) {
	if n == 1 || len(p.parts) == 1 {
		for i := range n {
			body.do(w, i)
		}
		return
	}
	t.task, t.count = body, int64(n)
	t.done.Store(0)
	t.left.Store(t.count)
	p.unpark(min(n-1, 2))
	t.take(w, n)
	for wait := (waiting{}); t.done.Load() < t.count; {
		if !p.help(w, 1) && !wait.spin() {
			sleep(nap)
		}
	}
	t.task = nil
	if f := t.fault.Swap(nil); f != nil {
		panic(f)
	}
}

// take runs tasks, up to a number and until there is none to take, and reports whether
// there was one.
func (t *ThreadPool) take(w *Worker, most int) (any bool) {
	for ; most > 0 && t.left.Load() > 0; most-- {
		// A worker that loses its core, or its turn among goroutines, in the middle of
		// a task holds up all others, so it offers them before it takes one.
		w.yield()
		left := t.left.Add(-1) + 1
		if left <= 0 {
			return any
		}
		any = true
		t.guarded(w, int(t.count-left))
	}
	return any
}

func (t *ThreadPool) guarded(w *Worker, i int) {
	defer func() {
		if r := recover(); r != nil {
			t.fault.CompareAndSwap(nil, panics.Recovered(r))
		}
		t.done.Add(1)
	}()
	t.task.do(w, i)
}

// work runs kernels and takes part in loops until the pool stops.
func (p *threads) work(w *Worker) {
	defer p.exited.Done()
	for !p.stop.Load() {
		if p.help(w, math.MaxInt) || p.group.take(w, 1) {
			continue
		}
		for wait := (waiting{}); !p.open() && !p.stop.Load(); {
			if !wait.spin() {
				p.park()
				break
			}
		}
	}
}

// help takes part in a loop of a kernel, by up to a number of tasks, and reports whether
// there was one.
func (p *threads) help(w *Worker, most int) bool {
	for _, t := range p.parts {
		if t.take(w, most) {
			return true
		}
	}
	return false
}

// open reports whether there is anything to do.
func (p *threads) open() bool {
	if p.group.left.Load() > 0 {
		return true
	}
	for _, t := range p.parts {
		if t.left.Load() > 0 {
			return true
		}
	}
	return false
}

// park waits for a token, unless there is work.
func (p *threads) park() {
	p.parked.Add(1)
	if (p.open() || p.stop.Load()) && p.claim() {
		return
	}
	<-p.wake
	p.unpark(2) // one wakes two, so that many wake soon
}

// claim takes one worker from those that are parked; it reports false if there is
// none.
func (p *threads) claim() bool {
	for {
		n := p.parked.Load()
		if n == 0 || p.parked.CompareAndSwap(n, n-1) {
			return n > 0
		}
	}
}

// unpark wakes up to n workers if there is something to do for them.
func (p *threads) unpark(n int) {
	for ; n > 0 && p.parked.Load() > 0 && (p.open() || p.stop.Load()) && p.claim(); n-- {
		p.wake <- struct{}{}
	}
}

// Trace calls f after each loop with the time that each of its tasks took, which then run
// one after the other on the caller. A nil f ends that.
func (t *ThreadPool) Trace(f func(tasks []time.Duration)) { t.trace = f }

// timed runs a loop for Trace.
func (t *ThreadPool) timed(n int, body task) {
	times := make([]time.Duration, n)
	start := time.Now()
	for i := range n {
		body.do(t.own, i)
		now := time.Now()
		times[i], start = now.Sub(start), now
	}
	t.trace(times)
}

const (
	patience  = 100 * time.Microsecond // what it takes to wake a thread
	nap       = 50 * time.Microsecond
	timeSlice = 2 * time.Millisecond // less than an operating system gives a thread
)

// waiting is one wait of a worker.
type waiting struct {
	spins uint
	since time.Time
}

// spin passes a little time. It reports false once the wait is long.
func (w *waiting) spin() bool {
	pause()
	if w.spins++; w.spins%16 != 0 {
		return true
	}
	if w.since.IsZero() {
		w.since = time.Now()
	}
	return time.Since(w.since) < patience
}

// yield gives other goroutines (the loader of the next batch, the garbage collector)
// a turn from time to time, and other threads if the worker shares its core with one.
func (w *Worker) yield() {
	if w.tasks++; w.tasks%8 != 0 || time.Since(w.rested) < timeSlice {
		return
	}
	runtime.Gosched()
	start := time.Now()
	if n := preemptions(); n != w.preemptions || w.shares {
		w.preemptions = n
		sleep(1)
	}
	w.rested = time.Now()
	w.shares = w.rested.Sub(start) > timeSlice/2
}

// loop is a parallel loop whose arguments are kept in re-used memory, so that
// running it does not allocate.
type loop[A any] struct {
	body func(a *A, w *Worker, i int)
	mu   sync.Mutex
	free []*job[A]
}

func newLoop[A any](body func(a *A, w *Worker, i int)) *loop[A] { return &loop[A]{body: body} }

type job[A any] struct {
	args A
	loop *loop[A]
}

func (j *job[A]) do(w *Worker, i int) { j.loop.body(&j.args, w, i) }

// run calls the body for every i below n.
func (l *loop[A]) run(t *ThreadPool, n int, args A) {
	l.mu.Lock()
	var j *job[A]
	if k := len(l.free); k > 0 {
		j, l.free = l.free[k-1], l.free[:k-1]
	} else {
		j = &job[A]{loop: l}
	}
	l.mu.Unlock()
	j.args = args
	t.run(n, j)
	var none A
	j.args = none
	l.mu.Lock()
	l.free = append(l.free, j)
	l.mu.Unlock()
}
