package scenes

import (
	"math"

	"unnas/internal/rng"
)

// house draws a house with a gable roof whose ridge runs across or ahead.
func (m model) house() {
	half, deep := m.between(3.2, 5), m.between(6, 9)
	floors := 1 + rng.IntN(m.r, 2)
	eaves := float64(2.7*float64(floors)) + .5
	ridge := eaves + m.between(1.7, 3.4)
	plaster := pick(m.r, colour{.93, .88, .76}, grey(.93), colour{.7, .36, .28}, colour{.88, .72, .42},
		colour{.66, .76, .84}, colour{.68, .66, .62}, colour{.74, .82, .68}, colour{.9, .7, .66}, colour{.45, .3, .22})
	tiles := pick(m.r, colour{.66, .28, .2}, grey(.3), colour{.4, .28, .22}, colour{.3, .36, .44}, colour{.5, .22, .18})
	if m.season.snow && m.chance(.8) {
		tiles = grey(.94)
	}
	trim := pick(m.r, grey(.97), colour{.4, .26, .18}, colour{.25, .4, .3}, colour{.35, .45, .6})

	m.shadow(2*half, deep)
	open := m.open()
	f, g := m.front(), m.flank(open*half, open)
	g.quad(building, plaster, 0, 0, deep, eaves)
	g.windows(trim, .5, deep-.5, 2, floors)
	roof := m.tint(building, tiles, .5+float32(.5*g.light))
	roof.grain = .08
	over := .4 // overhang of the roof
	if m.chance(.5) {
		g.poly(building, plaster, uv{0, eaves}, uv{deep, eaves}, uv{deep / 2, ridge})
		f.facade(plaster, half, eaves, eaves)
		roof.from = m.tint(building, tiles, m.ahead).from
		m.face(roof, xyz{-half - over, eaves - .15, -over}, xyz{half + over, eaves - .15, -over},
			xyz{half + over, ridge, deep / 2}, xyz{-half - over, ridge, deep / 2})
		f.quad(building, tiles.times(grey(.6)), -half-over, eaves-.28, half+over, eaves-.08)
	} else {
		x := open * (half + over)
		m.face(roof, xyz{x, eaves - .2, -over}, xyz{0, ridge, -over}, xyz{0, ridge, deep}, xyz{x, eaves - .2, deep})
		f.facade(plaster, half, eaves, ridge)
		f.poly(building, tiles, uv{-half - over, eaves - .5}, uv{-half - over, eaves - .1}, uv{0, ridge + .25},
			uv{half + over, eaves - .1}, uv{half + over, eaves - .5}, uv{0, ridge - .15})
		f.window(trim, 0, eaves+float64(.25*(ridge-eaves)), .9)
	}
	columns := 2 + rng.IntN(m.r, 2)
	step := (2*half - .6) / float64(columns)
	f.windows(trim, -half+.3, half-.3, columns, floors)
	f.door(trim, -half+.3+float64(step*(.5+float64(rng.IntN(m.r, columns))))) // instead of a window
	if m.chance(.7) {
		u := m.between(-.6, .6) * half
		f.quad(building, colour{.5, .3, .25}, u, float64(eaves)+float64(.3*(ridge-eaves)), float64(u)+.7, float64(ridge)+.7)
		f.quad(building, grey(.3), float64(u)-.08, float64(ridge)+.6, float64(u)+.78, float64(ridge)+.75)
	}
}

// facade paints the front of a building, darker towards the ground. Its sides are h
// high, its middle is middle high, for a gable.
func (s sheet) facade(c colour, half, h, middle float64) {
	p := s.tint(building, c, s.light)
	p.to, p.grain = s.tint(building, c, .82*s.light).from, .04
	p.a, p.b = s.at(0, h), s.at(0, 0)
	s.polyPaint(p, uv{-half, 0}, uv{half, 0}, uv{half, h}, uv{0, middle}, uv{-half, h})
}

var glass = colour{.26, .33, .4}

// windows paints floors of windows between two places.
func (s sheet) windows(trim colour, from, to float64, columns, floors int) {
	step := (to - from) / float64(columns)
	for floor := range floors {
		for k := range columns {
			s.window(trim, from+float64((float64(k)+.5)*step), float64(2.7*float64(floor))+.95, min(1.15, .6*step))
		}
	}
}

// window paints a window above v, w wide, with its frame.
func (s sheet) window(trim colour, u, v, w float64) {
	h := 1.15
	s.quad(building, trim, u-float64(w/2)-.1, v-.1, u+float64(w/2)+.1, v+float64(h)+.1)
	s.pane(u-float64(w/2), v, u+float64(w/2), v+float64(h))
	s.quad(building, trim, u-.04, v, u+.04, v+h)
}

