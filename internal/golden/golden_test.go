package golden_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/internal/golden"
	"unnas/internal/graph"
	"unnas/internal/kernel"
	"unnas/internal/xla"
	"unnas/ops"
	"unnas/pretext"
)

// TestGolden builds everything from the case alone. Cases of kind trajectory
// are tested in package darts.
func TestGolden(t *testing.T) {
	check(t, false)
}

// bfloat16Tolerance are the errors by which results in bfloat16 may differ from those of
// PyTorch in float32, by the kind of the case. Each operand has an error of up to 2⁻⁹. The
// gradients of the operations with two ReLUs have errors of 8 %, since ReLUs near zero open
// or close; the others of 0.5 %. For that reason those of networks of so few channels are
// not compared: package darts does, for wider ones.
var bfloat16Tolerance = map[string]float64{"op": 0.1, "search": 0.04, "eval": 0.08, "nasbench": 0.003}

// TestGoldenInBFloat16 compares the cases of the repository, of which the tolerances are, in
// bfloat16.
func TestGoldenInBFloat16(t *testing.T) {
	if os.Getenv("UNNAS_GOLDEN") != "" {
		t.Skip("the tolerances are of the cases of the repository")
	}
	check(t, true)
}

func check(t *testing.T, bfloat16 bool) {
	worst := map[string]float64{}
	for _, file := range golden.Files(t) {
		c := &testCase{Case: golden.Read(t, file), bfloat16: bfloat16}
		if bfloat16 {
			c.Tolerance = bfloat16Tolerance[c.Kind]
		}
		t.Run(golden.Name(file), func(t *testing.T) {
			c.t = t
			switch c.Kind {
			case "op":
				c.op()
			case "search", "eval", "nasbench":
				c.network()
			case "trajectory", "training": // those are steps, which package darts takes
				return
			default:
				t.Fatalf("golden case of unknown kind %q", c.Kind)
			}
			worst[c.Kind] = max(worst[c.Kind], c.Worst)
		})
	}
	for kind, share := range worst {
		t.Logf("%s: largest error is %.3f of the allowed one", kind, share)
	}
}

type testCase struct {
	*golden.Case
	t        *testing.T
	bfloat16 bool
	device   *xla.Device // nil is the CPU
}

// machine plans the wanted nodes and the gradients of all parameters.
func (g *testCase) machine(s *ops.Scope, extra gorgonia.Nodes, want ...*gorgonia.Node) *graph.Machine {
	o := graph.Options{Want: want, BFloat16: g.bfloat16}
	for _, n := range s.Learnables() {
		if n.Deriv() != nil {
			o.Want = append(o.Want, n.Deriv())
			o.Into = append(o.Into, graph.Target{Node: n.Deriv(), Data: s.Params().Grad(s.Owner(n))})
		}
	}
	for _, n := range extra {
		o.Want = append(o.Want, n.Deriv())
	}
	return g.bind(s, o)
}

// evaluation plans the wanted nodes in evaluation.
func (g *testCase) evaluation(s *ops.Scope, want ...*gorgonia.Node) *graph.Machine {
	return g.bind(s, graph.Options{Want: want, Evaluate: true})
}

func (g *testCase) bind(s *ops.Scope, o graph.Options) *graph.Machine {
	t := g.t
	o.Device = g.device
	p, err := graph.Compile(s.Graph(), o)
	require.NoError(t, err)
	m, err := p.Bind(graph.NewArena(p), kernel.NewThreadPool(2))
	require.NoError(t, err)
	return m
}

func data(n *gorgonia.Node) []float32 {
	switch v := n.Value().(type) {
	case *gorgonia.F32:
		return []float32{float32(*v)}
	default:
		return v.Data().([]float32)
	}
}

func let(t *testing.T, n *gorgonia.Node, backing any) {
	require.NoError(t, gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(backing))))
}

func (g *testCase) op() {
	t := g.t
	op, err := ops.All().Find(g.Op)
	require.NoError(t, err)
	in := g.Tensors["input"]
	s := ops.NewScope(gorgonia.NewGraph(), ops.NewParams())
	x, err := ops.Images(s.Graph(), "input", in.Shape[0], in.Shape[2], in.Shape[3], in.Shape[1])
	require.NoError(t, err)
	y, err := op.Build(s, x, ops.OpConfig{Stride: g.Stride, Affine: g.Affine})
	require.NoError(t, err)
	gy, err := ops.Images(s.Graph(), "grad_output", y.Shape()[0], y.Shape()[1], y.Shape()[2], y.Shape()[3])
	require.NoError(t, err)
	g.Adopt(t, s.Params())
	// The gradient of Σ y·gy is gy.
	product, err := ops.Apply(dot{}, y, gy)
	require.NoError(t, err)
	_, err = gorgonia.Grad(product[0], append(s.Learnables(), x)...)
	require.NoError(t, err)
	let(t, x, in.NHWC())
	let(t, gy, g.Tensors["grad_output"].NHWC())
	if g.Op == "skip_connect" && g.Stride == 1 {
		y, err = ops.Channels(x, 0, g.Width) // an input cannot be a result
		require.NoError(t, err)
	}
	m := g.machine(s, gorgonia.Nodes{x}, product[0])
	require.NoError(t, m.RunAll())
	g.Check(t, "grad.input", golden.NCHW(x.Shape(), data(x.Deriv())))
	if y == x {
		require.Equal(t, 1, g.Stride)
		g.Check(t, "output", golden.NCHW(x.Shape(), data(x)))
		g.Check(t, "output_eval", golden.NCHW(x.Shape(), data(x)))
		return
	}
	g.CheckParams(t, s.Params())
	forward := g.machine(ops.NewScope(s.Graph(), s.Params()), nil, y)
	forward.UpdateStats = false
	require.NoError(t, forward.RunAll())
	g.Check(t, "output", golden.NCHW(y.Shape(), data(y)))
	require.NoError(t, g.evaluation(s, y).RunAll())
	g.Check(t, "output_eval", golden.NCHW(y.Shape(), data(y)))
}

