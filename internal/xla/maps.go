package xla

import (
	"math"

	"unnas/internal/ir"
	"unnas/internal/stablehlo"
)

func (e *emitter) relu(x value) value { return e.Max(x, e.like(x, 0)) }

func relu(e *emitter, _ ir.ReLU, in []value) []value { return []value{e.relu(in[0])} }

func reluGrad(e *emitter, _ ir.ReLUGrad, in []value) []value {
	return []value{e.where(e.positive(in[1]), in[0])}
}

func zeros(e *emitter, o ir.Zeros, _ []value) []value {
	return []value{e.Fill(stablehlo.F32, 0, o.Shape...)}
}

func sum(e *emitter, _ ir.Sum, in []value) []value {
	total := in[0]
	for _, x := range in[1:] {
		total = e.Add(total, x)
	}
	return []value{total}
}

func concat(e *emitter, _ ir.Concat, in []value) []value {
	return []value{e.Concat(len(in[0].Shape)-1, in...)}
}

func channels(e *emitter, o ir.Channels, in []value) []value {
	return []value{e.Range(in[0], len(in[0].Shape)-1, o.From, o.From+o.Count)}
}

func channelsGrad(e *emitter, o ir.ChannelsGrad, in []value) []value {
	return []value{e.pad(in[0], len(in[0].Shape)-1, o.From, o.Channels)}
}

func scaleImages(e *emitter, _ ir.ScaleImages, in []value) []value {
	factors := e.each(in[1], in[0])
	return []value{e.where(e.Compare("NE", factors, e.like(factors, 0)), e.Mul(in[0], factors))}
}

// mix64 is element i of the SplitMix64 stream of a key, as rng.At.
func (e *emitter) mix64(key, i value) value {
	const golden = 0x9e3779b97f4a7c15
	number := func(n uint64) value { return e.Int(stablehlo.UI64, n, i.Shape...) }
	mixed := func(x value, shift, factor uint64) value {
		return e.Mul(e.Xor(x, e.ShiftRight(x, number(shift))), number(factor))
	}
	x := e.Add(e.Add(key, e.Mul(i, number(golden))), number(golden))
	x = mixed(mixed(x, 30, 0xbf58476d1ce4e5b9), 27, 0x94d049bb133111eb)
	return e.Xor(x, e.ShiftRight(x, number(31)))
}

// dropout draws the bits of package kernel: a number of the stream serves two elements.
func dropout(e *emitter, o ir.Dropout, in []value) []value {
	x, rate := in[0], e.Reshape(in[1])
	n := x.Size()
	number := func(u uint64) value { return e.Int(stablehlo.UI64, u, n) }
	half := func(i int) value {
		word := e.Bitcast(e.Reshape(e.Range(in[2], 0, i, i+1)), stablehlo.UI32)
		return e.Broadcast(e.Convert(word, stablehlo.UI64), []int{n})
	}
	key := e.Xor(e.Or(e.ShiftLeft(half(0), number(32)), half(1)), number(o.Layer))
	at := e.Iota(stablehlo.UI64, 0, n)
	bits := e.mix64(key, e.ShiftRight(at, number(1)))
	bits = e.And(e.ShiftRight(bits, e.Mul(e.And(at, number(1)), number(32))), number(math.MaxUint32))
	dropped := e.Convert(e.times(rate, 1<<32), stablehlo.UI64)
	stays := e.Compare("GE", bits, e.Broadcast(dropped, []int{n}))
	factor := e.Div(e.like(rate, 1), e.Sub(e.like(rate, 1), rate))
	return []value{e.where(e.Reshape(stays, x.Shape...), e.Mul(x, e.number(factor, x)))}
}

func addScaled(e *emitter, o ir.AddScaled, in []value) []value {
	return []value{e.Add(in[0], e.times(in[1], o.Weight))}
}

func scale(e *emitter, o ir.Scale, in []value) []value { return []value{e.times(in[0], o.Weight)} }

// Channel j·K+g of an interleaved map is channel j of group g: as a matrix [groups, size]
// of channels, a transpose.
func interleave(e *emitter, _ ir.Interleave, in []value) []value {
	first, rest := in[0], in[1]
	size, c := first.Shape[3], rest.Shape[3]
	all := first
	if size < c {
		all = e.Concat(3, first, e.Range(rest, 3, size, c))
	}
	return []value{e.shuffle(all, c/size)}
}

// shuffle transposes the channels of a map as a matrix with that many rows.
func (e *emitter) shuffle(x value, rows int) value {
	c := x.Shape[3]
	m := e.Reshape(x, x.Size()/c, rows, c/rows)
	return e.Reshape(e.Transpose(m, 0, 2, 1), x.Shape...)
}

func deinterleave(e *emitter, o ir.Deinterleave, in []value) []value {
	c := in[0].Shape[3]
	groups := e.shuffle(in[0], o.Size)
	first := e.Range(groups, 3, 0, o.Size)
	rest := e.like(groups, 0)
	if o.Size < c {
		rest = e.pad(e.Range(groups, 3, o.Size, c), 3, o.Size, c)
	}
	return []value{first, rest}
}

