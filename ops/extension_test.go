package ops_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
	"unnas/ops/optest"
)

// picked is a kernel with labels, several outputs and work on many cores: the sum
// of the channels that the labels [N] pick of each image [N, H, W, C], the picked
// maps, and how many pixels each image has.
type picked struct{}

func (picked) Name() string { return "picked" }

func (picked) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if len(in) != 2 || in[0].Dims() != 4 || !in[1].Eq(tensor.Shape{in[0][0]}) {
		return nil, fmt.Errorf("inputs of shapes %v; a map [N, H, W, C] and labels [N] are needed", in)
	}
	s := in[0]
	return []tensor.Shape{{s[0]}, {s[0], s[1], s[2], 1}, {s[0], 1}}, nil
}

func (picked) Forward(r *ops.Run, out, in []ops.Array) error {
	s := in[0].Shape
	pixels := s[1] * s[2]
	r.Parallel(s[0], func(i int) {
		var sum float32
		for p := range pixels {
			v := in[0].Data[(i*pixels+p)*s[3]+int(in[1].Labels[i])]
			out[1].Data[i*pixels+p] = v
			sum += v
		}
		out[0].Data[i], out[2].Data[i] = sum, float32(pixels)
	})
	return nil
}

func (picked) Backward(r *ops.Run, grads []ops.Array, gy ops.Array, in, out []ops.Array) error {
	if grads[1].Data != nil || !grads[1].Shape.Eq(in[1].Shape) || !gy.Shape.Eq(out[0].Shape) || out[2].Data[0] == 0 {
		return errors.New("the arrays are not as promised")
	}
	s := in[0].Shape
	pixels := s[1] * s[2]
	clear(grads[0].Data)
	r.Parallel(s[0], func(i int) {
		for p := range pixels {
			grads[0].Data[(i*pixels+p)*s[3]+int(in[1].Labels[i])] = gy.Data[i]
		}
	})
	return nil
}

func TestKernelWithLabels(t *testing.T) {
	optest.RunKernel(t, picked{}, ops.Array{Shape: tensor.Shape{3, 4, 2, 5}}, ops.Array{Shape: tensor.Shape{3}, Labels: []int32{4, 0, 3}})
}

func TestKernelOutputs(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 3, 4, 2, 5)
	labels := n.labels("y", []int32{4, 0, 3}, 3)
	out, err := ops.Apply(picked{}, x, labels)
	require.NoError(t, err)
	require.Len(t, out, 3)
	assert.Equal(t, tensor.Shape{3, 4, 2, 1}, out[1].Shape())
	// Forward fills all outputs, also if one is wanted; in a second run as well.
	m := n.run(out[2])
	require.NoError(t, m.RunAll())
	assert.Equal(t, []float32{8, 8, 8}, value(out[2]))
	n.run(out...)
	var want []float64
	for i, label := range []int{4, 0, 3} {
		for p := range 8 {
			want = append(want, float64(value(x)[(i*8+p)*5+label]))
		}
	}
	requireClose(t, want, value(out[1]))
}

func TestKernelWithoutGradient(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 3, 4)
	y, err := ops.Apply(forwardOnly{}, x)
	require.NoError(t, err)
	loss, err := ops.Apply(product{}, y[0], x)
	require.NoError(t, err)
	// It may stand beside what is differentiated: its gradient is zero then.
	_, err = gorgonia.Grad(loss[0], x)
	require.NoError(t, err)
	n.run(x.Deriv(), y[0])
	assert.Equal(t, value(y[0]), value(x.Deriv()))
	optest.RunKernel(t, forwardOnly{}, ops.Array{Shape: tensor.Shape{3, 4}})

	n = newNet(t)
	z, err := ops.Apply(forwardOnly{}, n.maps("x", 3, 4))
	require.NoError(t, err)
	loss, err = ops.Apply(product{}, z[0], z[0])
	require.NoError(t, err)
	_, err = gorgonia.Grad(loss[0], n.Graph().Inputs()...)
	assert.Error(t, err)
}

// forwardOnly is 2·x.
type forwardOnly struct{}

func (forwardOnly) Name() string { return "forward only" }

func (forwardOnly) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in, nil }

func (forwardOnly) Forward(_ *ops.Run, out, in []ops.Array) error {
	for i, x := range in[0].Data {
		out[0].Data[i] = 2 * x
	}
	return nil
}

// shaped is a kernel with given output shapes.
type shaped struct {
	forwardOnly
	shapes []tensor.Shape
}

func (k shaped) Shapes([]tensor.Shape) ([]tensor.Shape, error) { return k.shapes, nil }

func TestApplyRefuses(t *testing.T) {
	n := newNet(t)
	x := n.maps("x", 3, 4)
	double := gorgonia.NewMatrix(n.Graph(), tensor.Float64, gorgonia.WithShape(3, 4), gorgonia.WithName("double"))
	cases := []struct {
		name, want string
		kernel     ops.Kernel
		in         gorgonia.Nodes
	}{
		{"no inputs", "no inputs; want at least one", forwardOnly{}, nil},
		{"a nil node", "input 1: the input is a nil node", forwardOnly{}, gorgonia.Nodes{x, nil}},
		{"another type", "float64; convert it to float32", forwardOnly{}, gorgonia.Nodes{double}},
		{"what the kernel refuses", "picked: inputs of shapes [(3, 4)]", picked{}, gorgonia.Nodes{x}},
		{"no outputs", "has no output", shaped{}, gorgonia.Nodes{x}},
		{"an empty output", "output 1: shape (2, 0)", shaped{shapes: []tensor.Shape{{2}, {2, 0}}}, gorgonia.Nodes{x}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := ops.Apply(c.kernel, c.in...)
			require.Error(t, err)
			assert.Regexp(t, "^ops: ", err.Error())
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestKernelErrorsStopTheRun(t *testing.T) {
	n := newNet(t)
	y, err := ops.Apply(picked{}, n.maps("x", 3, 4, 2, 5), n.labels("y", []int32{4, 0, 999}, 3))
	require.NoError(t, err)
	m, err := ops.NewVM(n.Graph(), y[0])
	require.NoError(t, err)
	assert.ErrorContains(t, m.RunAll(), "picked", "a panic on another core becomes an error")
}

func TestParallelWithoutMachine(t *testing.T) {
	var calls [7]atomic.Int32
	new(ops.Run).Parallel(len(calls), func(i int) { calls[i].Add(1) })
	for i := range calls {
		assert.Equal(t, int32(1), calls[i].Load())
	}
	out := []ops.Array{{Data: make([]float32, 2)}, {Data: make([]float32, 2)}, {Data: make([]float32, 2)}}
	in := []ops.Array{{Shape: tensor.Shape{2, 1, 1, 2}, Data: []float32{1, 2, 3, 4}}, {Labels: []int32{1, 0}}}
	require.NoError(t, picked{}.Forward(&ops.Run{}, out, in))
	assert.Equal(t, []float32{2, 3}, out[0].Data)
}

func TestExamplesPassTheKit(t *testing.T) {
	optest.Run(t, swish{})
	optest.RunKernel(t, softplus{}, array(3, 4, 2))
}
