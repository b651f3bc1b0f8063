package kernel

// The gradient of weights that are many beside the pixels is computed tile by tile: from
// the channels of the input and of the gradient that belong to the tile, of all pixels or
// of those of a group. So there are many tasks but few partial accumulators.
const manyWeights = 32 // for each pixel, so that the accumulators of bands would cost much

// division divides c channels into blocks of equal size, but for the last one.
type division struct{ c, size int }

// divide returns blocks of whole vectors of at most some channels.
func divide(c, most int) division {
	count := (c + most - 1) / most
	return division{c, min(c, lines((c+count-1)/count))}
}

func (d division) count() int { return (d.c + d.size - 1) / d.size }

func (d division) block(i int) channels { return channels{i * d.size, min(d.size, d.c-i*d.size)} }

// channels is a range of channels.
type channels struct{ from, n int }

// tileGroups are groups whose tasks set gradients that do not overlap: a single group
// needs no buffer.
type tileGroups struct{ groups }

// newTileGroups returns groups of some things, most at most, that make many tasks of
// tiles of a gradient of size elements.
func newTileGroups(things, most, tiles, size int) tileGroups {
	return tileGroups{groups{count: max(1, min(things, most, (manyTasks+tiles-1)/tiles)), of: things, size: size}}
}

// memory returns the number of floats of all buffers.
func (g *tileGroups) memory() int {
	if g.count == 1 {
		return 0
	}
	return g.groups.memory()
}

// use sets the memory of the groups' gradients, of which the sum will be gw.
func (g *tileGroups) use(mem, gw []float32) {
	g.buffers = mem
	if g.count == 1 {
		g.buffers = gw
	}
}

// part returns the gradients of a group.
func (g *tileGroups) part(i int) []float32 { return g.buffers[i*lines(g.size):][:g.size] }

// finish sets gw to the sum of all groups.
func (g *tileGroups) finish(t *ThreadPool, gw []float32) {
	if g.count > 1 {
		g.sum(t, gw, 0)
	}
}

// form forms a map in memory, unless it lies there.
func (m *Map) form(t *ThreadPool, dst []float32, relu bool) {
	if relu || !m.ready() {
		Apply(t, *m, relu, dst)
		*m = Plain(m.N, m.H, m.W, m.C, dst)
	}
}

// weightTiles is the gradient of the weights of a convolution by tiles. Groups are of
// rows of all outputs.
type weightTiles struct {
	conv
	tileGroups
	in, out division
}

// weightTiles returns the gradient of the weights by tiles, or false if they are too
// few.
func (s *conv) weightTiles() (g weightTiles, ok bool) {
	most := blockChannels
	if !s.pointwise {
		most *= 2 // since pixels are gathered for each tile
	}
	g = weightTiles{conv: *s, in: divide(s.c, most), out: divide(s.cout, most)}
	g.tileGroups = newTileGroups(s.n*s.oh, s.pixels()/blockPixels, g.tiles(), s.weights())
	return g, s.weights() >= manyWeights*s.pixels() && min(s.c, s.cout) >= fewChannels
}

func (g *weightTiles) tiles() int { return g.KH * g.KW * g.in.count() * g.out.count() }

func (g *weightTiles) sizes() (inputs, gradients, products, operands int) {
	return blockPixels * spread(g.in.size), blockPixels * spread(g.out.size), g.in.size * g.out.size,
		g.precision.gemmTSize(g.out.size, g.in.size)
}

// shared returns the sizes of the input and the gradients, which all tiles read, and of
// the buffers of the groups.
func (g *weightTiles) shared() (x, gz, buffers int) {
	return g.in.panels(g.n * g.h * g.w), g.out.panels(g.pixels()), g.memory()
}

// panels is the number of elements of pixels in panels.
func (d division) panels(pixels int) int { return d.count() * pixels * spread(d.size) }

