package xla

import (
	"unnas/internal/ir"
	"unnas/internal/stablehlo"
)

// geometry is a window in the terms of StableHLO, without padding.
func geometry(w ir.Window) stablehlo.Window {
	return stablehlo.Window{
		Size: [2]int{w.Rows, w.Columns}, Stride: [2]int{w.StrideRows, w.StrideColumns}, Dilation: [2]int{w.DilationRows, w.DilationColumns},
	}
}

// single reports whether a convolution is one of single pixels.
func single(w ir.Window, groups int) bool {
	return w.Rows*w.Columns == 1 && w.PadRows+w.PadColumns == 0 && groups == 1
}

// padding of rows and columns.
func padding(w ir.Window) [2]int { return [2]int{w.PadRows, w.PadColumns} }

func conv(e *emitter, o ir.Conv, in []value) []value {
	x := in[0]
	if o.ReLU {
		x = e.relu(x)
	}
	y := e.conv(x, in[1], o.Window, 1)
	if o.Bias {
		y = e.Add(y, e.over(in[2], y))
	}
	return []value{y, e.moments(y)}
}

func convGrad(e *emitter, o ir.ConvGrad, in []value) []value {
	gy, x, w := in[0], in[1], in[2]
	r := x
	if o.Of.ReLU {
		r = e.relu(x)
	}
	gx := e.convInput(gy, w, x, o.Of.Window, 1)
	if o.Of.ReLU {
		gx = e.where(e.positive(x), gx)
	}
	return []value{gx, e.convWeights(r, gy, o.Of.Window, 1), e.perChannel(gy)}
}

// conv is a convolution, dense or, with a group for each channel, depthwise.
func (e *emitter) conv(x, w value, win ir.Window, groups int) value {
	if single(win, groups) {
		return e.pointwise(e.strided(x, win), w)
	}
	if e.shifts && groups > 1 {
		return e.depthwise(x, w, win)
	}
	g := geometry(win)
	g.Low, g.High = padding(win), padding(win)
	return e.Convert(e.Conv(e.narrow(x), e.narrow(w), g, groups), stablehlo.F32)
}

// convInput is the gradient of the input x of a convolution: the convolution of gy, with
// zeros between its pixels for a stride, and the reversed weights.
func (e *emitter) convInput(gy, w, x value, win ir.Window, groups int) value {
	switch {
	case single(win, groups):
		g := e.pointwiseInput(gy, w)
		return e.spread(g, x, win, 0, 0)
	case e.shifts && groups > 1:
		return e.depthwiseInput(gy, w, x, win)
	}
	g := geometry(win)
	g.Inside, g.Stride = g.Stride, [2]int{1, 1}
	for i, pad := range padding(win) {
		reach := g.Dilation[i] * (g.Size[i] - 1)
		g.Low[i] = reach - pad
		g.High[i] = x.Shape[1+i] + reach - ((gy.Shape[1+i]-1)*g.Inside[i] + 1) - g.Low[i]
	}
	w = e.Reverse(w, 0, 1)
	if groups == 1 {
		w = e.Transpose(w, 0, 1, 3, 2)
	}
	return e.Convert(e.Conv(e.narrow(gy), e.narrow(w), g, groups), stablehlo.F32)
}

// convWeights is the gradient of the weights of a convolution.
func (e *emitter) convWeights(x, gy value, win ir.Window, groups int) value {
	switch {
	case single(win, groups):
		x = e.strided(x, win)
		return e.pointwiseWeights(x, gy)
	case e.shifts && groups > 1:
		return e.depthwiseWeights(x, gy, win)
	}
	g := geometry(win)
	size := g.Size
	for i, pad := range padding(win) {
		if g.Dilation[i] > 1 && (g.Stride[i] == 1 || g.Stride[i]%g.Dilation[i] == 0) {
			x, gy = e.undilate(x, gy, 1+i, size[i], g.Stride[i], pad, g.Dilation[i])
			g.Stride[i], g.Dilation[i], pad = max(1, g.Stride[i]/g.Dilation[i]), 1, 0
		}
		g.Low[i] = pad
		g.High[i] = g.Dilation[i]*(size[i]-1) + (gy.Shape[1+i]-1)*g.Stride[i] + 1 - x.Shape[1+i] - pad
	}
	g.Stride, g.Dilation = g.Dilation, g.Stride
	return e.Convert(e.ConvWeights(e.narrow(x), e.narrow(gy), g, groups), stablehlo.F32)
}

