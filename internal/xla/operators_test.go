package xla_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/kernel"
	"unnas/internal/xla"
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

// bound is the largest error of operators, as a part of the largest number of the output.
func bound(o irtest.Operator) float64 {
	return 1e-5
}

// TestOperators compares each operator with its kernel for the CPU.
func TestOperators(t *testing.T) {
	client(t)
	errors := map[string]float64{}
	var names []string
	for _, o := range append(irtest.Operators(), more()...) {
		t.Run(o.Name, func(t *testing.T) {
			if o.Narrow {
				t.Skip("see TestBFloat16")
			}
			p := single(t, o)
			data := o.Data(rand.Uint64())
			want := memory(p)
			out := make([]cpuexec.Array, len(want), 8)
			for i, v := range p.Results {
				out[i] = cpuexec.Array{Shape: v.Shape, F: want[i]}
			}
			if o.Outputs > 0 {
				out = append(out, make([]cpuexec.Array, 4-o.Outputs)...)
			}
			pool := kernel.NewThreadPool(1)
			require.NoError(t, cpuexec.RunOp(o.Op, pool, out, data))
			begin := time.Now()
			got := onDevice(t, p, data, xla.Options{})
			var most float64
			for i := range want {
				d := difference(t, want[i], got[i])
				assert.LessOrEqual(t, d, bound(o), "output %d: %v, want %v", i, got[i], want[i])
				most = max(most, d)
			}
			kind := strings.TrimPrefix(fmt.Sprintf("%T", o.Op), "ir.")
			if _, ok := errors[kind]; !ok {
				names = append(names, kind)
			}
			errors[kind] = max(errors[kind], most)
			t.Logf("%.1e in %v", most, time.Since(begin).Round(time.Millisecond))
		})
	}
	for _, name := range names {
		t.Logf("| %s | %.1e |", name, errors[name])
	}
}