// run computes the gradient gw of the weights.
func (g *weightTiles) run(t *ThreadPool, gz, x Map, relu bool, gw []float32) {
	xSize, gzSize, buffersSize := g.shared()
	mem := pieces(t.Shared(total(xSize, gzSize, buffersSize)))
	a := weightTileArgs{weightTiles: *g, x: mem.take(xSize), gz: mem.take(gzSize)}
	a.use(mem, gw)
	formPanels.run(t, panelTasks(&x), panelArgs{g.in, x, relu, a.x})
	formPanels.run(t, panelTasks(&gz), panelArgs{g.out, gz, false, a.gz})
	weightTile.run(t, a.count*a.tiles(), a)
	a.finish(t, gw)
}

type panelArgs struct {
	division
	m    Map
	relu bool
	dst  []float32
}

// panelTasks is the number of tasks of formPanels.
func panelTasks(m *Map) int { return (m.N*m.H*m.W + blockPixels - 1) / blockPixels }

// formPanels stores the elements of some pixels in panels: those of each block of
// channels together.
var formPanels = newLoop(func(a *panelArgs, w *Worker, i int) {
	pixels, from := a.m.N*a.m.H*a.m.W, i*blockPixels
	count := min(blockPixels, pixels-from)
	src := w.Scratch(count * a.c)
	a.m.load(src, from, count, a.relu)
	row := spread(a.size)
	for b := range a.count() {
		block, dst := a.block(b), a.dst[(b*pixels+from)*row:]
		for p := range count {
			copy(dst[p*row:][:block.n], src[p*a.c+block.from:])
		}
	}
})

type weightTileArgs struct {
	weightTiles
	x, gz []float32 // in panels
}

// weightTile computes one tile of weights for a group of rows.
var weightTile = newLoop(func(a *weightTileArgs, w *Worker, i int) {
	inputsSize, gradientsSize, productsSize, operandsSize := a.sizes()
	mem := pieces(w.Scratch(total(inputsSize, gradientsSize, productsSize, operandsSize)))
	inputs, gradients, products, operands := mem.take(inputsSize), mem.take(gradientsSize), mem.take(productsSize), mem.take(operandsSize)
	group, tile := i/a.tiles(), i%a.tiles()
	tap, tile := tile/(a.in.count()*a.out.count()), tile%(a.in.count()*a.out.count())
	in, out := tile/a.out.count(), tile%a.out.count()
	inRow, outRow := spread(a.in.size), spread(a.out.size)
	x, gz := a.x[in*a.n*a.h*a.w*inRow:], a.gz[out*a.pixels()*outRow:]
	from, to := a.members(group)
	rows, columns := a.in.block(in), a.out.block(out)
	begun := false
	multiply := func(pixels int, inputs, gradients []float32) {
		if pixels > 0 {
			a.precision.gemmT(operands, pixels, columns.n, rows.n, inputs, inRow, gradients, outRow, products, columns.n, begun)
			begun = true
		}
	}
	if a.pointwise {
		multiply((to-from)*a.ow, x[from*a.ow*inRow:], gz[from*a.ow*outRow:])
	} else {
		pixels := 0
		a.seenPixels(tap, from, to, func(input, output int) {
			copy(inputs[pixels*inRow:][:rows.n], x[input*inRow:])
			copy(gradients[pixels*outRow:][:columns.n], gz[output*outRow:])
			if pixels++; pixels == blockPixels {
				multiply(pixels, inputs, gradients)
				pixels = 0
			}
		})
		multiply(pixels, inputs, gradients)
	}
	if !begun {
		clear(products)
	}
	gw := a.part(group)[(tap*a.c+rows.from)*a.cout+columns.from:]
	for c := range rows.n {
		copy(gw[c*a.cout:][:columns.n], products[c*columns.n:])
	}
})

// seenPixels calls body for the pixels of some output rows of all images of which a tap
// does not fall on the padding, and for the pixels of the input that it sees.
func (s *conv) seenPixels(tap, from, to int, body func(input, output int)) {
	down, right := s.PH-tap/s.KW*s.DH, s.PW-tap%s.KW*s.DW
	columns := Window{KH: 1, SH: s.SW, PH: right}.within(rows{0, s.ow}, s.w)
	for r := from; r < to; r++ {
		y := r%s.oh*s.SH - down
		if y < 0 || y >= s.h {
			continue
		}
		for column := columns.from; column < columns.to; column++ {
			body(s.input(r/s.oh, y)+column*s.SW-right, r*s.ow+column)
		}
	}
}