// undilate returns maps with which the gradient of weights is that of a convolution without
// dilation along an axis, since XLA has no good code for the one with. Output pixel p and
// tap k meet at input pixel stride·p + dilation·k: if the dilation divides the stride, only
// every dilation-th input pixel counts; at stride one, pixels whose p have the same
// remainder are images of their own.
func (e *emitter) undilate(x, gy value, axis, k, stride, pad, dilation int) (newX, newGY value) {
	if stride%dilation == 0 {
		n := dilation*((gy.Shape[axis]-1)*(stride/dilation)+k-1) + 1
		return e.every(e.pad(x, axis, pad, n), axis, dilation), gy
	}
	n := (gy.Shape[axis] + dilation - 1) / dilation
	return e.split(e.pad(x, axis, pad, dilation*(n+k-1)), axis, dilation), e.split(e.pad(gy, axis, 0, dilation*n), axis, dilation)
}

// pad adds zeros before and after an axis, or cuts off elements after it, for a length of
// n.
func (e *emitter) pad(x value, axis, before, n int) value {
	low, high, inside := make([]int, len(x.Shape)), make([]int, len(x.Shape)), make([]int, len(x.Shape))
	low[axis], high[axis] = before, n-before-x.Shape[axis]
	return e.Pad(x, 0, low, high, inside)
}

// every returns every n-th element along an axis.
func (e *emitter) every(x value, axis, n int) value {
	stride := []int{1, 1, 1, 1}
	stride[axis] = n
	return e.Slice(x, make([]int, 4), x.Shape, stride)
}

// split makes n images of each, of every n-th element along an axis.
func (e *emitter) split(x value, axis, n int) value {
	s := append([]int(nil), x.Shape...)
	s[axis] /= n
	order := []int{0, 1, 2, 3, 4}
	apart := append(append(append([]int(nil), s[:axis+1]...), n), s[axis+1:]...)
	order = append(append(order[:1:1], axis+1), order[1:axis+1]...)
	for i := axis + 2; i < 5; i++ {
		order = append(order, i)
	}
	s[0] *= n
	return e.Reshape(e.Transpose(e.Reshape(x, apart...), order...), s...)
}

// pixels returns a map as a matrix of pixels.
func (e *emitter) pixels(x value) value {
	c := x.Shape[len(x.Shape)-1]
	return e.Reshape(x, x.Size()/c, c)
}

// apart returns the last axis of a matrix as two, lanes and the channels of each.
func (e *emitter) apart(m value) value {
	return e.Reshape(m, m.Shape[0], e.lanes, m.Shape[1]/e.lanes)
}

// lanewise is a product of matrices for each lane, along axes of both: the channels of
// pixels or of weights, [rows, lanes, columns], or their rows.
func (e *emitter) lanewise(x, y value, ofX, ofY int) value {
	z := e.Convert(e.DotBatch(e.narrow(x), e.narrow(y), 1, 1, ofX, ofY), stablehlo.F32)
	z = e.Transpose(z, 1, 0, 2)
	return e.Reshape(z, z.Shape[0], z.Shape[1]*z.Shape[2])
}

// pointwise is a convolution of single pixels, in each lane with weights of its own.
func (e *emitter) pointwise(x, w value) value { return e.product(x, w, 0) }

// pointwiseInput is the gradient of the input of pointwise.
func (e *emitter) pointwiseInput(gy, w value) value { return e.product(gy, w, 1) }

// product multiplies the channels of each pixel by an axis of weights: of the inputs, 0, or
// of the outputs, 1.
func (e *emitter) product(x, w value, axis int) value {
	m := e.Reshape(w, w.Shape[2], w.Shape[3])
	var y value
	if e.lanes == 1 {
		y = e.dot(e.pixels(x), m, 1, axis)
	} else {
		y = e.lanewise(e.apart(e.pixels(x)), e.apart(m), 2, 2*axis)
	}
	return e.Reshape(y, x.Shape[0], x.Shape[1], x.Shape[2], y.Shape[1])
}

// pointwiseWeights is the gradient of the weights of pointwise.
func (e *emitter) pointwiseWeights(x, gy value) value {
	var w value
	if e.lanes == 1 {
		w = e.dot(e.pixels(x), e.pixels(gy), 0, 0)
	} else {
		w = e.lanewise(e.apart(e.pixels(x)), e.apart(e.pixels(gy)), 0, 0)
	}
	return e.Reshape(w, 1, 1, w.Shape[0], w.Shape[1])
}

// strided returns the pixels that a window of one pixel meets.
func (e *emitter) strided(x value, win ir.Window) value {
	return e.Slice(x, make([]int, 4), x.Shape, []int{1, win.StrideRows, win.StrideColumns, 1})
}

// padded returns a map with the padding of a window.
func (e *emitter) padded(x value, win ir.Window, with float64) value {
	border := []int{0, win.PadRows, win.PadColumns, 0}
	return e.Pad(x, with, border, border, make([]int, 4))
}

