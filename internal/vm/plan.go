package vm

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/cpu"
	"unnas/internal/graph"
)

// Options says what a plan computes.
type Options struct {
	// Want lists the nodes whose values are computed and bound. Without any, all
	// nodes are wanted that no other node reads. To want a gorgonia.Read is to
	// want what it reads.
	Want []*gorgonia.Node
	// Into gives the memory for some wanted nodes, so that gradients can lie
	// side by side in one slab.
	Into []Target
	// Recompute trades time for memory: it computes again what would lie idle
	// for long. Results keep all their bits.
	Recompute bool
}

// Target is a wanted node and memory for its value. One node may have several:
// that of the gradient of parameters that are only used as their sum.
type Target struct {
	Node *gorgonia.Node
	Data []float32
}

// Plan is the order, lifetime and place of everything that a run computes.
type Plan struct {
	steps     []*step
	inputs    []*value // values that come from outside: parameters, images, labels
	wanted    []*value
	reads     []read
	arena     int // floats in the shared block
	kept      int // floats of wanted values without memory of the caller's
	foreign   int // floats of the results of Gorgonia's operations
	perWorker int // scratch floats for each worker
	shared    int // scratch floats in common
	copies    []duplicate
}

// read is a gorgonia.Read: the node it reads and the variable it sets.
type read struct {
	node *gorgonia.Node
	into *gorgonia.Value
}

// step is one operation: a kernel with its outputs, or an operation of
// Gorgonia's with one value.
type step struct {
	node   *gorgonia.Node
	kernel graph.Kernel
	stock  gorgonia.Op
	in     []*value
	out    []*value // nil: not wanted
}

// value is one result or input.
type value struct {
	node  *gorgonia.Node
	shape tensor.Shape
	dtype tensor.Dtype

	outside bool // read from node at every run
	stock   bool // made by a step without a kernel
	want    bool
	into    []float32

	form *form
	uses []use // the steps that read it

	first, last int // steps during which its memory is taken
	size, at    int // floats, and where in the arena
}

// native reports whether a kernel of this package or of graph makes the value,
// in memory that the plan gives it.
func (v *value) native() bool { return !v.outside && !v.stock }

// kept reports whether the value has memory that outlives the run. A wanted
// result of Gorgonia's is copied there, since it may share memory with what the
// run overwrites; one that is not float32 cannot.
func (v *value) kept() bool { return v.want && v.dtype == tensor.Float32 }

// form is a map that readers form themselves.
type form struct {
	p, q, coef  *value
	row         int
	shift, rest bool
}

// kind returns what a reader must be able to read.
func (f *form) kind() graph.Pending {
	if f.q != nil || f.shift {
		return graph.Affine
	}
	return graph.Scaled
}

// use is input number in of a step.
type use struct {
	step *step
	in   int
}

// duplicate is memory that gets a copy of a value.
type duplicate struct{ of, data []float32 }

// Compile plans the computation of the wanted nodes of a graph.
func Compile(g *gorgonia.ExprGraph, o Options) (*Plan, error) {
	c, err := order(g, o)
	if err != nil {
		return nil, err
	}
	if o.Recompute {
		c.recompute()
	}
	c.live()
	c.place()
	return c.plan, nil
}

// order finds the steps of a plan and what they read and make.
func order(g *gorgonia.ExprGraph, o Options) (*compiler, error) {
	if cpu.Err != nil {
		return nil, fmt.Errorf("vm: %w", cpu.Err)
	}
	c := &compiler{plan: &Plan{}, byNode: map[*gorgonia.Node]*value{}, tuples: map[*gorgonia.Node]*step{}}
	want, err := c.targets(g, o.Want)
	if err != nil {
		return nil, err
	}
	nodes, err := reachable(want)
	if err != nil {
		return nil, err
	}
	c.count(nodes, want)
	for _, n := range nodes {
		if err := c.add(n); err != nil {
			return nil, err
		}
	}
	for _, n := range want {
		v := c.byNode[n]
		if !v.want && !v.outside {
			v.want = true
			c.plan.wanted = append(c.plan.wanted, v)
		}
	}
	for _, t := range o.Into {
		v := c.byNode[t.Node]
		switch {
		case v == nil || !v.want && !v.outside:
			return nil, errors.New("vm: memory given for a node that is not wanted")
		case v.dtype != tensor.Float32 || len(t.Data) != v.shape.TotalSize():
			return nil, fmt.Errorf("vm: memory of %d float32 given for %s, which is %v of shape %v", len(t.Data), t.Node.Name(), v.dtype, v.shape)
		case v.into == nil:
			v.into = t.Data
		default:
			c.plan.copies = append(c.plan.copies, duplicate{v.into, t.Data})
		}
	}
	c.pend()
	c.prune()
	c.fuse()
	return c, nil
}

