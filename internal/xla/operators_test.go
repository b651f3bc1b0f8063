package xla_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/kernel"
	"unnas/internal/xla"
	"unnas/internal/xla/xlatest"
)

// more lists geometries beside those of irtest.Operators.
func more() (list []irtest.Operator) {
	x := ir.Shape{2, 9, 7, 3}
	add := func(op ir.Op, in ...ir.Shape) {
		list = append(list, irtest.Operator{Op: op, Name: op.String(), In: in})
	}
	out := func(w ir.Window, c int) ir.Shape {
		h, wd, err := w.Out(x[1], x[2])
		if err != nil {
			panic(err)
		}
		return ir.Shape{x[0], h, wd, c}
	}
	for _, w := range []ir.Window{
		ir.Square(1, 1, 0, 1), ir.Square(1, 2, 0, 1), ir.Square(1, 2, 1, 1), ir.Square(3, 2, 1, 1), ir.Square(5, 2, 2, 1), ir.Square(3, 1, 2, 2), ir.Square(5, 1, 4, 2), ir.Square(3, 2, 2, 2),
		ir.Square(3, 3, 2, 2), ir.Square(3, 1, 3, 3), ir.Square(3, 1, 0, 1), ir.Square(2, 1, 1, 1),
	} {
		c := ir.Conv{Out: 4, Window: w}
		add(c, x, ir.Shape{w.Rows, w.Columns, 3, 4})
		add(ir.ConvGrad{Of: c}, out(w, 4), x, ir.Shape{w.Rows, w.Columns, 3, 4})
		if 2*w.PadRows > w.DilationRows*(w.Rows-1)+1 {
			continue
		}
		s := ir.SeparableConv{Windows: []ir.Window{w}}
		add(s, x, ir.Shape{w.Rows, w.Columns, 1, 3}, ir.Shape{1, 1, 3, 4})
		add(ir.SeparableConvGrad(s), x, out(w, 4), ir.Shape{w.Rows, w.Columns, 1, 3}, ir.Shape{1, 1, 3, 4})
		add(ir.Pool{Window: w, Max: true}, x)
		add(ir.MaxPoolGrad{Window: w}, out(w, 3), x)
		add(ir.Pool{Window: w}, x)
		add(ir.AvgPoolGrad{Window: w, X: x}, out(w, 3))
	}
	for _, s := range [][2]int{{1, 1}, {5, 1}, {1, 9}, {18, 5}} {
		up := ir.Upsample{Height: s[0], Width: s[1]}
		add(up, x)
		add(ir.UpsampleGrad{X: x}, ir.Shape{2, s[0], s[1], 3})
		add(up, ir.Shape{2, 1, 1, 3})
	}
	add(ir.Interleave{}, x, x)
	add(ir.Deinterleave{Size: 3}, x)
	add(ir.FactorizedReduce{Out: 4}, ir.Shape{1, 1, 1, 2}, ir.Shape{1, 1, 2, 2}, ir.Shape{1, 1, 2, 2})
	add(ir.FactorizedReduceGrad{Out: 4}, ir.Shape{1, 1, 1, 4}, ir.Shape{1, 1, 1, 2}, ir.Shape{1, 1, 2, 2}, ir.Shape{1, 1, 2, 2})
	add(ir.MixGrad{Index: []int{0}}, ir.Shape{2, 3}, ir.Shape{1}, ir.Shape{2, 3})
	add(ir.Mix{Index: []int{5, 2}}, ir.Shape{2, 3}, x, x)
	add(ir.MixGrad{Index: []int{5, 2}}, x, ir.Shape{2, 3}, x, x)
	list = append(list, irtest.Operator{Op: ir.Dropout{Layer: 1 << 63}, Name: "odd Dropout", In: []ir.Shape{{1, 3, 3, 7}, {1}, {2}}, Integers: 2, Fixed: map[int]float32{1: 0.1}})
	return list
}

// single returns the program of one operator, whose results are all of its outputs.
func single(t *testing.T, o irtest.Operator) *ir.Program {
	p := irtest.NewProgram(0)
	var in []*ir.Value
	for i, a := range o.Data(1) {
		typ := ir.Float32
		if a.I != nil {
			typ = ir.Int32
		}
		in = append(in, p.Add(fmt.Sprint("input", i), typ, a))
	}
	out := p.Outputs(o.Op, in...)
	if o.Outputs > 0 {
		out = out[:o.Outputs]
	}
	return p.Build(out...)
}

// most is the largest error of an operator, as a part of the largest number of the output.
const most = 2e-6

