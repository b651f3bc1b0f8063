package graph_test

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"slices"
	"testing"

	"github.com/chewxy/hm"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/cpuexec"
	"unnas/internal/graph"
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
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

// form writes a map to an output if it is needed.
func form(c *cpuexec.Context, m kernel.Map, out *cpuexec.Array) {
	if out.Needed() {
		c.Pool.ParallelFor(m.Len(), func(_ *kernel.Worker, i int) { out.F[i] = at(&m, i) })
	}
}

// plain are the traits of a kernel that reads stored values only.
type plain struct{}

func (plain) Traits([]ir.Shape) pass.Traits { return pass.Traits{} }

// like is the Infer of operators whose output is like input 0.
type like struct{}

func (like) Infer(in []ir.Shape) ([]ir.Shape, error) { return in[:1], nil }

// first is the NeedsGrad of operators of which input 0 has a gradient.
type first struct{}

func (first) NeedsGrad(inputs int) []bool {
	needs := make([]bool, inputs)
	needs[0] = true
	return needs
}

// product multiplies two maps. Outputs: the product, the sum of both, which the gradient
// reads, and the sum of the first, a scalar.
type product struct{ plain }

func (product) String() string { return "Product" }

func (product) Infer(in []ir.Shape) ([]ir.Shape, error) {
	if !in[0].Equal(in[1]) {
		return nil, errors.New("the shapes differ; make them equal")
	}
	return []ir.Shape{in[0], in[0], {}}, nil
}

func (product) Run(c *cpuexec.Context, out, in []cpuexec.Array) error {
	a, b := in[0].F, in[1].F
	if out[0].Needed() {
		c.Pool.ParallelFor(len(a), func(_ *kernel.Worker, i int) { out[0].F[i] = a[i] * b[i] })
	}
	if out[1].Needed() {
		c.Pool.ParallelFor(len(a), func(_ *kernel.Worker, i int) { out[1].F[i] = a[i] + b[i] })
	}
	if out[2].Needed() {
		sums := c.Sums(1)
		sums[0] = 0
		for _, v := range a {
			sums[0] += float64(v)
		}
		out[2].F[0] = float32(sums[0])
	}
	return nil
}

func (product) NeedsGrad(int) []bool { return []bool{true, true} }

func (product) Gradient(b *ir.Builder, in, out []*ir.Value, gy *ir.Value) []*ir.Value {
	return b.Apply(productGrad{}, gy, in[0], out[1])
}

type productGrad struct{}

func (productGrad) String() string { return "GradProduct" }

func (productGrad) Infer(in []ir.Shape) ([]ir.Shape, error) { return in[:2], nil }

// Traits and Run take scratch memory that other kernels overwrite.
func (productGrad) Traits(in []ir.Shape) pass.Traits {
	return pass.Traits{Scratch: func() (perWorker, shared int) { return 1, in[0].Size() }}
}

func (productGrad) Run(c *cpuexec.Context, out, in []cpuexec.Array) error {
	g, a, sum := in[0].F, in[1].F, in[2].F
	b := c.Pool.Shared(len(g))
	c.Pool.ParallelFor(len(g), func(w *kernel.Worker, i int) {
		w.Scratch(1)[0] = sum[i]
		b[i] = w.Scratch(1)[0] - a[i]
	})
	for i := range g {
		if out[0].Needed() {
			out[0].F[i] = g[i] * b[i]
		}
		if out[1].Needed() {
			out[1].F[i] = g[i] * a[i]
		}
	}
	return nil
}

// total is the sum of all elements of a map, counted where a label is 1 if there are
// labels. Labels have no gradient.
type total struct{ first }

func (total) String() string { return "Total" }

func (total) Infer([]ir.Shape) ([]ir.Shape, error) { return []ir.Shape{{}}, nil }

func (total) Traits(in []ir.Shape) pass.Traits {
	reads := make([]ir.Form, len(in))
	reads[0] = ir.Affine
	return pass.Traits{Reads: reads}
}

func (total) Run(_ *cpuexec.Context, out, in []cpuexec.Array) error {
	m := in[0].AsMap()
	var sum float64
	for i := range m.Len() {
		if len(in) == 1 || in[1].I[i] == 1 {
			sum += float64(at(&m, i))
		}
	}
	out[0].F[0] = float32(sum)
	return nil
}

func (total) Gradient(b *ir.Builder, in, _ []*ir.Value, gy *ir.Value) []*ir.Value {
	return append(b.Apply(spread{shape: in[0].Shape}, append([]*ir.Value{gy}, in[1:]...)...), make([]*ir.Value, len(in)-1)...)
}

