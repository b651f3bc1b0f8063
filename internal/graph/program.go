package graph

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/gorgonia"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/pass"
	"unnas/internal/xla"
)

// Options say what a plan computes.
type Options struct {
	// Want lists the nodes whose values are computed and bound. Without any, all nodes
	// are wanted that no other node reads. To want a gorgonia.Read is to want what it
	// reads.
	Want []*gorgonia.Node
	// Into gives the memory for some wanted nodes, so that gradients can lie side by side
	// in one slab.
	Into []Target
	// Evaluate selects the program of evaluation: batch normalisations use their running
	// statistics, and nothing is dropped.
	Evaluate bool
	// Recompute trades time for memory: it computes again what would lie idle for long.
	// Results keep all their bits.
	Recompute bool
	// BFloat16 stores maps that would lie idle for long as bfloat16, and rounds the operands
	// of the products of convolutions to it.
	BFloat16 bool
	// Workers is the size of the thread pool that the plan is for; 0 is the number of cores
	// that the process may use. Results do not depend on it, nor on the size of the pool.
	Workers int
	// Device runs the plan instead of the CPU; nil is the CPU. The options above but Want,
	// Into and Evaluate do not matter to it, and the CPU does not use those below.
	Device *xla.Device
	// Batch lists the inputs that hold a batch of images.
	Batch []*gorgonia.Node
	// Count has the replicas of the device average the targets of Into: each has a
	// micro-batch, in which this node counts, of at most Whole. With nil each replica has
	// its own.
	Count *gorgonia.Node
	Whole float64
}

// A Target is a wanted node and memory for its value. A node may have several targets:
// parameters that occur only in a sum share one gradient.
type Target struct {
	Node *gorgonia.Node
	Data []float32
}

// A Plan computes wanted nodes of a graph.
type Plan struct {
	*cpuexec.Plan           // nil for a device
	device        *xla.Plan // nil for the CPU
	evaluate      bool
	inputs        []*gorgonia.Node // of the inputs of the program
	values        []*ir.Value      // the inputs
	results       []wanted         // of its results
	reads         []read
	modal         gorgonia.Nodes // whose operations of Gorgonia's differ in training
	kept          int            // floats of results without memory of the caller's
}

// wanted is the node of a result.
type wanted struct {
	node  *gorgonia.Node
	value *ir.Value
	into  []float32
	again bool // a copy of another result, for another target
}

// keeps reports whether the value has memory that outlives the run. A result of
// Gorgonia's is copied there, since it may share memory with what the run overwrites; one
// that is not float32 cannot.
func (w *wanted) keeps() bool { return w.value.Source != ir.External && w.value.Type == ir.Float32 }

// read is a gorgonia.Read: the node it reads and the variable it sets.
type read struct {
	node *gorgonia.Node
	into *gorgonia.Value
}

// Compile plans the computation of the wanted nodes of a graph.
func Compile(g *gorgonia.ExprGraph, o Options) (*Plan, error) {
	b, err := build(g, o)
	if err != nil {
		return nil, err
	}
	b.plan.values = b.program.Inputs
	if o.Device != nil {
		if b.plan.device, err = o.Device.Compile(&b.program); err != nil {
			return nil, fmt.Errorf("graph: %w", err)
		}
		return b.plan, nil
	}
	if b.plan.Plan, err = cpuexec.Compile(&b.program, cpuexec.Options{Recompute: o.Recompute, BFloat16: o.BFloat16, Workers: o.Workers}); err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	return b.plan, nil
}

// Program returns the program that computes the wanted nodes, as Compile compiles it.
func Program(g *gorgonia.ExprGraph, o Options) (*ir.Program, error) {
	b, err := build(g, o)
	if err != nil {
		return nil, err
	}
	return &b.program, nil
}

// build makes the program that computes the wanted nodes.
func build(g *gorgonia.ExprGraph, o Options) (*builder, error) {
	b := &builder{
		plan:   &Plan{evaluate: o.Evaluate},
		values: map[*gorgonia.Node]*ir.Value{},
		steps:  map[*gorgonia.Node]*ir.Step{},
		latest: map[*ir.Value]*ir.Value{},
	}
	want, err := b.targets(g, o.Want)
	if err != nil {
		return nil, err
	}
	nodes, err := reachable(want)
	if err != nil {
		return nil, err
	}
	b.count(nodes, want)
	for _, n := range nodes {
		if err := b.add(n); err != nil {
			return nil, err
		}
	}
	if err := b.results(want, o.Into); err != nil {
		return nil, err
	}
	if o.Count != nil {
		b.average(o.Count, o.Whole)
	}
	for _, n := range o.Batch {
		if v := b.values[n]; v != nil {
			b.program.Batch = append(b.program.Batch, v)
		}
	}
	for _, in := range b.program.Inputs {
		if out := b.latest[in]; out != nil {
			b.program.States = append(b.program.States, ir.State{In: in, Out: out})
		}
	}
	return b, nil
}

