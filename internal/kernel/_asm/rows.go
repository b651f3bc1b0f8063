package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// depthwise generates one row of a depthwise convolution; see windows.
func depthwise(v vectors) {
	TEXT("dw"+v.name, NOSPLIT, "func(dst, src, w *float32, width, c, k, pixel, tap, row int)")
	Doc("dw"+v.name+" computes width pixels of c channels of a depthwise k×k convolution. The windows of",
		"neighbouring pixels begin pixel floats apart; the taps of a window are tap floats apart in a row",
		"and row floats from row to row. All counts are positive.")
	v.windows(true)
}

// maxRow generates one row of a max pooling: for uncommon shapes, see windows.
//
// Loop order for 3×3 taps, stride 1 or 2: vectors of channels; pixels.
//
// Registers: the largest input of each column of the window, of which the next
// window takes over some.
//
// Tail: the last vector of channels begins early enough to be whole.
func maxRow(v vectors) {
	TEXT("maxRow"+v.name, NOSPLIT, "func(dst, src *float32, width, c, k, pixel, tap, row int)")
	Doc("maxRow"+v.name+" computes width pixels of c channels of a k×k max pooling. The arguments are those",
		"of dw"+v.name+" without weights.")
	narrow := label("narrow")
	// The ways differ in which of two zeros they take for the largest, so all widths
	// go them for the same shapes.
	CMPQ(param("c"), imm(16))
	JLT(LabelRef(narrow))
	v.eachMaxima(whole.maxRow3x3)
	Label(narrow)
	v.windows(false)
}

// eachMaxima emits body as the loop over the channels for 3×3 taps of stride 1 or
// 2, and the return.
func (v vectors) eachMaxima(body func(w whole, stride int)) {
	w := v.wholeVectors()
	for stride := 1; stride <= 2; stride++ {
		shape{3, stride, 1}.only(func() {
			w.each(func() { body(w, stride) })
			end()
		})
	}
}

// shape is a common kind of windows: k×k taps, stride between the windows and
// dil between the taps, both in units of their lesser. The zero shape is any.
type shape struct{ k, stride, dil int }

var shapes = []shape{
	{3, 1, 1}, {3, 1, 2}, {3, 2, 1},
	{5, 1, 1}, {5, 1, 2}, {5, 2, 1},
	{7, 1, 1}, {7, 1, 2}, {7, 2, 1},
}

// positions returns the number of units that the windows of size pixels cover.
func (s shape) positions(size int) int { return (size-1)*s.stride + (s.k-1)*s.dil + 1 }

// unit returns the unit in bytes.
func (s shape) unit() GPVirtual {
	if s.stride > s.dil {
		return bytes("tap")
	}
	return bytes("pixel")
}

// meeting is a tap of a row that meets an input in the window of a pixel.
type meeting struct{ tap, pixel int }

// meetings returns where the windows of size pixels meet input i.
func (s shape) meetings(i, size int) (m []meeting) {
	for tap := range s.k {
		p := i - tap*s.dil
		if p >= 0 && p%s.stride == 0 && p/s.stride < size {
			m = append(m, meeting{tap, p / s.stride})
		}
	}
	return m
}

// only emits body, which returns, for windows of this shape.
func (s shape) only(body func()) {
	other := label("other")
	CMPQ(param("k"), imm(s.k))
	JNE(LabelRef(other))
	pixel, tap := number("pixel"), number("tap")
	IMUL3Q(imm(s.dil), pixel, pixel)
	IMUL3Q(imm(s.stride), tap, tap)
	CMPQ(pixel, tap)
	JNE(LabelRef(other))
	body()
	Label(other)
}

// windows emits the body of depthwise, if weighted, or of maxRow for any shape.
//
// Loop order: tiles of up to 8 (YMM) or 16 (ZMM) pixels of the result; vectors
// of channels; rows and columns of the window.
//
// Registers: one accumulator for each pixel of the tile. For common shapes, the
// weights of a row of taps and one input at a time, which serves all windows
// that contain it. For others, the weights of one tap; the inputs come from
// memory, one for each multiply-add, which makes reading them the limit.
//
// Tail: a tile has the largest power of two of pixels that the row offers, and
// the last one begins early enough to be whole: results are computed twice
// rather than slowly. The same holds for the last vector of channels, except
// where there is only an incomplete one.
func (v vectors) windows(weighted bool) {
	t := v.tail(number("c"))
	here := place{AllocLocal(8), AllocLocal(8), AllocLocal(8), AllocLocal(8)}
	narrow := label("narrow")
	CMPQ(param("c"), imm(v.lanes))
	JLT(LabelRef(narrow))
	if weighted {
		for _, s := range shapes {
			s.only(func() { v.tiles(here, 8, s, weighted, nil) })
		}
	}
	v.tiles(here, 1, shape{}, weighted, nil)
	Label(narrow)
	v.tiles(here, 1, shape{}, weighted, t)
	end()
}

