package onnxpb_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/onnxpb"
)

// testdata/official.onnx is this model as the Python package onnx 1.23.2 writes it.
func TestBytes(t *testing.T) {
	g := onnxpb.NewGraph("x", "y")
	w := g.Parameter("w", []int{2}, func() ([]float32, error) { return []float32{1, -2}, nil })
	g.Output("y", g.Node("F", []string{"x", w}, onnxpb.Int("i", -1), onnxpb.Ints("l", 1, 300), onnxpb.Float("f", 0.5), onnxpb.String("s", "t")))
	m := onnxpb.Model{
		Graph: g, Name: "n", Doc: "d", Metadata: []onnxpb.Entry{{Key: "k", Value: "v"}},
		Inputs:  []onnxpb.Value{{Name: "x", Rows: "N", Rest: []int{2}}},
		Outputs: []onnxpb.Value{{Name: "y", Rows: "N"}},
	}
	var b bytes.Buffer
	require.NoError(t, m.Write(&b))
	want, err := os.ReadFile("testdata/official.onnx")
	require.NoError(t, err)
	assert.Equal(t, want, b.Bytes())
}

// What is the same is added once, and what is not has a name of its own.
func TestNames(t *testing.T) {
	g := onnxpb.NewGraph("x", "numbers", "Relu_1")
	assert.Equal(t, "numbers_", g.Numbers(1, 2))
	assert.Equal(t, "numbers__", g.Numbers(2, 1))
	assert.Equal(t, "numbers_", g.Numbers(1, 2))
	assert.Equal(t, "floats", g.Floats([]int{2, 1}, []float32{1, 2}))
	assert.Equal(t, "floats_", g.Floats([]int{1, 2}, []float32{1, 2}))
	assert.Equal(t, "floats", g.Floats([]int{2, 1}, []float32{1, 2}))
	assert.Equal(t, "Relu_0", g.Node("Relu", []string{"x"}))
	assert.Equal(t, "Relu_0", g.Node("Relu", []string{"x"}))
	assert.Equal(t, "Relu_1_", g.Node("Relu", []string{"numbers_"}))
	assert.Equal(t, "Softmax_0", g.Node("Softmax", []string{"x"}, onnxpb.Int("axis", 1)))
	assert.Equal(t, "Softmax_1", g.Node("Softmax", []string{"x"}, onnxpb.Int("axis", 2)))
	values := func() ([]float32, error) { return nil, nil }
	assert.Equal(t, "floats__", g.Parameter("floats", []int{0}, values))
	assert.Equal(t, "floats__", g.Parameter("floats", []int{0}, values))
}

// A model that nobody could read is refused before a byte is written, and before
// its values are asked for.
func TestSize(t *testing.T) {
	g := onnxpb.NewGraph()
	g.Parameter("w", []int{1 << 14, 1 << 15}, func() ([]float32, error) { panic("nobody asks") })
	var b bytes.Buffer
	assert.EqualError(t, onnxpb.Model{Graph: g}.Write(&b), "a model of 2147483696 bytes, and the format ends at 2147483647; choose a network with fewer parameters")
	assert.Empty(t, b.Bytes())
}

func TestValues(t *testing.T) {
	lost := errors.New("lost")
	g := onnxpb.NewGraph()
	g.Parameter("w", []int{3}, func() ([]float32, error) { return nil, lost })
	assert.ErrorIs(t, onnxpb.Model{Graph: g}.Write(io.Discard), lost)
	g = onnxpb.NewGraph()
	g.Parameter("w", []int{3}, func() ([]float32, error) { return make([]float32, 2), nil })
	assert.EqualError(t, onnxpb.Model{Graph: g}.Write(io.Discard), "a constant of 8 bytes, announced with 12")
}
