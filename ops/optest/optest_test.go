package optest

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// wave is a correct kernel, y = x·cos(x/2), whose forward and backward pass can be
// replaced by wrong ones.
type wave struct {
	forward  func(r *ops.Run, out, in []ops.Array)
	backward func(r *ops.Run, grads []ops.Array, gy ops.Array, in []ops.Array)
}

func (wave) Name() string { return "wave" }

func (wave) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[:1], nil }

func (k wave) Forward(r *ops.Run, out, in []ops.Array) error {
	for i, x := range in[0].Data {
		out[0].Data[i] = x * float32(math.Cos(float64(x)/2))
	}
	if k.forward != nil {
		k.forward(r, out, in)
	}
	return nil
}

func (k wave) Backward(r *ops.Run, grads []ops.Array, gy ops.Array, in, _ []ops.Array) error {
	for i, x := range in[0].Data {
		s, c := math.Sincos(float64(x) / 2)
		grads[0].Data[i] = gy.Data[i] * float32(c-float64(x)*s/2)
	}
	if k.backward != nil {
		k.backward(r, grads, gy, in)
	}
	return nil
}

func TestRunKernel(t *testing.T) {
	RunKernel(t, wave{}, ops.Array{Shape: tensor.Shape{2, 5, 4, 3}})
}

func TestKernelFaults(t *testing.T) {
	calls := 0
	cases := []struct {
		name, want string
		kernel     ops.Kernel
	}{
		{"gradient off by 1 %", "gradient of input 0 is wrong", wave{backward: func(_ *ops.Run, grads []ops.Array, _ ops.Array, _ []ops.Array) {
			for i := range grads[0].Data {
				grads[0].Data[i] *= 1.01
			}
		}}},
		{"gradient zero in one element of 120", "gradient of input 0 is wrong", wave{backward: func(_ *ops.Run, grads []ops.Array, _ ops.Array, _ []ops.Array) {
			grads[0].Data[7] = 0
		}}},
		{"gradient of the wrong sign", "gradient of input 0 is wrong", wave{backward: func(_ *ops.Run, grads []ops.Array, _ ops.Array, _ []ops.Array) {
			for i := range grads[0].Data {
				grads[0].Data[i] *= -1
			}
		}}},
		{"gradient that ignores gy", "gradient of input 0 is wrong", wave{backward: func(_ *ops.Run, grads []ops.Array, gy ops.Array, _ []ops.Array) {
			for i := range grads[0].Data {
				grads[0].Data[i] /= gy.Data[i]
			}
		}}},
		{"gradient wrong in evaluation", "in evaluation: the gradient of input 0 is wrong", wave{backward: func(r *ops.Run, grads []ops.Array, _ ops.Array, _ []ops.Array) {
			if !r.Training {
				grads[0].Data[3] = 5
			}
		}}},
		{"gradient infinite", "want a finite number", wave{backward: func(_ *ops.Run, grads []ops.Array, _ ops.Array, _ []ops.Array) {
			grads[0].Data[0] = float32(math.Inf(1))
		}}},
		{"output not a number", "want a finite number", wave{forward: func(_ *ops.Run, out, _ []ops.Array) {
			out[0].Data[0] = float32(math.NaN())
		}}},
		{"number of cores", "depend on the number of cores", wave{forward: func(_ *ops.Run, out, _ []ops.Array) {
			out[0].Data[0] += float32(runtime.GOMAXPROCS(0))
		}}},
		{"another result in every run", "two runs differ", wave{forward: func(_ *ops.Run, out, _ []ops.Array) {
			calls++
			out[0].Data[0] = float32(calls)
		}}},
		{"output not overwritten", "two runs differ", notOverwritten{}},
		{"output depends on the run before", "depends on the run before", &remembering{}},
		{"writes to its input", "a run modifies input 0", wave{forward: func(_ *ops.Run, _, in []ops.Array) {
			in[0].Data[1]++
		}}},
		{"name changes", "the name is", &renamed{}},
		{"fails", "out of order", failing{}},
		{"fills gradients that nobody wants", "without the others", eager{}},
		{"panics", "index out of range", wave{forward: func(_ *ops.Run, out, _ []ops.Array) {
			out[0].Data[len(out[0].Data)] = 1
		}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inputs := []ops.Array{{Shape: tensor.Shape{2, 5, 4, 3}}}
			if c.kernel == (eager{}) {
				inputs = append(inputs, inputs[0])
			}
			r := checkKernel(c.kernel, inputs, options(t, nil))
			requireFault(t, r, c.want)
		})
	}
}

