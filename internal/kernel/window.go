package kernel

// Window is the geometry of a convolution or pooling: size, stride, padding and
// dilation in rows (H) and columns (W).
type Window struct{ KH, KW, SH, SW, PH, PW, DH, DW int }

// Square returns a window of k×k taps that is alike in both directions.
func Square(k, stride, pad, dil int) Window {
	return Window{k, k, stride, stride, pad, pad, dil, dil}
}

// Out returns the size of the output for an input of h×wd pixels: zero where the
// window does not fit.
func (w Window) Out(h, wd int) (oh, ow int) {
	return steps(h+2*w.PH-w.reachH(), w.SH), steps(wd+2*w.PW-w.reachW(), w.SW)
}

// steps returns the number of places, stride apart, among n.
func steps(n, stride int) int { return (max(0, n) + stride - 1) / stride }

// mustBeSquare panics unless the window is alike in both directions and not
// padded by more than it reaches.
func (w Window) mustBeSquare() {
	if w.KH != w.KW || w.SH != w.SW || w.PH != w.PW || w.DH != w.DW || w.PH > w.reachH() {
		panicf("kernel: window %+v is not square or padded by more than it reaches", w)
	}
}

// reachH and reachW are the distances between the first and the last tap.
func (w Window) reachH() int { return w.DH * (w.KH - 1) }
func (w Window) reachW() int { return w.DW * (w.KW - 1) }

// sees returns the input rows, those of the padding included, under the windows
// of some output rows.
func (w Window) sees(out rows) rows {
	if out.len() == 0 {
		return rows{}
	}
	return rows{out.from*w.SH - w.PH, (out.to-1)*w.SH - w.PH + w.reachH() + 1}
}

// seenBy returns the rows, of oh output rows, whose windows may contain one of
// the input rows.
func (w Window) seenBy(in rows, oh int) rows {
	from := (max(0, in.from+w.PH-w.reachH()) + w.SH - 1) / w.SH
	to := min(oh, max(0, in.to-1+w.PH+w.SH)/w.SH)
	return rows{from, max(from, to)}
}

// within returns those of some output rows whose window of one tap lies inside of
// an image of h rows.
func (w Window) within(out rows, h int) rows {
	from := max(out.from, (max(0, w.PH)+w.SH-1)/w.SH)
	to := min(out.to, (max(0, h+w.PH)+w.SH-1)/w.SH)
	return rows{from, max(from, to)}
}

// sweep is a window that visits a map [N, H, W, C], cut into tasks.
type sweep struct {
	Window
	bands
	h, w, c, oh, ow int
}

func newSweep(n, h, w, c int, win Window) sweep {
	s := sweep{Window: win, h: h, w: w, c: c}
	s.oh, s.ow = win.Out(h, w)
	if s.oh < 1 || s.ow < 1 {
		panicf("kernel: window %+v does not fit into %d×%d pixels", win, h, w)
	}
	s.bands = cut(n, min(h, s.oh), s.frameRow(), win.reachH())
	return s
}

// finely returns the sweep cut into more tasks.
func (s sweep) finely() sweep {
	s.bands = s.bands.finely(min(s.h, s.oh), s.reachH())
	return s
}

// pixels returns the number of output pixels of all images.
func (s *sweep) pixels() int { return s.n * s.oh * s.ow }

// output returns an output row's place among the rows of all images, in pixels.
func (s *sweep) output(image, row int) int { return (image*s.oh + row) * s.ow }

// input does the same for input rows.
func (s *sweep) input(image, row int) int { return (image*s.h + row) * s.w }

// outRows and inRows are the rows of the output and of the input that belong to
// a band.
func (s *sweep) outRows(band int) rows { return s.band(band, s.oh) }
func (s *sweep) inRows(band int) rows  { return s.band(band, s.h) }

// outFrame returns the input rows under the windows of a band's output rows, and
// fullFrame these together with the band's input rows.
func (s *sweep) outFrame(band int) rows  { return s.sees(s.outRows(band)) }
func (s *sweep) fullFrame(band int) rows { return s.outFrame(band).with(s.inRows(band)) }

// reverse returns the output rows whose gradients make up those of a band's
// input rows, and fullReverse these together with the band's output rows.
func (s *sweep) reverse(band int) rows     { return s.seenBy(s.inRows(band), s.oh) }
func (s *sweep) fullReverse(band int) rows { return s.reverse(band).with(s.outRows(band)) }

// most returns the largest number of rows that f has for any band.
func (s *sweep) most(f func(s *sweep, band int) rows) int {
	most := 0
	for band := range s.per {
		most = max(most, f(s, band).len())
	}
	return most
}

// frameRow is the number of elements of a row of a frame.
func (s *sweep) frameRow() int { return (s.w + 2*s.PW) * s.c }

// frame forms rows of an image as the window sees them: with PW pixels on either
// side, and with rows above and below, that hold fill. It uses dst unless the
// map itself will do.
func (s *sweep) frame(dst []float32, x *Map, image int, r rows, fill float32, relu bool) []float32 {
	if s.PH == 0 && s.PW == 0 && !relu && x.ready() {
		return x.P[s.input(image, r.from)*s.c : s.input(image, r.to)*s.c]
	}
	rowLen, side := s.frameRow(), s.PW*s.c
	for y := r.from; y < r.to; y++ {
		row := dst[(y-r.from)*rowLen:][:rowLen]
		if y < 0 || y >= s.h {
			set(row, fill)
			continue
		}
		set(row[:side], fill)
		x.load(row[side:], s.input(image, y), s.w, relu)
		set(row[rowLen-side:], fill)
	}
	return dst[:r.len()*rowLen]
}

// inner returns the pixels of input row y in a frame of the rows seen.
func (s *sweep) inner(frame []float32, seen rows, y int) []float32 {
	return frame[(y-seen.from)*s.frameRow()+s.PW*s.c:][:s.w*s.c]
}

// The gradient of a map is the sum over the windows that contain a pixel: again
// a window, of stride one and turned by 180 degrees, that visits the gradients of
// the output spread apart by the stride, with zeros between and around them.

// spreadRow is the number of elements of a row of spread gradients.
func (s *sweep) spreadRow() int { return (s.w + s.reachW()) * s.c }

// spreadSize is the number of spread gradients for some rows of the input.
func (s *sweep) spreadSize(rows int) int { return (rows + s.reachH()) * s.spreadRow() }

// spreadAt returns where output row y begins among the spread gradients for the
// input rows in; ok tells if it is among them.
func (s *sweep) spreadAt(in rows, y int) (at int, ok bool) {
	row := y*s.SH - (in.from + s.PH - s.reachH())
	return row*s.spreadRow() + (s.reachW()-s.PW)*s.c, row >= 0 && row < in.len()+s.reachH()
}

// blank clears what no row of gradients, of those given, will overwrite among the
// spread gradients for the input rows in.
func (s *sweep) blank(spread []float32, in, gradients rows) {
	rowLen := s.spreadRow()
	for i := range in.len() + s.reachH() {
		row := spread[i*rowLen:][:rowLen]
		if y := i + in.from + s.PH - s.reachH(); s.SH > 1 || !gradients.contains(y) {
			clear(row)
		} else {
			left := (s.reachW() - s.PW) * s.c
			clear(row[:left])
			clear(row[left+s.ow*s.c:])
		}
	}
}

// spreadOut copies a row of gradients, apart by the stride.
func (s *sweep) spreadOut(dst, row []float32) {
	for x := range s.ow {
		copy(dst[x*s.SW*s.c:], row[x*s.c:(x+1)*s.c])
	}
}
