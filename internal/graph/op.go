package graph

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"math"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/chewxy/hm"
	_ "go4.org/unsafe/assume-no-moving-gc" // so that the requirement of go.mod holds
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/kernel"
)

// tuple is the operation of a node that computes all outputs of a kernel.
type tuple struct {
	k   Kernel
	id  uint64
	in  []port
	out []tensor.Shape

	evaluating atomic.Bool // what Gorgonia's own machines said last
}

// port is what the type system needs to know about an input.
type port struct {
	dims  int
	dtype tensor.Dtype
}

var lastID atomic.Uint64

// Apply adds the operation of k to the graph of its inputs and returns a
// function that gives the node of an output.
func Apply(k Kernel, in ...*gorgonia.Node) (func(i int) *gorgonia.Node, error) {
	shapes := make([]tensor.Shape, len(in))
	ports := make([]port, len(in))
	for i, n := range in {
		if n == nil {
			return nil, fmt.Errorf("%s: input %d is a nil node", k.Key(), i)
		}
		shapes[i] = n.Shape()
		ports[i] = port{n.Dims(), n.Dtype()}
		if d := n.Dtype(); d != tensor.Float32 && d != tensor.Int32 {
			return nil, fmt.Errorf("%s: input %d (%s) is of type %v; convert it to float32, or to int32 if it holds labels", k.Key(), i, n.Name(), d)
		}
	}
	for i, s := range shapes {
		if err := CheckShape(s); err != nil {
			return nil, fmt.Errorf("%s: input %d (%s): %w", k.Key(), i, in[i].Name(), err)
		}
	}
	out, err := k.Shapes(shapes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.Key(), err)
	}
	for i, s := range out {
		if err := CheckShape(s); err != nil {
			return nil, fmt.Errorf("%s: output %d: %w", k.Key(), i, err)
		}
	}
	t, err := gorgonia.ApplyOp(&tuple{k: k, id: lastID.Add(1), in: ports, out: out}, in...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k.Key(), err)
	}
	return func(i int) *gorgonia.Node { return get(t, i) }, nil
}

// maxElements is how many elements a value may have: four tebibytes of float32, or
// all that an int counts.
const maxElements = min(1<<40, math.MaxInt)

// CheckShape returns an error for a shape without elements, which kernels do not
// expect, or with too many to count.
func CheckShape(s tensor.Shape) error {
	total := 1
	for _, d := range s {
		if d <= 0 {
			return fmt.Errorf("shape %v; every dimension must be positive", s)
		}
		if total > maxElements/d {
			return fmt.Errorf("shape %v has more than %d elements; make it smaller", s, maxElements)
		}
		total *= d
	}
	return nil
}

// get returns the node of output i of a tuple node; asked twice, the same one,
// since Gorgonia merges nodes of equal hash.
func get(t *gorgonia.Node, i int) *gorgonia.Node {
	n, err := gorgonia.ApplyOp(&getter{t.Op().(*tuple), i}, t)
	if err != nil { // a getter takes any tuple, so this is a bug in this package
		panic(fmt.Sprintf("graph: output %d of %s: %v", i, t.Op(), err))
	}
	return n
}

// Of returns the kernel whose output i the node is; nil if it is no such output.
func Of(n *gorgonia.Node) (k Kernel, i int) {
	if g, ok := n.Op().(*getter); ok {
		return g.t.k, g.i
	}
	return nil, 0
}

// Operation returns the node that computes all outputs of the kernel of which n
// is one.
func Operation(n *gorgonia.Node) *gorgonia.Node { return Children(n)[0] }

// Sibling returns the node of output i of the kernel of which n is an output.
func Sibling(n *gorgonia.Node, i int) *gorgonia.Node { return get(Operation(n), i) }

// Tuple returns the kernel of a tuple node and the shapes of its outputs.
func Tuple(n *gorgonia.Node) (Kernel, []tensor.Shape, bool) {
	if t, ok := n.Op().(*tuple); ok {
		return t.k, t.out, true
	}
	return nil, nil, false
}

// Inputs returns the kernel of a tuple node and the shapes of its inputs.
func Inputs(n *gorgonia.Node) (Kernel, []tensor.Shape, bool) {
	t, ok := n.Op().(*tuple)
	if !ok {
		return nil, nil, false
	}
	var shapes []tensor.Shape
	for _, child := range Children(n) {
		shapes = append(shapes, child.Shape())
	}
	return t.k, shapes, true
}

// Children returns the inputs of a node in order, an input used twice twice.
// The caller must not change them.
//
// It reads the field of the node. The exported way, ExprGraph.From, remembers
// where nodes lie, and finds the wrong ones after Gorgonia has removed a node,
// as it does when it rewrites log(1+x).
func Children(n *gorgonia.Node) gorgonia.Nodes {
	return *(*gorgonia.Nodes)(reflect.ValueOf(n).Elem().FieldByName("children").Addr().UnsafePointer())
}

func typeOf(dims int, of tensor.Dtype) hm.Type {
	if dims == 0 {
		return of
	}
	return gorgonia.TensorType{Dims: dims, Of: of}
}

func hashOf(op gorgonia.Op) uint32 {
	h := fnv.New32a()
	op.WriteHash(h)
	return h.Sum32()
}

func (t *tuple) Arity() int           { return len(t.in) }
func (t *tuple) ReturnsPtr() bool     { return true }
func (t *tuple) CallsExtern() bool    { return false }
func (t *tuple) OverwritesInput() int { return -1 }
func (t *tuple) String() string       { return t.k.Key() }
func (t *tuple) Hashcode() uint32     { return hashOf(t) }