func requireFault(t *testing.T, r result, want string) {
	t.Helper()
	require.NotEmpty(t, r.faults)
	var all []string
	for _, err := range r.faults {
		all = append(all, err.Error())
	}
	assert.Contains(t, strings.Join(all, "\n"), want)
	t.Log(all[0])
}

// notOverwritten adds to what lies in its output.
type notOverwritten struct{ wave }

func (notOverwritten) Forward(_ *ops.Run, out, in []ops.Array) error {
	for i, x := range in[0].Data {
		out[0].Data[i] += x
	}
	return nil
}

// remembering adds the first value of the run before if that was another one.
type remembering struct {
	wave
	last, kept float32
}

func (k *remembering) Forward(_ *ops.Run, out, in []ops.Array) error {
	if x := in[0].Data[0]; x != k.last {
		k.last, k.kept = x, k.last
	}
	copy(out[0].Data, in[0].Data)
	out[0].Data[0] += k.kept
	return nil
}

type renamed struct {
	wave
	calls int
}

func (k *renamed) Name() string {
	k.calls++
	return fmt.Sprint("wave ", k.calls)
}

// eager is a·b with gradients for both, wanted or not.
type eager struct{}

func (eager) Name() string { return "eager" }

func (eager) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[:1], nil }

func (eager) Forward(_ *ops.Run, out, in []ops.Array) error {
	for i, a := range in[0].Data {
		out[0].Data[i] = a * in[1].Data[i]
	}
	return nil
}

func (eager) Backward(_ *ops.Run, grads []ops.Array, gy ops.Array, in, _ []ops.Array) error {
	for i, g := range gy.Data {
		grads[0].Data[i], grads[1].Data[i] = g*in[1].Data[i], g*in[0].Data[i]
	}
	return nil
}

type failing struct{ wave }

func (failing) Forward(*ops.Run, []ops.Array, []ops.Array) error {
	return fmt.Errorf("out of order")
}

func TestKernelInputs(t *testing.T) {
	cases := []struct {
		name, want string
		input      ops.Array
	}{
		{"scalar", "t at least one dimension", ops.Array{}},
		{"data of another size", "but 3 values and 0 labels", ops.Array{Shape: tensor.Shape{2, 2}, Data: make([]float32, 3)}},
		{"labels of another size", "but 0 values and 1 labels", ops.Array{Shape: tensor.Shape{2, 2}, Labels: make([]int32, 1)}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			requireFault(t, checkKernel(wave{}, []ops.Array{c.input}, options(t, nil)), c.want)
		})
	}
}

// swish is a correct operation, x·σ(x), that may be replaced in part.
type swish struct {
	name  string
	build func(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error)
}

func (o swish) Name() string {
	if o.name != "" {
		return o.name
	}
	return "swish"
}

func (o swish) Build(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	if o.build != nil {
		return o.build(s, x, c)
	}
	gate, err := gorgonia.Sigmoid(x)
	if err != nil {
		return nil, err
	}
	y, err := gorgonia.HadamardProd(x, gate)
	if err != nil || c.Stride == 1 {
		return y, err
	}
	return ops.AvgPool2D(y, 3, 2, 1)
}

func TestRun(t *testing.T) { Run(t, swish{}, Options{Channels: []int{3}, Sizes: [][2]int{{5, 4}}}) }

func TestRunGraph(t *testing.T) {
	RunGraph(t, func(s *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
		y, err := s.Linear(in[0], 2, 3)
		if err != nil {
			return nil, err
		}
		return s.Sub("norm").BatchNorm(y, true)
	}, ops.Array{Shape: tensor.Shape{10, 4}})
}

