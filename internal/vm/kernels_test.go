package vm_test

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"testing"

	"github.com/chewxy/hm"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
	"unnas/internal/vm"
)

// at returns element i of a map.
func at(m *kernel.Map, i int) float32 {
	c := i % m.C
	v := m.P[i]
	if m.A != nil {
		v *= m.A[c]
	}
	if m.Q != nil {
		v += m.B[c] * m.Q[i]
	}
	if m.D != nil {
		v += m.D[c]
	}
	return v
}

// same is what kernels share whose output 0 is like input 0.
type same struct{}

func (same) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[:1], nil }

// twist multiplies two maps. Outputs: the product, the sum of both, which the
// gradient reads, and the sum of the first, a scalar.
type twist struct{}

func (twist) Key() string { return "twist" }

func (twist) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{in[0], in[0], {}}, nil
}

func (twist) Run(c *graph.Context, out, in []graph.Value) error {
	a, b := in[0].F, in[1].F
	if out[0].Wanted() {
		c.Team.For(len(a), func(_ *kernel.Worker, i int) { out[0].F[i] = a[i] * b[i] })
	}
	if out[1].Wanted() {
		c.Team.For(len(a), func(_ *kernel.Worker, i int) { out[1].F[i] = a[i] + b[i] })
	}
	if out[2].Wanted() {
		sums := c.Sums(1)
		sums[0] = 0
		for _, v := range a {
			sums[0] += float64(v)
		}
		out[2].F[0] = float32(sums[0])
	}
	return nil
}

func (twist) Wrt(int) []bool { return []bool{true, true} }

func (twist) Gradient(in gorgonia.Nodes, out func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return nodes(2, twistGrad{}, gy, in[0], out(1))
}

type twistGrad struct{}

func (twistGrad) Key() string { return "gradient of twist" }

func (twistGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[:2], nil }

// Scratch and Run use memory that other kernels soil.
func (twistGrad) Scratch(in []tensor.Shape) (perWorker, shared int) {
	return 1, in[0].TotalSize()
}

func (twistGrad) Run(c *graph.Context, out, in []graph.Value) error {
	g, a, sum := in[0].F, in[1].F, in[2].F
	b := c.Team.Shared(len(g))
	c.Team.For(len(g), func(w *kernel.Worker, i int) {
		w.Scratch(1)[0] = sum[i]
		b[i] = w.Scratch(1)[0] - a[i]
	})
	for i := range g {
		if out[0].Wanted() {
			out[0].F[i] = g[i] * b[i]
		}
		if out[1].Wanted() {
			out[1].F[i] = g[i] * a[i]
		}
	}
	return nil
}

// total is the sum of all elements of a map.
type total struct{}

func (total) Key() string { return "total" }

func (total) Shapes([]tensor.Shape) ([]tensor.Shape, error) { return []tensor.Shape{{}}, nil }

func (total) Reads(int) graph.Pending { return graph.Affine }

func (total) Run(_ *graph.Context, out, in []graph.Value) error {
	m := in[0].Map()
	var sum float64
	for i := range m.Len() {
		sum += float64(at(&m, i))
	}
	out[0].F[0] = float32(sum)
	return nil
}

func (total) Wrt(int) []bool { return []bool{true} }

func (total) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return nodes(1, spread{in[0].Shape()}, gy)
}

// spread fills a shape with a scalar.
type spread struct{ shape tensor.Shape }

func (spread) Key() string { return "spread" }

func (k spread) Shapes([]tensor.Shape) ([]tensor.Shape, error) { return []tensor.Shape{k.shape}, nil }

func (spread) Run(_ *graph.Context, out, in []graph.Value) error {
	for i := range out[0].F {
		out[0].F[i] = in[0].F[0]
	}
	return nil
}

// stretch is a·x + d, or a·x, with a and d per channel. Outputs: y, which
// readers may form, and coefficients [3, C], the first row unused. It reads x
// as plain data or with factors.
type stretch struct {
	shift bool
	reads graph.Pending
}

func (k stretch) Key() string { return fmt.Sprintf("stretch%+v", k) }