// tiles emits the loops over the tiles of a row, down to tiles of smallest
// pixels, and the return.
func (v vectors) tiles(here place, smallest int, s shape, weighted bool, t *tail) {
	for size := v.lanes; size >= smallest; size /= 2 {
		smaller, head := label("smaller"), label("tiles")
		CMPQ(param("width"), imm(size))
		JLT(LabelRef(smaller))
		d := newDistances(s, size)
		MOVQ(nought(), here.x)
		Label(head)
		v.tile(here, size, d, s, weighted, t)
		ADDQ(imm(size), here.x)
		next := fetch(here.x)
		CMPQ(next, param("width"))
		JLT(LabelRef(head))
		end()
		Label(smaller)
	}
}

// place holds the local variables of the loops over tiles and channels.
type place struct {
	x        Mem // first pixel of the tile
	src, dst Mem // addresses of the tile
	channel  Mem // offset of the channels
}

// distances holds how far apart things are, in bytes.
type distances struct {
	c, tap    GPVirtual
	row       GPVirtual // from where the work on a row of taps ends to the next row
	multiples           // of the unit of a shape, or of the distance of the windows of neighbouring pixels
}

func newDistances(s shape, size int) *distances {
	d := &distances{c: bytes("c"), tap: bytes("tap"), row: bytes("row")}
	unit := s.unit()
	back := number("k")
	if s.k == 0 {
		IMULQ(d.tap, back)
	} else {
		IMUL3Q(imm((s.positions(size)-1)/8*8), unit, back)
	}
	SUBQ(back, d.row)
	d.multiples = multiplesOf(unit, 7)
	return d
}

// tile computes size pixels of all channels from pixel here.x on, or the last ones.
func (v vectors) tile(here place, size int, d *distances, s shape, weighted bool, t *tail) {
	first, last := fetch(here.x), number("width")
	SUBQ(imm(size), last)
	atMost(first, last)
	i := bytes("pixel")
	IMULQ(first, i)
	ADDQ(param("src"), i)
	MOVQ(i, here.src)
	IMULQ(d.c, first)
	ADDQ(param("dst"), first)
	MOVQ(first, here.dst)
	MOVQ(nought(), here.channel)

	head := label("channels")
	Label(head)
	offset := fetch(here.channel)
	if t == nil {
		last := GP64()
		LEAQ(Mem{Base: d.c, Disp: -v.size()}, last)
		atMost(offset, last)
	}
	from := fetch(here.src)
	ADDQ(offset, from)
	var w GPVirtual
	if weighted {
		w = number("w")
		ADDQ(offset, w)
	}
	ADDQ(here.dst, offset)
	acc := v.regs(size)
	if s.k > 0 {
		v.sharedInputs(acc, from, w, d, s)
	} else {
		v.separateInputs(acc, from, w, d, t)
	}
	for _, r := range acc {
		v.store(r, Mem{Base: offset}, t)
		ADDQ(d.c, offset)
	}
	if t == nil {
		ADDQ(imm(v.size()), here.channel)
		CMPQ(d.c, here.channel)
		JGT(LabelRef(head))
	}
}

// sharedInputs computes the windows from one address on, of a known shape.
func (v vectors) sharedInputs(acc []VecVirtual, from, w GPVirtual, d *distances, s shape) {
	for _, r := range acc {
		v.zero(r)
	}
	weights, x := v.regs(s.k), v.reg()
	repeat(number("k"), func() {
		for _, r := range weights {
			VMOVUPS(Mem{Base: w}, r)
			ADDQ(d.c, w)
		}
		for i := range s.positions(len(acc)) {
			if i > 0 && i%8 == 0 {
				LEAQ(d.after(from, 8), from)
			}
			for n, m := range s.meetings(i, len(acc)) {
				if n == 0 {
					VMOVUPS(d.after(from, i%8), x)
				}
				VFMADD231PS(x, weights[m.tap], acc[m.pixel])
			}
		}
		ADDQ(d.row, from)
	})
}

