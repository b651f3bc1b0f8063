package xla_test

import (
	"math"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pjrt"
	"unnas/internal/xla"
)

// open opens the plugin of the environment once.
var open = sync.OnceValues(func() (*pjrt.Client, error) {
	p, err := pjrt.Open(os.Getenv("PJRT_PLUGIN_PATH"))
	if err != nil {
		return nil, err
	}
	return p.NewClient(nil)
})

// client returns the devices of the plugin of the environment.
func client(t testing.TB) *pjrt.Client {
	t.Helper()
	if os.Getenv("PJRT_PLUGIN_PATH") == "" {
		t.Skip("no plugin: set PJRT_PLUGIN_PATH to one of XLA for CPUs")
	}
	c, err := open()
	require.NoError(t, err)
	return c
}

// quick are the flags with which XLA compiles fastest for CPUs.
var quick = map[string]any{"xla_backend_optimization_level": 0}

// executable compiles and binds a program, with memory for its results.
func executable(t testing.TB, p *ir.Program, o xla.Options) (*xla.Executable, [][]float32) {
	t.Helper()
	plan, err := xla.Compile(client(t), p, o)
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
