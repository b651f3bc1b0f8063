package xla_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/xla"
	"unnas/internal/xla/xlatest"
)

// TestKeep runs steps of an optimiser on parts of vectors that the device keeps, and lets the
// host read and change them in between.
func TestKeep(t *testing.T) {
	d := &xla.Device{Client: xlatest.Client(t)}
	w, g := []float32{1, 2, 3, 4, 5}, []float32{9, 1, -1, 9}
	p := irtest.NewProgram(1)
	x, y := p.Input("w", ir.Shape{2}, w[1:3]...), p.Input("g", ir.Shape{2}, g[1:3]...)
	rate := p.Input("rate", ir.Shape{1}, 2)
	next := p.Op(ir.Axpy{}, x, y, rate)
	p.States = []ir.State{{In: x, Out: next}}
	plan, err := d.Compile(p.Build(p.Op(ir.Norm{}, next), next))
	require.NoError(t, err)
	norm, second := make([]float32, 3), make([]float32, 2)
	e := plan.Bind([][]float32{norm, second})
	d.Keep(w, g[:3], w[2:4])
	assert.EqualValues(t, 4*(5+3), d.KeptBytes(), "a part of a vector is no other one")
	e.SetInput(0, cpuexec.Array{F: w[1:3]})
	e.SetInput(1, cpuexec.Array{F: g[1:3]})
	e.SetInput(2, p.Data[2])

	require.NoError(t, e.Run(false))
	assert.EqualValues(t, []float32{4, 1}, second)
	require.NoError(t, e.Run(true))
	require.NoError(t, e.Run(true))
	assert.Equal(t, []float32{1, 2, 3, 4, 5}, w, "the host has old values")
	assert.InDelta(t, 6.0827627, norm[0], 1e-5, "what is not kept is there")
	require.NoError(t, d.Host(w[4:]))
	assert.Equal(t, []float32{1, 6, -1, 4, 5}, w)
	w[1], w[4], g[1] = 10, 7, 2 // a change of g is not announced
	require.NoError(t, e.Run(true))
	require.NoError(t, d.Host())
	assert.Equal(t, []float32{1, 12, -3, 4, 7}, w)
	require.NoError(t, e.Run(true))
	require.NoError(t, d.Host(nil, norm))
	assert.Equal(t, []float32{1, 12, -3, 4, 7}, w, "no vector was named")
	require.NoError(t, d.Host(w))
	assert.Equal(t, []float32{1, 16, -5, 4, 7}, w)

	up, _ := d.Moved()
	require.NoError(t, e.Run(true))
	require.NoError(t, e.Run(true))
	again, down := d.Moved()
	assert.EqualValues(t, 4*(5+1+1), again-up, "w, which the host had, once; the rate twice")
	require.NoError(t, e.Run(true))
	_, later := d.Moved()
	assert.EqualValues(t, 4*(3+2), later-down, "the norm and the second result")
	var none *xla.Device
	require.NoError(t, none.Host(w))
}

// TestKeepGathers reads many parts of a vector, and writes many, in another order.
func TestKeepGathers(t *testing.T) {
	const n = 100
	d := &xla.Device{Client: xlatest.Client(t)}
	order := rand.New(rand.NewPCG(1, 2)).Perm(n)
	from, to := make([]float32, 2*n), slices.Repeat([]float32{-1}, 3*n)
	for i := range from {
		from[i] = float32(i)
	}
	p := irtest.NewProgram(1)
	other := p.Input("other", ir.Shape{2}, 100, 200)
	var results []*ir.Value
	memory := make([][]float32, n)
	for i, k := range order {
		x := p.Input(fmt.Sprint(i), ir.Shape{2}, from[2*k:2*k+2]...)
		results = append(results, p.Op(ir.Sum{}, x, other))
		memory[i] = to[3*i+1 : 3*i+3]
	}
	plan, err := d.Compile(p.Build(results...))
	require.NoError(t, err)
	e := plan.Bind(memory)
	d.Keep(from, to)
	e.SetInput(0, p.Data[0])
	for i, k := range order {
		e.SetInput(1+i, cpuexec.Array{F: from[2*k : 2*k+2]})
	}
	require.NoError(t, e.Run(true))
	require.NoError(t, d.Host())
	for i, k := range order {
		want := []float32{-1, float32(2*k + 100), float32(2*k + 1 + 200)}
		assert.Equal(t, want, to[3*i:3*i+3], "result %d", i)
	}
	moved := slices.Clone(from[2*order[0]:][:2])
	e.SetInput(1, cpuexec.Array{F: moved}) // no longer in the vector
	moved[0] = 1000
	require.NoError(t, e.Run(true))
	require.NoError(t, d.Host())
	assert.EqualValues(t, 1100, to[1])
}