// separateInputs computes the windows from one address on, of any shape: their
// sums or, if w is nil, the largest elements.
func (v vectors) separateInputs(acc []VecVirtual, from, w GPVirtual, d *distances, t *tail) {
	bases := []GPVirtual{from}
	if len(acc) > 8 {
		bases = append(bases, GP64())
		LEAQ(d.after(from, 8), bases[1])
	}
	input := func(p int) Mem { return d.after(bases[p/8], p%8) }
	advance := func(by GPVirtual) {
		for _, b := range bases {
			ADDQ(by, b)
		}
	}
	for p, r := range acc {
		if w == nil {
			v.load(input(p), r, t)
		} else {
			v.zero(r)
		}
	}
	repeat(number("k"), func() {
		repeat(number("k"), func() {
			weights, x := v.reg(), v.reg()
			if w != nil {
				v.load(Mem{Base: w}, weights, t)
				ADDQ(d.c, w)
			}
			for p, r := range acc {
				if w != nil {
					v.addProduct(r, weights, input(p), t, x)
				} else {
					v.load(input(p), x, t)
					// In this order of operands r stays where x is no number.
					VMAXPS(r, x, r)
				}
			}
			advance(d.tap)
		})
		advance(d.row)
	})
}

// atMost sets i to the lesser of i and last.
func atMost(i, last GPVirtual) {
	CMPQ(i, last)
	CMOVQGT(last, i)
}

// depthwiseGrad generates the gradient of the taps of a depthwise convolution.
//
// Loop order for common shapes: vectors of channels; groups of rows of taps;
// pixels, in fours. For others: groups of 9 taps; vectors of channels; pixels.
//
// Registers: one accumulator for each tap of the group. For common shapes, the
// vectors of grad of four pixels, and one input at a time, which serves all taps
// that it meets. For others, one vector of grad; the inputs come from memory, at
// offsets in general registers, which limits the group.
//
// Tail: for common shapes the last vector of channels begins early enough to be
// whole, and its new lanes are stored. For others, and where there is no other
// vector, it is incomplete. In the last group of 9, the taps that do not exist
// repeat the last one: it is computed several times, with one result.
func depthwiseGrad(v vectors) {
	TEXT("dwGrad"+v.name, NOSPLIT, "func(gw, src, grad *float32, width, c, k, pixel, tap, row int)")
	Doc("dwGrad"+v.name+" adds to gw the gradient of the taps for one row grad of output gradients. The other",
		"arguments are those of dw"+v.name+".")
	narrow := label("narrow")
	CMPQ(param("c"), imm(v.lanes))
	JLT(LabelRef(narrow))
	g := sharedGrad{v.wholeVectors(), AllocLocal(8), AllocLocal(8), AllocLocal(8)}
	for _, s := range shapes {
		s.only(func() {
			g.each(func() { g.vector(s) })
			end()
		})
	}
	Label(narrow)
	v.separateGrad()
	end()
}

// sharedGrad is the gradient for a known shape.
type sharedGrad struct {
	whole
	taps, start Mem // addresses of the taps and of the first input of a group
	groups      Mem // to do
}

// vector computes the gradient of a vector of channels.
func (g sharedGrad) vector(s shape) {
	set := func(p Mem, name string) {
		x := number(name)
		ADDQ(g.channel, x)
		MOVQ(x, p)
	}
	set(g.taps, "gw")
	set(g.start, "src")
	rows := func(count int) {
		sum := g.regs(count * s.k)
		c, at := bytes("c"), fetch(g.taps)
		for _, r := range sum {
			VMOVUPS(Mem{Base: at}, r)
			ADDQ(c, at)
		}
		g.rows(sum, s)
		c, at = bytes("c"), fetch(g.taps)
		for _, r := range sum {
			g.storeNew(r, Mem{Base: at})
			ADDQ(c, at)
		}
		MOVQ(at, g.taps)
		row := bytes("row")
		IMUL3Q(imm(count), row, row)
		ADDQ(row, g.start)
	}
	group := map[int]int{3: 3, 5: 2, 7: 1}[s.k]
	MOVQ(I32(s.k/group), g.groups)
	repeat(g.groups, func() { rows(group) })
	if s.k%group > 0 {
		rows(s.k % group)
	}
}

