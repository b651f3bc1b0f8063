package xla

import (
	"unnas/internal/ir"
	"unnas/internal/stablehlo"
)

// replicaMean packs the values into one vector. Each replica adds one block of it, in the
// order of the replicas, and sends the sums to the others: an all-reduce would add in an
// order of its own.
func replicaMean(e *emitter, o ir.ReplicaMean, in []value) []value {
	n, values, r := e.Reshape(e.total(in[0]), 1), in[1:], e.replicas
	flat := make([]value, len(values))
	for i, v := range values {
		flat[i] = e.Reshape(v, v.Size())
	}
	all := e.Concat(0, flat...)
	size := all.Size()
	all = e.Mul(all, e.number(e.Div(n, e.like(n, o.Whole)), all))
	if r > 1 {
		n = e.AllGather(n, r)
		block := (size + r - 1) / r
		if rest := r*block - size; rest > 0 {
			all = e.Concat(0, all, e.Fill(stablehlo.F32, 0, rest))
		}
		parts := e.AllToAll(e.Reshape(all, r, block))
		sum := e.row(parts, 0)
		for i := 1; i < r; i++ {
			sum = e.Add(sum, e.row(parts, i))
		}
		all = e.Range(e.AllGather(sum, r), 0, 0, size)
	}
	count := e.total(n)
	mean := e.where(e.positive(count), e.Div(e.like(count, o.Whole), count))
	all = e.Mul(all, e.number(mean, all))
	out, at := make([]value, len(values)), 0
	for i, v := range values {
		out[i] = e.Reshape(e.Range(all, 0, at, at+v.Size()), v.Shape...)
		at += v.Size()
	}
	return out
}
