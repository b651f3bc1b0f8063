package kernel

// Winograd's convolution computes 2×2 outputs from 4×4 inputs and 3×3 taps with 16
// products instead of 36 (Lavin and Gray, Fast Algorithms for Convolutional Neural
// Networks, 2016). Inputs, taps and outputs are transformed tile by tile; in
// between, each of the 16 points of a tile is a matrix product over the channels. A
// dilated convolution is one without dilation for each class of pixels whose rows and
// columns leave the same remainders.
//
// It is exact enough for every convolution that has its taps, since the transforms
// are sums of few numbers and what follows are shorter sums than those of the direct
// algorithm. Let u be 2⁻²⁴, X, W and G the largest absolute input, weight and gradient.
// An element of a transformed tile is at most 4X, 9/4·W or 4G, an output the sum of 9
// points of C channels, which together weigh at most 64·X·W for each channel, and no
// number is rounded more than C+10 times on its way: the error is at most
// 64·C·(C+10)·u·X·W. The direct sum of 9·C products has the bound 81·C²·u·X·W, which is
// larger from 38 channels on. The input gradient is such a convolution too. The gradient
// of a weight sums T tiles, with the bound 36·T·(T+8)·u·X·G against 16·T²·u·X·G. On random
// numbers outputs have about two thirds of the direct error, weight gradients up to
// twice (TestErrorOfWinograd). Where products read bfloat16, what is rounded is transformed,
// and the errors are up to 1.8 times those of the direct sums.
const (
	points         = 16
	blockTiles     = 32 // of a task or more, so that what the products read stays in the L2 cache
	blockChannels  = 64 // of a product, for the same reason
	weightChannels = 16 // of a task that transforms weights
	fewChannels    = 32 // with which the transforms take little beside the products
)

// winograd is one call of Winograd's convolution.
type winograd struct {
	precision                Precision
	n, h, w, c, oh, ow, cout int
	win                      Window
	tall, wide               int // tiles of a class of pixels, in rows and columns
	in, out                  division
	per                      int // rows of tiles of a block
}

// winograd returns this convolution by Winograd's algorithm, or false if it has
// other taps or the algorithm does not pay.
func (s *conv) winograd() (g winograd, ok bool) {
	return s.winogradBlocks(max(blockTiles, s.c/8)) // more weights come from farther away
}

// winogradGradient returns the same for the gradient of the weights.
func (s *conv) winogradGradient() (g winograd, ok bool) { return s.winogradBlocks(blockTiles) }

// winogradBlocks returns this convolution with about as many tiles in a block.
func (s *conv) winogradBlocks(tiles int) (g winograd, ok bool) {
	if s.KH != 3 || s.KW != 3 || s.SH != 1 || s.SW != 1 || min(s.c, s.cout) < fewChannels {
		return g, false
	}
	g = winograd{precision: s.precision, n: s.n, h: s.h, w: s.w, c: s.c, oh: s.oh, ow: s.ow, cout: s.cout, win: s.Window}
	g.tall, g.wide = (steps(s.oh, s.DH)+1)/2, (steps(s.ow, s.DW)+1)/2
	g.in, g.out = divide(s.c, blockChannels), divide(s.cout, blockChannels)
	g.per = max(1, tiles/g.wide)
	return g, 4*points*g.classes()*g.tall*g.wide <= 3*s.n*s.products() // at most three quarters
}

// products returns how many pixels of an image the taps multiply.
func (s *conv) products() (count int) {
	for k := range s.KH * s.runs {
		a := s.seen(rows{0, s.oh}, k)
		count += a.lines * a.length
	}
	return count * s.run / s.c
}

// classes returns the number of classes of pixels of all images.
func (g *winograd) classes() int { return g.n * g.win.DH * g.win.DW }

// lattice is a class of the pixels of an image: pixel i, j of it is that of row y+i·dh
// and column x+j·dw.
type lattice struct{ image, y, x, dh, dw int }

// outputs returns a class of the pixels of the output, and inputs that of the input that
// its windows see.
func (g *winograd) outputs(class int) lattice {
	w := &g.win
	return lattice{class / (w.DH * w.DW), class / w.DW % w.DH, class % w.DW, w.DH, w.DW}
}

func (g *winograd) inputs(class int) lattice {
	l := g.outputs(class)
	l.y -= g.win.PH
	l.x -= g.win.PW
	return l
}

// blocks returns the number of blocks of rows of tiles of all images.
func (g *winograd) blocks() int { return (g.classes()*g.tall + g.per - 1) / g.per }

// mostTiles returns the number of tiles of a whole block.
func (g *winograd) mostTiles() int { return g.per * g.wide }

