package xla

import (
	"unnas/internal/ir"
	"unnas/internal/stablehlo"
)

// numbersFrom returns count columns of numbers [N, K], from one on, as [N, count].
func (e *emitter) numbersFrom(numbers value, from, count int) value {
	return e.Range(numbers, 1, from, from+count)
}

// inside returns which pixels [N, H, W] of crops are not padding.
func (e *emitter) inside(crops, numbers value) value {
	pixels := crops.Shape[:3]
	edge := func(column int) value {
		return e.Broadcast(e.Reshape(e.numbersFrom(numbers, column, 1), pixels[0]), pixels, 0)
	}
	row, column := e.Iota(stablehlo.F32, 1, pixels...), e.Iota(stablehlo.F32, 2, pixels...)
	vertical := e.And(e.Compare("GE", row, edge(0)), e.Compare("LT", row, edge(1)))
	horizontal := e.And(e.Compare("GE", column, edge(2)), e.Compare("LT", column, edge(3)))
	return e.And(vertical, horizontal)
}

func normaliseCrops(e *emitter, _ ir.NormaliseCrops, in []value) []value {
	x, numbers := e.Convert(in[0], stablehlo.F32), in[1]
	colours := func(from int) value { return e.Broadcast(e.numbersFrom(numbers, from, 3), x.Shape, 0, 3) }
	y := e.Add(e.Mul(x, colours(4)), colours(7))
	return []value{e.where(e.Broadcast(e.inside(x, numbers), x.Shape, 0, 1, 2), y)}
}

func quarterTurns(e *emitter, _ ir.QuarterTurns, in []value) []value {
	x := in[0]
	n, side, c := x.Shape[0], x.Shape[1], x.Shape[3]
	across := e.Transpose(x, 0, 2, 1, 3)
	turns := []value{x, e.Reverse(across, 1), e.Reverse(x, 1, 2), e.Reverse(across, 2)}
	for i, t := range turns {
		turns[i] = e.Reshape(t, n, 1, side, side, c)
	}
	return []value{e.Reshape(e.Concat(1, turns...), 4*n, side, side, c)}
}

// The sums are of float64, and of differences from the first element: those of a tile of equal
// elements are zero.
func tiles(e *emitter, o ir.Tiles, in []value) []value {
	x, numbers := in[0], in[1]
	n := x.Shape[0]
	places := e.Reshape(e.numbersFrom(numbers, numbers.Shape[1]-2*o.Count, 2*o.Count), n*o.Count, 2)
	image := e.Reshape(e.Iota(stablehlo.I32, 0, n, o.Count), n*o.Count, 1)
	y := e.Convert(e.Windows(x, e.Concat(1, image, e.Convert(places, stablehlo.I32)), o.Height, o.Width), stablehlo.F64)
	y = e.Sub(y, e.each(e.Reshape(e.Slice(y, []int{0, 0, 0, 0}, []int{n * o.Count, 1, 1, 1}, []int{1, 1, 1, 1}), n*o.Count), y))
	mean := func(v value) value {
		return e.times(e.Reduce(stablehlo.Sum, v, 1, 2, 3), 1/float64(v.Size()/v.Shape[0]))
	}
	y = e.Sub(y, e.each(mean(y), y))
	deviation := e.Sqrt(mean(e.Mul(y, y)))
	return []value{e.Convert(e.Div(y, e.each(e.Max(deviation, e.like(deviation, ir.LeastDeviation)), y)), stablehlo.F32)}
}

// lab computes in float64, so that the nearest bins are those of package pretext.
func lab(e *emitter, o ir.Lab, in []value) []value {
	crops, numbers, labels := in[0], in[1], in[2]
	pixels := crops.Shape[:3]
	channel := func(c int) value {
		places := e.Reshape(e.Convert(e.Range(crops, 3, c, c+1), stablehlo.I32), crops.Size()/3)
		return e.Reshape(e.Gather(e.linearLight(), places), pixels...)
	}
	r, g, b := channel(0), channel(1), channel(2)
	compressed := func(ofR, ofG, ofB, white float64) value {
		return e.compress(e.Div(e.Add(e.Add(e.times(r, ofR), e.times(g, ofG)), e.times(b, ofB)), e.like(r, white)))
	}
	x := compressed(0.412453, 0.357580, 0.180423, 0.95047)
	y := compressed(0.212671, 0.715160, 0.072169, 1)
	z := compressed(0.019334, 0.119193, 0.950227, 1.08883)
	inside := e.inside(crops, numbers)

	lightness := e.Div(e.plus(e.times(y, 116), -16), e.like(y, 100))
	lightness = e.Convert(e.Div(e.plus(lightness, -o.Mean), e.like(y, o.Std)), stablehlo.F32)
	bin := e.nearestBin(o, e.times(e.Sub(x, y), 500), e.times(e.Sub(y, z), 200))
	number := func(n int32) value { return e.Int(stablehlo.I32, uint64(uint32(n)), pixels...) }
	counts := e.Compare("NE", e.each(labels, bin), number(o.Ignore))
	return []value{
		e.Reshape(e.where(inside, lightness), append(append([]int{}, pixels...), 1)...),
		e.Select(e.And(inside, counts), bin, number(o.Ignore)),
	}
}

// linearLight is the light of each sRGB level, from 0 to 1.
func (e *emitter) linearLight() value {
	v := e.Iota(stablehlo.F64, 0, 256)
	v = e.Div(v, e.like(v, 255))
	curve := e.Power(e.Div(e.plus(v, 0.055), e.like(v, 1.055)), e.like(v, 2.4))
	return e.Select(e.Compare("GT", v, e.like(v, 0.04045)), curve, e.Div(v, e.like(v, 12.92)))
}

// compress is the cube root of CIELAB, with its linear part near black.
func (e *emitter) compress(light value) value {
	return e.Select(e.Compare("GT", light, e.like(light, 0.008856)), e.Cbrt(light), e.plus(e.times(light, 7.787), 16./116))
}

// nearestBin returns the number of the bin nearest to a and b: of the nearest bin of each row.
func (e *emitter) nearestBin(o ir.Lab, a, b value) value {
	square := func(x value) value { return e.Mul(x, x) }
	var best, shortest value
	first := 0
	for i, row := range o.Rows {
		// Half a step from two bins, the first one is nearest.
		k := e.Ceil(e.plus(e.Div(e.plus(b, -row.B), e.like(b, o.Step)), -0.5))
		k = e.Min(e.Max(k, e.like(k, 0)), e.like(k, float64(row.Count-1)))
		distance := e.Add(square(e.plus(a, -row.A)), square(e.Sub(b, e.plus(e.times(k, o.Step), row.B))))
		bin := e.plus(k, float64(first))
		if first += row.Count; i == 0 {
			best, shortest = bin, distance
			continue
		}
		nearer := e.Compare("LT", distance, shortest)
		best, shortest = e.Select(nearer, bin, best), e.Min(distance, shortest)
	}
	return e.Convert(best, stablehlo.I32)
}