// rows adds to sum the products for some rows of taps and all pixels.
func (g sharedGrad) rows(sum []VecVirtual, s shape) {
	from, row := []GPVirtual{fetch(g.start)}, bytes("row")
	for r := 1; r*s.k < len(sum); r++ {
		from = append(from, GP64())
		LEAQ(at(from[r-1], row, 0), from[r])
	}
	grad := number("grad")
	ADDQ(g.channel, grad)
	pixels := func(size int, unit multiples, c GPVirtual) {
		y := g.regs(size)
		for _, r := range y {
			VMOVUPS(Mem{Base: grad}, r)
			ADDQ(c, grad)
		}
		moved := 0
		for i := range s.positions(size) {
			if i-moved == 8 {
				for _, p := range from {
					LEAQ(unit.after(p, 8), p)
				}
				moved = i
			}
			for r, p := range from {
				x := g.reg()
				for n, m := range s.meetings(i, size) {
					if n == 0 {
						VMOVUPS(unit.after(p, i-moved), x)
					}
					VFMADD231PS(x, y[m.pixel], sum[r*s.k+m.tap])
				}
			}
		}
		step := GP64()
		IMUL3Q(imm(size*s.stride-moved), unit[1], step)
		for _, p := range from {
			ADDQ(step, p)
		}
	}
	unit, c := multiplesOf(s.unit(), 7), bytes("c")
	several(number("width"), 4, func(count int) { pixels(count, unit, c) })
}

// separateGrad computes the gradient for any shape.
func (v vectors) separateGrad() {
	const group = 9
	t := v.tail(number("c"))
	taps := number("k")
	IMULQ(taps, taps)
	left := local(taps) // taps to do
	gw := local(number("gw"))
	nextOffset, nextColumns := local(nought()), local(number("k"))

	head := label("groups")
	Label(head)
	// The offsets of the taps, row by row.
	offsets := make([]GPVirtual, group)
	offset, columns, tap := fetch(nextOffset), fetch(nextColumns), bytes("tap")
	for i := range offsets {
		offsets[i] = GP64()
		MOVQ(offset, offsets[i])
		last := label("last")
		CMPQ(left, imm(i+1))
		JLE(LabelRef(last))
		ADDQ(tap, offset)
		DECQ(columns)
		JNZ(LabelRef(last))
		back := number("k")
		MOVQ(back, columns)
		IMULQ(tap, back)
		SUBQ(back, offset)
		ADDQ(bytes("row"), offset)
		Label(last)
	}
	MOVQ(offset, nextOffset)
	MOVQ(columns, nextColumns)

	v.channels([]int{1}, t, func(_ int, channel Mem, t *tail) {
		sum := v.regs(group)
		weights := func() GPVirtual {
			p := fetch(gw)
			ADDQ(channel, p)
			return p
		}
		eachRow(group, weights(), bytes("c"), fetch(left), func(i int, row GPVirtual) {
			v.load(Mem{Base: row}, sum[i], t)
		})
		src, grad, n, c, pixel := number("src"), number("grad"), number("width"), bytes("c"), bytes("pixel")
		ADDQ(channel, src)
		ADDQ(channel, grad)
		repeat(n, func() {
			y := v.reg()
			v.load(Mem{Base: grad}, y, t)
			for i, o := range offsets {
				v.addProduct(sum[i], y, at(src, o, 0), t, v.reg())
			}
			ADDQ(c, grad)
			ADDQ(pixel, src)
		})
		eachRow(group, weights(), bytes("c"), fetch(left), func(i int, row GPVirtual) {
			v.store(sum[i], Mem{Base: row}, t)
		})
	})
	next := bytes("c")
	IMUL3Q(imm(group), next, next)
	ADDQ(next, gw)
	SUBQ(imm(group), left)
	JG(LabelRef(head))
}

