package engine

import (
	"fmt"
	"runtime/debug"
	"unsafe"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/loader"
	"unnas/internal/ranks"
	"unnas/internal/xla"
	"unnas/ops"
	"unnas/pretext"
)

// An Engine runs networks over shared parameters on batches: Plan its runners, Bind
// them to memory, then Run.
type Engine struct {
	Params *ops.Params
	Pool   *kernel.ThreadPool
	// Bytes is the memory of a run; before Bind without that of the runners.
	Bytes int64
	// Ranks are the processes of the run. They share the micro-batches of a batch.
	Ranks *ranks.Group
	// Parts is the number of micro-batches of a batch, and Local that of this rank: those
	// from Ranks.Rank()·Local on.
	Parts, Local int
	// Recompute and BFloat16 trade time and precision for memory in the runners that are
	// planned from then on, as in graph.Options.
	Recompute, BFloat16 bool
	// Device runs the runners that are planned from then on; nil is the CPU. DeviceBytes is
	// the memory of it that planned runners take, of each replica.
	Device      *xla.Device
	DeviceBytes int64
	// OnHost says that more than runners and updates reads or writes parameters and
	// gradients in the middle of a step: the device does not keep them from run to run.
	OnHost bool
	// Frozen reports whether a parameter does not learn, so that runners planned from
	// then on leave its gradient out; nil is none.
	Frozen func(q *ops.Param) bool
	// Part runs one micro-batch: RunPart, or a replacement in tests.
	Part func(r *Runner, b loader.Batch) (Pass, error)
	// Passed is called after each micro-batch.
	Passed func()

	runners []*Runner // not bound yet
	ahead   int64     // the most memory of a device for a batch
	sum     *sum      // of micro-batches; nil if there is one
	// headers are the tensors over the memory of batches, by its first element.
	headers map[any]*tensor.Dense
}

// New returns an engine for batches of a number of micro-batches, a multiple of that of the
// ranks.
func New(parts int, group *ranks.Group) *Engine {
	return &Engine{
		Params: ops.NewParams(), Pool: kernel.NewThreadPool(0), Ranks: group, Parts: parts, Local: parts / group.Size(),
		Passed: func() {}, headers: map[any]*tensor.Dense{},
	}
}

// Crops returns a task as one whose inputs the device makes of crops; nil if it does not, or
// if there is no device.
func (e *Engine) Crops(task pretext.Task) pretext.CropTask {
	if e.Device == nil {
		return nil
	}
	crops, _ := pretext.AsCropTask(task)
	return crops
}

// A Runner runs a network on batches.
type Runner struct {
	*Network
	Machine *graph.Machine // nil before Bind

	grads Grads
	plan  *graph.Plan
}

// Grads selects the gradients that a runner computes.
type Grads struct{ Weights, Alphas bool }

// Init initialises the parameters and counts their memory, slabs copies of them; it
// returns an error if that exceeds the budget.
func (e *Engine) Init(seed uint64, slabs int, b Budget) error {
	e.Bytes += int64(4 * slabs * e.Params.Count())
	if e.Parts > 1 {
		e.Bytes += sumBytes(e)
	}
	if err := b.Refusal(e.Bytes); err != nil {
		return err
	}
	return e.Params.Init(seed)
}

// Plan plans a network for its loss and some gradients. It counts the memory; Bind
// allocates it.
func (e *Engine) Plan(n *Network, grads Grads) (*Runner, error) {
	o, err := e.gradients(n, grads)
	if err != nil {
		return nil, err
	}
	return e.compile(n, grads, o)
}

// Program returns the program of a runner, before it is compiled.
func (e *Engine) Program(n *Network, grads Grads) (*ir.Program, error) {
	o, err := e.gradients(n, grads)
	if err != nil {
		return nil, err
	}
	return graph.Program(n.Scope.Graph(), o)
}

// averages reports whether replicas of the device average the gradients of a batch: each
// has one of its micro-batches, and there are no others.
func (e *Engine) averages() bool {
	n := e.Device.Replicas()
	return n > 1 && n == e.Parts && e.Ranks.Size() == 1
}

// gradients returns the options of a plan for the loss and some gradients.
func (e *Engine) gradients(n *Network, grads Grads) (graph.Options, error) {
	if !n.differentiated {
		n.differentiated = true
		if err := ops.Grad(n.Scope, n.Loss.Value); err != nil {
			return graph.Options{}, err
		}
	}
	o := graph.Options{Recompute: e.Recompute, BFloat16: e.BFloat16, Want: n.wanted()}
	if e.averages() {
		o.Count, o.Whole = n.Loss.Count, n.whole()
	}
	for _, node := range n.Scope.Learnables() {
		q := n.Scope.Owner(node)
		// Some have no gradient, such as the alphas of a kind of cell that a short
		// network lacks.
		if node.Deriv() == nil || q.Alpha && !grads.Alphas || !q.Alpha && !grads.Weights || e.Frozen != nil && e.Frozen(q) {
			continue
		}
		o.Want = append(o.Want, node.Deriv())
		o.Into = append(o.Into, graph.Target{Node: node.Deriv(), Data: e.Params.Grad(q)})
	}
	return o, nil
}