func TestOpFaults(t *testing.T) {
	builds := 0
	cases := []struct {
		name, want string
		op         ops.Op
	}{
		{"name with a space", "the name is", swish{name: "my swish"}},
		{"fails", "stride 3 is needed", swish{build: func(*ops.Scope, *gorgonia.Node, ops.OpConfig) (*gorgonia.Node, error) {
			return nil, fmt.Errorf("stride 3 is needed")
		}}},
		{"no node", "neither a node nor an error", swish{build: func(*ops.Scope, *gorgonia.Node, ops.OpConfig) (*gorgonia.Node, error) {
			return nil, nil
		}}},
		{"ignores the stride", "(2, 3, 5, 3)", swish{build: func(_ *ops.Scope, x *gorgonia.Node, _ ops.OpConfig) (*gorgonia.Node, error) {
			return ops.ReLU(x)
		}}},
		{"rounds the resolution down", "(2, 4, 2, 8)", swish{build: func(_ *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
			return ops.MaxPool2D(x, c.Stride, c.Stride, 0)
		}}},
		{"without a gradient", "must depend differentiably on every input", swish{build: func(_ *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
			return gorgonia.Sign(x)
		}}},
		{"one parameter twice", "declared twice", swish{build: func(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
			y, err := s.Conv(x, ops.ConvConfig{Out: x.Shape()[3], Window: ops.Square(3, c.Stride, 1, 1)})
			if err != nil {
				return nil, err
			}
			return s.Conv(y, ops.ConvConfig{Out: x.Shape()[3], Window: ops.Square(3, 1, 1, 1)})
		}}},
		{"parameter without effect", "must depend differentiably on every input", swish{build: func(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
			if _, err := s.Param("unused", ops.Vector, tensor.Shape{3}, ops.Constant(1)); err != nil {
				return nil, err
			}
			return ops.AvgPool2D(x, 3, c.Stride, 1)
		}}},
		{"normalisation without effect", "training does not change those of norm", swish{build: func(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
			if _, err := s.Sub("norm").BatchNorm(x, false); err != nil {
				return nil, err
			}
			return ops.AvgPool2D(x, 3, c.Stride, 1)
		}}},
		{"another name in every graph", "cannot be built again", swish{build: func(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
			builds++
			return s.Sub(fmt.Sprint(builds)).Conv(x, ops.ConvConfig{Out: x.Shape()[3], Window: ops.Square(3, c.Stride, 1, 1)})
		}}},
		{"parameters in the first graph only", "cannot be built again", &once{}},
		{"parameters of the first instance only", "two instances", &once{each: true}},
		{"writes to its parameter", " parameter weight", swish{build: func(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
			w, err := s.Param("weight", ops.Vector, tensor.Shape{1}, ops.Constant(1))
			if err != nil {
				return nil, err
			}
			if x, err = ops.AvgPool2D(x, 3, c.Stride, 1); err != nil {
				return nil, err
			}
			y, err := ops.Apply(decaying{}, x, w)
			if err != nil {
				return nil, err
			}
			return y[0], nil
		}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := checkOp(c.op, options(t, []Options{{Sizes: [][2]int{{6, 9}, {7, 4}}}}))
			requireFault(t, r, c.want)
		})
	}
}

// once declares its parameter the first time only, or the first time in each
// graph.
type once struct {
	each  bool
	graph *gorgonia.ExprGraph
}

func (*once) Name() string { return "once" }

func (o *once) Build(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	if o.graph == s.Graph() || o.graph != nil && !o.each {
		return ops.AvgPool2D(x, 3, c.Stride, 1)
	}
	o.graph = s.Graph()
	return s.Conv(x, ops.ConvConfig{Out: x.Shape()[3], Window: ops.Square(3, c.Stride, 1, 1)})
}

// decaying multiplies by a parameter and makes it smaller.
type decaying struct{}

func (decaying) Name() string { return "decaying" }

func (decaying) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[:1], nil }

func (decaying) Forward(_ *ops.Run, out, in []ops.Array) error {
	for i, x := range in[0].Data {
		out[0].Data[i] = x * in[1].Data[0]
	}
	in[1].Data[0] *= 0.9
	return nil
}

func (decaying) Backward(_ *ops.Run, grads []ops.Array, gy ops.Array, in, _ []ops.Array) error {
	if w := grads[1].Data; w != nil {
		w[0] = float32(dot(gy.Data, in[0].Data))
	}
	for i, g := range gy.Data {
		grads[0].Data[i] = g * in[1].Data[0]
	}
	return nil
}

// residual is a candidate whose normalisation has its gradient from an addition.
type residual struct{}

func (residual) Name() string { return "res_conv_3x3" }

func (residual) Build(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	y, err := s.Sub("conv").Conv(x, ops.ConvConfig{Out: x.Shape()[3], Window: ops.Square(3, 1, 1, 1), ReLU: true})
	if err != nil {
		return nil, err
	}
	if y, err = s.Sub("norm").BatchNorm(y, c.Affine); err != nil {
		return nil, err
	}
	return ops.Sum(y, x)
}

// TestResidualCandidate is about a candidate that goes wrong, if at all, in a mixed
// operation alone.
func TestResidualCandidate(t *testing.T) {
	Run(t, residual{}, Options{Strides: []int{1}})
}