// spread fills a shape with a scalar, where a label is 1 if there are labels.
type spread struct {
	plain
	shape ir.Shape
}

func (spread) String() string { return "Spread" }

func (k spread) Infer([]ir.Shape) ([]ir.Shape, error) { return []ir.Shape{k.shape}, nil }

func (spread) Run(_ *cpuexec.Context, out, in []cpuexec.Array) error {
	for i := range out[0].F {
		out[0].F[i] = 0
		if len(in) == 1 || in[1].I[i] == 1 {
			out[0].F[i] = in[0].F[0]
		}
	}
	return nil
}

// metric counts positive elements. It has no gradient.
type metric struct{ plain }

func (metric) String() string { return "Metric" }

func (metric) Infer([]ir.Shape) ([]ir.Shape, error) { return []ir.Shape{{}}, nil }

func (metric) Run(_ *cpuexec.Context, out, in []cpuexec.Array) error {
	out[0].F[0] = 0
	for _, v := range in[0].F {
		if v > 0 {
			out[0].F[0]++
		}
	}
	return nil
}

// stretch is a·x + d, or a·x, with a and d per channel. Outputs: y, which readers may
// form, and coefficients [3, C], the first row unused. It reads x as stored data or with
// factors.
type stretch struct {
	shift bool
	reads ir.Form
}

func (k stretch) String() string { return fmt.Sprintf("Stretch{%v %d}", k.shift, k.reads) }

func (stretch) Infer(in []ir.Shape) ([]ir.Shape, error) {
	return []ir.Shape{in[0], {3, in[0].Channels()}}, nil
}

func (k stretch) Traits([]ir.Shape) pass.Traits {
	return pass.Traits{
		Reads: []ir.Form{k.reads},
		Defers: func(i int) (pass.Deferral, bool) {
			return pass.Deferral{P: 0, Q: -1, Coef: 1, Row: 1, Shift: k.shift}, i == 0
		},
	}
}