// eachClass calls body for the rows of tiles of a block that belong to one class of
// pixels, with the number of the first of their tiles in the block.
func (g *winograd) eachClass(block int, body func(class int, r rows, tile int)) (tiles int) {
	from, to := block*g.per, min((block+1)*g.per, g.classes()*g.tall)
	for r := from; r < to; {
		class, first := r/g.tall, r%g.tall
		last := min(g.tall, first+to-r)
		body(class, rows{first, last}, (r-from)*g.wide)
		r += last - first
	}
	return (to - from) * g.wide
}

// patch forms some channels of rows of a class of pixels: width pixels of each, zero
// where there is no pixel. Of some of the channels only those of a ready map can be
// formed.
func (m *Map) patch(dst []float32, l lattice, r rows, width int, relu bool, ch channels) {
	first := steps(-l.x, l.dw)
	count := min(width, steps(m.W-l.x, l.dw)) - first
	for i := r.from; i < r.to; i++ {
		row := dst[(i-r.from)*width*ch.n:][:width*ch.n]
		y := l.y + i*l.dh
		if y < 0 || y >= m.H || count <= 0 {
			clear(row)
			continue
		}
		clear(row[:first*ch.n])
		clear(row[(first+count)*ch.n:])
		row, from := row[first*ch.n:][:count*ch.n], (l.image*m.H+y)*m.W+l.x+first*l.dw
		switch {
		case ch.n < m.C:
			for p := range count {
				copy(row[p*ch.n:][:ch.n], m.P[(from+p*l.dw)*m.C+ch.from:])
			}
		case l.dw > 1:
			for p := range count {
				m.load(row[p*m.C:][:m.C], from+p*l.dw, 1, relu)
			}
		default:
			m.load(row, from, count, relu)
		}
	}
}

// tileGrid returns how tiles lie in transformed memory: their 16 points of c
// channels one after another, which is an odd number of cache lines.
func tileGrid(c int) grid { return grid{row: 4 * c, column: c, tile: spread(points * c)} }

// transformInput transforms the tiles of a block of inputs.
func (g *winograd) transformInput(dst, frame []float32, x *Map, block int, relu bool, ch channels) (tiles int) {
	width := 2*g.wide + 2
	return g.eachClass(block, func(class int, r rows, tile int) {
		x.patch(frame, g.inputs(class), rows{2 * r.from, 2*r.to + 2}, width, relu, ch)
		for i := range r.len() {
			active.transform[ofInput](dst[(tile+i*g.wide)*spread(points*ch.n):], tileGrid(ch.n),
				frame[2*i*width*ch.n:], grid{width * ch.n, ch.n, 2 * ch.n}, g.wide, ch.n)
		}
	})
}

// frameSize is the number of elements of c channels that transformInput needs.
func (g *winograd) frameSize(c int) int {
	return (2*min(g.per, g.tall) + 2) * (2*g.wide + 2) * c
}

func (g *winograd) forwardSizes() (frame, inputs, products, outputs, row int) {
	tiles, n := g.mostTiles(), g.out.size
	return g.frameSize(g.c), tiles * spread(points*g.c), tiles * spread(points*n), 4 * tiles * n, g.ow * g.cout
}

// parts returns the number of tasks that share a block of tiles.
func (g *winograd) parts() int {
	return min(g.out.count(), (manyTasks+g.blocks()-1)/g.blocks())
}

// forwardPrecision is that of the products over the channels.
func (g *winograd) forwardPrecision() Precision { return g.precision.even(g.c) }

// forwardShared returns the sizes of the sums of the outputs and of the transformed
// weights.
func (g *winograd) forwardShared() (sums, weights int) {
	return partsSize(g.blocks(), 2*g.cout), points * g.c * g.cout / g.forwardPrecision().per()
}

type winogradForwardArgs struct {
	winograd
	split   int
	x       Map
	relu    bool
	weights []float32 // transformed
	bias, z []float32
	sums    []float32 // of the outputs of each block, and of their squares
	masked  bool      // z is zero where mask is not positive
	mask    Map
}

// sumsOf returns where the sums of some channels of the outputs of a block, and of their
// squares, are.
func (a *winogradForwardArgs) sumsOf(block int, out channels) (sums, squares []float32) {
	all := a.sums[block*lines(2*a.cout):]
	return all[out.from:][:out.n], all[a.cout+out.from:][:out.n]
}

// forwardScratch is the memory of each worker.
func (g *winograd) forwardScratch() int {
	return max(total(g.forwardSizes()), total(g.weightSizes()))
}

// weightSizes returns the sizes of the weights of a task that transforms them, and of those
// that it rounds.
func (g *winograd) weightSizes() (turned, transformed int) {
	return 9 * weightChannels * g.out.size, points * weightChannels * g.out.size
}

