package scenes

import (
	"math"

	"unnas/internal/rng"
)

// kind is a class of scenes: their main object.
type kind struct {
	name  string
	size  float64 // larger of length and height in metres
	end   float64 // the same for a vehicle seen from its end; 0 if never
	wide  bool    // longer than high
	aside float64 // distance of its middle from the road; 0 if it drives
	draw  func(m model)
}

// The classes of scenes, which are their labels.
const (
	aBus = iota
	aCar
	aCyclist
	aHouse
	aPerson
	aSign
	aTower
	aTree
)

// kinds returns the classes in order.
func kinds() []kind {
	return []kind{
		aBus:     {name: "bus", size: 10.5, end: 3.4, wide: true, draw: model.bus},
		aCar:     {name: "car", size: 4.3, end: 2.1, wide: true, draw: model.car},
		aCyclist: {name: "cyclist", size: 1.85, draw: model.cyclist},
		aHouse:   {name: "house", size: 9.5, wide: true, aside: 9, draw: model.house},
		aPerson:  {name: "person", size: 1.75, aside: 1.1, draw: model.person},
		aSign:    {name: "sign", size: 2.7, aside: .5, draw: model.sign},
		aTower:   {name: "tower", size: 22, aside: 14, draw: model.tower},
		aTree:    {name: "tree", size: 8, aside: 4.5, draw: model.tree},
	}
}

// length returns the larger side of the kind, seen from its side or its end.
func (k kind) length(along bool) float64 {
	if along {
		return k.end
	}
	return k.size
}

var bark = colour{.36, .26, .18}

// tree draws a broad-leaved tree, a conifer or a poplar.
func (m model) tree() {
	h := m.between(6, 8.4)
	c := pick(m.r, m.season.leaves...)
	m.shadow(.5*h, .4*h)
	switch rng.IntN(m.r, 4) {
	case 0:
		m.conifer(h, c)
	case 1:
		m.trunk(.03*h, .4*h)
		for k := range 4 {
			m.leaves(c, m.between(-.02, .02)*h, h*(.3+float64(.17*float64(k))), .13*h, .19*h)
		}
	default:
		m.trunk(.035*h, .55*h)
		f := m.front()
		f.line(vegetation, bark, .03*h, 0, .3*h, .16*h, .55*h)
		f.line(vegetation, bark, .03*h, 0, .35*h, -.15*h, .6*h)
		width := m.between(.24, .36) * h
		m.leaves(c, 0, .64*h, .85*width, .26*h)
		for k := range 16 { // from below to the top
			v := float64(k)/15*2 - 1
			u := m.between(-1, 1) * math.Sqrt(1-float64(.8*v*v))
			if m.chance(.2) {
				c = pick(m.r, m.season.leaves...)
			}
			m.leaves(c, .8*width*u, h*(.66+float64(.22*v)), width*m.between(.22, .36), h*m.between(.08, .13))
		}
		if m.chance(.2) {
			fruit := pick(m.r, colour{.85, .15, .1}, colour{.95, .7, .15})
			for range 12 {
				f.disc(vegetation, fruit, m.between(-.7, .7)*width, m.between(.5, .85)*h, .018*h)
			}
		}
	}
}

// trunk draws a stem that narrows towards its top.
func (m model) trunk(half, h float64) {
	bark := pick(m.r, bark, colour{.3, .24, .2}, colour{.75, .73, .68})
	p := m.tint(vegetation, bark, 1)
	p.to = p.from.times(grey(.5))
	p.a, p.b = m.at(half*m.turn*m.sun, 0, 0), m.at(-2*half*m.turn*m.sun, 0, 0)
	m.front().polyPaint(p, uv{-half, 0}, uv{half, 0}, uv{.6 * half, h}, uv{-.6 * half, h})
}

