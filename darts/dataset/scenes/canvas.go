package scenes

import (
	"math"
	"slices"
)

// colour is red, green and blue, from 0 to 1.
type colour [3]float32

// mix returns the colour between c and d at t, which runs from 0 to 1.
func (c colour) mix(d colour, t float32) colour {
	for k := range c {
		c[k] += float32(t * (d[k] - c[k]))
	}
	return c
}

// times returns c under a coloured light.
func (c colour) times(light colour) colour {
	for k := range c {
		c[k] *= light[k]
	}
	return c
}

// grey returns the colour of a brightness.
func grey(v float32) colour { return colour{v, v, v} }

// point is a position in a picture: right and down, in units of the shorter side.
type point struct{ x, y float64 }

// keep is the class of paint that does not change the mask: shadows, glows.
const keep = 254

// paint fills a shape. From a to b the colour changes from one to the other, along the
// line between them or, if radial, outwards from a; if a and b are equal it is
// constant.
type paint struct {
	class    uint8
	from, to colour
	a, b     point
	radial   bool
	opacity  float32
	fade     bool                  // the opacity falls to zero at b
	grain    float32               // variation of the brightness between spots
	texture  func(x, y int) colour // colour of a pixel, overrides the colours above; or nil
}

// canvas is a picture with the class of every pixel.
type canvas struct {
	width, height int
	unit          float64  // shorter side in pixels
	pix           []colour // [height, width]
	mask          []uint8  // [height, width]
	grainSeed     uint32

	cover   []float32 // coverage of each pixel of a row
	crosses []float64 // intersections of a line with the outline
	outline []point   // outline of the current shape
}

// newCanvas returns a black picture.
func newCanvas(width, height int) *canvas {
	return &canvas{
		width: width, height: height,
		unit:  float64(min(width, height)),
		pix:   make([]colour, width*height),
		mask:  make([]uint8, width*height),
		cover: make([]float32, width+1),
	}
}

// lines is the number of lines per row of pixels on which coverage is measured; along a
// line it is exact.
const lines = 4

// fill paints the inside of a polygon, by the even-odd rule.
func (c *canvas) fill(p paint, outline []point) {
	left, right := math.Inf(1), math.Inf(-1)
	top, bottom := math.Inf(1), math.Inf(-1)
	for _, q := range outline {
		left, right = min(left, q.x*c.unit), max(right, q.x*c.unit)
		top, bottom = min(top, q.y*c.unit), max(bottom, q.y*c.unit)
	}
	x0, x1 := int(max(left, 0)), int(min(right+1, float64(c.width)))
	y0, y1 := int(max(top, 0)), int(min(bottom+1, float64(c.height)))
	if x0 >= x1 {
		return
	}
	for y := y0; y < y1; y++ {
		clear(c.cover[x0 : x1+1])
		for k := range lines {
			c.addLine(outline, float64(y)+float64((float64(k)+0.5)/lines))
		}
		for x := x0; x < x1; x++ {
			a := c.cover[x] * p.opacity / lines
			if a == 0 {
				continue
			}
			t := p.progress((float64(x)+0.5)/c.unit, (float64(y)+0.5)/c.unit)
			if p.fade {
				a *= 1 - t
			}
			i := y*c.width + x
			c.pix[i] = c.pix[i].mix(c.shade(&p, x, y, t), a)
			if a >= 0.5 && p.class != keep {
				c.mask[i] = p.class
			}
		}
	}
}

// shade returns the colour of the paint at a pixel at fraction t from a to b.
func (c *canvas) shade(p *paint, x, y int, t float32) colour {
	if p.texture != nil {
		return p.texture(x, y)
	}
	col := p.from
	if t > 0 {
		col = col.mix(p.to, t)
	}
	if p.grain > 0 {
		const spots = 90 // along the shorter side
		col = col.times(grey(1 + float32(p.grain*c.grain(float64(x)/c.unit*spots, float64(y)/c.unit*spots))))
	}
	return col
}

// addLine adds the coverage inside the outline at height y.
func (c *canvas) addLine(outline []point, y float64) {
	c.crosses = c.crosses[:0]
	a := outline[len(outline)-1]
	for _, b := range outline {
		ay, by := float64(a.y*c.unit), float64(b.y*c.unit)
		if (ay <= y) != (by <= y) {
			x := (a.x + float64((y-ay)/(by-ay)*(b.x-a.x))) * c.unit
			c.crosses = append(c.crosses, min(max(x, 0), float64(c.width)))
		}
		a = b
	}
	slices.Sort(c.crosses)
	for i := 0; i+1 < len(c.crosses); i += 2 {
		from, to := c.crosses[i], c.crosses[i+1]
		first, last := int(from), int(to)
		if first == last {
			c.cover[first] += float32(to - from)
			continue
		}
		c.cover[first] += float32(float64(first+1) - from)
		for x := first + 1; x < last; x++ {
			c.cover[x]++
		}
		c.cover[last] += float32(to - float64(last))
	}
}

// progress returns the position of a point between a and b, from 0 to 1.
func (p *paint) progress(x, y float64) float32 {
	if p.a == p.b {
		return 0
	}
	dx, dy := p.b.x-p.a.x, p.b.y-p.a.y
	x, y = x-p.a.x, y-p.a.y
	t := (float64(x*dx) + float64(y*dy)) / (float64(dx*dx) + float64(dy*dy))
	if p.radial {
		t = math.Sqrt((float64(x*x) + float64(y*y)) / (float64(dx*dx) + float64(dy*dy)))
	}
	return float32(min(max(t, 0), 1))
}

// grain is a smooth random function of the plane between -1 and 1, with bumps one unit wide.
func (c *canvas) grain(x, y float64) float32 {
	fx, fy := math.Floor(x), math.Floor(y)
	ix, iy := int32(fx), int32(fy)
	tx, ty := float32(x-fx), float32(y-fy)
	tx, ty = tx*tx*(3-2*tx), ty*ty*(3-2*ty)
	a, b := speckle(ix, iy, c.grainSeed), speckle(ix+1, iy, c.grainSeed)
	d, e := speckle(ix, iy+1, c.grainSeed), speckle(ix+1, iy+1, c.grainSeed)
	top, low := a+float32(tx*(b-a)), d+float32(tx*(e-d))
	return top + float32(ty*(low-top))
}

// speckle hashes a position to a number between -1 and 1.
func speckle(x, y int32, seed uint32) float32 {
	h := uint32(x)*0x85ebca6b ^ uint32(y)*0xc2b2ae35 ^ seed
	h ^= h >> 15
	h *= 0x2c1b3c6d
	h ^= h >> 12
	h *= 0x297a2d39
	h ^= h >> 15
	return float32(float32(int32(h)) / (1 << 31))
}