func (k stretch) Run(c *cpuexec.Context, out, in []cpuexec.Array) error {
	m := in[0].AsMap()
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

func (k stretch) NeedsGrad(int) []bool { return []bool{true} }

func (k stretch) Gradient(b *ir.Builder, _, _ []*ir.Value, gy *ir.Value) []*ir.Value {
	return b.Apply(stretch{false, ir.Scaled}, gy)[:1]
}

// blend is a·x + b·y + d, as the gradient of a batch normalisation is. Outputs: the
// blend, which readers may form, and coefficients [3, C]. It reads x as stored data or
// with factors.
type blend struct{ reads ir.Form }

func (k blend) String() string { return fmt.Sprintf("Blend{%d}", k.reads) }

func (blend) Infer(in []ir.Shape) ([]ir.Shape, error) {
	return []ir.Shape{in[0], {3, in[0].Channels()}}, nil
}

func (k blend) Traits([]ir.Shape) pass.Traits {
	return pass.Traits{
		Reads: []ir.Form{k.reads, ir.Stored},
		Defers: func(i int) (pass.Deferral, bool) {
			return pass.Deferral{P: 0, Q: 1, Coef: 1, Shift: true}, i == 0
		},
	}
}

func (blend) Run(c *cpuexec.Context, out, in []cpuexec.Array) error {
	m, y := in[0].AsMap(), in[1].AsMap()
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

// look copies a map that it can read in a form.
type look struct {
	like
	reads ir.Form
}

func (k look) String() string { return fmt.Sprintf("Look{%d}", k.reads) }

func (k look) Traits([]ir.Shape) pass.Traits { return pass.Traits{Reads: []ir.Form{k.reads}} }

func (k look) Run(c *cpuexec.Context, out, in []cpuexec.Array) error {
	form(c, in[0].AsMap(), &out[0])
	return nil
}

func (look) NeedsGrad(int) []bool { return []bool{true} }

func (k look) Gradient(b *ir.Builder, _, _ []*ir.Value, gy *ir.Value) []*ir.Value {
	return b.Apply(look{reads: k.reads}, gy)
}

// mute copies a map and has no gradient.
type mute struct {
	like
	plain
}

func (mute) String() string { return "Mute" }

func (mute) Run(_ *cpuexec.Context, out, in []cpuexec.Array) error {
	copy(out[0].F, in[0].F)
	return nil
}

// noted is a look that may run twice. Outputs: the copy of the input, and the number of
// runs that needed this output.
type noted struct {
	look
	runs *float32
}

func (k noted) String() string { return "Noted" + k.look.String() }

func (noted) Infer(in []ir.Shape) ([]ir.Shape, error) { return []ir.Shape{in[0], {}}, nil }

func (k noted) Traits(in []ir.Shape) pass.Traits {
	t := k.look.Traits(in)
	t.Repeats = func(i int) bool { return i == 0 }
	return t
}

func (k noted) Run(c *cpuexec.Context, out, in []cpuexec.Array) error {
	if out[1].Needed() {
		*k.runs++
		out[1].F[0] = *k.runs
	}
	return k.look.Run(c, out[:1], in)
}

// training is 1, and 0 in evaluation. It reads nothing of its inputs.
type training struct{ plain }

func (training) String() string { return "Training" }

func (training) Infer([]ir.Shape) ([]ir.Shape, error) { return []ir.Shape{{}}, nil }

func (training) Run(_ *cpuexec.Context, out, _ []cpuexec.Array) error {
	out[0].F[0] = 1
	return nil
}

func (training) Evaluation() (ir.Op, []int) { return ir.Zeros{Shape: ir.Shape{}}, []int{1} }

// counter counts its runs. Inputs: x [1], a state [1]. Outputs: x plus the state, the
// state plus one, which takes its place. In evaluation it is x.
type counter struct{ plain }

func (counter) String() string { return "Counter" }

func (counter) Infer(in []ir.Shape) ([]ir.Shape, error) { return in, nil }

func (counter) Run(_ *cpuexec.Context, out, in []cpuexec.Array) error {
	if out[0].Needed() {
		out[0].F[0] = in[0].F[0] + in[1].F[0]
	}
	if out[1].Needed() {
		out[1].F[0] = in[1].F[0] + 1
	}
	return nil
}

func (counter) States() map[int]int { return map[int]int{1: 1} }

func (counter) Evaluation() (ir.Op, []int) { return ir.Sum{}, []int{0} }

// trap fails as its variable says.
type trap struct {
	like
	plain
	how *string
}

func (trap) String() string { return "Trap" }

func (k trap) Run(c *cpuexec.Context, out, in []cpuexec.Array) error {
	copy(out[0].F, in[0].F)
	switch *k.how {
	case "error":
		return errors.New("sprung")
	case "panic":
		panic("sprung")
	case "panic of a worker":
		c.Pool.ParallelFor(1000, func(_ *kernel.Worker, i int) {
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

// cube is x³, with a gradient of Gorgonia's operations.
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

// outputs applies an operator and returns the function that gives its outputs.
func outputs(t testing.TB, op ir.Op, in ...*gorgonia.Node) func(int) *gorgonia.Node {
	t.Helper()
	out, err := graph.Apply(op, in...)
	require.NoError(t, err)
	return out
}

// apply returns output 0 of an operator.
func apply(t testing.TB, op ir.Op, in ...*gorgonia.Node) *gorgonia.Node {
	t.Helper()
	return outputs(t, op, in...)(0)
}

// must returns the result of building a node.
func must(t testing.TB) func(*gorgonia.Node, error) *gorgonia.Node {
	return func(n *gorgonia.Node, err error) *gorgonia.Node {
		t.Helper()
		require.NoError(t, err)
		return n
	}
}

func input(g *gorgonia.ExprGraph, name string, shape ...int) *gorgonia.Node {
	return gorgonia.NewTensor(g, tensor.Float32, len(shape), gorgonia.WithShape(shape...), gorgonia.WithName(name))
}

func let(t testing.TB, n *gorgonia.Node, data any) {
	t.Helper()
	require.NoError(t, gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(data))))
}

// run runs a graph on Gorgonia's own machine.
func run(t *testing.T, g *gorgonia.ExprGraph, opts ...gorgonia.VMOpt) {
	t.Helper()
	m := gorgonia.NewTapeMachine(g, opts...)
	defer m.Close()
	require.NoError(t, m.RunAll())
}

// compile compiles a graph and checks its layout.
func compile(t testing.TB, g *gorgonia.ExprGraph, o graph.Options) *graph.Plan {
	t.Helper()
	p, err := graph.Compile(g, o)
	require.NoError(t, err)
	require.NoError(t, check(p))
	return p
}

// bind compiles a graph and gives the plan memory of its own. poison fills with NaN all of it
// that a run must not depend on.
func bind(t testing.TB, g *gorgonia.ExprGraph, workers int, o graph.Options) (m *graph.Machine, p *graph.Plan, poison func()) {
	t.Helper()
	o.Workers = workers
	p = compile(t, g, o)
	arena, pool := graph.NewArena(p), kernel.NewThreadPool(workers)
	m, err := p.Bind(arena, pool)
	require.NoError(t, err)
	return m, p, func() {
		t.Helper()
		require.NoError(t, m.Poison(arena, pool))
	}
}

// machine is bind for wanted nodes.
func machine(t testing.TB, g *gorgonia.ExprGraph, want ...*gorgonia.Node) *graph.Machine {
	t.Helper()
	m, _, _ := bind(t, g, 2, graph.Options{Want: want})
	return m
}

// floats returns a copy of the value of a node.
func floats(n *gorgonia.Node) []float32 { return floatsOf(n.Value()) }

func floatsOf(v gorgonia.Value) []float32 {
	switch v := v.(type) {
	case *gorgonia.F32:
		return []float32{float32(*v)}
	case *tensor.Dense:
		return slices.Clone(v.Float32s())
	}
	panic(fmt.Sprintf("a value of type %T", v))
}

// steps returns what a run of a plan does, in order; the sums with their number of terms.
func steps(p *graph.Plan) []string {
	var names []string
	for _, s := range p.Program().Steps {
		name := s.Op.String()
		if _, ok := s.Op.(ir.Sum); ok {
			name = fmt.Sprintf("Sum of %d", len(s.In))
		}
		names = append(names, name)
	}
	return names
}

// peak returns the most floats that live in the arena at one time.
func peak(p *graph.Plan) int {
	return pass.Peak(p.Program(), p.Levels().Widen(pass.Liveness(p.Program())))
}

// check follows a run and returns an error for the first value that is overwritten before
// it is last read. It does not use the liveness of values: every level paints the outputs
// of its steps, and looks for the paint of their inputs.
func check(plan *graph.Plan) error {
	p, levels := plan.Program(), plan.Levels()
	layout := pass.Assign(p, levels.Widen(pass.Liveness(p)))
	if size, _, _ := plan.Sizes(); size != layout.Size {
		return fmt.Errorf("a layout of %d floats, want that of the plan, %d", layout.Size, size)
	}
	paint := make([]*ir.Value, layout.Size)
	area := func(v *ir.Value) []*ir.Value {
		if at, ok := layout.At[v]; ok {
			return paint[at:][:pass.Floats(v)]
		}
		return nil
	}
	made, places := map[*ir.Value]*ir.Step{}, map[*ir.Value]place{}
	var intact func(v *ir.Value) error
	intact = func(v *ir.Value) error {
		if d := v.Deferred; d != nil {
			for _, part := range []*ir.Value{d.P, d.Q, d.Coef} {
				if part == nil {
					continue
				}
				if err := intact(part); err != nil {
					return err
				}
			}
			return nil
		}
		for i, owner := range area(v) {
			if owner != v {
				return fmt.Errorf("float %d of a value of %s is overwritten", i, made[v].Name)
			}
		}
		if v.Source == ir.Foreign { // it may share memory with its inputs
			for _, in := range made[v].In {
				if err := intact(in); err != nil {
					return err
				}
			}
		}
		return nil
	}
	rest := p.Steps
	for i, groups := range levels {
		begin := rest
		for j, n := range groups {
			for _, s := range rest[:n] {
				for _, v := range s.In {
					if err := exists(v, place{i, j}, places); err != nil {
						return fmt.Errorf("%s: %w", s.Name, err)
					}
				}
				for _, v := range s.Out {
					if v == nil {
						continue
					}
					made[v], places[v] = s, place{i, j}
					if v.Deferred == nil {
						for i := range area(v) {
							area(v)[i] = v
						}
					}
				}
			}
			rest = rest[n:]
		}
		for _, s := range begin[:len(begin)-len(rest)] {
			stored := slices.DeleteFunc(slices.Clone(s.Out), func(v *ir.Value) bool { return v == nil || v.Deferred != nil })
			for _, v := range append(stored, s.In...) {
				if err := intact(v); err != nil {
					return fmt.Errorf("%s: %w", s.Name, err)
				}
			}
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d steps in no level", len(rest))
	}
	for _, v := range p.Results { // those of other libraries may share memory
		if v.Source == ir.Foreign {
			if err := intact(v); err != nil {
				return fmt.Errorf("result: %w", err)
			}
		}
	}
	return nil
}

// place is a group of a level.
type place struct{ level, group int }

// exists returns an error for a value that neither an earlier level makes nor, so far, the
// group.
func exists(v *ir.Value, now place, places map[*ir.Value]place) error {
	if d := v.Deferred; d != nil {
		err := errors.Join(exists(d.P, now, places), exists(d.Coef, now, places))
		if d.Q != nil {
			err = errors.Join(err, exists(d.Q, now, places))
		}
		return err
	}
	at, made := places[v]
	if v.Source == ir.External || made && (at.level < now.level || at == now) {
		return nil
	}
	return errors.New("a value is read before it is made")
}
