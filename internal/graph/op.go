package graph

import (
	"fmt"
	"hash"
	"hash/fnv"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/chewxy/hm"
	_ "go4.org/unsafe/assume-no-moving-gc" // so that the requirement of go.mod holds
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/kernel"
)

// tuple is the operation of a node that computes all outputs of an operator.
type tuple struct {
	op  ir.Op
	id  uint64
	in  []port
	out []ir.Shape

	evaluating atomic.Bool // the mode that Gorgonia's own machines set last
}

// port is what the type system needs to know about an input.
type port struct {
	dims  int
	dtype tensor.Dtype
}

var lastID atomic.Uint64

// Apply adds an operator to the graph of its inputs and returns a function that gives the
// node of an output.
func Apply(op ir.Op, in ...*gorgonia.Node) (func(i int) *gorgonia.Node, error) {
	shapes := make([]ir.Shape, len(in))
	ports := make([]port, len(in))
	for i, n := range in {
		if n == nil {
			return nil, fmt.Errorf("%v: input %d is a nil node", op, i)
		}
		shapes[i] = ir.Shape(n.Shape())
		ports[i] = port{n.Dims(), n.Dtype()}
		if d := n.Dtype(); d != tensor.Float32 && d != tensor.Int32 && d != tensor.Uint8 {
			return nil, fmt.Errorf("%v: input %d (%s) is of type %v; convert it to float32, or to int32 if it holds labels", op, i, n.Name(), d)
		}
	}
	for i, s := range shapes {
		if err := s.Check(); err != nil {
			return nil, fmt.Errorf("%v: input %d (%s): %w", op, i, in[i].Name(), err)
		}
	}
	out, err := op.Infer(shapes)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", op, err)
	}
	for i, s := range out {
		if err := s.Check(); err != nil {
			return nil, fmt.Errorf("%v: output %d: %w", op, i, err)
		}
	}
	t, err := gorgonia.ApplyOp(&tuple{op: op, id: lastID.Add(1), in: ports, out: out}, in...)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", op, err)
	}
	return func(i int) *gorgonia.Node { return get(t, i) }, nil
}

// get returns the node of output i of a tuple node; asked twice, the same one, since
// Gorgonia merges nodes of equal hash.
func get(t *gorgonia.Node, i int) *gorgonia.Node {
	n, err := gorgonia.ApplyOp(&getter{t.Op().(*tuple), i}, t)
	if err != nil { // a getter takes any tuple, so this is a bug in this package
		panic(fmt.Sprintf("graph: output %d of %s: %v", i, t.Op(), err))
	}
	return n
}

// Of returns the operator whose output i the node is; nil if it is no such output.
func Of(n *gorgonia.Node) (op ir.Op, i int) {
	if g, ok := n.Op().(*getter); ok {
		return g.t.op, g.i
	}
	return nil, 0
}

// Operation returns the node that computes all outputs of the operator of which n is one.
func Operation(n *gorgonia.Node) *gorgonia.Node { return Children(n)[0] }

// Inputs returns the operator of a tuple node and the shapes of its inputs.
func Inputs(n *gorgonia.Node) (ir.Op, []ir.Shape, bool) {
	t, ok := n.Op().(*tuple)
	if !ok {
		return nil, nil, false
	}
	var shapes []ir.Shape
	for _, child := range Children(n) {
		shapes = append(shapes, ir.Shape(child.Shape()))
	}
	return t.op, shapes, true
}

// Children returns the inputs of a node in order, an input used twice twice. The caller
// must not change them.
//
// It reads the field of the node. The exported way, ExprGraph.From, remembers where nodes
// lie, and finds the wrong ones after Gorgonia has removed a node, as it does when it
// rewrites log(1+x).
func Children(n *gorgonia.Node) gorgonia.Nodes {
	return *(*gorgonia.Nodes)(reflect.ValueOf(n).Elem().FieldByIndex(childrenField).Addr().UnsafePointer())
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
func (t *tuple) String() string       { return t.op.String() }
func (t *tuple) Hashcode() uint32     { return hashOf(t) }

// WriteHash includes a number of its own: Gorgonia identifies nodes by 32 bits, and
// merges those that collide.
func (t *tuple) WriteHash(h hash.Hash) { fmt.Fprintf(h, "unnas#%d:%v", t.id, t.op) }

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
		size += s.Size()
	}
	return tensor.Shape{size}, nil
}

