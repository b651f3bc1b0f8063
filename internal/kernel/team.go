package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"unnas/internal/panics"
)

// A Team runs the loops of kernels on several cores. Between Begin and End its
// workers spin, since waking a sleeping thread costs as much as a whole kernel;
// outside they do not exist. One goroutine at a time may use a team.
//
// How a loop is cut into tasks never depends on the number of workers, so
// neither do results.
type Team struct {
	workers []*Worker // workers[0] is the caller of the loops
	enter   []func()  // what the other workers run, bound once so that Begin does not allocate
	exited  sync.WaitGroup

	// state holds the number of tasks of the current loop that nobody has
	// taken yet. A worker that lowers it owns the task, and until that task is
	// counted in done the loop cannot end, so task and count stay valid.
	state atomic.Int64
	done  atomic.Int64
	stop  atomic.Bool
	task  task
	count int
	busy  atomic.Bool // while a loop runs

	fault atomic.Pointer[panics.Error]
	sums  []float32
}

// task is the body of a loop.
type task interface {
	do(w *Worker, i int)
}

// Worker is what one goroutine of a team owns: memory for intermediate results.
type Worker struct{ buf []float32 }

// Scratch returns n floats of undefined content that belong to the worker until
// its next call.
func (w *Worker) Scratch(n int) []float32 {
	if len(w.buf) < n {
		w.buf = Floats(n)
	}
	return w.buf[:n:n]
}

// NewTeam returns a team of size workers, or of one per available core if size
// is zero or less.
func NewTeam(size int) *Team {
	if size <= 0 {
		size = runtime.GOMAXPROCS(0)
	}
	t := &Team{workers: make([]*Worker, size), enter: make([]func(), size)}
	for i := range t.workers {
		w := &Worker{}
		t.workers[i] = w
		t.enter[i] = func() { t.work(w) }
	}
	return t
}

// Size returns the number of workers.
func (t *Team) Size() int { return len(t.workers) }

// Reserve takes the memory that loops will need: perWorker floats for each
// worker and shared floats for results that are combined after a loop.
func (t *Team) Reserve(perWorker, shared int) {
	for _, w := range t.workers {
		w.Scratch(perWorker)
	}
	t.Shared(shared)
}

// Shared returns n floats of undefined content that belong to the running kernel.
func (t *Team) Shared(n int) []float32 {
	if len(t.sums) < n {
		t.sums = Floats(n)
	}
	return t.sums[:n:n]
}

// Begin starts the workers. Without it loops run on the caller alone.
func (t *Team) Begin() {
	t.stop.Store(false)
	for _, enter := range t.enter[1:] {
		t.exited.Add(1)
		go enter()
	}
}

// End stops the workers and waits until they are gone.
func (t *Team) End() {
	t.stop.Store(true)
	t.exited.Wait()
}

// For calls body for every i below n, on all workers, in no fixed order. It
// passes on the first panic of a body. A body may call For: that loop runs on the
// caller alone.
func (t *Team) For(n int, body func(w *Worker, i int)) { t.run(n, bodyFunc(body)) }

type bodyFunc func(w *Worker, i int)

func (f bodyFunc) do(w *Worker, i int) { f(w, i) }

func (t *Team) run(n int, body task) {
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
	w := t.workers[0]
	if n == 1 || len(t.workers) == 1 {
		for i := range n {
			body.do(w, i)
		}
		return
	}
	t.task, t.count = body, n
	t.done.Store(0)
	t.state.Store(int64(n))
	for t.step(w) {
	}
	for spin := 0; t.done.Load() < int64(n); spin++ {
		relax(spin)
	}
	t.task = nil
	if f := t.fault.Swap(nil); f != nil {
		panic(f)
	}
}

// step takes one task and runs it; it reports false if there was none to take.
func (t *Team) step(w *Worker) bool {
	for {
		left := t.state.Load()
		if left <= 0 {
			return false
		}
		if t.state.CompareAndSwap(left, left-1) {
			t.guarded(w, t.count-int(left))
			return true
		}
	}
}

func (t *Team) guarded(w *Worker, i int) {
	defer func() {
		if r := recover(); r != nil {
			t.fault.CompareAndSwap(nil, panics.Recovered(r))
		}
		t.done.Add(1)
	}()
	t.task.do(w, i)
}

func (t *Team) work(w *Worker) {
	defer t.exited.Done()
	for spin := 0; ; spin++ {
		if t.step(w) {
			spin = 0
			continue
		}
		if t.stop.Load() {
			return
		}
		relax(spin)
	}
}

// patience is how often a waiting worker spins, for one to six milliseconds: longer
// than any loop takes where the team has its cores to itself.
const patience = 1 << 15

// relax passes a little time. A waiting worker spins first, now and then lets
// other goroutines (the loader of the next batch, the garbage collector) have its
// core, and gives it up when the one it waits for has lost its own to another
// program.
func relax(spin int) {
	switch {
	case spin > patience:
		time.Sleep(50 * time.Microsecond)
	case spin&63 == 63:
		runtime.Gosched()
	default:
		pause()
	}
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
func (l *loop[A]) run(t *Team, n int, args A) {
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
