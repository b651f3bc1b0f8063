package vm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/cpu"
	"unnas/internal/graph"
)

// Options says what a plan computes.
type Options struct {
	// Want lists the nodes whose values are kept and bound. Without any, all
	// nodes are wanted that no other node reads.
	Want []*gorgonia.Node
	// Into gives the memory for some wanted nodes, so that gradients can lie
	// side by side in one slab.
	Into map[*gorgonia.Node][]float32
}

// Plan is the order, lifetime and place of everything that a run computes.
type Plan struct {
	steps   []*step
	inputs  []*value // values that come from outside: parameters, images, labels
	wanted  []*value
	arena   int // floats in the shared block
	kept    int // floats of wanted values that have no memory of their own
	perTask int // scratch floats for each worker
	shared  int // scratch floats in common
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

// native reports whether the plan places the value.
func (v *value) native() bool { return !v.outside && !v.stock }

// form is a map that readers form themselves.
type form struct {
	p, q, coef *value
	row        int
	shift      bool
}

// use is input number in of a step.
type use struct {
	step *step
	in   int
}

// Compile plans the computation of the wanted nodes of a graph.
func Compile(g *gorgonia.ExprGraph, o Options) (*Plan, error) {
	if cpu.Err != nil {
		return nil, fmt.Errorf("vm: %w", cpu.Err)
	}
	want := o.Want
	if len(want) == 0 {
		for _, n := range g.Roots() {
			if n.Op() != nil {
				want = append(want, n)
			}
		}
	}
	if len(want) == 0 {
		return nil, errors.New("vm: the graph has no operation; build it before compiling")
	}
	c := &compiler{plan: &Plan{}, byNode: map[*gorgonia.Node]*value{}, tuples: map[*gorgonia.Node]*step{}}
	nodes, err := c.reachable(g, want)
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
		if v == nil || v.want || v.outside { // an operation without a result, or nothing to compute
			continue
		}
		v.want = true
		if into, ok := o.Into[n]; ok {
			if len(into) != v.shape.TotalSize() {
				return nil, fmt.Errorf("vm: memory of %d floats given for %s, whose shape is %v", len(into), n.Name(), v.shape)
			}
			v.into = into
		}
		c.plan.wanted = append(c.plan.wanted, v)
	}
	c.pend()
	c.prune()
	c.live()
	c.place()
	return c.plan, nil
}

type compiler struct {
	plan    *Plan
	byNode  map[*gorgonia.Node]*value
	tuples  map[*gorgonia.Node]*step
	readers map[*gorgonia.Node]int
	folded  map[*gorgonia.Node]bool // additions that became part of another
}

// reachable returns the wanted nodes and all they depend on, inputs first.
func (c *compiler) reachable(g *gorgonia.ExprGraph, want []*gorgonia.Node) ([]*gorgonia.Node, error) {
	seen := map[*gorgonia.Node]bool{}
	var nodes, stack []*gorgonia.Node
	for _, n := range want {
		if n == nil {
			return nil, errors.New("vm: a wanted node is nil")
		}
		if n.Graph() != g {
			return nil, fmt.Errorf("vm: wanted node %s belongs to another graph", n.Name())
		}
		stack = append(stack, n)
	}
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

// isAdd reports whether a node adds two float32 tensors of equal shape, as
// gorgonia.Grad does for a gradient with several parts.
func isAdd(n *gorgonia.Node) bool {
	if n.Op() == nil || n.Dims() == 0 || fmt.Sprintf("%T", n.Op()) != "gorgonia.elemBinOp" || n.Op().String() != "+ false" {
		return false
	}
	for _, child := range graph.Children(n) {
		if child.Dtype() != tensor.Float32 || !child.Shape().Eq(n.Shape()) {
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
	if i, ok := graph.Getter(n); ok {
		v := c.tuples[children[0]].out[i]
		v.node = n
		c.byNode[n] = v
		return nil
	}
	v := &value{node: n, shape: n.Shape()}
	c.byNode[n] = v
	if n.Type() == nil { // such as the operation of gorgonia.Read
		if !isRead(n.Op()) {
			return fmt.Errorf("vm: %s (%T) has no result and cannot run here; leave it out", n.Name(), n.Op())
		}
		c.step(n, children).stock = n.Op()
		return nil
	}
	v.dtype = n.Dtype()
	if isAdd(n) {
		terms := c.terms(n)
		s := c.step(n, terms)
		s.kernel, s.out = sum(len(terms)), []*value{v}
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
			f, ok := former.Form(i)
			if !ok || v.want || len(v.uses) == 0 || !s.in[f.P].native() || f.Q >= 0 && !s.in[f.Q].native() {
				continue
			}
			kind := graph.Affine
			if f.Q < 0 && !f.Shift {
				kind = graph.Scaled
			}
			if !slices.ContainsFunc(v.uses, func(u use) bool { return reads(u.step, u.in) < kind }) {
				v.form = &form{coef: s.out[f.Coef], row: f.Row, shift: f.Shift, p: s.in[f.P]}
				if f.Q >= 0 {
					v.form.q = s.in[f.Q]
				}
			}
		}
	}
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
		v.form.q.parts(f)
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
		if s.stock == nil || len(s.out) == 0 {
			continue
		}
		last := s.out[0].last
		if s.out[0].want {
			last = len(steps)
		}
		for _, v := range s.in {
			v.parts(func(p *value) { p.last = max(p.last, last) })
		}
	}
}

// line is the number of floats in a cache line; every value starts one.
const line = 16

// place finds memory for every value, largest first, each in the smallest gap
// that fits between values that live at the same time.
func (c *compiler) place() {
	p := c.plan
	var values []*value
	for _, s := range p.steps {
		for _, v := range s.out {
			if v == nil || v.stock || v.form != nil || v.into != nil {
				continue
			}
			v.size = (max(v.shape.TotalSize(), 1) + line - 1) / line * line
			if v.want {
				v.at = p.kept
				p.kept += v.size
				continue
			}
			values = append(values, v)
		}
		if k, ok := s.kernel.(graph.Scratcher); ok {
			shapes := make([]tensor.Shape, len(s.in))
			for i, v := range s.in {
				shapes[i] = v.shape
			}
			perWorker, shared := k.Scratch(shapes)
			p.perTask = max(p.perTask, perWorker)
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
// workers, besides the values that come from outside.
func (p *Plan) Bytes(workers int) int64 {
	return 4 * (int64(p.arena) + int64(p.kept) + int64(p.perTask)*int64(workers) + int64(p.shared))
}

// Steps returns the number of operations in a run.
func (p *Plan) Steps() int { return len(p.steps) }