// TestOperators compares each operator with its kernel for the CPU, and logs a table of the
// largest errors.
func TestOperators(t *testing.T) {
	xlatest.Client(t)
	table := map[string]float64{}
	var names []string
	for _, o := range append(irtest.Operators(), more()...) {
		ways := []xla.Depthwise{xla.Convolutions}
		if strings.Contains(o.Name, "SeparableConv") {
			ways = append(ways, xla.Sums)
		}
		for _, way := range ways {
			t.Run(fmt.Sprintf("%s as %s", o.Name, way), func(t *testing.T) {
				if o.Narrow {
					t.Skip("see TestBFloat16")
				}
				p, data := single(t, o), o.Data(2)
				want := kernelOutputs(t, o, p, data)
				got := onDevice(t, p, data, xla.Options{Depthwise: way, Flags: xlatest.Quick})
				kind := strings.TrimPrefix(fmt.Sprintf("%T", o.Op), "ir.")
				if _, ok := table[kind]; !ok {
					names = append(names, kind)
				}
				for i := range want {
					d := difference(t, want[i], got[i], 0)
					assert.LessOrEqual(t, d, most, "output %d: %v, want %v", i, got[i], want[i])
					table[kind] = max(table[kind], d)
				}
			})
		}
	}
	for _, name := range names {
		t.Logf("| %s | %.1e |", name, table[name])
	}
}

// kernelOutputs returns what the kernel for the CPU makes of data.
func kernelOutputs(t *testing.T, o irtest.Operator, p *ir.Program, data []cpuexec.Array) [][]float32 {
	t.Helper()
	want := memory(p)
	out := make([]cpuexec.Array, len(want), len(want)+4)
	for i, v := range p.Results {
		out[i] = cpuexec.Array{Shape: v.Shape, F: want[i]}
	}
	if o.Outputs > 0 { // it asks whether the others are needed
		out = append(out, make([]cpuexec.Array, 4-o.Outputs)...)
	}
	require.NoError(t, cpuexec.RunOp(o.Op, kernel.NewThreadPool(1), out, data))
	return want
}

// TestTextOfOperators lowers every operator, without a plugin.
func TestTextOfOperators(t *testing.T) {
	for _, o := range append(irtest.Operators(), more()...) {
		if o.Narrow {
			continue // its value has the type that its program gives it
		}
		for _, way := range []xla.Depthwise{xla.Convolutions, xla.Sums} {
			text, err := xla.Text(single(t, o), xla.Options{Depthwise: way})
			require.NoError(t, err, o.Name)
			assert.Contains(t, text, "stablehlo.", o.Name)
		}
	}
}

// TestManyLabels lowers counts that one float32 does not hold.
func TestManyLabels(t *testing.T) {
	p := irtest.NewProgram(1)
	x := p.Add("logits", ir.Float32, cpuexec.Array{Shape: ir.Shape{1, 3, 2, 5}})
	y := p.Add("labels", ir.Int32, cpuexec.Array{Shape: ir.Shape{1, 4096, 4097}})
	text, err := xla.Text(p.Build(p.Outputs(ir.CrossEntropy{Ignore: -1, Pixels: true}, x, y)...), xla.Options{})
	require.NoError(t, err)
	assert.Contains(t, text, "-> tensor<5xf32>")
	assert.Contains(t, text, "stablehlo.remainder")
}

// TestBFloat16 rounds numbers to bfloat16 as the CPU does.
func TestBFloat16(t *testing.T) {
	p := irtest.NewProgram(1)
	x := p.Input("x", ir.Shape{8}, 0, 1, -1.5, 255, 257, 1+1.0/256, 1+3.0/256, -3e-30)
	narrow := p.Op(ir.ToBFloat16{}, x)
	narrow.Type = ir.BFloat16
	q := p.Build(p.Op(ir.FromBFloat16{}, narrow))
	assert.Equal(t, onCPU(t, q, p.Data), onDevice(t, q, p.Data, xla.Options{}))
}

// TestTies compares operators on whole numbers, many of which are equal or zero.
func TestTies(t *testing.T) {
	for _, o := range append(irtest.Operators(), more()...) {
		switch o.Op.(type) {
		case ir.ConvGrad, ir.SeparableConvGrad, ir.FactorizedReduceGrad, ir.ReLUGrad, ir.Pool, ir.MaxPoolGrad, ir.ScaleImages, ir.GumbelSoftmax, ir.CrossEntropy:
		default:
			continue
		}
		t.Run(o.Name, func(t *testing.T) {
			data := o.Data(4)
			for _, a := range data {
				for i, v := range a.F {
					if len(a.F) > 1 { // a temperature must not be zero
						a.F[i] = float32(math.Round(float64(v)))
					}
				}
			}
			p := single(t, o)
			got := onDevice(t, p, data, xla.Options{Flags: xlatest.Quick})
			for i, want := range kernelOutputs(t, o, p, data) {
				assert.LessOrEqual(t, difference(t, want, got[i], 1e-3), most, "output %d: %v, want %v", i, got[i], want)
			}
		})
	}
}