// maxGrad generates the gradient of a max pooling.
//
// Loop order for 3×3 taps, stride 1 or 2: vectors of channels; pixels; the window
// twice, once for the largest input and once for the first that equals it. For
// others: pixels; vectors of channels; the window twice, once to find the first
// largest input and once to add to its gradient.
//
// Registers: for 3×3 taps the gradients of the inputs under the window, the
// largest input, and the gradient until it has found its place. For others the
// largest input, the number of its tap, the number of the current tap, and the
// gradient.
//
// Tail: for 3×3 taps the last vector of channels begins early enough to be whole,
// and gradients of its old lanes are taken as zero. For others, and where there
// is no other vector, it is incomplete.
func maxGrad(v vectors) {
	TEXT("maxGrad"+v.name, NOSPLIT, "func(gx, src, grad *float32, width, c, k, pixel, tap, row int)")
	Doc("maxGrad"+v.name+" adds each element of grad, the gradient of one row of a max pooling, to gx at the",
		"first largest input of its window. gx is laid out as src. The other arguments are those of",
		"maxRow"+v.name+".")
	narrow := label("narrow")
	CMPQ(param("c"), imm(v.lanes))
	JLT(LabelRef(narrow))
	v.eachMaxima(whole.maxGrad3x3)
	Label(narrow)
	v.anyMaxGrad()
	end()
}

// maxima finds the largest inputs of 3×3 windows, one after the other. What the
// columns of a window have in common with those of the next is found once.
type maxima struct {
	vectors
	stride  int
	kept    int         // columns that the next window has, too
	src     []GPVirtual // the rows of the window
	pixel   GPVirtual
	tap     multiples
	largest []VecVirtual // number of each column
}

// maxima prepares for a row of windows of a vector of channels.
func (w whole) maxima(stride int) *maxima {
	m := &maxima{
		vectors: w.vectors, stride: stride, kept: 3 - stride, src: w.threeRows("src"),
		pixel: bytes("pixel"), tap: multiplesOf(bytes("tap"), 2), largest: w.regs(3),
	}
	m.columns(0, m.kept)
	return m
}

// threeRows returns the addresses of a vector of channels in three rows.
func (w whole) threeRows(name string) []GPVirtual {
	p, row := []GPVirtual{number(name), GP64(), GP64()}, bytes("row")
	ADDQ(w.channel, p[0])
	LEAQ(at(p[0], row, 0), p[1])
	LEAQ(at(p[1], row, 0), p[2])
	return p
}

func (m *maxima) input(x, y int) Mem { return m.tap.after(m.src[y], x) }

func (m *maxima) columns(from, to int) {
	for i := from; i < to; i++ {
		x := m.reg()
		VMOVUPS(m.input(i, 0), x)
		// In this order of operands the second stays where x is no number.
		VMAXPS(lowest, x, m.largest[i])
		for y := 1; y < 3; y++ {
			x := m.reg()
			VMOVUPS(m.input(i, y), x)
			VMAXPS(m.largest[i], x, m.largest[i])
		}
	}
}

// find returns the largest input of the window, no number if the first is none.
func (m *maxima) find() VecVirtual {
	m.columns(m.kept, 3)
	best := m.reg()
	VMOVUPS(m.input(0, 0), best)
	for _, r := range m.largest {
		VMAXPS(best, r, best)
	}
	return best
}

// advance moves to the next window.
func (m *maxima) advance() {
	for i, r := range m.largest[m.stride:] {
		VMOVAPS(r, m.largest[i])
	}
	for _, p := range m.src {
		ADDQ(m.pixel, p)
	}
}

// maxRow3x3 computes a row of windows of a vector of channels.
func (w whole) maxRow3x3(stride int) {
	m, dst, c := w.maxima(stride), number("dst"), bytes("c")
	ADDQ(w.channel, dst)
	repeat(number("width"), func() {
		VMOVUPS(m.find(), Mem{Base: dst})
		ADDQ(c, dst)
		m.advance()
	})
}

// maxGrad3x3 computes the gradient of a vector of channels for 3×3 taps.
func (w whole) maxGrad3x3(stride int) {
	m, gx, grad, c := w.maxima(stride), w.threeRows("gx"), number("grad"), bytes("c")
	ADDQ(w.channel, grad)
	// sum holds the gradients under the window, column by column.
	var sum [3][]VecVirtual
	for i := range sum {
		sum[i] = w.regs(3)
	}
	load := func(from, to int) {
		for i := from; i < to; i++ {
			for y, r := range sum[i] {
				VMOVUPS(m.tap.after(gx[y], i), r)
			}
		}
	}
	store := func(to int) {
		for i := range to {
			for y, r := range sum[i] {
				VMOVUPS(r, m.tap.after(gx[y], i))
			}
		}
	}
	load(0, m.kept)
	repeat(number("width"), func() {
		load(m.kept, 3)
		w.placeFirst(grad, m.find(), func(i int) (Mem, VecVirtual) { return m.input(i%3, i/3), sum[i%3][i/3] })
		ADDQ(c, grad)
		store(stride)
		for i := range m.kept {
			for y, r := range sum[i+stride] {
				VMOVAPS(r, sum[i][y])
			}
		}
		m.advance()
		for _, p := range gx {
			ADDQ(m.pixel, p)
		}
	})
	store(m.kept)
}