func toBFloat16(e *emitter, _ ir.ToBFloat16, in []value) []value {
	return []value{e.Convert(in[0], stablehlo.BF16)}
}

func fromBFloat16(e *emitter, _ ir.FromBFloat16, in []value) []value {
	return []value{e.Convert(in[0], stablehlo.F32)}
}

// gates returns the sigmoids of logits [N, 1, 1, C] for the pixels of a map.
func (e *emitter) gates(logits, x value) (small, wide value) {
	one := e.like(logits, 1)
	small = e.Div(one, e.Add(one, e.Exp(e.Negate(logits))))
	return small, e.Broadcast(small, x.Shape, 0, 1, 2, 3)
}

func excite(e *emitter, _ ir.Excite, in []value) []value {
	_, gates := e.gates(in[1], in[0])
	return []value{e.Mul(in[0], gates)}
}

func exciteGrad(e *emitter, _ ir.ExciteGrad, in []value) []value {
	gy, x, logits := in[0], in[1], in[2]
	small, gates := e.gates(logits, x)
	sums := e.Reshape(e.Reduce(stablehlo.Sum, e.Mul(gy, x), 1, 2), logits.Shape...)
	return []value{e.Mul(gy, gates), e.Mul(sums, e.Mul(small, e.Sub(e.like(small, 1), small)))}
}

// poolWindow is a window in the terms of StableHLO.
func poolWindow(w ir.Window) stablehlo.Window {
	g := geometry(w)
	g.Low, g.High = padding(w), padding(w)
	return g
}

func pool(e *emitter, o ir.Pool, in []value) []value {
	x := in[0]
	var y value
	if o.Max {
		y = e.ReduceWindow(stablehlo.Largest, x, poolWindow(o.Window))
	} else {
		y = e.ReduceWindow(stablehlo.Sum, x, poolWindow(o.Window))
		y = e.Div(y, e.pixelCounts(y, o.Window, x.Shape))
	}
	return []value{y, e.moments(y)}
}

// maxPoolGrad gives the gradient to the first largest pixel of each window, tap by tap.
// (XLA has an operation for it, which it sorts for on GPUs.) It compares the numbers of
// taps: a pixel need not equal the maximum, since XLA may compute a map twice, with other
// rounding.
func maxPoolGrad(e *emitter, o ir.MaxPoolGrad, in []value) []value {
	gy, x := in[0], in[1]
	padded := e.padded(x, o.Window, math.Inf(-1))
	tap := func(i int) value { return e.tap(padded, gy, o.Window, i/o.Window.Columns, i%o.Window.Columns) }
	number := func(i int) value { return e.Int(stablehlo.I32, uint64(i), gy.Shape...) }
	largest, first := tap(0), number(0)
	for i := 1; i < o.Window.Rows*o.Window.Columns; i++ {
		larger := e.Compare("GT", tap(i), largest)
		largest, first = e.Select(larger, tap(i), largest), e.Select(larger, number(i), first)
	}
	return []value{e.taps(o.Window, func(row, column int) value {
		hit := e.Compare("EQ", first, number(row*o.Window.Columns+column))
		return e.spread(e.where(hit, gy), x, o.Window, row, column)
	})}
}

// pixelCounts returns the number of pixels of a map of shape x in each window of y.
func (e *emitter) pixelCounts(y value, w ir.Window, x ir.Shape) value {
	counts := func(axis, n, k, stride, pad, dilation int) value {
		list := make([]float32, y.Shape[axis])
		for i := range list {
			for t := range k {
				if at := i*stride - pad + t*dilation; at >= 0 && at < n {
					list[i]++
				}
			}
		}
		return e.Broadcast(e.Floats(list, len(list)), y.Shape, axis)
	}
	return e.Mul(
		counts(1, x[1], w.Rows, w.StrideRows, w.PadRows, w.DilationRows),
		counts(2, x[2], w.Columns, w.StrideColumns, w.PadColumns, w.DilationColumns))
}

func avgPoolGrad(e *emitter, o ir.AvgPoolGrad, in []value) []value {
	g := e.Div(in[0], e.pixelCounts(in[0], o.Window, o.X))
	x := value{Shape: o.X}
	return []value{e.taps(o.Window, func(row, column int) value { return e.spread(g, x, o.Window, row, column) })}
}

func globalAvgPool(e *emitter, o ir.GlobalAvgPool, in []value) []value {
	x := in[0]
	y := e.Reduce(stablehlo.Sum, x, 1, 2)
	if o.Map {
		y = e.Reshape(y, x.Shape[0], 1, 1, x.Shape[3])
	}
	return []value{e.Div(y, e.like(y, float64(x.Shape[1]*x.Shape[2])))}
}

func globalAvgPoolGrad(e *emitter, o ir.GlobalAvgPoolGrad, in []value) []value {
	g := e.Reshape(in[0], o.X[0], o.X[3])
	return []value{e.Broadcast(e.Div(g, e.like(g, float64(o.X[1]*o.X[2]))), o.X, 0, 3)}
}
