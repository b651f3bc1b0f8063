package darts

import (
	"fmt"
	"runtime/debug"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/internal/kernel"
	"unnas/internal/vm"
	"unnas/ops"
	"unnas/pretext"
)

// model is a supernet with the head and the loss of a task, ready to run on
// batches.
type model struct {
	params *ops.Params
	net    *cell.Supernet
	size   cell.Complexity

	images, labels *gorgonia.Node
	loss           ops.Loss
	team           *kernel.Team
	// One plan for each half of a step: neither computes the gradients that only
	// the other needs. A look ahead needs both; nil to first order. They share
	// their memory.
	weights, alphas, both *vm.Machine
	plans                 []*vm.Plan // of these machines, until they are bound
	recompute, ahead      bool
	sampler               *sampler // of GDAS
	bytes                 int64    // of memory that a search takes
	// A batch goes through the network in so many parts, one after the other. If
	// there are several, sum gathers their gradients: of the weights, then of the
	// alphas.
	parts int
	sum   []float32
	// headers are the tensors over the memory of batches, by its first element.
	headers map[any]*tensor.Dense
}

// network is what a graph of one batch consists of.
type network struct {
	scope          *ops.Scope
	images, labels *gorgonia.Node
	net            *cell.Supernet
	logits         *gorgonia.Node
	loss           ops.Loss
}

// build adds the supernet of a space with the head of a task to a new graph, for
// batches of so many images.
func build(p *ops.Params, space cell.Space, weigh cell.Weigh, task pretext.Task, batch int) (*network, error) {
	g := gorgonia.NewGraph()
	n := &network{scope: ops.NewScope(g, p)}
	spec := task.Spec()
	var err error
	if n.images, err = ops.Images(g, "images", batch*spec.Inputs, spec.Height, spec.Width, spec.Channels); err != nil {
		return nil, err
	}
	shape := append([]int{batch}, spec.LabelShape...)
	if len(shape) == 2 { // some labels for an image, rather than a map of them
		shape = []int{batch * shape[1]}
	}
	if n.labels, err = ops.Labels(g, "labels", shape...); err != nil {
		return nil, err
	}
	if n.net, err = space.SupernetWith(n.scope, n.images, weigh); err != nil {
		return nil, err
	}
	if n.logits, err = task.Head(n.scope.Sub("classifier"), n.net.Out); err != nil {
		return nil, fmt.Errorf("head of %s: %w", task.Name(), err)
	}
	if n.loss, err = task.Loss(n.logits, n.labels); err != nil {
		return nil, fmt.Errorf("loss of %s: %w", task.Name(), err)
	}
	return n, nil
}

// complexity measures the supernet with the head of a task on one image.
func complexity(space cell.Space, task pretext.Task) (cell.Complexity, error) {
	n, err := build(ops.NewParams(), space, ops.Softmax, task, 1)
	if err != nil {
		return cell.Complexity{}, err
	}
	return cell.Measure(n.scope), nil
}

// newModel returns the supernet of a search, ready to run.
func newModel(c Config, task pretext.Task) (*model, error) {
	m, err := planModel(c, task)
	if err != nil {
		return nil, err
	}
	return m, m.bind()
}