// targets returns the nodes to compute, and notes the variables to set.
func (c *compiler) targets(g *gorgonia.ExprGraph, want []*gorgonia.Node) ([]*gorgonia.Node, error) {
	if len(want) == 0 {
		if want = ends(g); len(want) == 0 {
			return nil, errors.New("vm: the graph has no operation; build it before compiling")
		}
	}
	var nodes []*gorgonia.Node
	for _, n := range want {
		if n == nil {
			return nil, errors.New("vm: a wanted node is nil")
		}
		if n.Graph() != g {
			return nil, fmt.Errorf("vm: wanted node %s belongs to another graph", n.Name())
		}
		if _, _, ok := graph.Tuple(n); ok {
			return nil, fmt.Errorf("vm: wanted node %s stands for all outputs of a kernel; want the nodes of its outputs", n.Name())
		}
		if isRead(n.Op()) {
			of := graph.Children(n)[0]
			c.plan.reads = append(c.plan.reads, read{of, readInto(n.Op())})
			n = of
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// ends returns the operations of a graph that no other one reads. A tuple of
// which nobody wants an output is none.
func ends(g *gorgonia.ExprGraph) []*gorgonia.Node {
	read := map[*gorgonia.Node]bool{}
	for _, n := range g.AllNodes() {
		for _, child := range graph.Children(n) {
			read[child] = true
		}
	}
	var nodes []*gorgonia.Node
	for _, n := range g.AllNodes() {
		if _, _, tuple := graph.Tuple(n); n.Op() != nil && !read[n] && !tuple {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

type compiler struct {
	plan    *Plan
	byNode  map[*gorgonia.Node]*value
	tuples  map[*gorgonia.Node]*step
	readers map[*gorgonia.Node]int
	folded  map[*gorgonia.Node]bool // additions that became part of another
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
		for _, child := range graph.Children(n) {
			// Nodes are numbered as they are created, after their inputs.
			if child.ID() >= n.ID() {
				return nil, fmt.Errorf("vm: %s was created before its input %s; build the graph without replacing inputs", n.Name(), child.Name())
			}
			stack = append(stack, child)
		}
	}
	slices.SortFunc(nodes, func(a, b *gorgonia.Node) int { return cmp.Compare(a.ID(), b.ID()) })
	return nodes, nil
}

// count finds how many nodes read each node (being wanted counts as one), and
// which additions are read by nothing but another addition, as its left operand.
func (c *compiler) count(nodes, want []*gorgonia.Node) {
	c.readers = make(map[*gorgonia.Node]int, len(nodes))
	c.folded = map[*gorgonia.Node]bool{}
	for _, n := range nodes {
		for _, child := range graph.Children(n) {
			c.readers[child]++
		}
	}
	for _, n := range want {
		c.readers[n]++
	}
	for _, n := range nodes {
		if !isAdd(n) {
			continue
		}
		if left := graph.Children(n)[0]; c.readers[left] == 1 && isAdd(left) {
			c.folded[left] = true
		}
	}
}

// isAdd reports whether a node adds two float32 values of equal shape, as
// gorgonia.Grad does for a gradient with several parts.
func isAdd(n *gorgonia.Node) bool {
	if name(n.Op()) != "gorgonia.elemBinOp" || n.Op().String() != "+ false" {
		return false
	}
	for _, child := range graph.Children(n) {
		if child.Dtype() != tensor.Float32 || !slices.Equal(child.Shape(), n.Shape()) {
			return false
		}
	}
	return true
}

// terms returns what an addition adds up, with its folded operands taken apart.
func (c *compiler) terms(n *gorgonia.Node) gorgonia.Nodes {
	var terms gorgonia.Nodes
	for {
		children := graph.Children(n)
		terms = append(terms, children[1])
		if n = children[0]; !c.folded[n] {
			terms = append(terms, n)
			slices.Reverse(terms)
			return terms
		}
	}
}

// add plans one node.
func (c *compiler) add(n *gorgonia.Node) error {
	if c.folded[n] {
		return nil
	}
	children := graph.Children(n)
	if _, constant := n.Op().(gorgonia.Valuer); n.Op() == nil || constant && len(children) == 0 {
		v := &value{node: n, shape: n.Shape(), dtype: n.Dtype(), outside: true}
		c.plan.inputs = append(c.plan.inputs, v)
		c.byNode[n] = v
		return nil
	}
	if k, shapes, ok := graph.Tuple(n); ok {
		s := c.step(n, children)
		s.kernel = k
		for _, shape := range shapes {
			s.out = append(s.out, &value{node: n, shape: shape, dtype: tensor.Float32})
		}
		c.tuples[n] = s
		return nil
	}
	if k, i := graph.Of(n); k != nil {
		v := c.tuples[children[0]].out[i]
		v.node = n
		c.byNode[n] = v
		return nil
	}
	if n.Type() == nil { // such as that of gorgonia.Set
		return fmt.Errorf("vm: %s (%T) has no result and cannot run here; leave it out", n.Name(), n.Op())
	}
	v := &value{node: n, shape: n.Shape(), dtype: n.Dtype()}
	c.byNode[n] = v
	if isAdd(n) {
		terms := c.terms(n)
		s := c.step(n, terms)
		s.kernel, s.out = graph.Sum(len(terms)), []*value{v}
		return nil
	}
	v.stock = true
	s := c.step(n, children)
	s.stock, s.out = n.Op(), []*value{v}
	return nil
}

// step appends a step that reads the values of nodes.
func (c *compiler) step(n *gorgonia.Node, inputs gorgonia.Nodes) *step {
	s := &step{node: n, in: make([]*value, len(inputs))}
	for i, child := range inputs {
		s.in[i] = c.byNode[child]
		s.in[i].uses = append(s.in[i].uses, use{s, i})
	}
	c.plan.steps = append(c.plan.steps, s)
	return s
}

// pend finds the outputs that need no memory because all their readers can
// form them.
func (c *compiler) pend() {
	for _, s := range c.plan.steps {
		former, ok := s.kernel.(graph.Former)
		if !ok {
			continue
		}
		for i, v := range s.out {
			if f := s.form(former, i); f != nil && !v.want && len(v.uses) > 0 &&
				!slices.ContainsFunc(v.uses, func(u use) bool { return reads(u.step, u.in) < f.kind() }) {
				v.form = f
			}
		}
	}
}

// form returns the form of output i of a step, or nil if it is always data or
// is formed from what a form cannot hold: memory that changes from run to run,
// or pending maps with more than factors.
func (s *step) form(former graph.Former, i int) *form {
	d, ok := former.Form(i)
	if !ok {
		return nil
	}
	f := &form{p: s.in[d.P], coef: s.out[d.Coef], row: d.Row, shift: d.Shift, rest: d.Rest}
	if !f.p.native() || f.p.form != nil && f.p.form.kind() != graph.Scaled {
		return nil
	}
	if d.Q >= 0 {
		if f.q = s.in[d.Q]; !f.q.native() || f.q.form != nil {
			return nil
		}
	}
	return f
}

// reads says which pending maps a step takes as an input.
func reads(s *step, in int) graph.Pending {
	if r, ok := s.kernel.(graph.Reader); ok {
		return r.Reads(in)
	}
	return graph.None
}

// prune drops the outputs that nobody reads.
func (c *compiler) prune() {
	for _, s := range c.plan.steps {
		if _, ok := s.kernel.(graph.Complete); ok {
			continue
		}
		coefs := map[*value]bool{}
		for _, v := range s.out {
			if v.form != nil {
				coefs[v.form.coef] = true
			}
		}
		for i, v := range s.out {
			if len(v.uses) == 0 && !v.want && !coefs[v] {
				s.out[i] = nil
			}
		}
	}
}

// parts calls f for the values with memory that reading v touches.
func (v *value) parts(f func(*value)) {
	if v.form == nil {
		f(v)
		return
	}
	v.form.p.parts(f)
	f(v.form.coef)
	if v.form.q != nil {
		f(v.form.q)
	}
}

// live finds the first and last step at which each value takes memory.
func (c *compiler) live() {
	steps := c.plan.steps
	for i, s := range steps {
		for _, v := range s.out {
			if v != nil {
				v.first, v.last = i, i
			}
		}
	}
	for i, s := range steps {
		for _, v := range s.in {
			v.parts(func(p *value) { p.last = max(p.last, i) })
		}
	}
	// The result of an operation of Gorgonia's may share memory with its inputs.
	for i := len(steps) - 1; i >= 0; i-- {
		s := steps[i]
		if s.stock == nil {
			continue
		}
		for _, v := range s.in {
			v.last = max(v.last, s.out[0].last)
		}
	}
}

// busiest returns the most floats that live in the arena during one step.
func (p *Plan) busiest() int {
	change := make([]int, len(p.steps)+1)
	for _, s := range p.steps {
		for _, v := range s.out {
			if v.inArena() {
				change[v.first] += v.floats()
				change[v.last+1] -= v.floats()
			}
		}
	}
	live, most := 0, 0
	for _, d := range change {
		live += d
		most = max(most, live)
	}
	return most
}

// line is the number of floats in a cache line; every value starts one.
const line = 16

// copy returns another value for the same node, of a kernel's.
func (v *value) copy() *value { return &value{node: v.node, shape: v.shape, dtype: v.dtype} }

// inArena reports whether the value takes memory in the arena.
func (v *value) inArena() bool { return v != nil && v.native() && !v.kept() && v.form == nil }

// floats returns the memory that the value takes.
func (v *value) floats() int { return (v.shape.TotalSize() + line - 1) / line * line }

// shapes returns the shapes of values.
func shapes(values []*value) []tensor.Shape {
	shapes := make([]tensor.Shape, len(values))
	for i, v := range values {
		shapes[i] = v.shape
	}
	return shapes
}

// place finds memory for every value, largest first, each in the smallest gap
// that fits between values that live at the same time.
func (c *compiler) place() {
	p := c.plan
	var values []*value
	for _, s := range p.steps {
		for _, v := range s.out {
			switch {
			case v.inArena():
				v.size = v.floats()
				values = append(values, v)
			case v != nil && v.kept() && v.into == nil:
				p.kept += v.floats()
			}
			if v != nil && v.stock {
				p.foreign += v.floats()
			}
		}
		if k, ok := s.kernel.(graph.Scratcher); ok {
			perWorker, shared := k.Scratch(shapes(s.in))
			p.perWorker = max(p.perWorker, perWorker)
			p.shared = max(p.shared, shared)
		}
	}
	slices.SortStableFunc(values, func(a, b *value) int { return cmp.Compare(b.size, a.size) })
	var placed []*value // by offset
	for _, v := range values {
		best, gap, end := -1, 0, 0
		for _, o := range placed {
			if o.first > v.last || o.last < v.first {
				continue
			}
			if free := o.at - end; free >= v.size && (best < 0 || free < gap) {
				best, gap = end, free
			}
			end = max(end, o.at+o.size)
		}
		if best < 0 {
			best = end
		}
		v.at = best
		p.arena = max(p.arena, best+v.size)
		i, _ := slices.BinarySearchFunc(placed, v.at, func(o *value, at int) int { return cmp.Compare(o.at, at) })
		placed = slices.Insert(placed, i, v)
	}
}

// Bytes returns the memory that a machine with this plan takes on a team of
// workers, besides the values that come from outside. Results of Gorgonia's
// operations, which are made anew in every run, count once.
func (p *Plan) Bytes(workers int) int64 {
	return 4 * (int64(p.arena) + int64(p.kept) + int64(p.foreign) + int64(p.perWorker)*int64(workers) + int64(p.shared))
}

// name returns the name of the type of an operation; Gorgonia exports few.
func name(o gorgonia.Op) string { return fmt.Sprintf("%T", o) }

// isRead reports whether an operation is that of gorgonia.Read.
func isRead(o gorgonia.Op) bool { return name(o) == "gorgonia.readOp" }

// readInto returns the variable that gorgonia.Read was given.
func readInto(o gorgonia.Op) *gorgonia.Value {
	return (*gorgonia.Value)(reflect.ValueOf(o).FieldByName("into").UnsafePointer())
}