// WriteHash includes a number of its own: two operations are never the same
// node, even with equal settings and inputs, since they may keep state.
func (t *tuple) WriteHash(h hash.Hash) { fmt.Fprintf(h, "unnas#%d:%s", t.id, t.k.Key()) }

// Type builds a new type on every call, because Gorgonia recycles it.
func (t *tuple) Type() hm.Type {
	types := make([]hm.Type, 0, len(t.in)+1)
	for _, p := range t.in {
		types = append(types, typeOf(p.dims, p.dtype))
	}
	return hm.NewFnType(append(types, typeOf(1, tensor.Float32))...)
}

func (t *tuple) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	size := 0
	for _, s := range t.out {
		size += s.TotalSize()
	}
	return tensor.Shape{size}, nil
}

func (t *tuple) DiffWRT(inputs int) []bool {
	if d, ok := t.k.(Differentiable); ok {
		return d.Wrt(inputs)
	}
	return make([]bool, inputs)
}

func (t *tuple) SymDiff(in gorgonia.Nodes, out, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	d, ok := t.k.(Differentiable)
	if !ok {
		return nil, fmt.Errorf("%s has no gradient", t.k.Key())
	}
	return d.Gradient(in, func(i int) *gorgonia.Node { return get(out, i) }, gy)
}

// SetTraining is called by Gorgonia's own machines.
func (t *tuple) SetTraining(training bool) error {
	t.evaluating.Store(!training)
	return nil
}

// stock runs kernels for Gorgonia's own machines, one at a time.
var stock = struct {
	sync.Mutex
	team *kernel.Team
}{team: kernel.NewTeam(1)}

// Do runs the kernel for Gorgonia's own machines: on one core, every output
// computed, all packed into one tensor.
func (t *tuple) Do(values ...gorgonia.Value) (gorgonia.Value, error) {
	in := make([]Value, len(values))
	for i, v := range values {
		var err error
		if in[i], err = ValueOf(v); err != nil {
			return nil, fmt.Errorf("%s: input %d: %w", t.k.Key(), i, err)
		}
	}
	shape, _ := t.InferShape()
	flat := make([]float32, shape[0])
	out := make([]Value, len(t.out))
	at := 0
	for i, s := range t.out {
		n := s.TotalSize()
		out[i] = Value{Shape: s, F: flat[at : at+n : at+n]}
		at += n
	}
	training := !t.evaluating.Load()
	stock.Lock()
	defer stock.Unlock()
	if err := t.k.Run(&Context{Team: stock.team, Training: training, UpdateStats: training}, out, in); err != nil {
		return nil, fmt.Errorf("%s: %w", t.k.Key(), err)
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(flat)), nil
}

// ValueOf returns the view of a Gorgonia value that kernels read, without a
// copy where its memory is in order.
func ValueOf(v gorgonia.Value) (Value, error) {
	switch x := v.(type) {
	case nil:
		return Value{}, errors.New("there is no value")
	case *gorgonia.F32:
		return Value{F: []float32{float32(*x)}}, nil
	case *tensor.Dense:
		if x.RequiresIterator() {
			x = x.Materialize().(*tensor.Dense)
		}
		if x.DataOrder().IsColMajor() {
			return Value{}, fmt.Errorf("a tensor of shape %v stored by columns; use one stored by rows", x.Shape())
		}
		switch x.Dtype() {
		case tensor.Float32:
			return Value{Shape: x.Shape(), F: x.Float32s()}, nil
		case tensor.Int32:
			return Value{Shape: x.Shape(), I: x.Int32s()}, nil
		}
		return Value{}, fmt.Errorf("a tensor of type %v; convert it to float32, or to int32 if it holds labels", x.Dtype())
	}
	return Value{}, fmt.Errorf("a %T is neither a float32 scalar nor a dense tensor", v)
}

// getter is the operation of a node that selects one output of a tuple node.
type getter struct {
	t *tuple
	i int
}

func (g *getter) Arity() int           { return 1 }
func (g *getter) ReturnsPtr() bool     { return true }
func (g *getter) CallsExtern() bool    { return false }
func (g *getter) OverwritesInput() int { return -1 }
func (g *getter) String() string       { return fmt.Sprintf("%s[%d]", g.t.k.Key(), g.i) }
func (g *getter) Hashcode() uint32     { return hashOf(g) }

func (g *getter) WriteHash(h hash.Hash) {
	fmt.Fprintf(h, "output %d of ", g.i)
	g.t.WriteHash(h)
}

func (g *getter) Type() hm.Type {
	return hm.NewFnType(typeOf(1, tensor.Float32), typeOf(g.t.out[g.i].Dims(), tensor.Float32))
}

func (g *getter) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return g.t.out[g.i].Clone(), nil
}

func (g *getter) DiffWRT(int) []bool { return []bool{g.i == 0} }

// SymDiff hands the gradient of output 0 to the tuple node.
func (g *getter) SymDiff(_ gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gorgonia.Nodes{gy}, nil
}

// Do returns a view of the packed outputs of the tuple.
func (g *getter) Do(values ...gorgonia.Value) (gorgonia.Value, error) {
	flat := values[0].(*tensor.Dense).Float32s()
	at := 0
	for _, s := range g.t.out[:g.i] {
		at += s.TotalSize()
	}
	s := g.t.out[g.i]
	n := s.TotalSize()
	if s.Dims() == 0 {
		return gorgonia.NewF32(flat[at]), nil
	}
	return tensor.New(tensor.WithShape(s.Clone()...), tensor.WithBacking(flat[at:at+n:at+n])), nil
}