// forward computes z from weights [9·C·cout], or from those of a convolution whose
// gradient this one computes.
func (g *winograd) forward(t *ThreadPool, a winogradForwardArgs, w []float32, gradient bool, mem pieces) {
	_, size := g.forwardShared()
	a.winograd, a.split, a.weights = *g, g.parts(), mem.take(size)
	few := divide(g.c, weightChannels)
	winogradWeights.run(t, few.count()*g.out.count(), winogradWeightArgs{*g, few, w, gradient, a.weights})
	winogradForward.run(t, g.blocks()*a.split, a)
}

type winogradWeightArgs struct {
	winograd
	few      division // of the channels of the input
	w        []float32
	gradient bool // of a convolution with weights w
	weights  []float32
}

// winogradWeights transforms the weights from a few channels to a block. Those to
// a block of channels are stored together.
var winogradWeights = newLoop(func(a *winogradWeightArgs, w *Worker, i int) {
	in, out := a.few.block(i/a.out.count()), a.out.block(i%a.out.count())
	size := a.c * out.n
	turnedSize, transformedSize := a.weightSizes()
	mem := pieces(w.Scratch(total(turnedSize, transformedSize)))
	src, from := a.w[in.from*a.cout+out.from:], grid{3 * a.c * a.cout, a.c * a.cout, a.cout}
	if a.gradient { // the transposed weights of the taps, the last one first
		n := in.n * out.n
		src, from = mem.take(turnedSize), grid{3 * n, n, out.n}
		for tap := range 9 {
			transposeBlock(src[(8-tap)*n:], out.n, a.w[tap*a.c*a.cout+out.from*a.c+in.from:], a.c, out.n, in.n)
		}
	}
	at := out.from*points*a.c + in.from*out.n
	if a.forwardPrecision() == Float32 {
		active.transform[ofWeight](a.weights[at:], grid{4 * size, size, out.n}, src, from, in.n, out.n)
		return
	}
	n, transformed := in.n*out.n, mem.take(transformedSize)
	active.transform[ofWeight](transformed, grid{4 * n, n, out.n}, src, from, in.n, out.n)
	for point := range points {
		active.pairRows(a.weights[(at+point*size)/2:], transformed[point*n:], out.n, in.n, out.n)
	}
})

var winogradForward = newLoop(func(a *winogradForwardArgs, w *Worker, i int) {
	frameSize, inputsSize, productsSize, outputsSize, rowSize := a.forwardSizes()
	mem := pieces(w.Scratch(total(frameSize, inputsSize, productsSize, outputsSize, rowSize)))
	frame, inputs, products := mem.take(frameSize), mem.take(inputsSize), mem.take(productsSize)
	outputs, row := mem.take(outputsSize), mem.take(rowSize)
	block, part := i%a.blocks(), i/a.blocks() // tasks with the same weights follow each other
	tiles := a.transformInput(inputs, frame, &a.x, block, a.relu, channels{0, a.c})
	precision, c := a.forwardPrecision(), a.c
	if precision == BFloat16 {
		c /= 2
		for t := range tiles {
			tile := inputs[t*tileGrid(a.c).tile:][:points*a.c]
			active.toBFloat16(halves(tile, len(tile)), tile)
		}
	}
	all := a.out.count()
	for k := all * part / a.split; k < all*(part+1)/a.split; k++ {
		out := a.out.block(k)
		from, to := tileGrid(a.c), tileGrid(out.n)
		const both = 5 // the point that all outputs of a tile contain once
		if a.bias != nil {
			for t := range tiles {
				copy(products[t*to.tile+both*out.n:][:out.n], a.bias[out.from:])
			}
		}
		for point := range points {
			precision.products().gemm(tiles, out.n, c, inputs[point*c:], from.tile,
				a.weights[(out.from*points+point*out.n)*c:], out.n,
				products[point*out.n:], to.tile, a.bias != nil && point == both)
		}
		if a.sums != nil {
			sums, squares := a.sumsOf(block, out)
			clear(sums)
			clear(squares)
		}
		width := 2 * a.wide * out.n
		a.eachClass(block, func(class int, r rows, tile int) {
			l := a.outputs(class)
			for i := r.from; i < r.to; i++ {
				active.transform[ofOutput](outputs, grid{width, out.n, 2 * out.n}, products[tile*to.tile:], to, a.wide, out.n)
				tile += a.wide
				for half := range 2 {
					a.write(outputs[half*width:], row, l, 2*i+half, block, out)
				}
			}
		})
	}
})

