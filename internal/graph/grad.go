package graph

import (
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/ir"
)

// Grad adds the gradients of a scalar loss with respect to the nodes wrt to their
// graph, by one reverse sweep. Deriv of a node then returns its gradient, or nil if
// the loss does not depend on it. Grad reports whether it depends on any.
//
// Gorgonia's own sweep adds up gradients with additions, which it identifies by a
// hash of 32 bits: two of them whose hashes collide become one node. Here an
// ir.Sum adds them up, and the hash of every operator has a number of its own. Gorgonia also
// drops the gradient of an output that has none; here that is an error.
func Grad(loss *gorgonia.Node, wrt gorgonia.Nodes) (bool, error) {
	s := sweep{needs: map[*gorgonia.Node]bool{}, grads: map[*gorgonia.Node]gorgonia.Nodes{}}
	for _, n := range wrt {
		s.needs[n] = true
	}
	s.visit(loss)
	if !s.needs[loss] {
		return false, nil
	}
	s.grads[loss] = gorgonia.Nodes{gorgonia.NewConstant(float32(1), gorgonia.In(loss.Graph()))}
	for _, n := range slices.Backward(s.order) {
		if err := s.pass(n); err != nil {
			return false, err
		}
	}
	return true, nil
}

// sweep is a reverse sweep over the nodes that a loss is computed from.
type sweep struct {
	order gorgonia.Nodes // inputs first
	needs map[*gorgonia.Node]bool
	grads map[*gorgonia.Node]gorgonia.Nodes // what the readers of a node contribute
}

// visit appends the nodes that n is computed from, then n, and finds which of them
// a gradient must pass: those with a path of differentiable inputs to a node of wrt.
func (s *sweep) visit(n *gorgonia.Node) {
	type frame struct {
		n    *gorgonia.Node
		next int // which child to visit
	}
	done := map[*gorgonia.Node]bool{}
	stack := []frame{{n: n}}
	done[n] = true
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		children := Children(top.n)
		if top.next < len(children) {
			child := children[top.next]
			top.next++
			if !done[child] {
				done[child] = true
				stack = append(stack, frame{n: child})
			}
			continue
		}
		needs := s.needs[top.n]
		for i, child := range children {
			needs = needs || s.needs[child] && differentiable(top.n, i)
		}
		s.needs[top.n] = needs
		s.order = append(s.order, top.n)
		stack = stack[:len(stack)-1]
	}
}

// differentiable reports whether input i of a node may get a gradient. It does for
// an operation that cannot be differentiated at all, and for outputs of
// operators but the first, so that pass can refuse them by name.
func differentiable(n *gorgonia.Node, i int) bool {
	if _, ok := n.Op().(*getter); ok {
		return true
	}
	d, ok := n.Op().(gorgonia.SDOp)
	if !ok {
		return true
	}
	wrt := d.DiffWRT(len(Children(n)))
	return i < len(wrt) && wrt[i]
}

// pass adds up the gradient of a node and hands the node's inputs their parts.
func (s *sweep) pass(n *gorgonia.Node) error {
	parts := s.grads[n]
	if !s.needs[n] || len(parts) == 0 {
		return nil
	}
	g, err := add(parts)
	if err != nil {
		return fmt.Errorf("gradient of %s: %w", n.Name(), err)
	}
	gorgonia.SetDerivOf(g, n)
	children := Children(n)
	if len(children) == 0 {
		return nil
	}
	if o, ok := n.Op().(*getter); ok && o.i > 0 {
		return fmt.Errorf("the loss depends on output %d of %s, and only output 0 has a gradient; make it output 0 of an operation of its own", o.i, o.t)
	}
	op, ok := n.Op().(gorgonia.SDOp)
	if !ok {
		return fmt.Errorf("%s (%T) has no gradient", n.Name(), n.Op())
	}
	grads, err := op.SymDiff(children, n, g)
	if err != nil {
		return fmt.Errorf("gradient of %s: %w", n.Name(), err)
	}
	for i, child := range children {
		if !s.needs[child] || !differentiable(n, i) {
			continue
		}
		if i >= len(grads) || grads[i] == nil {
			return fmt.Errorf("%s has no gradient for input %d, which it calls differentiable", n.Name(), i)
		}
		s.grads[child] = append(s.grads[child], grads[i])
	}
	return nil
}

// add returns the sum of the parts of a gradient.
func add(parts gorgonia.Nodes) (*gorgonia.Node, error) {
	if len(parts) == 1 {
		return parts[0], nil
	}
	for _, p := range parts {
		if p.Dtype() != tensor.Float32 || !p.Shape().Eq(parts[0].Shape()) {
			return nil, errors.New("parts of several shapes or types; float32 of one shape is needed")
		}
	}
	out, err := Apply(ir.Sum{}, parts...)
	if err != nil {
		return nil, err
	}
	return out(0), nil
}

// gradient adds the gradients of the inputs of an operator to the graph, from that of its
// output 0. out is the tuple node, whose outputs have the given shapes.
func gradient(op ir.Differentiable, shapes []ir.Shape, in gorgonia.Nodes, out, gy *gorgonia.Node) (grads gorgonia.Nodes, err error) {
	defer func() {
		if r := recover(); r != nil {
			grads, err = nil, fmt.Errorf("gradient of %v: %v", op, r)
		}
	}()
	nodes := map[*ir.Value]func() *gorgonia.Node{}
	value := func(s ir.Shape, t ir.Type, n func() *gorgonia.Node) *ir.Value {
		v := &ir.Value{Shape: s, Type: t}
		nodes[v] = n
		return v
	}
	known := func(n *gorgonia.Node) *ir.Value {
		return value(ir.Shape(n.Shape()), ir.Type(n.Dtype().String()), func() *gorgonia.Node { return n })
	}
	inputs, outputs := make([]*ir.Value, len(in)), make([]*ir.Value, len(shapes))
	for i, n := range in {
		inputs[i] = known(n)
	}
	for i, s := range shapes {
		outputs[i] = value(s, ir.Float32, func() *gorgonia.Node { return get(out, i) })
	}
	var b ir.Builder
	values := op.Gradient(&b, inputs, outputs, known(gy))
	for _, s := range b.Steps {
		args := make(gorgonia.Nodes, len(s.In))
		for i, v := range s.In {
			args[i] = nodes[v]()
		}
		output, err := Apply(s.Op, args...)
		if err != nil {
			return nil, err
		}
		for i, v := range s.Out {
			nodes[v] = func() *gorgonia.Node { return output(i) }
		}
	}
	grads = make(gorgonia.Nodes, len(in))
	for i, v := range values {
		if v != nil {
			grads[i] = nodes[v]()
		}
	}
	return grads, nil
}
