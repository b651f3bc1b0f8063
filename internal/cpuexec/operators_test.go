package cpuexec_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/kernel"
)

// memory returns outputs full of NaN.
func memory(t *testing.T, o irtest.Operator) []cpuexec.Array {
	shapes, err := o.Op.Infer(o.In)
	require.NoError(t, err)
	if o.Outputs > 0 {
		// The others are never read.
		for len(shapes) > o.Outputs {
			shapes = shapes[:len(shapes)-1]
		}
	}
	out := make([]cpuexec.Array, len(shapes), 8)
	for i, s := range shapes {
		out[i] = cpuexec.Array{Shape: s, F: make([]float32, s.Size())}
		cpuexec.Poison(out[i].F)
	}
	return out
}

// run runs the operator on a pool.
func run(t *testing.T, o irtest.Operator, workers int, out, in []cpuexec.Array) {
	t.Helper()
	pool := kernel.NewThreadPool(workers)
	pool.Start()
	defer pool.Stop()
	if o.Outputs > 0 {
		out = append(slices.Clone(out), make([]cpuexec.Array, 4-o.Outputs)...)
	}
	require.NoError(t, cpuexec.RunOp(o.Op, pool, out, in))
}

// onDevices are the operators that the CPU does not run.
var onDevices = []ir.Op{ir.ReplicaMean{Whole: 2}, ir.NormaliseCrops{}, ir.QuarterTurns{}, ir.Tiles{}, ir.Lab{}}

// TestOperatorsAreComplete holds that the table has every type of package ir that
// implements ir.Op and is not of devices alone, which are refused.
func TestOperatorsAreComplete(t *testing.T) {
	paths, err := filepath.Glob("../ir/*.go")
	require.NoError(t, err)
	declared := map[string]bool{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		require.NoError(t, err)
		for _, d := range f.Decls {
			if m, ok := d.(*ast.FuncDecl); ok && m.Recv != nil && m.Name.Name == "Infer" {
				declared[m.Recv.List[0].Type.(*ast.Ident).Name] = true
			}
		}
	}
	listed := map[string]bool{}
	for _, o := range irtest.Operators() {
		listed[reflect.TypeOf(o.Op).Name()] = true
	}
	for _, op := range onDevices {
		listed[reflect.TypeOf(op).Name()] = true
		_, err := cpuexec.KernelOf(op)
		assert.ErrorContains(t, err, op.String())
	}
	assert.Equal(t, declared, listed)
	assert.Greater(t, len(declared), 40)
}

// TestOperators runs the kernel of each operator.
func TestOperators(t *testing.T) {
	for _, o := range irtest.Operators() {
		t.Run(o.Name, func(t *testing.T) {
			assert.Equal(t, o.Name, o.Op.String())
			if k, err := cpuexec.KernelOf(o.Op); assert.NoError(t, err) {
				assert.NotNil(t, k)
			}
			if o.Narrow {
				return
			}
			in := o.Data(1)
			before := fmt.Sprint(in)
			all := memory(t, o)
			run(t, o, 1, all, in)
			assert.Equal(t, before, fmt.Sprint(in), "inputs")
			for i, a := range all {
				for j, v := range a.F {
					require.False(t, math.IsNaN(float64(v)), "element %d of output %d is not written", j, i)
				}
			}
			again := memory(t, o)
			for _, a := range again {
				for i := range a.F {
					a.F[i] = 1000
				}
			}
			run(t, o, 3, again, in)
			assert.Equal(t, all, again, "with other workers and other content before")
		})
	}
}

// TestOperatorsWithoutOutputs runs the kernel of each operator for one output at a time.
func TestOperatorsWithoutOutputs(t *testing.T) {
	for _, o := range irtest.Operators() {
		t.Run(o.Name, func(t *testing.T) {
			if o.Narrow || o.Together {
				return
			}
			in, all := o.Data(2), memory(t, o)
			run(t, o, 2, all, in)
			for i := range all {
				one := memory(t, o)
				for j := range one {
					if j != i && (j != i-1 || !slices.Contains(o.With, i)) {
						one[j].F = nil
					}
				}
				if assert.NotPanics(t, func() { run(t, o, 2, one, in) }, "output %d", i) {
					assert.Equal(t, all[i].F, one[i].F, "output %d", i)
				}
			}
		})
	}
}

// TestOperatorsOfDeferredMaps compares the results for maps that a kernel forms with those
// for stored maps.
func TestOperatorsOfDeferredMaps(t *testing.T) {
	formed := 0
	for _, o := range irtest.Operators() {
		t.Run(o.Name, func(t *testing.T) {
			k, err := cpuexec.KernelOf(o.Op)
			require.NoError(t, err)
			reads := k.Traits(o.In).Reads
			for i, most := range reads {
				for form := ir.Scaled; form <= most; form++ {
					formed++
					in := o.Data(3)
					s := o.In[i]
					n, h, w, c := s.NHWC()
					m := kernel.Map{N: n, H: h, W: w, C: c, P: in[i].F, A: make([]float32, c)}
					more := o.Data(4)[i].F
					if form == ir.Affine {
						m.Q, m.B, m.D = more, make([]float32, c), make([]float32, c)
					}
					for j := range c {
						m.A[j] = 0.5 + float32(j)
						if form == ir.Affine {
							m.B[j], m.D[j] = 0.25*float32(j)-0.5, float32(j)-0.75
						}
					}
					stored := slices.Clone(in)
					stored[i].F = make([]float32, s.Size())
					kernel.Apply(kernel.NewThreadPool(1), m, false, stored[i].F)
					in[i].F, in[i].Map = nil, &m
					got, want := memory(t, o), memory(t, o)
					run(t, o, 2, got, in)
					run(t, o, 2, want, stored)
					for j := range want {
						if defers := k.Traits(o.In).Defers; defers != nil {
							if d, ok := defers(0); ok && d.Coef == j {
								continue // coefficients include the factors of a deferred input
							}
						}
						near(t, want[j].F, got[j].F, 1e-5, fmt.Sprintf("output %d with form %d of input %d", j, form, i))
					}
				}
			}
		})
	}
	assert.Greater(t, formed, 60)
}

// TestBFloat16 rounds numbers to bfloat16, in half of the memory, and back.
func TestBFloat16(t *testing.T) {
	numbers := []float32{0, 1, -1.5, 255, 256, 257, 1 + 1.0/256, 1 + 3.0/256, -3e-30}
	want := []float32{0, 1, -1.5, 255, 256, 256, 1, 1 + 4.0/256, -3e-30}
	shape := ir.Shape{len(numbers)}
	narrow := cpuexec.Array{Shape: shape, F: make([]float32, (len(numbers)+1)/2)}
	wide := cpuexec.Array{Shape: shape, F: make([]float32, len(numbers))}
	pool := kernel.NewThreadPool(1)
	require.NoError(t, cpuexec.RunOp(ir.ToBFloat16{}, pool, []cpuexec.Array{narrow}, []cpuexec.Array{{Shape: shape, F: numbers}}))
	require.NoError(t, cpuexec.RunOp(ir.FromBFloat16{}, pool, []cpuexec.Array{wide}, []cpuexec.Array{narrow}))
	assert.Equal(t, want[:8], wide.F[:8])
	assert.InEpsilon(t, want[8], wide.F[8], 1.0/256)
}