// Bytes returns the memory that a machine with this plan takes on a pool of workers,
// besides the values that come from outside. That of a device is not counted; see
// DeviceBytes.
func (p *Plan) Bytes(workers int) int64 {
	if p.device != nil {
		return p.device.HostBytes() + 4*int64(p.kept)
	}
	return p.Plan.Bytes(workers) + 4*int64(p.kept)
}

// DeviceBytes returns the memory of the device that a run takes, 0 for the CPU.
func (p *Plan) DeviceBytes() int64 {
	if p.device == nil {
		return 0
	}
	return p.device.Bytes()
}

// builder makes a program of nodes.
type builder struct {
	plan    *Plan
	program ir.Program
	values  map[*gorgonia.Node]*ir.Value
	steps   map[*gorgonia.Node]*ir.Step // of tuple nodes
	latest  map[*ir.Value]*ir.Value     // the newest value of a state
	folded  map[*gorgonia.Node]bool     // additions that became part of another
}

// targets returns the nodes to compute, and notes the variables to set.
func (b *builder) targets(g *gorgonia.ExprGraph, want []*gorgonia.Node) ([]*gorgonia.Node, error) {
	if len(want) == 0 {
		if want = ends(g); len(want) == 0 {
			return nil, errors.New("graph: the graph has no operation; build it before compiling")
		}
	}
	var nodes []*gorgonia.Node
	for _, n := range want {
		if n == nil {
			return nil, errors.New("graph: a wanted node is nil")
		}
		if n.Graph() != g {
			return nil, fmt.Errorf("graph: wanted node %s belongs to another graph", n.Name())
		}
		if _, ok := n.Op().(*tuple); ok {
			return nil, fmt.Errorf("graph: wanted node %s stands for all outputs of an operator; want the nodes of its outputs", n.Name())
		}
		if isRead(n.Op()) {
			of := Children(n)[0]
			b.plan.reads = append(b.plan.reads, read{of, readInto(n.Op())})
			n = of
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// ends returns the operations of a graph that no other one reads. A tuple of which no
// output is read is none.
func ends(g *gorgonia.ExprGraph) []*gorgonia.Node {
	read := map[*gorgonia.Node]bool{}
	for _, n := range g.AllNodes() {
		for _, child := range Children(n) {
			read[child] = true
		}
	}
	var nodes []*gorgonia.Node
	for _, n := range g.AllNodes() {
		if _, tuple := n.Op().(*tuple); n.Op() != nil && !read[n] && !tuple {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// reachable returns the wanted nodes and all they depend on, inputs first.
func reachable(want []*gorgonia.Node) ([]*gorgonia.Node, error) {
	seen := map[*gorgonia.Node]bool{}
	var nodes []*gorgonia.Node
	stack := slices.Clone(want)
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		nodes = append(nodes, n)
		for _, child := range Children(n) {
			// Nodes are numbered as they are created, after their inputs.
			if child.ID() >= n.ID() {
				return nil, fmt.Errorf("graph: %s was created before its input %s; build the graph without replacing inputs", n.Name(), child.Name())
			}
			stack = append(stack, child)
		}
	}
	slices.SortFunc(nodes, func(a, b *gorgonia.Node) int { return cmp.Compare(a.ID(), b.ID()) })
	return nodes, nil
}

// count finds which additions are read by nothing but another addition, as its left
// operand. To be wanted counts as being read.
func (b *builder) count(nodes, want []*gorgonia.Node) {
	readers := make(map[*gorgonia.Node]int, len(nodes))
	b.folded = map[*gorgonia.Node]bool{}
	for _, n := range nodes {
		for _, child := range Children(n) {
			readers[child]++
		}
	}
	for _, n := range want {
		readers[n]++
	}
	for _, n := range nodes {
		if !isAddition(n) {
			continue
		}
		if left := Children(n)[0]; readers[left] == 1 && isAddition(left) {
			b.folded[left] = true
		}
	}
}

// terms returns the terms of an addition, with its folded operands taken apart.
func (b *builder) terms(n *gorgonia.Node) gorgonia.Nodes {
	var terms gorgonia.Nodes
	for {
		children := Children(n)
		terms = append(terms, children[1])
		if n = children[0]; !b.folded[n] {
			terms = append(terms, n)
			slices.Reverse(terms)
			return terms
		}
	}
}

// valueOf returns a new value for a node.
func valueOf(n *gorgonia.Node, source ir.Source) *ir.Value {
	return &ir.Value{Name: n.Name(), Shape: ir.Shape(n.Shape()), Type: ir.Type(n.Dtype().String()), Source: source}
}

// add adds a node to the program.
func (b *builder) add(n *gorgonia.Node) error {
	if b.folded[n] {
		return nil
	}
	children := Children(n)
	if _, constant := n.Op().(gorgonia.Valuer); n.Op() == nil || constant && len(children) == 0 {
		b.values[n] = valueOf(n, ir.External)
		b.program.Inputs = append(b.program.Inputs, b.values[n])
		b.plan.inputs = append(b.plan.inputs, n)
		return nil
	}
	switch op := n.Op().(type) {
	case *tuple:
		return b.operator(n, op)
	case *getter:
		b.values[n] = b.steps[children[0]].Out[op.i]
		return nil
	}
	if n.Type() == nil { // such as that of gorgonia.Set
		return fmt.Errorf("graph: %s (%T) has no result and cannot run here; leave it out", n.Name(), n.Op())
	}
	if isAddition(n) {
		b.values[n] = valueOf(n, ir.Computed)
		b.step(ir.Sum{}, n, b.terms(n), b.values[n])
		return nil
	}
	if _, ok := n.Op().(gorgonia.TrainModeOp); ok {
		b.plan.modal = append(b.plan.modal, n)
	}
	b.values[n] = valueOf(n, ir.Foreign)
	b.step(&foreign{op: n.Op(), value: b.values[n], slots: map[*float32]*slot{}}, n, children, b.values[n])
	return nil
}

// step appends a step with the values of nodes.
func (b *builder) step(op ir.Op, n *gorgonia.Node, in gorgonia.Nodes, out ...*ir.Value) *ir.Step {
	s := &ir.Step{Op: op, Out: out}
	for _, child := range in {
		v := b.values[child]
		if s.Name == "" && v.Source == ir.External { // such as the weight of a layer
			s.Name = v.Name
		}
		if newer := b.latest[v]; newer != nil {
			v = newer
		}
		s.In = append(s.In, v)
	}
	s.Name = strings.TrimSuffix(fmt.Sprintf("%v of %s", op, s.Name), " of ")
	b.program.Steps = append(b.program.Steps, s)
	return s
}

// operator adds a tuple node.
func (b *builder) operator(n *gorgonia.Node, t *tuple) error {
	op, in := t.op, Children(n)
	if e, ok := op.(ir.Evaluable); ok && b.plan.evaluate {
		evaluation, inputs := e.Evaluation()
		op, in = evaluation, pick(in, inputs)
	}
	out := make([]*ir.Value, len(t.out))
	for i, s := range t.out {
		out[i] = &ir.Value{Shape: s, Type: ir.TypeOf(t.op, i)}
	}
	s := b.step(op, n, in, out...)
	b.steps[n] = s
	shapes, err := op.Infer(ir.Shapes(s.In))
	if err != nil {
		return fmt.Errorf("graph: %s: %w", n.Name(), err)
	}
	s.Out = out[:len(shapes)]
	if states, ok := op.(ir.Stateful); ok {
		for i, o := range states.States() {
			b.latest[b.values[in[i]]] = s.Out[o]
		}
	}
	return nil
}

// average replaces the targets by their means over the replicas.
func (b *builder) average(count *gorgonia.Node, whole float64) {
	s := &ir.Step{Op: ir.ReplicaMean{Whole: whole}, Name: "mean over the replicas", In: []*ir.Value{b.values[count]}}
	means := map[*ir.Value]*ir.Value{}
	for i, w := range b.plan.results {
		if w.into == nil {
			continue
		}
		if means[w.value] == nil {
			means[w.value] = &ir.Value{Shape: w.value.Shape, Type: ir.Float32}
			s.In, s.Out = append(s.In, w.value), append(s.Out, means[w.value])
		}
		b.plan.results[i].value = means[w.value]
		b.program.Results[i] = means[w.value]
	}
	if s.Out != nil {
		b.program.Steps = append(b.program.Steps, s)
	}
}

// results lists the wanted nodes and the targets.
func (b *builder) results(want []*gorgonia.Node, into []Target) error {
	p := b.plan
	byNode := map[*gorgonia.Node]int{}
	for _, n := range want {
		if _, ok := byNode[n]; !ok {
			byNode[n] = len(p.results)
			p.results = append(p.results, wanted{node: n, value: b.values[n]})
		}
	}
	for _, t := range into {
		i, ok := byNode[t.Node]
		if !ok {
			return errors.New("graph: memory given for a node that is not wanted")
		}
		w := &p.results[i]
		if v := w.value; v.Type != ir.Float32 || len(t.Data) != v.Shape.Size() {
			return fmt.Errorf("graph: memory of %d float32 given for %s, which is %v of shape %v", len(t.Data), t.Node.Name(), v.Type, v.Shape)
		}
		if w.into == nil {
			w.into = t.Data
		} else {
			p.results = append(p.results, wanted{node: t.Node, value: w.value, into: t.Data, again: true})
		}
	}
	for _, w := range p.results {
		b.program.Results = append(b.program.Results, w.value)
		if w.into == nil { // a gradient has memory of its own
			b.program.Exact = append(b.program.Exact, w.value)
		}
		if w.keeps() && w.into == nil {
			p.kept += pass.Floats(w.value)
		}
	}
	return nil
}