// leaves draws a mass of foliage around x, y, bright on the side of the sun.
func (m model) leaves(c colour, x, y, rx, ry float64) {
	p := m.tint(vegetation, c, 1.2)
	p.to = m.tint(vegetation, c, .55).from
	at := m.at(x, y, 0)
	rx, ry = rx/m.z, ry/m.z
	p.a = point{at.x + float64(.4*rx*m.sun), at.y - float64(.5*ry)}
	p.b = point{p.a.x, p.a.y + float64(1.6*max(rx, ry))}
	p.radial, p.grain = true, .16
	m.blob(p, at, rx, ry, .07)
}

// conifer draws tiers of branches.
func (m model) conifer(h float64, c colour) {
	m.trunk(.025*h, .3*h)
	c = c.mix(colour{.1, .3, .2}, .6)
	tiers := 3 + rng.IntN(m.r, 3)
	f := m.front()
	for k := range tiers {
		t := float64(k) / float64(tiers)
		low, half := float64(h*(.12+float64(.78*t))), float64(h*(.27-float64(.18*t)))
		top := low + float64(h*(.88/float64(tiers)+.14))
		p := m.tint(vegetation, c, 1.15)
		p.to, p.grain = m.tint(vegetation, c, .6).from, .14
		p.a, p.b = f.at(half*m.turn*m.sun, low), f.at(-half*m.turn*m.sun, low-.1)
		f.polyPaint(p, uv{-half, low}, uv{-.4 * half, low + float64(.03*h)}, uv{0, low - float64(.02*h)}, uv{.5 * half, low + float64(.03*h)}, uv{half, low}, uv{0, top})
		if m.season.snow {
			f.poly(vegetation, colour{.92, .94, .97}, uv{-.35 * half, low + float64(.65*(top-low))}, uv{.35 * half, low + float64(.65*(top-low))}, uv{0, top})
		}
	}
}

// bush draws a low shrub.
func (m model) bush() {
	m.shadow(1.2, .8)
	c := pick(m.r, m.season.leaves...)
	for range 4 {
		m.leaves(c, m.between(-.6, .6), m.between(.35, .6), m.between(.4, .7), m.between(.4, .6))
	}
}

// hedge draws a clipped row of shrubs.
func (m model) hedge() {
	half := m.between(2, 5)
	p := m.tint(vegetation, m.season.leaves[0], 1)
	p.grain = .2
	m.shadow(2*half, 1)
	m.front().quadPaint(p, -half, 0, half, m.between(.9, 1.4))
}

// wall draws a low wall of stones.
func (m model) wall() {
	half, h := m.between(2, 6), m.between(.8, 1.8)
	c := pick(m.r, colour{.6, .57, .52}, colour{.62, .4, .32}, colour{.8, .78, .74})
	m.shadow(2*half, .6)
	f := m.front()
	f.quad(wall, c, -half, 0, half, h)
	for v := .3; v < h; v += .3 {
		f.quad(wall, c.times(grey(.8)), -half, v, half, v+.04)
	}
	f.quad(wall, c.times(grey(1.12)), -half-.1, h, half+.1, h+.12)
}

// fence draws pickets on two rails.
func (m model) fence() {
	half := m.between(2, 5)
	c := pick(m.r, grey(.92), colour{.5, .36, .24}, colour{.35, .4, .36})
	f := m.front()
	f.quad(fence, c.times(grey(.9)), -half, .3, half, .4)
	f.quad(fence, c.times(grey(.9)), -half, .75, half, .85)
	for u := -half; u < half; u += .28 {
		f.poly(fence, c, uv{u, 0}, uv{u + .14, 0}, uv{u + .14, 1}, uv{u + .07, 1.12}, uv{u, 1})
	}
}

// lamp draws a street lamp.
func (m model) lamp() {
	h := m.between(4, 5.5)
	iron := pick(m.r, grey(.25), grey(.55), colour{.2, .3, .25})
	f := m.front()
	f.quad(pole, iron, -.07, 0, .07, h)
	f.line(pole, iron, .1, 0, h, 1, h+.15)
	f.quad(pole, iron, .7, h, 1.3, h+.25)
	if m.mood.lamps {
		at := m.at(1, h, 0)
		light := m.glow(keep, colour{1, .85, .5})
		light.to, light.opacity, light.fade = light.from, .6, true
		light.a, light.b, light.radial = at, point{at.x + 1.5/m.z, at.y}, true
		m.spot(light, at, 1.5/m.z)
		f.quadPaint(m.glow(pole, colour{1, .93, .7}), .75, h-.1, 1.25, h+.05)
	}
}