// pane paints glass, which may be lit.
func (s sheet) pane(u0, v0, u1, v1 float64) {
	if s.mood.lamps && s.chance(.6) {
		s.quadPaint(s.glow(building, colour{1, .82, .45}), u0, v0, u1, v1)
		return
	}
	s.quad(building, glass.mix(s.mood.low, .25), u0, v0, u1, v1)
}

// door paints a door with its frame and step.
func (s sheet) door(trim colour, u float64) {
	c := pick(s.r, colour{.45, .28, .16}, colour{.6, .15, .12}, colour{.15, .35, .3}, colour{.2, .3, .5})
	s.quad(building, trim, u-.68, 0, u+.68, 2.25)
	s.quad(building, c, u-.52, 0, u+.52, 2.1)
	s.quad(building, grey(.6), u-.8, 0, u+.8, .15)
}

// tower draws a church, a block of flats, a lighthouse or a windmill.
func (m model) tower() {
	switch rng.IntN(m.r, 4) {
	case 0:
		m.church()
	case 1:
		m.flats()
	case 2:
		m.lighthouse()
	case 3:
		m.windmill()
	}
}

// church draws a tower with a spire and a nave beside it.
func (m model) church() {
	half, eaves, top := m.between(2, 2.8), m.between(10, 13), m.between(19, 23)
	stone := pick(m.r, grey(.9), colour{.72, .66, .56}, colour{.62, .4, .32})
	tiles := pick(m.r, colour{.3, .42, .4}, grey(.28), colour{.6, .26, .2})
	m.shadow(4*half, 3*half)
	open := m.open()
	nave := model{scene: m.scene, x: m.x - float64(open*m.turn*(half+3)), z: m.z + 1, turn: m.turn}
	nave.hall(stone, tiles)
	f, g := m.front(), m.flank(open*half, open)
	g.quad(building, stone, 0, 0, 2*half, eaves)
	f.facade(stone, half, eaves, eaves)
	over, spire := half+.3, xyz{0, top, half}
	m.face(m.tint(building, tiles, g.light), xyz{open * over, eaves, -.3}, xyz{open * over, eaves, 2*half + .3}, spire)
	m.face(m.tint(building, tiles, m.ahead), xyz{-over, eaves, -.3}, xyz{over, eaves, -.3}, spire)
	f.disc(building, grey(.95), 0, eaves-1.6, .95)
	f.line(building, grey(.1), .14, 0, eaves-1.6, 0, eaves-.9)
	f.line(building, grey(.1), .14, 0, eaves-1.6, .45, eaves-1.4)
	for _, v := range []float64{eaves - 5, eaves - 8} {
		f.pane(-.35, v, .35, v+1.6)
	}
	f.door(stone.times(grey(.8)), 0)
	f.oz = half // a cross on the top
	f.quad(building, grey(.2), -.09, top, .09, top+.9)
	f.quad(building, grey(.2), -.36, top+.54, .36, top+.68)
}

// hall draws the long house beside a tower.
func (m model) hall(stone, tiles colour) {
	const half, eaves, ridge = 3.6, 5, 9
	f := m.front()
	f.facade(stone, half, eaves, eaves)
	m.face(m.tint(building, tiles, m.ahead), xyz{-half - .3, eaves, -.3}, xyz{half + .3, eaves, -.3}, xyz{half, ridge, 4}, xyz{-half, ridge, 4})
	for _, u := range []float64{-2.2, 0, 2.2} {
		f.pane(u-.4, 1.4, u+.4, 3.8)
	}
}

// flats draws a high block.
func (m model) flats() {
	half, floors := m.between(3.5, 6), 5+rng.IntN(m.r, 4)
	top := float64(2.7*float64(floors)) + 1
	c := pick(m.r, grey(.8), colour{.75, .6, .5}, colour{.55, .62, .7}, colour{.85, .8, .68}, colour{.35, .38, .42})
	m.shadow(2*half, 2*half)
	open := m.open()
	f, g := m.front(), m.flank(open*half, open)
	g.quad(building, c, 0, 0, 2*half, top)
	f.facade(c, half, top, top)
	if m.chance(.5) { // ribbons of glass
		w := (2*half - .6) / 6
		for k := range floors {
			v := float64(2.7*float64(k)) + 1
			g.quad(building, glass.mix(m.mood.low, .3), .4, v, 2*half-.4, v+1.3)
			for n := range 6 {
				u := -half + .3 + float64(w*float64(n))
				f.pane(u+.05, v, u+w-.05, v+1.3)
			}
		}
	} else {
		columns := 3 + rng.IntN(m.r, 2)
		g.windows(grey(.9), .4, 2*half-.4, columns, floors)
		f.windows(grey(.9), -half+.4, half-.4, columns, floors)
	}
	f.quad(building, c.times(grey(.75)), -half-.2, top, half+.2, top+.4)
	f.door(grey(.3), 0)
	if m.chance(.5) {
		f.line(building, grey(.3), .12, .5*half, top, .5*half, top+2.6)
	}
}