// PlanForward plans a network for its loss and other nodes, without gradients, in training
// or in evaluation.
func (e *Engine) PlanForward(n *Network, evaluate bool, others ...*gorgonia.Node) (*Runner, error) {
	return e.compile(n, Grads{}, graph.Options{Want: append(n.wanted(), others...), Evaluate: evaluate})
}

// nodeBytes is the average Go heap per graph node, including its plans and machines,
// measured on a supernet.
const nodeBytes = 5 << 9

func (e *Engine) compile(n *Network, grads Grads, o graph.Options) (*Runner, error) {
	o.Workers, o.Device, o.Batch = e.Pool.Size(), e.Device, n.batch
	plan, err := graph.Compile(n.Scope.Graph(), o)
	if err != nil {
		return nil, err
	}
	if !n.planned {
		n.planned = true
		e.Bytes += int64(nodeBytes * len(n.Scope.Graph().AllNodes()))
	}
	e.DeviceBytes = max(e.DeviceBytes, plan.DeviceBytes())
	if e.sends() {
		e.ahead = max(e.ahead, n.batchBytes())
	}
	r := &Runner{Network: n, grads: grads, plan: plan}
	e.runners = append(e.runners, r)
	return r, nil
}

// Planned returns the memory of a run. Runners share theirs, since only one runs at a time.
func (e *Engine) Planned() int64 {
	step := int64(0)
	for _, r := range e.runners {
		step = max(step, r.plan.Bytes(e.Pool.Size()))
	}
	return e.Bytes + step
}

// keeps reports whether the device keeps the parameters from run to run. Gradients of
// several micro-batches are summed on the host, unless replicas average them.
func (e *Engine) keeps() bool {
	return e.Device != nil && (e.Parts == 1 || e.averages()) && !e.OnHost
}

// keep keeps memory on the device. Running statistics of several micro-batches are of the
// host, where a sum adds them.
func (e *Engine) keep(memory ...[]float32) {
	for _, m := range memory {
		if e.Parts == 1 || unsafe.SliceData(m) != unsafe.SliceData(e.Params.Running()) {
			e.Device.Keep(m)
		}
	}
}

// Host hands memory that the device keeps to the host, as xla.Device.Host does: parameters,
// their gradients and running statistics, and vectors of updates. All of it is meant if
// none is given.
func (e *Engine) Host(memory ...[]float32) error {
	if err := e.Device.Host(memory...); err != nil {
		return fmt.Errorf("darts: %w", err)
	}
	return nil
}

// Bind allocates the planned memory.
func (e *Engine) Bind() error {
	if e.keeps() {
		p := e.Params
		e.keep(p.Weights(), p.WeightGrads(), p.Alphas(), p.AlphaGrads(), p.Running())
		e.DeviceBytes += e.Device.KeptBytes()
		for _, r := range e.runners { // indices of elements
			e.DeviceBytes += r.plan.Bytes(0)
		}
	}
	e.DeviceBytes += mostAhead * e.ahead
	if err := e.Device.Fits(e.DeviceBytes); err != nil {
		return err
	}
	plans := make([]*graph.Plan, len(e.runners))
	for i, r := range e.runners {
		plans[i] = r.plan
	}
	arena := graph.NewArena(plans...)
	for _, r := range e.runners {
		var err error
		if r.Machine, err = r.plan.Bind(arena, e.Pool); err != nil {
			return err
		}
	}
	e.Bytes = e.Planned()
	for _, r := range e.runners {
		r.plan = nil
	}
	e.runners = nil
	e.Part = e.RunPart
	if e.Parts > 1 {
		e.sum = newSum(e)
	}
	// Planning leaves garbage that the runtime would keep until as much new garbage
	// exists, and steps make none.
	debug.FreeOSMemory()
	return nil
}

// Pass is the result of a run on one batch.
type Pass struct {
	Loss         float64 // mean over what counts
	Score, Count float64 // sums over what counts; without a score, the loss
}

