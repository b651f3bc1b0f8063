package scenes

import "math"

// model is an object of the world. Its own coordinates are metres: x to the
// right of its foot, or to the left if it is turned, y above it, z behind it.
type model struct {
	*scene
	x, z  float64 // of the foot
	turn  float64 // 1, or -1 if the object is mirrored
	along bool    // a vehicle drives along the line of sight
}

// xyz is a point of an object, uv one of a surface.
type (
	xyz [3]float64
	uv  [2]float64
)

// at returns the position of a point of the object in the picture.
func (m model) at(x, y, z float64) point { return m.project(m.x+float64(m.turn*x), y, m.z+z) }

// tint returns paint of a colour under light, as seen through the air.
func (m model) tint(class uint8, c colour, light float32) paint {
	return paint{class: class, from: m.air(c.times(grey(light)), m.z), opacity: 1}
}

// glow returns paint of a luminous colour.
func (m model) glow(class uint8, c colour) paint {
	return paint{class: class, from: c.mix(m.mood.low, float32(1-math.Exp(-m.z*m.mood.haze))), opacity: 1}
}

// open returns the side of the object that the camera sees, 1 for the right one in the
// object's coordinates and -1 for the left.
func (m model) open() float64 {
	if m.x > 0 {
		return -m.turn
	}
	return m.turn
}

// face paints a polygon of points of the object.
func (m model) face(p paint, corners ...xyz) {
	m.outline = m.outline[:0]
	for _, c := range corners {
		m.outline = append(m.outline, m.at(c[0], c[1], c[2]))
	}
	m.fill(p, m.outline)
}

// shadow darkens the ground on the side away from the sun, under an object w wide and d
// deep.
func (m model) shadow(w, d float64) {
	long := w * (.55 + float64(.5*math.Abs(m.sun)))
	x := m.x - float64(m.sun*w*.5)
	m.outline = m.outline[:0]
	for i := range 24 {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / 24)
		m.outline = append(m.outline, m.project(x+float64(long*cos), 0, max(m.z+float64(d/2)+float64((float64(d/2)+float64(.1*w))*sin), .3*m.z)))
	}
	m.fill(paint{class: keep, opacity: m.mood.shadow}, m.outline)
}

// sheet is an upright surface of an object, with coordinates u along it and v up.
type sheet struct {
	model
	ox, oz float64 // origin of u in coordinates of the object
	ux, uz float64 // a step of u
	light  float32
}

// front returns the surface that faces the camera, through the foot.
func (m model) front() sheet { return sheet{model: m, ux: 1, light: m.ahead} }

// flank returns the surface that faces along x, to the right if right is 1 and to the
// left if it is -1. There u increases away from the camera.
func (m model) flank(x, right float64) sheet {
	return sheet{model: m, ox: x, uz: 1, light: float32(.74 + float64(.24*right*m.turn*m.sun))}
}

// at returns the position of a point of the surface in the picture.
func (s sheet) at(u, v float64) point {
	return s.model.at(s.ox+float64(u*s.ux), v, s.oz+float64(u*s.uz))
}

// poly paints a polygon.
func (s sheet) poly(class uint8, c colour, corners ...uv) {
	s.polyPaint(s.tint(class, c, s.light), corners...)
}

// polyPaint paints a polygon with the given paint.
func (s sheet) polyPaint(p paint, corners ...uv) {
	out := s.outline[:0]
	for _, q := range corners {
		out = append(out, s.at(q[0], q[1]))
	}
	s.fill(p, out)
	s.outline = out
}

// quad paints a rectangle.
func (s sheet) quad(class uint8, c colour, u0, v0, u1, v1 float64) {
	s.quadPaint(s.tint(class, c, s.light), u0, v0, u1, v1)
}

// quadPaint paints a rectangle with the given paint.
func (s sheet) quadPaint(p paint, u0, v0, u1, v1 float64) {
	s.polyPaint(p, uv{u0, v0}, uv{u1, v0}, uv{u1, v1}, uv{u0, v1})
}

// line paints a straight stroke w wide.
func (s sheet) line(class uint8, c colour, w, u0, v0, u1, v1 float64) {
	du, dv := u1-u0, v1-v0
	f := w / 2 / math.Hypot(du, dv)
	du, dv = float64(du*f), float64(dv*f)
	s.poly(class, c, uv{u0 - dv, v0 + du}, uv{u1 - dv, v1 + du}, uv{u1 + dv, v1 - du}, uv{u0 + dv, v0 - du})
}

// ring paints a disc of radius r with a hole of radius hole, without one if that is zero.
func (s sheet) ring(class uint8, c colour, u, v, r, hole float64) {
	out := s.outline[:0]
	n := s.corners(r / s.z)
	for i := range n + 1 {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(n))
		out = append(out, s.at(u+float64(r*cos), v+float64(r*sin)))
	}
	if hole > 0 { // the connections with the inner circle cover nothing
		for i := range n + 1 {
			sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(n))
			out = append(out, s.at(u+float64(hole*cos), v+float64(hole*sin)))
		}
	}
	s.fill(s.tint(class, c, s.light), out)
	s.outline = out
}

// disc paints a full disc.
func (s sheet) disc(class uint8, c colour, u, v, r float64) { s.ring(class, c, u, v, r, 0) }

// corners returns the number of corners for a round circle of that radius.
func (c *canvas) corners(r float64) int { return min(max(int(2.5*math.Sqrt(r*c.unit))+6, 8), 64) }

// spot paints a disc on the picture.
func (c *canvas) spot(p paint, at point, r float64) {
	c.outline = c.outline[:0]
	n := c.corners(r)
	for i := range n {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(n))
		c.outline = append(c.outline, point{at.x + float64(r*cos), at.y + float64(r*sin)})
	}
	c.fill(p, c.outline)
}

// blob paints an uneven ellipse on the picture, of radii rx and ry.
func (s *scene) blob(p paint, at point, rx, ry, uneven float64) {
	s.outline = s.outline[:0]
	const n = 20 // the same for all picture sizes, since each corner draws a number
	for i := range n {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / n)
		f := 1 + s.between(-uneven, uneven)
		s.outline = append(s.outline, point{at.x + float64(f*rx*cos), at.y + float64(f*ry*sin)})
	}
	s.fill(p, s.outline)
}