// TestDirichlet draws from concentrations of all sizes, up to noise that a million draws
// have. Beyond, and for concentrations above 100, errors of derivatives grow to 1e-4.
func TestDirichlet(t *testing.T) {
	const rows, k = 24, 16
	p := irtest.NewProgram(3)
	x, noise := p.Normal("x", 1, rows, k), p.Normal("noise", 1, rows, k)
	for i := range p.Data[0].F {
		switch row := i / k; {
		case row < 6:
		case row < 12:
			p.Data[0].F[i] *= 8
		case row < 18:
			p.Data[0].F[i] = -50 * p.Random.Float32()
		default:
			p.Data[0].F[i] = 1000 * p.Random.Float32()
		}
		p.Data[1].F[i] = max(-4.9, min(4.9, 2*p.Data[1].F[i]))
	}
	q := p.Build(p.Outputs(ir.Dirichlet{}, x, noise)...)
	want, got := onCPU(t, q, p.Data), onDevice(t, q, p.Data, xla.Options{})
	for r := range rows {
		for i := range want {
			a, b := want[i][r*k:(r+1)*k], got[i][r*k:(r+1)*k]
			assert.LessOrEqual(t, difference(t, a, b, 0), most, "output %d of row %d: %v, want %v", i, r, b, a)
		}
	}
}

// TestLongSums holds that sums of many numbers are precise: moments of a map far from zero,
// and the norm of all parameters of a network.
func TestLongSums(t *testing.T) {
	p := irtest.NewProgram(4)
	x := p.Normal("x", 1, 64, 32, 32, 6)
	for i := range p.Data[0].F {
		p.Data[0].F[i] += 20 * float32(i%6)
	}
	g := p.Normal("g", 1, 2_000_000)
	q := p.Build(p.Op(ir.Moments{}, x), p.Op(ir.Norm{}, g))
	want, got := onCPU(t, q, p.Data), onDevice(t, q, p.Data, xla.Options{})
	for i := range 6 {
		assert.InEpsilon(t, want[0][6+i], got[0][6+i], 1e-5, "variance %d", i)
		mean := func(m []float32) float64 { return float64(m[i]) + float64(m[12+i]) }
		assert.InDelta(t, mean(want[0]), mean(got[0]), 1e-8*max(1, mean(want[0])), "mean %d", i)
	}
	assert.InEpsilon(t, want[1][0], got[1][0], 1e-5, "norm")
}

// TestIgnored leaves out labels that are the ignore index, of classes and of pixels; and all
// of them.
func TestIgnored(t *testing.T) {
	for _, pixels := range []bool{false, true} {
		for _, labels := range [][]int32{{-1, 0, 3, -1}, {-1, -1, -1, -1}} {
			p := irtest.NewProgram(5)
			shape, logits := ir.Shape{4}, ir.Shape{4, 5}
			if pixels {
				shape, logits = ir.Shape{1, 2, 2}, ir.Shape{1, 3, 4, 5}
			}
			o := ir.CrossEntropy{Ignore: -1, Pixels: pixels}
			x, y := p.Normal("logits", 3, logits...), p.Add("labels", ir.Int32, cpuexec.Array{Shape: shape, I: labels})
			q := p.Build(append(p.Outputs(o, x, y), p.Op(ir.CrossEntropyGrad{Of: o}, p.Input("gy", ir.Shape{}, 2), x, y))...)
			want, got := onCPU(t, q, p.Data), onDevice(t, q, p.Data, xla.Options{})
			for i := range want {
				assert.LessOrEqual(t, difference(t, want[i], got[i], 0), most, "result %d: %v, want %v", i, got[i], want[i])
			}
		}
	}
}

// TestPrecision rounds the operands of products, and nothing else.
func TestPrecision(t *testing.T) {
	p := irtest.NewProgram(6)
	x := p.Normal("x", 1, 2, 6, 5, 8)
	y := p.Op(ir.Conv{Out: 4, Window: ir.Square(3, 1, 1, 1)}, x, p.Normal("w", 1, 3, 3, 8, 4))
	q := p.Build(y, p.Op(ir.Sum{}, x, x))
	want := onDevice(t, q, p.Data, xla.Options{})
	near := onDevice(t, q, p.Data, xla.Options{Precision: xla.TF32})
	got := onDevice(t, q, p.Data, xla.Options{Precision: xla.BFloat16})
	assert.LessOrEqual(t, difference(t, want[0], near[0], 0), 1e-3)
	assert.LessOrEqual(t, difference(t, want[0], got[0], 0), 1e-2)
	assert.Greater(t, difference(t, want[0], got[0], 0), 1e-4)
	assert.Equal(t, want[1], got[1])
}