// write stores some channels of row i of a class of outputs, if there is one.
func (a *winogradForwardArgs) write(src, row []float32, l lattice, i, block int, out channels) {
	y, pixels := l.y+i*l.dh, steps(a.ow-l.x, l.dw)
	if y >= a.oh {
		return
	}
	if a.sums != nil {
		sums, squares := a.sumsOf(block, out)
		active.moments(sums, squares, src, pixels, out.n)
	}
	side := 1 // pixels that lie side by side
	if l.dw == 1 {
		side = pixels
	}
	n := out.n // elements that do
	if out.n == a.cout {
		n *= side
	}
	for p := 0; p < pixels; p += side {
		pixel := (l.image*a.oh+y)*a.ow + l.x + p*l.dw
		var x []float32
		if a.masked {
			x = a.mask.pixels(row, pixel, side)
		}
		for q := 0; q < side*out.n; q += n {
			at := q/out.n*a.cout + out.from
			z, from := a.z[pixel*a.cout+at:][:n], src[p*out.n+q:]
			if a.masked {
				active.mask(z, from[:n], x[at:][:n])
			} else {
				copy(z, from)
			}
		}
	}
}

// weightTiles returns the number of tiles of weights that gradients are computed
// in.
func (g *winograd) weightTiles() int { return g.in.count() * g.out.count() }

// groups returns the groups of blocks whose gradients of the weights are added.
func (g *winograd) groups() tileGroups {
	return newTileGroups(g.blocks(), g.blocks(), g.weightTiles(), 9*g.c*g.cout)
}

func (g *winograd) gradientSizes() (frame, inputs, outputs, products, operands int) {
	in, out, tiles := g.in.size, g.out.size, g.mostTiles()
	frame = max(g.frameSize(in), 2*min(g.per, g.tall)*2*g.wide*out)
	return frame, tiles * spread(points*in), tiles * spread(points*out), points * in * out,
		g.precision.gemmTSize(out, in)
}

// gradientShared returns the sizes of the input and the gradients of the output, which
// all tiles of weights read, and of the buffers of the groups.
func (g *winograd) gradientShared() (x, gz, buffers int) {
	if g.weightTiles() > 1 {
		x, gz = g.n*g.h*g.w*g.c, g.n*g.oh*g.ow*g.cout
	}
	groups := g.groups()
	return x, gz, groups.memory()
}

// weightGradient computes the gradient gw of the weights.
func (g *winograd) weightGradient(t *ThreadPool, gz, x Map, relu bool, gw []float32) {
	xSize, gzSize, buffersSize := g.gradientShared()
	mem := pieces(t.Shared(total(xSize, gzSize, buffersSize)))
	if formed, gradients := mem.take(xSize), mem.take(gzSize); g.weightTiles() > 1 {
		x.form(t, formed, relu)
		gz.form(t, gradients, false)
		relu = false
	}
	a := winogradGradientArgs{winograd: *g, tileGroups: g.groups(), x: x, gz: gz, relu: relu}
	a.use(mem, gw)
	winogradGradient.run(t, a.count*g.weightTiles(), a)
	a.finish(t, gw)
}

type winogradGradientArgs struct {
	winograd
	tileGroups
	gz, x Map
	relu  bool
}

// winogradGradient computes one tile of weights for a group of blocks.
var winogradGradient = newLoop(func(a *winogradGradientArgs, w *Worker, i int) {
	frameSize, inputsSize, outputsSize, productsSize, operandsSize := a.gradientSizes()
	mem := pieces(w.Scratch(total(frameSize, inputsSize, outputsSize, productsSize, operandsSize)))
	frame, inputs, outputs, products := mem.take(frameSize), mem.take(inputsSize), mem.take(outputsSize), mem.take(productsSize)
	operands := mem.take(operandsSize)
	group, tile := i/a.weightTiles(), i%a.weightTiles()
	in, out := a.in.block(tile/a.out.count()), a.out.block(tile%a.out.count())
	size := in.n * out.n
	first, last := a.members(group)
	for block := first; block < last; block++ {
		tiles := a.transformInput(inputs, frame, &a.x, block, a.relu, in)
		width := 2 * a.wide
		a.eachClass(block, func(class int, r rows, tile int) {
			a.gz.patch(frame, a.outputs(class), rows{2 * r.from, 2 * r.to}, width, false, out)
			for i := range r.len() {
				active.transform[ofOutputGrad](outputs[(tile+i*a.wide)*spread(points*out.n):], tileGrid(out.n),
					frame[2*i*width*out.n:], grid{width * out.n, out.n, 2 * out.n}, a.wide, out.n)
			}
		})
		for point := range points {
			a.precision.gemmT(operands, tiles, out.n, in.n, inputs[point*in.n:], tileGrid(in.n).tile, outputs[point*out.n:], tileGrid(out.n).tile,
				products[point*size:], out.n, block > first)
		}
	}
	active.transform[ofWeightGrad](a.part(group)[in.from*a.cout+out.from:], grid{3 * a.c * a.cout, a.c * a.cout, a.cout},
		products, grid{4 * size, size, out.n}, in.n, out.n)
})