// placeFirst adds the new lanes of grad to the sum of the first of 9 inputs that
// equals best. Where best is no number, it is because the first input is none.
func (w whole) placeFirst(grad GPVirtual, best VecVirtual, place func(i int) (input Mem, sum VecVirtual)) {
	const equal, equalOrNone, last = U8(0), U8(8), 8
	predicate, g := equalOrNone, w.reg()
	if w.wide() {
		open := K()
		KMOVW(w.mask, open)
		VMOVUPS(Mem{Base: grad}, g)
		for i := range last {
			input, sum := place(i)
			here := K()
			VCMPPS(predicate, input, best, open, here)
			VADDPS(g, sum, here, sum)
			KANDNW(open, here, open)
			predicate = equal
		}
		_, sum := place(last)
		VADDPS(g, sum, open, sum)
		return
	}
	VMOVUPS(w.bits, g)
	VANDPS(Mem{Base: grad}, g, g)
	for i := range last {
		input, sum := place(i)
		here, part := w.reg(), w.reg()
		VCMPPS(predicate, input, best, here)
		VANDPS(g, here, part)
		VADDPS(part, sum, sum)
		VANDNPS(g, here, g)
		predicate = equal
	}
	_, sum := place(last)
	VADDPS(g, sum, sum)
}

// anyMaxGrad computes the gradient for any shape.
func (v vectors) anyMaxGrad() {
	t := v.tail(number("c"))
	ones := v.reg()
	VPBROADCASTD(counting, ones)
	src, grad, width := local(number("src")), local(number("grad")), local(number("width"))
	repeat(width, func() {
		v.channels([]int{1}, t, func(_ int, channel Mem, t *tail) {
			start := fetch(src)
			ADDQ(channel, start)
			tap, row := bytes("tap"), bytes("row")
			back := number("k")
			IMULQ(tap, back)
			SUBQ(back, row)
			// window runs over the taps, counting them.
			window := func(body func(input GPVirtual, count VecVirtual)) {
				input, count, ky := GP64(), v.reg(), number("k")
				MOVQ(start, input)
				v.zero(count)
				repeat(ky, func() {
					repeat(number("k"), func() {
						body(input, count)
						VPADDD(ones, count, count)
						ADDQ(tap, input)
					})
					ADDQ(row, input)
				})
			}
			best, which := v.reg(), v.reg()
			v.load(Mem{Base: start}, best, t)
			v.zero(which)
			window(func(input GPVirtual, count VecVirtual) {
				x := v.reg()
				v.load(Mem{Base: input}, x, t)
				if v.wide() {
					better := K()
					VCMPPS(greater, best, x, better)
					VMOVAPS(x, better, best)
					VMOVDQA32(count, better, which)
				} else {
					better := v.reg()
					VCMPPS(greater, best, x, better)
					VBLENDVPS(better, x, best, best)
					VBLENDVPS(better, count, which, which)
				}
			})
			from, value := fetch(grad), v.reg()
			ADDQ(channel, from)
			v.load(Mem{Base: from}, value, t)
			away := number("gx")
			SUBQ(param("src"), away)
			window(func(input GPVirtual, count VecVirtual) {
				m, sum := at(input, away, 0), v.reg()
				v.load(m, sum, t)
				if v.wide() {
					here := K()
					VPCMPEQD(count, which, here)
					VADDPS(value, sum, here, sum)
				} else {
					here := v.reg()
					VPCMPEQD(count, which, here)
					VANDPS(value, here, here)
					VADDPS(here, sum, sum)
				}
				v.store(sum, m, t)
			})
		})
		ADDQ(bytes("pixel"), src)
		ADDQ(bytes("c"), grad)
	})
}