// planModel builds the supernet of a search, plans its steps and draws its first
// weights. The memory of a step is counted and not taken: bind does.
func planModel(c Config, task pretext.Task) (*model, error) {
	m := &model{
		params: ops.NewParams(), team: kernel.NewTeam(0), headers: map[any]*tensor.Dense{},
		recompute: c.Recompute, ahead: c.Algorithm == SecondOrder, parts: c.Batch / c.atOnce(),
	}
	err := ops.Build(func() error {
		var err error
		if m.size, err = complexity(c.Space, task); err != nil {
			return err
		}
		var weigh cell.Weigh = ops.Softmax
		if c.Algorithm == GDAS {
			m.sampler = &sampler{temperature: make([]float32, 1)}
			weigh = m.sampler.weigh
		}
		n, err := build(m.params, c.Space, weigh, task, c.atOnce())
		if err != nil {
			return err
		}
		m.net, m.images, m.labels, m.loss = n.net, n.images, n.labels, n.loss
		slabs := 3 // weights, gradients, velocities
		if m.ahead {
			slabs += 2 // copies of weights and velocities
		}
		if m.parts > 1 {
			slabs++ // sum
		}
		m.bytes = int64(m.params.Count() * slabs * 4)
		if err := c.refusal(m.bytes); err != nil {
			return err
		}
		if err := m.params.Init(c.Seed); err != nil {
			return err
		}
		if err := ops.Grad(n.scope, n.loss.Value); err != nil {
			return err
		}
		return m.plan(n.scope)
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
		o[i].Want = gorgonia.Nodes{m.loss.Value, m.loss.Correct, m.loss.Count}
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
	step := int64(0)
	for i := range o {
		p, err := vm.Compile(s.Graph(), o[i])
		if err != nil {
			return err
		}
		m.plans = append(m.plans, p)
		step = max(step, p.Bytes(m.team.Size()))
	}
	m.bytes += step + int64(nodeBytes*len(s.Graph().AllNodes()))
	return nil
}

// bind takes the memory of what is planned.
func (m *model) bind() error {
	arena := vm.NewArena(m.plans...)
	machines := []**vm.Machine{&m.weights, &m.alphas, &m.both}
	for i, p := range m.plans {
		var err error
		if *machines[i], err = p.Bind(arena, m.team); err != nil {
			return err
		}
	}
	m.plans = nil
	if m.parts > 1 {
		m.sum = kernel.Floats(len(m.params.Weights()) + len(m.params.Alphas()))
	}
	// The runtime would keep what planning left behind until there is as much new
	// garbage as memory in use, and steps make none.
	debug.FreeOSMemory()
	return nil
}

// pass is the outcome of a run on one batch.
type pass struct {
	loss           float64 // mean over the labels that count
	correct, count float64
}

// run computes the loss of a batch and the gradients that belong to a machine. If
// the batch has parts, these are the means over the parts, in their order, each
// weighed by the labels that count in it.
func (m *model) run(machine *vm.Machine, b *batch) (pass, error) {
	if m.parts == 1 {
		return m.runPart(machine, b.X, b.Y)
	}
	var all mean
	for i := range m.parts {
		y := partOf(b.Y, i, m.parts)
		p, err := m.runPart(machine, partOf(b.X, i, m.parts), y)
		if err != nil {
			return pass{}, err
		}
		all.add(p)
		// Where all labels count the weight is 1 and rounds nothing.
		m.gather(machine, func(grads, sum []float32) {
			kernel.Scale(m.team, sum, grads, float32(p.count/float64(len(y))), i > 0)
		})
	}
	if all.count == 0 { // then loss and gradients are zero
		return pass{}, nil
	}
	m.gather(machine, func(grads, sum []float32) {
		kernel.Scale(m.team, grads, sum, float32(float64(len(b.Y)/m.parts)/all.count), false)
	})
	loss, _ := all.value()
	return pass{loss, all.correct, all.count}, nil
}

// partOf returns one of so many equal parts of a batch.
func partOf[T any](all []T, i, parts int) []T {
	n := len(all) / parts
	return all[i*n:][:n:n]
}

// gather calls f with the gradients that belong to a machine and with their sums.
func (m *model) gather(machine *vm.Machine, f func(grads, sum []float32)) {
	m.team.Begin()
	defer m.team.End()
	weights, alphas := m.params.WeightGrads(), m.params.AlphaGrads()
	if machine != m.alphas {
		f(weights, m.sum[:len(weights)])
	}
	if machine != m.weights {
		f(alphas, m.sum[len(weights):])
	}
}

// runPart computes the loss of one part of a batch and its gradients.
func (m *model) runPart(machine *vm.Machine, x []float32, y []int32) (pass, error) {
	if err := m.let(m.images, &x[0], x); err != nil {
		return pass{}, err
	}
	if err := m.let(m.labels, &y[0], y); err != nil {
		return pass{}, err
	}
	if err := machine.RunAll(); err != nil {
		return pass{}, err
	}
	read := func(n *gorgonia.Node) float64 { return float64(*n.Value().(*gorgonia.F32)) }
	return pass{read(m.loss.Value), read(m.loss.Correct), read(m.loss.Count)}, nil
}

// try runs what a trial needs. Running statistics stay as they are.
func (m *model) try(t trial, b *batch) (pass, error) {
	machine := [...]*vm.Machine{trainWeights: m.weights, heldBoth: m.both, trainAlphas: m.alphas}[t]
	machine.UpdateStats = false
	defer func() { machine.UpdateStats = true }()
	return m.run(machine, b)
}

// let binds an input to the memory of a batch.
func (m *model) let(n *gorgonia.Node, first, backing any) error {
	h, ok := m.headers[first]
	if !ok {
		h = tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(backing))
		m.headers[first] = h
	}
	return gorgonia.Let(n, h)
}

// Measure counts a network of the cells of a genotype, with the head of a task,
// on one input of the task. set holds the operations that the genotype may name.
func Measure(b cell.Body, g cell.Genotype, set ops.Set, task pretext.Task) (cell.Complexity, error) {
	var size cell.Complexity
	err := ops.Build(func() error {
		graph := gorgonia.NewGraph()
		s := ops.NewScope(graph, ops.NewParams())
		spec := task.Spec()
		x, err := ops.Images(graph, "images", spec.Inputs, spec.Height, spec.Width, spec.Channels)
		if err != nil {
			return err
		}
		net, err := b.Network(s, x, g, set)
		if err != nil {
			return err
		}
		if _, err := task.Head(s.Sub("classifier"), net.Out); err != nil {
			return err
		}
		size = cell.Measure(s)
		return nil
	})
	if err != nil {
		return cell.Complexity{}, fmt.Errorf("darts: %w", err)
	}
	return size, nil
}