// Run computes the loss of a batch and the gradients of a runner. With gradient
// accumulation they are means over the micro-batches, in order, weighted by how much
// counts in each. b has the images of this rank. Run calls draw with the number of each of
// its micro-batches before running it. The results are the same on all ranks, and do not
// depend on their number.
func (e *Engine) Run(r *Runner, b *loader.Batch, draw func(part int)) (Pass, error) {
	if e.Parts == 1 {
		draw(0)
		p, err := e.Part(r, *b)
		if err == nil {
			e.Passed()
		}
		return p, err
	}
	e.sum.begin(r)
	err := e.runParts(r, b, draw)
	e.sum.end()
	if err := e.Ranks.Agree(err); err != nil {
		return Pass{}, err
	}
	return e.sum.finish(r.whole())
}

// runParts runs the micro-batches of this rank, as many at once as there are replicas.
func (e *Engine) runParts(r *Runner, b *loader.Batch, draw func(part int)) error {
	first := e.Ranks.Rank() * e.Local
	for i := 0; i < e.Local; i += e.Device.Replicas() {
		err := e.RunReplicas(r, func(k int) (*loader.Batch, error) {
			draw(first + i + k)
			part := b.Part(i+k, e.Local)
			return &part, nil
		}, func(k int, p Pass) error {
			e.Passed()
			e.sum.add(i+k, p, r.whole())
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// RunReplicas runs replicas of the device at once, each on a batch of its own: next returns
// that of each in turn, nil if there is none. It then calls done for each, with the nodes of
// the network bound to its values. The CPU is one replica.
func (e *Engine) RunReplicas(r *Runner, next func(k int) (*loader.Batch, error), done func(k int, p Pass) error) error {
	if e.Device.Replicas() == 1 {
		b, err := next(0)
		if b == nil || err != nil {
			return err
		}
		p, err := e.Part(r, *b)
		if err != nil {
			return err
		}
		return done(0, p)
	}
	return r.Machine.RunReplicas(func(k int) (bool, error) {
		b, err := next(k)
		if b == nil || err != nil {
			return false, err
		}
		return true, e.bind(r, *b)
	}, func(k int) error {
		p, err := r.pass()
		if err != nil {
			return err
		}
		return done(k, p)
	})
}

// mostAhead is the most batches that Ahead sends besides the one that a run reads.
const mostAhead = 2

// sends reports whether batches go to the device ahead of their runs: not where micro-batches
// follow each other, whose batch may not fit.
func (e *Engine) sends() bool { return e.Device != nil && e.Local == e.Device.Replicas() }

// Ahead starts to send batches to the device, in the order in which runs like those of r will
// read them, while it computes. Those that are nil are left out.
func (e *Engine) Ahead(r *Runner, batches ...*loader.Batch) error {
	for _, b := range batches {
		if !e.sends() || b == nil || b.Sent != nil {
			continue
		}
		sent := new(xla.Sent)
		b.Sent = sent
		for k := range e.Local {
			part := b.Part(k, e.Local)
			if err := e.Device.Send(sent, k, r.arrays(&part)...); err != nil {
				return fmt.Errorf("darts: %w", err)
			}
		}
	}
	return nil
}

// RunPart computes the loss and the gradients of one micro-batch.
func (e *Engine) RunPart(r *Runner, b loader.Batch) (Pass, error) {
	if err := e.bind(r, b); err != nil {
		return Pass{}, err
	}
	if err := r.Machine.RunAll(); err != nil {
		return Pass{}, err
	}
	return r.pass()
}

// bind binds the inputs to a batch.
func (e *Engine) bind(r *Runner, b loader.Batch) error {
	if e.Device != nil {
		sent, _ := b.Sent.(*xla.Sent)
		e.Device.Use(sent)
	}
	for _, input := range r.batch {
		a := r.array(input, &b)
		var err error
		switch {
		case a.Foreign != nil:
			err = e.let(input, &b.C[0], b.C)
		case a.I != nil:
			err = e.let(input, &a.I[0], a.I)
		default:
			err = e.let(input, &a.F[0], a.F)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pass returns the result of the last run.
func (r *Runner) pass() (Pass, error) {
	p := Pass{Loss: float64(*r.Loss.Value.Value().(*gorgonia.F32))}
	var err error
	if p.Count, err = ops.Count(r.Loss.Count); err != nil {
		return Pass{}, err
	}
	if r.Loss.Score == nil {
		p.Score = p.Loss * p.Count
		return p, nil
	}
	p.Score, err = ops.Count(r.Loss.Score)
	return p, err
}

// let binds an input to the memory of a batch.
func (e *Engine) let(n *gorgonia.Node, first, backing any) error {
	h, ok := e.headers[first]
	if !ok {
		h = tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(backing))
		e.headers[first] = h
	}
	return gorgonia.Let(n, h)
}