func (stretch) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{in[0], {3, in[0][in[0].Dims()-1]}}, nil
}

func (k stretch) Reads(int) graph.Pending { return k.reads }

func (k stretch) Form(i int) (graph.Form, bool) {
	return graph.Form{P: 0, Q: -1, Coef: 1, Row: 1, Shift: k.shift}, i == 0
}

func (k stretch) Run(c *graph.Context, out, in []graph.Value) error {
	m := in[0].Map()
	coef := out[1].F
	if coef == nil {
		coef = c.Floats(3 * m.C)
	}
	a, d := coef[m.C:2*m.C], coef[2*m.C:3*m.C]
	for j := range m.C {
		a[j], d[j] = 0.5+0.25*float32(j), 0
		if k.shift {
			d[j] = 0.125 * float32(j+1)
		}
		if m.A != nil {
			a[j] *= m.A[j]
		}
	}
	m.A = a
	if k.shift {
		m.D = d
	}
	form(c, m, &out[0])
	return nil
}

func (k stretch) Wrt(int) []bool { return []bool{true} }

func (k stretch) Gradient(_ gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return nodes(1, stretch{false, graph.Scaled}, gy)
}

// form writes a map to an output if it is wanted.
func form(c *graph.Context, m kernel.Map, out *graph.Value) {
	if out.Wanted() {
		c.Team.For(m.Len(), func(_ *kernel.Worker, i int) { out.F[i] = at(&m, i) })
	}
}

// blend is a·x + b·y + d, as the gradient of a batch normalisation is. Outputs:
// the blend, which readers may form, and coefficients [3, C]. It reads x as
// plain data or with factors.
type blend struct{ reads graph.Pending }

func (blend) Key() string { return "blend" }

func (blend) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{in[0], {3, in[0][in[0].Dims()-1]}}, nil
}

func (k blend) Reads(i int) graph.Pending {
	if i == 0 {
		return k.reads
	}
	return graph.None
}

func (blend) Form(i int) (graph.Form, bool) {
	return graph.Form{P: 0, Q: 1, Coef: 1, Shift: true}, i == 0
}

func (blend) Run(c *graph.Context, out, in []graph.Value) error {
	m, y := in[0].Map(), in[1].Map()
	coef := out[1].F
	if coef == nil {
		coef = c.Floats(3 * m.C)
	}
	a, b, d := coef[:m.C], coef[m.C:2*m.C], coef[2*m.C:3*m.C]
	for j := range m.C {
		a[j], b[j], d[j] = 0.75, 0.5-0.25*float32(j), -0.25
		if m.A != nil {
			a[j] *= m.A[j]
		}
	}
	form(c, kernel.Map{N: m.N, H: m.H, W: m.W, C: m.C, P: m.P, A: a, Q: y.P, B: b, D: d}, &out[0])
	return nil
}

// look copies a map that it reads as a reader of one kind.
type look struct {
	same
	reads graph.Pending
}

func (k look) Key() string { return fmt.Sprintf("look %d", k.reads) }

func (k look) Reads(int) graph.Pending { return k.reads }

func (k look) Run(c *graph.Context, out, in []graph.Value) error {
	m := in[0].Map()
	form(c, m, &out[0])
	return nil
}

func (look) Wrt(int) []bool { return []bool{true} }

func (k look) Gradient(_ gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return nodes(1, k, gy)
}

// trap fails as it is told to.
type trap struct {
	same
	how *string
}

func (trap) Key() string { return "trap" }

func (k trap) Run(c *graph.Context, out, in []graph.Value) error {
	copy(out[0].F, in[0].F)
	switch *k.how {
	case "error":
		return errors.New("sprung")
	case "panic":
		panic("sprung")
	case "panic of a worker":
		c.Team.For(1000, func(_ *kernel.Worker, i int) {
			if i == 500 {
				panic("sprung")
			}
		})
	}
	return nil
}

// custom is a Gorgonia operation of a user's, with one argument.
type custom struct {
	name string
	do   func(x *tensor.Dense) (gorgonia.Value, error)
	grad func(x, gy *gorgonia.Node) (*gorgonia.Node, error)
}