// lighthouse draws a banded lighthouse, whose beam shows at night.
func (m model) lighthouse() {
	half, top := m.between(2, 2.6), m.between(15, 18)
	stripe := pick(m.r, colour{.8, .15, .12}, colour{.15, .3, .6}, grey(.15))
	m.shadow(3*half, 2*half)
	f := m.front()
	bands := 5 + rng.IntN(m.r, 3)
	for k := range bands {
		c := grey(.95)
		if k%2 == 1 {
			c = stripe
		}
		a, b := float64(k)/float64(bands), float64(k+1)/float64(bands)
		ha, hb := half*(1-float64(.45*a)), half*(1-float64(.45*b))
		f.polyPaint(m.round(c, half), uv{-ha, a * top}, uv{ha, a * top}, uv{hb, b * top}, uv{-hb, b * top})
	}
	w := .55 * half
	f.quad(building, grey(.25), -1.35*w, top, 1.35*w, top+.35)
	lamp := m.tint(building, colour{.6, .75, .8}, 1)
	if m.mood.lamps {
		lamp = m.glow(building, colour{1, .95, .7})
		beam := m.glow(keep, colour{1, .95, .7})
		beam.opacity = .18
		m.face(beam, xyz{0, top + 1.1, 0}, xyz{40, top - 3, 0}, xyz{40, top + 6, 0})
	}
	f.quadPaint(lamp, -.8*w, top+.35, .8*w, top+1.9)
	f.quad(building, grey(.2), -.06, top+.35, .06, top+1.9)
	f.poly(building, stripe, uv{-w, top + 1.9}, uv{w, top + 1.9}, uv{0, top + 3.6})
	f.door(stripe, 0)
	f.pane(-.4, .45*top, .4, float64(.45*top)+1.3)
	f.pane(-.4, .7*top, .4, float64(.7*top)+1.3)
}

// round returns paint that makes an upright surface look like a cylinder.
func (m model) round(c colour, half float64) paint {
	p := m.tint(building, c, 1.02)
	p.to = m.tint(building, c, .55).from
	lit := .6 * half * m.sun * m.turn
	p.a, p.b = m.at(lit, 0, 0), m.at(float64(lit)-float64(1.7*half*math.Copysign(1, lit)), 0, 0)
	return p
}

// windmill draws a mill with four sails.
func (m model) windmill() {
	half, top := m.between(2.8, 3.6), m.between(11, 13)
	c := pick(m.r, grey(.92), colour{.5, .34, .24}, colour{.7, .66, .58})
	m.shadow(3*half, 2*half)
	f := m.front()
	f.polyPaint(m.round(c, half), uv{-half, 0}, uv{half, 0}, uv{.6 * half, top}, uv{-.6 * half, top})
	f.poly(building, colour{.4, .24, .18}, uv{-.7 * half, top}, uv{.7 * half, top}, uv{.4 * half, top + 1.5}, uv{0, top + 2.2}, uv{-.4 * half, top + 1.5})
	f.door(grey(.3), 0)
	f.pane(-.5, .4*top, .5, float64(.4*top)+1.3)
	f.pane(-.45, .7*top, .45, float64(.7*top)+1.2)
	angle := m.between(0, 1.57)
	for k := range 4 {
		f.sail(angle+float64(1.5708*float64(k)), top+.6, .62*top)
	}
	f.disc(building, grey(.2), 0, top+.6, .4)
}

// sail paints one sail of a windmill, turned by an angle around the height v.
func (s sheet) sail(angle, v, length float64) {
	sin, cos := math.Sincos(angle)
	at := func(along, across float64) uv {
		return uv{float64(along*cos) - float64(across*sin), v + float64(along*sin) + float64(across*cos)}
	}
	cloth := grey(.88)
	s.poly(building, cloth, at(.18*length, 0), at(length, 0), at(length, .2*length), at(.18*length, .16*length))
	a, b := at(0, 0), at(length, 0)
	s.line(building, colour{.3, .2, .14}, .22, a[0], a[1], b[0], b[1])
	for k := 1; k < 5; k++ {
		p, q := at(.2*float64(k)*length, 0), at(.2*float64(k)*length, .18*length)
		s.line(building, colour{.4, .3, .22}, .1, p[0], p[1], q[0], q[1])
	}
}