// dot is Σ a·b, a kernel as users write them.
type dot struct{}

func (dot) Name() string { return "dot" }

func (dot) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if !in[0].Eq(in[1]) {
		return nil, fmt.Errorf("shapes %v and %v differ", in[0], in[1])
	}
	return []tensor.Shape{{}}, nil
}

func (dot) Forward(_ *ops.Run, out, in []ops.Array) error {
	var sum float64
	for i, v := range in[0].Data {
		sum += float64(v) * float64(in[1].Data[i])
	}
	out[0].Data[0] = float32(sum)
	return nil
}

func (dot) Backward(_ *ops.Run, grads []ops.Array, gy ops.Array, in, _ []ops.Array) error {
	for k, grad := range grads {
		for i := range grad.Data {
			grad.Data[i] = gy.Data[0] * in[1-k].Data[i]
		}
	}
	return nil
}

func (g *testCase) network() {
	t := g.t
	in, target, task := g.Tensors["input"], g.Tensors["target"], g.Problem("input", "target")
	spec := task.Spec()
	s := ops.NewScope(gorgonia.NewGraph(), ops.NewParams())
	x, err := ops.Images(s.Graph(), "input", in.Shape[0]*spec.Inputs, spec.Height, spec.Width, spec.Channels)
	require.NoError(t, err)
	labels, err := ops.Labels(s.Graph(), "target", target.Shape...)
	require.NoError(t, err)
	features, aux := g.body(s, x)
	logits, err := task.Head(s.Sub("classifier"), features)
	require.NoError(t, err)
	output := logits
	if len(target.Shape) > 1 {
		output, err = ops.Upsample(logits, x.Shape()[1], x.Shape()[2])
		require.NoError(t, err)
	}
	loss, err := task.Loss(logits, pretext.Targets{Labels: labels})
	require.NoError(t, err)
	total := loss.Value
	want := gorgonia.Nodes{output}
	if aux != nil {
		l, err := task.Loss(aux, pretext.Targets{Labels: labels})
		require.NoError(t, err)
		total, err = ops.AddLosses(loss.Value, l.Value, cell.AuxiliaryWeight)
		require.NoError(t, err)
		want = append(want, aux)
	}
	want = append(want, total)
	g.Adopt(t, s.Params())
	require.NoError(t, ops.Grad(s, total))
	let(t, x, in.NHWC())
	let(t, labels, target.I)
	m := g.machine(s, nil, want...)
	require.NoError(t, m.RunAll())
	g.Check(t, "output", golden.NCHW(output.Shape(), data(output)))
	g.Check(t, "loss", data(total))
	if aux != nil {
		g.Check(t, "aux", data(aux))
	}
	if g.bfloat16 {
		return
	}
	g.CheckParams(t, s.Params())
	require.NoError(t, g.evaluation(s, output).RunAll())
	g.Check(t, "output_eval", golden.NCHW(output.Shape(), data(output)))
}

// body builds the cells of a case.
func (g *testCase) body(s *ops.Scope, x *gorgonia.Node) (features, aux *gorgonia.Node) {
	t := g.t
	if g.Kind == "nasbench" {
		y, err := cell.NASBenchBackbone{Stem: g.Stem, Width: g.Width, Stacks: g.Stacks, Modules: g.Modules}.Network(s, x, cell.NASBenchCell{Matrix: g.Matrix, Ops: g.Ops})
		require.NoError(t, err)
		return y, nil
	}
	space := g.Space()
	if g.Kind == "search" || g.Kind == "trajectory" {
		net, err := space.Supernet(s, x)
		require.NoError(t, err)
		return net.Out, nil
	}
	net, err := space.Backbone.Network(s, x, g.Genotype, ops.All())
	require.NoError(t, err)
	if g.Aux {
		aux, err = net.AuxiliaryHead(s, g.Classes)
		require.NoError(t, err)
	}
	return net.Out, aux
}