func (t *tuple) DiffWRT(inputs int) []bool {
	if d, ok := t.op.(ir.Differentiable); ok {
		return d.NeedsGrad(inputs)
	}
	return make([]bool, inputs)
}

func (t *tuple) SymDiff(in gorgonia.Nodes, out, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	d, ok := t.op.(ir.Differentiable)
	if !ok {
		return nil, fmt.Errorf("%v has no gradient", t.op)
	}
	return gradient(d, t.out, in, out, gy)
}

// SetTraining is called by Gorgonia's own machines.
func (t *tuple) SetTraining(training bool) error {
	t.evaluating.Store(!training)
	return nil
}

// interpreter runs operators for Gorgonia's own machines, one at a time.
var interpreter = struct {
	sync.Mutex
	pool *kernel.ThreadPool
}{pool: kernel.NewThreadPool(1)}

// Do runs the operator for Gorgonia's own machines: on one core, every output computed,
// all packed into one tensor.
func (t *tuple) Do(values ...gorgonia.Value) (gorgonia.Value, error) {
	in := make([]cpuexec.Array, len(values))
	for i, v := range values {
		var err error
		if in[i], err = ArrayOf(v); err != nil {
			return nil, fmt.Errorf("%v: input %d: %w", t.op, i, err)
		}
	}
	shape, _ := t.InferShape()
	flat := make([]float32, shape[0])
	out := make([]cpuexec.Array, len(t.out))
	at := 0
	for i, s := range t.out {
		n := s.Size()
		out[i] = cpuexec.Array{Shape: s, F: flat[at : at+n : at+n]}
		at += n
	}
	interpreter.Lock()
	defer interpreter.Unlock()
	op, states := t.op, map[int]int(nil)
	if e, ok := op.(ir.Evaluable); ok && t.evaluating.Load() {
		evaluation, inputs := e.Evaluation()
		op, in = evaluation, pick(in, inputs)
	} else if s, ok := op.(ir.Stateful); ok {
		states = s.States()
	}
	if err := cpuexec.RunOp(op, interpreter.pool, out, in); err != nil {
		return nil, fmt.Errorf("%v: %w", t.op, err)
	}
	for i, o := range states {
		copy(in[i].F, out[o].F)
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(flat)), nil
}

// pick returns some elements of a slice, by their numbers; all for nil.
func pick[T any](all []T, numbers []int) []T {
	if numbers == nil {
		return all
	}
	some := make([]T, len(numbers))
	for i, n := range numbers {
		some[i] = all[n]
	}
	return some
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
func (g *getter) String() string       { return fmt.Sprintf("%v[%d]", g.t.op, g.i) }
func (g *getter) Hashcode() uint32     { return hashOf(g) }

func (g *getter) WriteHash(h hash.Hash) {
	fmt.Fprintf(h, "output %d of ", g.i)
	g.t.WriteHash(h)
}

func (g *getter) Type() hm.Type {
	of := tensor.Float32
	if ir.TypeOf(g.t.op, g.i) == ir.Int32 {
		of = tensor.Int32
	}
	return hm.NewFnType(typeOf(1, tensor.Float32), typeOf(len(g.t.out[g.i]), of))
}

func (g *getter) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return tensor.Shape(g.t.out[g.i]).Clone(), nil
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
		at += s.Size()
	}
	s := g.t.out[g.i]
	n := s.Size()
	if len(s) == 0 {
		return gorgonia.NewF32(flat[at]), nil
	}
	return tensor.New(tensor.WithShape(tensor.Shape(s).Clone()...), tensor.WithBacking(flat[at:at+n:at+n])), nil
}