// tap returns, of a padded map, the pixels that a tap meets in each window.
func (e *emitter) tap(padded, y value, win ir.Window, row, column int) value {
	r, c := row*win.DilationRows, column*win.DilationColumns
	s := padded.Shape
	to := []int{s[0], r + (y.Shape[1]-1)*win.StrideRows + 1, c + (y.Shape[2]-1)*win.StrideColumns + 1, s[3]}
	return e.Slice(padded, []int{0, r, c, 0}, to, []int{1, win.StrideRows, win.StrideColumns, 1})
}

// spread is the transpose of tap: g, at the pixels of a map like x that a tap meets, and
// zero elsewhere.
func (e *emitter) spread(g, x value, win ir.Window, row, column int) value {
	low := []int{0, row*win.DilationRows - win.PadRows, column*win.DilationColumns - win.PadColumns, 0}
	high := []int{0, x.Shape[1] - low[1] - (g.Shape[1]-1)*win.StrideRows - 1, x.Shape[2] - low[2] - (g.Shape[2]-1)*win.StrideColumns - 1, 0}
	return e.Pad(g, 0, low, high, []int{0, win.StrideRows - 1, win.StrideColumns - 1, 0})
}

// taps returns the sum of what f returns for each tap of a window.
func (e *emitter) taps(win ir.Window, f func(row, column int) value) value {
	total := f(0, 0)
	for i := 1; i < win.Rows*win.Columns; i++ {
		total = e.Add(total, f(i/win.Columns, i%win.Columns))
	}
	return total
}

// weight repeats the weights of a tap of a depthwise convolution to the shape of x.
func (e *emitter) weight(w, x value, row, column int) value {
	c := w.Shape[3]
	tap := e.Slice(w, []int{row, column, 0, 0}, []int{row + 1, column + 1, 1, c}, []int{1, 1, 1, 1})
	return e.over(e.Reshape(tap, c), x)
}

// depthwise is a depthwise convolution as a sum of shifted maps.
func (e *emitter) depthwise(x, w value, win ir.Window) value {
	h, wd, _ := win.Out(x.Shape[1], x.Shape[2])
	y := value{Shape: []int{x.Shape[0], h, wd, x.Shape[3]}}
	p := e.padded(x, win, 0)
	return e.taps(win, func(row, column int) value {
		return e.Mul(e.tap(p, y, win, row, column), e.weight(w, y, row, column))
	})
}

func (e *emitter) depthwiseInput(gy, w, x value, win ir.Window) value {
	return e.taps(win, func(row, column int) value {
		return e.spread(e.Mul(gy, e.weight(w, gy, row, column)), x, win, row, column)
	})
}

func (e *emitter) depthwiseWeights(x, gy value, win ir.Window) value {
	p := e.padded(x, win, 0)
	var taps []value
	for i := range win.Rows * win.Columns {
		taps = append(taps, e.perChannel(e.Mul(e.tap(p, gy, win, i/win.Columns, i%win.Columns), gy)))
	}
	return e.Reshape(e.stack(taps...), win.Rows, win.Columns, 1, x.Shape[3])
}

func separableConv(e *emitter, o ir.SeparableConv, in []value) []value {
	x := e.relu(in[0])
	var out []value
	for i, win := range o.Windows {
		y := e.pointwise(e.conv(x, in[1+2*i], win, x.Shape[3]), in[2+2*i])
		out = append(out, y, e.moments(y))
	}
	return out
}

func separableConvGrad(e *emitter, o ir.SeparableConvGrad, in []value) []value {
	x, c := e.relu(in[0]), in[0].Shape[3]
	var gx value
	var weights []value
	for i, win := range o.Windows {
		gy, wd, wp := in[1+3*i], in[2+3*i], in[3+3*i]
		g := e.pointwiseInput(gy, wp) // of the depthwise convolution's output
		z := e.conv(x, wd, win, c)
		weights = append(weights, e.convWeights(x, g, win, c), e.pointwiseWeights(z, gy))
		if part := e.convInput(g, wd, x, win, c); i == 0 {
			gx = part
		} else {
			gx = e.Add(gx, part)
		}
	}
	gx = e.where(e.positive(in[0]), gx)
	sums := e.stack(e.perChannel(gx), e.perChannel(e.Mul(gx, in[0])))
	return append([]value{gx, sums}, weights...)
}

// halves returns the pixels of both convolutions of a FactorizedReduce.
func (e *emitter) halves(x value) (even, odd value) {
	n, h, w, c := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	moved := e.Pad(x, 0, []int{0, -1, -1, 0}, []int{0, 1, 1, 0}, make([]int, 4))
	take := func(x value) value { return e.Slice(x, make([]int, 4), []int{n, h, w, c}, []int{1, 2, 2, 1}) }
	return take(x), take(moved)
}

