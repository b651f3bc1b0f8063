package darts

import (
	"fmt"
	"runtime/debug"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/internal/kernel"
	"unnas/internal/memory"
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
	recompute, ahead      bool
	sampler               *sampler // of GDAS
	dropper               *dropper // of P-DARTS
	bytes                 int64    // of memory that a search takes
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

// newModel builds the supernet of a search, plans its steps and draws its first
// weights.
func newModel(c Config, task pretext.Task) (*model, error) {
	m := &model{params: ops.NewParams(), team: kernel.NewTeam(0), headers: map[any]*tensor.Dense{}, recompute: c.Recompute, ahead: c.Algorithm == SecondOrder}
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
		space := c.Space
		if c.SkipDropout > 0 {
			m.dropper = newDropper()
			space.Ops = m.dropper.over(space.Ops)
		}
		n, err := build(m.params, space, weigh, task, c.Batch)
		if err != nil {
			return err
		}
		m.net, m.images, m.labels, m.loss = n.net, n.images, n.labels, n.loss
		slabs := 3 // weights, gradients, velocities
		if m.ahead {
			slabs += 2 // copies of weights and velocities
		}
		if err := m.take(m.params.Count() * slabs * 4); err != nil {
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
	// The runtime would keep what building left behind until there is as much new
	// garbage as memory in use, and steps make none.
	debug.FreeOSMemory()
	return m, nil
}

// nodeBytes is what one node of a graph costs in objects: its own, those of the
// plans and machines, and the runtime's share. It is the mean over a supernet.
const nodeBytes = 3 << 10

// take counts memory that is about to be taken, and fails if the machine has less.
func (m *model) take(bytes int) error {
	m.bytes += int64(bytes)
	if total := memory.Total(); total > 0 && m.bytes > total {
		remedy := "lower Width, Cells, Batch or the size of the images"
		if !m.recompute {
			remedy = "set Recompute, or " + remedy
		}
		return fmt.Errorf("a step needs %.1f GiB of memory or more, this machine has %.1f; %s", float64(m.bytes)/(1<<30), float64(total)/(1<<30), remedy)
	}
	return nil
}

// plan compiles both halves of a step, and the look ahead if there is one.
func (m *model) plan(s *ops.Scope) error {
	machines := []**vm.Machine{&m.weights, &m.alphas}
	if m.ahead {
		machines = append(machines, &m.both)
	}
	o := make([]vm.Options, len(machines))
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
	plans := make([]*vm.Plan, len(machines))
	step := int64(0)
	for i := range plans {
		var err error
		if plans[i], err = vm.Compile(s.Graph(), o[i]); err != nil {
			return err
		}
		step = max(step, plans[i].Bytes(m.team.Size()))
	}
	if err := m.take(int(step) + nodeBytes*len(s.Graph().AllNodes())); err != nil {
		return err
	}
	arena := vm.NewArena(plans...)
	for i, p := range plans {
		var err error
		if *machines[i], err = p.Bind(arena, m.team); err != nil {
			return err
		}
	}
	return nil
}

// pass is the outcome of a run on one batch.
type pass struct {
	loss           float64 // mean over the labels that count
	correct, count float64
}

// run computes the loss of a batch and the gradients that belong to a machine.
func (m *model) run(machine *vm.Machine, b *batch) (pass, error) {
	if err := m.let(m.images, &b.X[0], b.X); err != nil {
		return pass{}, err
	}
	if err := m.let(m.labels, &b.Y[0], b.Y); err != nil {
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