func (custom) Arity() int           { return 1 }
func (custom) ReturnsPtr() bool     { return true }
func (custom) CallsExtern() bool    { return false }
func (custom) OverwritesInput() int { return -1 }
func (o custom) String() string     { return o.name }

func (custom) Type() hm.Type {
	a := hm.TypeVariable('a')
	return hm.NewFnType(a, a)
}

func (custom) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return in[0].(tensor.Shape).Clone(), nil
}

func (o custom) WriteHash(h hash.Hash) { fmt.Fprint(h, o.name) }

func (o custom) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

func (o custom) Do(values ...gorgonia.Value) (gorgonia.Value, error) {
	return o.do(values[0].(*tensor.Dense))
}

func (o custom) DiffWRT(int) []bool { return []bool{o.grad != nil} }

func (o custom) SymDiff(in gorgonia.Nodes, _, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := o.grad(in[0], gy)
	return gorgonia.Nodes{g}, err
}

// cube is x³, with a gradient of stock operations.
var cube = custom{
	name: "cube",
	do: func(x *tensor.Dense) (gorgonia.Value, error) {
		y := x.Clone().(*tensor.Dense)
		for i, v := range y.Float32s() {
			y.Float32s()[i] = v * v * v
		}
		return y, nil
	},
	grad: func(x, gy *gorgonia.Node) (*gorgonia.Node, error) {
		square, err := gorgonia.Square(x)
		if err != nil {
			return nil, err
		}
		slope, err := gorgonia.Mul(square, gorgonia.NewConstant(float32(3)))
		if err != nil {
			return nil, err
		}
		return gorgonia.HadamardProd(slope, gy)
	},
}

// alias is x in the same memory.
var alias = custom{
	name: "alias",
	do: func(x *tensor.Dense) (gorgonia.Value, error) {
		return tensor.New(tensor.WithShape(x.Shape()...), tensor.WithBacking(x.Float32s())), nil
	},
	grad: func(_, gy *gorgonia.Node) (*gorgonia.Node, error) { return gy, nil },
}

// nodes applies a kernel and returns its first n outputs.
func nodes(n int, k graph.Kernel, in ...*gorgonia.Node) (gorgonia.Nodes, error) {
	out, err := graph.Apply(k, in...)
	if err != nil {
		return nil, err
	}
	outputs := make(gorgonia.Nodes, n)
	for i := range outputs {
		outputs[i] = out(i)
	}
	return outputs, nil
}

// apply returns output 0 of a kernel.
func apply(t testing.TB, k graph.Kernel, in ...*gorgonia.Node) *gorgonia.Node {
	t.Helper()
	n, err := nodes(1, k, in...)
	require.NoError(t, err)
	return n[0]
}

func input(g *gorgonia.ExprGraph, name string, shape ...int) *gorgonia.Node {
	return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
}

func let(t testing.TB, n *gorgonia.Node, data any) {
	t.Helper()
	require.NoError(t, gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(data))))
}

// bind compiles a graph and gives the plan memory of its own.
func bind(t testing.TB, g *gorgonia.ExprGraph, workers int, o vm.Options) (*vm.Machine, *vm.Plan, *vm.Arena) {
	t.Helper()
	p, err := vm.Compile(g, o)
	require.NoError(t, err)
	require.NoError(t, p.Check())
	a := vm.NewArena(p)
	m, err := p.Bind(a, kernel.NewTeam(workers))
	require.NoError(t, err)
	return m, p, a
}

// machine is bind for wanted nodes.
func machine(t testing.TB, g *gorgonia.ExprGraph, want ...*gorgonia.Node) *vm.Machine {
	t.Helper()
	m, _, _ := bind(t, g, 2, vm.Options{Want: want})
	return m
}

// floats returns a copy of the value of a node.
func floats(n *gorgonia.Node) []float32 { return floatsOf(n.Value()) }

func floatsOf(v gorgonia.Value) []float32 {
	switch v := v.(type) {
	case *gorgonia.F32:
		return []float32{float32(*v)}
	case *tensor.Dense:
		return append([]float32(nil), v.Float32s()...)
	}
	panic(fmt.Sprintf("a value of type %T", v))
}