// beside joins two maps along their channels, in each lane.
func (e *emitter) beside(x, y value) value {
	n, h, w, c := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	lanes := func(x value) value { return e.Reshape(x, n, h, w, e.lanes, c/e.lanes) }
	return e.Reshape(e.Concat(4, lanes(x), lanes(y)), n, h, w, 2*c)
}

// half returns a range of the channels of each lane.
func (e *emitter) half(x value, from, to int) value {
	n, h, w, c := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	return e.Reshape(e.Range(e.Reshape(x, n, h, w, e.lanes, c/e.lanes), 4, from, to), n, h, w, (to-from)*e.lanes)
}

func factorizedReduce(e *emitter, _ ir.FactorizedReduce, in []value) []value {
	even, odd := e.halves(e.relu(in[0]))
	y := e.beside(e.pointwise(even, in[1]), e.pointwise(odd, in[2]))
	return []value{y, e.moments(y)}
}

func factorizedReduceGrad(e *emitter, o ir.FactorizedReduceGrad, in []value) []value {
	gy, x := in[0], in[1]
	h, w := x.Shape[1], x.Shape[2]
	even, odd := e.halves(e.relu(x))
	gEven, gOdd := e.half(gy, 0, o.Out/2), e.half(gy, o.Out/2, o.Out)
	// back puts gradients at every other pixel, from pixel first on; those of padding go.
	back := func(g, weight value, first int) value {
		g = e.pointwiseInput(g, weight)
		high := func(n, of int) int { return of - first - 2*(n-1) - 1 }
		return e.Pad(g, 0, []int{0, first, first, 0}, []int{0, high(g.Shape[1], h), high(g.Shape[2], w), 0}, []int{0, 1, 1, 0})
	}
	gx := e.Add(back(gEven, in[2], 0), back(gOdd, in[3], 1))
	return []value{e.where(e.positive(x), gx), e.pointwiseWeights(even, gEven), e.pointwiseWeights(odd, gOdd)}
}

func linear(e *emitter, _ ir.Linear, in []value) []value {
	w := in[1]
	y := e.dot(e.Reshape(in[0], in[0].Size()/w.Shape[0], w.Shape[0]), w, 1, 0)
	return []value{e.Add(y, e.over(in[2], y))}
}

func linearGrad(e *emitter, _ ir.LinearGrad, in []value) []value {
	gy, x, w := in[0], in[1], in[2]
	rows := e.Reshape(x, x.Size()/w.Shape[0], w.Shape[0])
	return []value{e.Reshape(e.dot(gy, w, 1, 1), x.Shape...), e.dot(rows, gy, 0, 0), e.perChannel(gy)}
}

// interpolation returns the matrix [to, from] that interpolates a column of pixels with
// aligned corners.
func (e *emitter) interpolation(from, to int) value {
	number := func(n int) value { return e.Int(stablehlo.I32, uint64(n), to, from) }
	at := e.Mul(e.Iota(stablehlo.I32, 0, to, from), number(from-1))
	first, rest := e.Div(at, number(max(1, to-1))), e.Rem(at, number(max(1, to-1)))
	second := e.Convert(rest, stablehlo.F32)
	second = e.Div(second, e.like(second, float64(max(1, to-1))))
	pixel := e.Iota(stablehlo.I32, 1, to, from)
	own := e.where(e.Compare("EQ", pixel, first), e.Sub(e.like(second, 1), second))
	return e.Add(own, e.where(e.Compare("EQ", pixel, e.Add(first, number(1))), second))
}

// resize multiplies the rows and the columns of a map by matrices [to, from].
func (e *emitter) resize(x, rows, columns value) value {
	y := e.dot(x, rows, 1, 1)                               // [N, w, C, H]
	return e.Transpose(e.dot(y, columns, 1, 1), 0, 2, 3, 1) // [N, C, H, W]
}

func (e *emitter) upsample(x value, h, w int) value {
	return e.resize(x, e.interpolation(x.Shape[1], h), e.interpolation(x.Shape[2], w))
}

func (e *emitter) upsampleInput(gy value, h, w int) value {
	back := func(from, to int) value { return e.Transpose(e.interpolation(from, to), 1, 0) }
	return e.resize(gy, back(h, gy.Shape[1]), back(w, gy.Shape[2]))
}

func upsample(e *emitter, o ir.Upsample, in []value) []value {
	return []value{e.upsample(in[0], o.Height, o.Width)}
}

func upsampleGrad(e *emitter, o ir.UpsampleGrad, in []value) []value {
	return []value{e.upsampleInput(in[0], o.X[1], o.X[2])}
}
