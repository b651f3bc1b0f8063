package xla_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/xla"
	"unnas/internal/xla/xlatest"
)

// executable compiles and binds a program, with memory for its results.
func executable(t testing.TB, p *ir.Program, o xla.Options) (*xla.Executable, [][]float32) {
	t.Helper()
	plan, err := xla.Compile(xlatest.Client(t), p, o)
	require.NoError(t, err)
	t.Cleanup(plan.Close)
	results := memory(p)
	return plan.Bind(results), results
}

// memory returns memory full of NaN for the results of a program.
func memory(p *ir.Program) [][]float32 {
	results := make([][]float32, len(p.Results))
	for i, v := range p.Results {
		results[i] = slices.Repeat([]float32{float32(math.NaN())}, v.Shape.Size())
	}
	return results
}

// onDevice runs a program once on the device.
func onDevice(t testing.TB, p *ir.Program, data []cpuexec.Array, o xla.Options) [][]float32 {
	t.Helper()
	e, results := executable(t, p, o)
	for i, a := range data {
		e.SetInput(i, a)
	}
	require.NoError(t, e.Run(false))
	return results
}

// onCPU runs a program once with the kernels of the CPU.
func onCPU(t testing.TB, p *ir.Program, data []cpuexec.Array) [][]float32 {
	t.Helper()
	plan, err := cpuexec.Compile(p, cpuexec.Options{Workers: 1})
	require.NoError(t, err)
	results := memory(p)
	e, err := plan.Bind(cpuexec.NewArena(plan), kernel.NewThreadPool(1), results)
	require.NoError(t, err)
	for i, a := range data {
		e.SetInput(i, a)
	}
	require.NoError(t, e.Run(false))
	return results
}

// difference returns the largest difference as a part of the largest number, or of least if
// that is larger. It is infinite unless both are finite at the same places.
func difference(t testing.TB, want, got []float32, least float64) float64 {
	t.Helper()
	require.Len(t, got, len(want))
	most, scale := 0.0, least
	for i, v := range want {
		if v == got[i] || v != v && got[i] != got[i] {
			continue
		}
		d := math.Abs(float64(v) - float64(got[i]))
		if math.IsNaN(d) {
			d = math.Inf(1)
		}
		most = max(most, d)
	}
	for _, v := range want {
		if !math.IsInf(float64(v), 0) {
			scale = max(scale, math.Abs(float64(v)))
		}
	}
	if most == 0 {
		return 0
	}
	return most / scale
}
