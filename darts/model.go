package darts

import (
	"errors"
	"fmt"
	"runtime/debug"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/internal/kernel"
	"unnas/internal/loader"
	"unnas/internal/vm"
	"unnas/ops"
	"unnas/pretext"
)

// engine runs graphs over the same parameters on batches: it has what they share.
type engine struct {
	params *ops.Params
	team   *kernel.Team
	bytes  int64 // of memory that a run takes
	plans  []*vm.Plan
	// A batch goes through a network in so many parts, one after the other. If there
	// are several, sum gathers their gradients: of the weights, then of the alphas.
	parts int
	sum   []float32
	// part takes one part of a batch through a network: runPart, or what a test has in
	// its place.
	part func(n *network, machine *vm.Machine, b loader.Batch) (pass, error)
	// passed is called when a part has gone through a network.
	passed func()
	// headers are the tensors over the memory of batches, by its first element.
	headers map[any]*tensor.Dense
}

func newEngine(parts int) engine {
	return engine{params: ops.NewParams(), team: kernel.NewTeam(0), parts: parts, passed: func() {}, headers: map[any]*tensor.Dense{}}
}

// network is a graph from the images of a batch to their loss.
type network struct {
	scope   *ops.Scope
	images  *gorgonia.Node
	targets pretext.Targets
	logits  *gorgonia.Node
	loss    ops.Loss
}

// newNetwork makes the inputs of a graph for batches of so many images.
func newNetwork(p *ops.Params, task pretext.Task, batch int) (*network, error) {
	g := gorgonia.NewGraph()
	n := &network{scope: ops.NewScope(g, p)}
	spec := task.Spec()
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("task %s: %w", task.Name(), err)
	}
	var err error
	if n.images, err = ops.Images(g, "images", batch*spec.Inputs, spec.Height, spec.Width, spec.Channels); err != nil {
		return nil, err
	}
	n.targets, err = spec.NewTargets(g, batch)
	return n, err
}

// assemble adds a network with the head and the loss of a task to a new graph, for
// batches of so many images.
func assemble(p *ops.Params, a cell.Architecture, task pretext.Task, batch int) (*network, error) {
	if isNil(a) || task == nil {
		return nil, errors.New("the network or the task is nil; give both")
	}
	if err := a.Validate(); err != nil {
		return nil, err
	}
	if err := task.Validate(); err != nil {
		return nil, fmt.Errorf("task %s: %w", task.Name(), err)
	}
	n, err := newNetwork(p, task, batch)
	if err != nil {
		return nil, err
	}
	_, err = n.add(a, task, nil)
	return n, err
}

// add adds a network with the head and the loss of a task to the graph.
func (n *network) add(a cell.Architecture, task pretext.Task, path cell.Path) (*cell.Network, error) {
	net, err := a.Build(n.scope, n.images, path)
	if err != nil {
		return nil, err
	}
	if net == nil || net.Out == nil {
		return nil, fmt.Errorf("the network of type %T has been built without a last map; its Build must return a cell.Network with Out", a)
	}
	return net, n.head(task, net.Out)
}

// head adds the head and the loss of a task to a feature map.
func (n *network) head(task pretext.Task, features *gorgonia.Node) (err error) {
	if n.logits, err = task.Head(n.scope.Sub("classifier"), features); err != nil {
		return fmt.Errorf("head of %s: %w", task.Name(), err)
	}
	if err := task.Spec().CheckHead(n.logits, n.images.Shape()[0]/task.Spec().Inputs); err != nil {
		return fmt.Errorf("head of %s: %w", task.Name(), err)
	}
	n.loss, err = n.lossOf(task, n.logits)
	return err
}

func (n *network) lossOf(task pretext.Task, logits *gorgonia.Node) (ops.Loss, error) {
	loss, err := task.Loss(logits, n.targets)
	if err != nil {
		return loss, fmt.Errorf("loss of %s: %w", task.Name(), err)
	}
	if loss.Value == nil || loss.Count == nil {
		return loss, fmt.Errorf("loss of %s: no Value or Count; its Loss must return both", task.Name())
	}
	if (loss.Score != nil) != scoreName.MatchString(loss.Metric.Name) {
		return loss, fmt.Errorf("loss of %s: its Metric is named %q; a Score needs letters, digits and any of \"_.-\", and without Score there is no Metric", task.Name(), loss.Metric.Name)
	}
	return loss, nil
}

// wanted returns what every run on a batch gives.
func (n *network) wanted() gorgonia.Nodes {
	want := gorgonia.Nodes{n.loss.Value, n.loss.Count}
	if n.loss.Score != nil {
		want = append(want, n.loss.Score)
	}
	return want
}

// model is a supernet with the head and the loss of a task, ready to run on
// batches.
type model struct {
	engine
	*network
	net  *cell.Supernet
	size cell.Complexity

	// One plan for each half of a step: neither computes the gradients that only
	// the other needs. A look ahead needs both; nil to first order. They share
	// their memory.
	weights, alphas, both *vm.Machine
	recompute, ahead      bool
	sampler               *sampler // nil if the algorithm draws nothing
	dropper               *dropper // nil without SkipDropout
}