// lights draws a traffic light, of which one lamp is lit.
func (m model) lights() {
	f := m.front()
	f.quad(pole, grey(.35), -.06, 0, .06, 2.5)
	f.quad(trafficLight, grey(.13), -.22, 2.3, .22, 3.4)
	lit := rng.IntN(m.r, 3)
	for k, c := range []colour{{.1, .9, .4}, {1, .75, .1}, {1, .15, .1}} {
		if k != lit {
			c = c.times(grey(.25))
		}
		out := m.glow(trafficLight, c)
		m.spot(out, f.at(0, 2.5+float64(.34*float64(k))), .13/m.z)
	}
}

// sign draws a traffic sign on its pole.
func (m model) sign() {
	red, white := colour{.82, .1, .12}, grey(.95)
	f := m.front()
	m.shadow(.3, .3)
	f.quad(pole, grey(.6), -.045, 0, .045, 2.3)
	const v = 2.15
	switch rng.IntN(m.r, 6) {
	case 0: // no entry, or a limit
		f.disc(trafficSign, red, 0, v, .5)
		if m.chance(.5) {
			f.quad(trafficSign, white, -.35, v-.1, .35, v+.1)
			break
		}
		f.disc(trafficSign, white, 0, v, .36)
		f.quad(trafficSign, grey(.1), -.2, v-.17, -.05, v+.17)
		f.ring(trafficSign, grey(.1), .12, v, .16, .08)
	case 1: // warning
		f.poly(trafficSign, red, uv{-.58, v - .4}, uv{.58, v - .4}, uv{0, v + .58})
		f.poly(trafficSign, white, uv{-.38, v - .29}, uv{.38, v - .29}, uv{0, v + .36})
		f.quad(trafficSign, grey(.1), -.05, v-.1, .05, v+.18)
		f.disc(trafficSign, grey(.1), 0, v-.19, .055)
	case 2: // stop
		f.polygon(trafficSign, white, 8, v, .55)
		f.polygon(trafficSign, red, 8, v, .5)
		f.quad(trafficSign, white, -.33, v-.1, .33, v+.1)
	case 3: // direction to follow
		blue := colour{.1, .3, .72}
		f.disc(trafficSign, white, 0, v, .52)
		f.disc(trafficSign, blue, 0, v, .48)
		f.line(trafficSign, white, .14, -.3, v, .1, v)
		f.poly(trafficSign, white, uv{.05, v - .25}, uv{.36, v}, uv{.05, v + .25})
	case 4: // priority
		f.polygon(trafficSign, white, 4, v, .6)
		f.polygon(trafficSign, colour{.98, .78, .1}, 4, v, .46)
	case 5: // a place or a crossing
		c := pick(m.r, colour{.1, .35, .75}, colour{.1, .5, .3}, colour{.95, .8, .15})
		f.quad(trafficSign, white, -.75, v-.4, .75, v+.4)
		f.quad(trafficSign, c, -.7, v-.35, .7, v+.35)
		f.quad(trafficSign, white, -.5, v+.08, .5, v+.2)
		f.quad(trafficSign, white, -.5, v-.18, .2, v-.06)
	}
}

// polygon paints n equal corners around the height v; four stand on one corner,
// eight on an edge.
func (s sheet) polygon(class uint8, c colour, n int, v, r float64) {
	var corners []uv
	for i := range n {
		sin, cos := math.Sincos(2 * math.Pi * (float64(i) + float64(float64(n/8)*.5)) / float64(n))
		corners = append(corners, uv{r * cos, v + float64(r*sin)})
	}
	s.poly(class, c, corners...)
}