// build adds the supernet of a space with the head of a task to a new graph, for
// batches of so many images.
func build(p *ops.Params, space cell.Space, weigh cell.Weigh, task pretext.Task, batch int) (*network, *cell.Supernet, error) {
	n, err := newNetwork(p, task, batch)
	if err != nil {
		return nil, nil, err
	}
	net, err := space.SupernetWith(n.scope, n.images, weigh)
	if err != nil {
		return nil, nil, err
	}
	return n, net, n.head(task, net.Out)
}

// complexity measures the supernet with the head of a task on one image.
func complexity(space cell.Space, task pretext.Task) (cell.Complexity, error) {
	n, _, err := build(ops.NewParams(), space, ops.Softmax, task, 1)
	if err != nil {
		return cell.Complexity{}, err
	}
	return cell.Measure(n.scope), nil
}

// newModel returns the supernet of a search, ready to run.
func newModel(c SearchConfig, rt Runtime, task pretext.Task) (*model, error) {
	m, err := planModel(c, rt, task)
	if err != nil {
		return nil, err
	}
	return m, m.bind()
}

// planModel builds the supernet of a search, plans its steps and draws its first
// weights. The memory of a step is counted and not taken: bind does.
func planModel(c SearchConfig, rt Runtime, task pretext.Task) (*model, error) {
	m := &model{engine: newEngine(c.Batch / c.budget(rt).atOnce()), recompute: rt.Recompute, ahead: c.Algorithm == SecondOrder}
	err := ops.Build(func() error {
		var err error
		if m.size, err = complexity(c.Space, task); err != nil {
			return err
		}
		var weigh cell.Weigh = ops.Softmax
		if m.sampler = newSampler(c.Algorithm); m.sampler != nil {
			weigh = m.sampler.weigh
		}
		space := c.Space
		if c.SkipDropout > 0 {
			m.dropper = newDropper()
			space.Ops = m.dropper.over(space.Ops)
		}
		if m.network, m.net, err = build(m.params, space, weigh, task, c.budget(rt).atOnce()); err != nil {
			return err
		}
		slabs := 3 // weights, gradients, velocities
		if m.ahead {
			slabs += 2 // copies of weights and velocities
		}
		if m.parts > 1 {
			slabs++ // sum
		}
		m.bytes = int64(m.params.Count() * slabs * 4)
		if err := c.budget(rt).refusal(m.bytes); err != nil {
			return err
		}
		if err := m.params.Init(c.Seed); err != nil {
			return err
		}
		if err := ops.Grad(m.scope, m.loss.Value); err != nil {
			return err
		}
		return m.plan(m.scope)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// nodeBytes is what one node of a graph costs in objects: its own, those of the
// plans and machines, and the runtime's share. It is the mean over a supernet.
const nodeBytes = 3 << 10

// plan compiles both halves of a step, and the look ahead if there is one.
func (m *model) plan(s *ops.Scope) error {
	o := make([]vm.Options, 2, 3)
	if m.ahead {
		o = o[:3]
	}
	for i := range o {
		o[i].Recompute = m.recompute
		o[i].Want = m.wanted()
	}
	for _, n := range s.Learnables() {
		if n.Deriv() == nil { // no cell reads it, as the alphas of a kind of cells that a short network lacks
			continue
		}
		q := s.Owner(n)
		for i := range o {
			if i < 2 && q.Alpha != (i == 1) {
				continue // the other half's
			}
			o[i].Want = append(o[i].Want, n.Deriv())
			o[i].Into = append(o[i].Into, vm.Target{Node: n.Deriv(), Data: m.params.Grad(q)})
		}
	}
	return m.compile(s, o...)
}

// compile plans a graph in several ways, one run at a time, and counts the memory
// that takes more than what was planned before.
func (e *engine) compile(s *ops.Scope, o ...vm.Options) error {
	for i := range o {
		p, err := vm.Compile(s.Graph(), o[i])
		if err != nil {
			return err
		}
		e.plans = append(e.plans, p)
	}
	e.bytes += int64(nodeBytes * len(s.Graph().AllNodes()))
	return nil
}

// planned returns the memory that a run takes.
func (e *engine) planned() int64 {
	step := int64(0)
	for _, p := range e.plans {
		step = max(step, p.Bytes(e.team.Size()))
	}
	return e.bytes + step
}

// bind takes the memory of what is planned, and returns a machine for each plan.
func (e *engine) bind() ([]*vm.Machine, error) {
	arena := vm.NewArena(e.plans...)
	machines := make([]*vm.Machine, len(e.plans))
	for i, p := range e.plans {
		var err error
		if machines[i], err = p.Bind(arena, e.team); err != nil {
			return nil, err
		}
	}
	e.bytes, e.plans = e.planned(), nil
	e.part = e.runPart
	if e.parts > 1 {
		e.sum = kernel.Floats(len(e.params.Weights()) + len(e.params.Alphas()))
	}
	// The runtime would keep what planning left behind until there is as much new
	// garbage as memory in use, and steps make none.
	debug.FreeOSMemory()
	return machines, nil
}

// bind takes the memory of what is planned.
func (m *model) bind() error {
	machines, err := m.engine.bind()
	if err != nil {
		return err
	}
	m.weights, m.alphas = machines[0], machines[1]
	if m.ahead {
		m.both = machines[2]
	}
	return nil
}

// pass is the outcome of a run on one batch.
type pass struct {
	loss         float64 // mean over what counts
	score, count float64 // sums over it; the loss is the score if there is no other
}

// wrt says which gradients a machine computes.
type wrt struct{ weights, alphas bool }

// run computes the loss of a batch and the gradients that a machine computes. If
// the batch has parts, these are the means over the parts, in their order, each
// weighed by how much counts in it. Before each part it calls draw
// with its number.
func (e *engine) run(n *network, machine *vm.Machine, grads wrt, b *loader.Batch, draw func(part int)) (pass, error) {
	if e.parts == 1 {
		draw(0)
		p, err := e.part(n, machine, *b)
		if err == nil {
			e.passed()
		}
		return p, err
	}
	var all mean
	for i := range e.parts {
		draw(i)
		part := b.Part(i, e.parts)
		p, err := e.part(n, machine, part)
		if err != nil {
			return pass{}, err
		}
		e.passed()
		all.add(p)
		// Where all counts the weight is 1 and rounds nothing.
		e.gather(grads, func(grads, sum []float32) {
			kernel.Scale(e.team, sum, grads, float32(p.count/part.Whole()), i > 0)
		})
	}
	if all.count == 0 { // then loss and gradients are zero
		return pass{}, nil
	}
	e.gather(grads, func(grads, sum []float32) {
		kernel.Scale(e.team, grads, sum, float32(b.Whole()/float64(e.parts)/all.count), false)
	})
	loss, _ := all.value()
	return pass{loss, all.score, all.count}, nil
}

// run computes the loss of a batch and the gradients that belong to a machine.
func (m *model) run(machine *vm.Machine, b *loader.Batch) (pass, error) {
	return m.engine.run(m.network, machine, wrt{weights: machine != m.alphas, alphas: machine != m.weights}, b, m.drawPart)
}

// drawPart draws what differs between the parts of a batch.
func (m *model) drawPart(i int) {
	if m.dropper != nil {
		m.dropper.part(i)
	}
}

// gather calls f with the gradients that a machine computes and with their sums.
func (e *engine) gather(which wrt, f func(grads, sum []float32)) {
	e.team.Begin()
	defer e.team.End()
	weights, alphas := e.params.WeightGrads(), e.params.AlphaGrads()
	if which.weights {
		f(weights, e.sum[:len(weights)])
	}
	if which.alphas {
		f(alphas, e.sum[len(weights):])
	}
}

// runPart computes the loss of one part of a batch and its gradients.
func (e *engine) runPart(n *network, machine *vm.Machine, b loader.Batch) (pass, error) {
	if err := e.let(n.images, &b.X[0], b.X); err != nil {
		return pass{}, err
	}
	if n.targets.Labels != nil {
		if err := e.let(n.targets.Labels, &b.Y[0], b.Y); err != nil {
			return pass{}, err
		}
	}
	if n.targets.Values != nil {
		if err := e.let(n.targets.Values, &b.T[0], b.T); err != nil {
			return pass{}, err
		}
	}
	if err := machine.RunAll(); err != nil {
		return pass{}, err
	}
	p := pass{loss: float64(*n.loss.Value.Value().(*gorgonia.F32))}
	var err error
	if p.count, err = ops.Count(n.loss.Count); err != nil {
		return pass{}, err
	}
	if n.loss.Score == nil {
		p.score = p.loss * p.count
		return p, nil
	}
	p.score, err = ops.Count(n.loss.Score)
	return p, err
}

// try runs what a trial needs. Running statistics stay as they are.
func (m *model) try(t trial, b *loader.Batch) (pass, error) {
	machine := [...]*vm.Machine{trainWeights: m.weights, heldBoth: m.both, trainAlphas: m.alphas, heldAlphas: m.alphas}[t]
	machine.UpdateStats = false
	defer func() { machine.UpdateStats = true }()
	return m.run(machine, b)
}

// let binds an input to the memory of a batch.
func (e *engine) let(n *gorgonia.Node, first, backing any) error {
	h, ok := e.headers[first]
	if !ok {
		h = tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(backing))
		e.headers[first] = h
	}
	return gorgonia.Let(n, h)
}

// Measure counts a network with the head of a task on one input of the task.
func Measure(a cell.Architecture, task pretext.Task) (cell.Complexity, error) {
	var size cell.Complexity
	err := ops.Build(func() error {
		n, err := assemble(ops.NewParams(), a, task, 1)
		if err != nil {
			return err
		}
		size = cell.Measure(n.scope)
		return nil
	})
	if err != nil {
		return cell.Complexity{}, fmt.Errorf("darts: %w", err)
	}
	return size, nil
}
