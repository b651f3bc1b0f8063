package scenes

var rubber = grey(.1)

// wheel paints a wheel at u, r above the ground.
func (s sheet) wheel(class uint8, u, r float64) {
	s.disc(class, rubber, u, r, r)
	s.disc(class, grey(.62), u, r, .55*r)
	s.disc(class, grey(.35), u, r, .2*r)
}

// shell is the side view of a car, driving to the right.
type shell struct {
	body, cabin   []uv
	rear, ahead   []uv    // windows
	rearW, frontW float64 // positions of the wheels
}

// shells returns a saloon, a hatchback and a van.
func shells() []shell {
	return []shell{
		{
			body:  []uv{{-2.12, .3}, {-2.15, .72}, {-2, .92}, {-1.3, .97}, {1, .95}, {1.85, .82}, {2.12, .66}, {2.15, .3}},
			cabin: []uv{{-1.5, .94}, {-.95, 1.4}, {-.6, 1.46}, {.15, 1.46}, {.4, 1.4}, {1.1, .93}},
			rear:  []uv{{-1.25, .97}, {-.82, 1.35}, {-.25, 1.37}, {-.25, .97}},
			ahead: []uv{{-.15, .97}, {-.15, 1.37}, {.28, 1.35}, {.85, .97}},
			rearW: -1.32, frontW: 1.32,
		},
		{
			body:  []uv{{-1.85, .3}, {-1.9, .8}, {-1.8, 1}, {.9, .97}, {1.6, .84}, {1.85, .66}, {1.88, .3}},
			cabin: []uv{{-1.82, .97}, {-1.5, 1.48}, {-1.2, 1.54}, {.1, 1.52}, {.35, 1.45}, {1, .95}},
			rear:  []uv{{-1.55, 1}, {-1.32, 1.42}, {-.4, 1.43}, {-.4, 1}},
			ahead: []uv{{-.3, 1}, {-.3, 1.43}, {.22, 1.4}, {.75, 1}},
			rearW: -1.18, frontW: 1.15,
		},
		{
			body:  []uv{{-2.15, .32}, {-2.18, 1.1}, {1.5, 1.08}, {2.1, .9}, {2.18, .32}},
			cabin: []uv{{-2.17, 1.05}, {-2.1, 1.95}, {-1.9, 2.02}, {.7, 2.02}, {1, 1.92}, {1.6, 1.05}},
			rear:  []uv{{-1.95, 1.2}, {-1.9, 1.8}, {-.2, 1.8}, {-.2, 1.2}},
			ahead: []uv{{0, 1.15}, {0, 1.8}, {.8, 1.8}, {1.3, 1.15}},
			rearW: -1.35, frontW: 1.35,
		},
	}
}

// car draws a car from its side, or from its end if it drives along the line of sight.
func (m model) car() {
	c := pick(m.r, colour{.78, .1, .1}, colour{.12, .28, .65}, grey(.93), grey(.65), grey(.16), colour{.93, .75, .15},
		colour{.15, .45, .3}, colour{.9, .45, .12}, colour{.45, .72, .8}, colour{.5, .2, .4})
	form := pick(m.r, shells()...)
	if m.along {
		m.carEnd(c, form)
		return
	}
	m.shadow(4.2, 1.7)
	m.front().carSide(c, form, true)
}

// carSide paints the side of a car around u = 0, with or without its cabin.
func (s sheet) carSide(c colour, form shell, cabin bool) {
	top := s.tint(car, c, 1.05*s.light)
	top.to = s.tint(car, c, .62*s.light).from
	top.a, top.b = s.at(0, 1.3), s.at(0, .3)
	if cabin {
		s.polyPaint(top, form.cabin...)
	}
	s.polyPaint(top, form.body...)
	if cabin {
		pane := glass.mix(s.mood.low, .3)
		s.poly(car, pane, form.rear...)
		s.poly(car, pane, form.ahead...)
	}
	front, back := form.body[len(form.body)-1][0], form.body[0][0]
	s.quad(car, grey(.15), back, .28, front, .4)
	s.line(car, c.times(grey(.6)), .04, -.2, .45, -.2, .95)
	s.quad(car, grey(.15), -.5, .82, -.32, .87)
	s.lampAt(car, colour{1, .95, .75}, front-.25, .62, front-.02, .76)
	s.lampAt(car, colour{.8, .1, .1}, back+.02, .66, back+.2, .84)
	s.wheel(car, form.rearW, .34)
	s.wheel(car, form.frontW, .34)
}

// lampAt paints a lamp of a vehicle, lit at night.
func (s sheet) lampAt(class uint8, c colour, u0, v0, u1, v1 float64) {
	if s.mood.lamps {
		s.quadPaint(s.glow(class, c), u0, v0, u1, v1)
		return
	}
	s.quad(class, c, u0, v0, u1, v1)
}

// carEnd draws an oncoming car or, if the object is turned, one driving away.
func (m model) carEnd(c colour, form shell) {
	const half = .86
	high := form.cabin[2][1]
	m.shadow(2*half, 4)
	open := m.open()
	g := m.flank(open*half, open)
	g.oz, g.uz = 2.1, -m.turn // u points to the front of the car
	g.carSide(c, form, false)
	// Cabin, glass and bonnet slope; the end itself is upright.
	const belt = .92
	side := m.tint(car, c, g.light)
	pane := m.tint(car, glass.mix(m.mood.low, .35), 1)
	paint := m.tint(car, c, m.ahead)
	m.face(side, xyz{open * .86, belt, .9}, xyz{open * .66, high, 1.7}, xyz{open * .62, high, 3.3}, xyz{open * .84, belt, 4})
	m.face(pane, xyz{open * .83, belt + .05, 1.2}, xyz{open * .68, high - .1, 1.85}, xyz{open * .65, high - .1, 3.15}, xyz{open * .81, belt + .05, 3.6})
	m.face(m.tint(car, c, 1.08), xyz{-.66, high, 1.7}, xyz{.66, high, 1.7}, xyz{.62, high, 3.3}, xyz{-.62, high, 3.3})
	m.face(paint, xyz{-.86, belt, .9}, xyz{.86, belt, .9}, xyz{.66, high, 1.7}, xyz{-.66, high, 1.7})
	m.face(pane, xyz{-.76, belt + .04, .95}, xyz{.76, belt + .04, .95}, xyz{.6, high - .07, 1.62}, xyz{-.6, high - .07, 1.62})
	m.face(m.tint(car, c, 1.1), xyz{-.86, .87, 0}, xyz{.86, .87, 0}, xyz{.86, belt, .95}, xyz{-.86, belt, .95})
	f := m.front()
	f.quad(car, rubber, -.84, 0, -.58, .45)
	f.quad(car, rubber, .58, 0, .84, .45)
	p := paint
	p.to = m.tint(car, c, .65*m.ahead).from
	p.a, p.b = f.at(0, .87), f.at(0, .25)
	f.polyPaint(p, uv{-.86, .3}, uv{.86, .3}, uv{.89, .55}, uv{.86, .87}, uv{-.86, .87}, uv{-.89, .55})
	f.quad(car, grey(.14), -.86, .24, .86, .36)
	lamp := colour{1, .96, .8}
	if m.turn < 0 {
		lamp = colour{.85, .1, .08}
	} else {
		f.quad(car, grey(.12), -.4, .5, .4, .64)
	}
	f.lampAt(car, lamp, -.82, .54, -.5, .7)
	f.lampAt(car, lamp, .5, .54, .82, .7)
	f.quad(car, grey(.95), -.26, .38, .26, .48)
}

// bus draws a bus from its side, or from its end if it drives along the line of sight.
func (m model) bus() {
	c := pick(m.r, colour{.85, .15, .12}, colour{.95, .75, .1}, colour{.15, .4, .7}, colour{.2, .55, .35}, grey(.92), colour{.9, .5, .15})
	stripe := pick(m.r, grey(.95), c.times(grey(.6)), colour{.15, .2, .35})
	if m.along {
		m.busEnd(c, stripe)
		return
	}
	m.shadow(10.5, 2.5)
	m.front().busSide(c, stripe)
}

// busSide paints the side of a bus around u = 0, driving to the right.
func (s sheet) busSide(c, stripe colour) {
	const half, top = 5.2, 3.05
	p := s.tint(bus, c, 1.05*s.light)
	p.to = s.tint(bus, c, .7*s.light).from
	p.a, p.b = s.at(0, top), s.at(0, .4)
	s.polyPaint(p, uv{-half, .4}, uv{half, .4}, uv{half + .05, 1.4}, uv{half - .15, top - .15}, uv{half - .5, top}, uv{-half + .2, top}, uv{-half, top - .2})
	s.quad(bus, stripe, -half, .95, half, 1.2)
	for k := range 7 {
		u := -half + .35 + float64(1.22*float64(k))
		s.busPane(u, 1.5, u+1.08, 2.6)
	}
	s.busPane(half-1.2, 1.35, half-.12, 2.65)
	for _, u := range []float64{-.9, 2.76} { // doors
		s.quad(bus, grey(.15), u, .5, u+1.1, 2.65)
		s.busPane(u+.08, .65, u+.5, 2.55)
		s.busPane(u+.6, .65, u+1.02, 2.55)
	}
	s.quad(bus, grey(.12), -half, .32, half, .48)
	s.lampAt(bus, colour{1, .95, .75}, half-.3, .7, half, .9)
	s.lampAt(bus, colour{.8, .1, .1}, -half, .8, -half+.15, 1.1)
	s.wheel(bus, -3.2, .5)
	s.wheel(bus, 4.3, .5)
}

// busPane paints a window of a bus.
func (s sheet) busPane(u0, v0, u1, v1 float64) {
	if s.mood.lamps {
		s.quadPaint(s.glow(bus, colour{.95, .88, .62}), u0, v0, u1, v1)
		return
	}
	s.quad(bus, glass.mix(s.mood.low, .3), u0, v0, u1, v1)
}

// busEnd draws an oncoming bus or, if the object is turned, one driving away.
func (m model) busEnd(c, stripe colour) {
	const half, top = 1.27, 3.1
	m.shadow(2*half, 8)
	open := m.open()
	g := m.flank(open*half, open)
	g.oz, g.uz = 5.2, -m.turn
	g.busSide(c, stripe)
	m.face(m.tint(bus, c, 1.05), xyz{-half, top, .1}, xyz{half, top, .1}, xyz{half, top, 10}, xyz{-half, top, 10})
	f := m.front()
	f.quad(bus, rubber, -1.15, 0, -.8, .6)
	f.quad(bus, rubber, .8, 0, 1.15, .6)
	f.poly(bus, c, uv{-half, .35}, uv{half, .35}, uv{half, top - .2}, uv{half - .2, top}, uv{-half + .2, top}, uv{-half, top - .2})
	f.quad(bus, stripe, -half, .95, half, 1.15)
	f.busPane(-half+.12, 1.3, half-.12, 2.5)
	lamp := colour{.85, .1, .08}
	if m.turn > 0 {
		lamp = colour{1, .96, .8}
		f.quad(bus, grey(.1), -.9, 2.58, .9, 2.95)
		f.quadPaint(m.glow(bus, colour{1, .7, .15}), -.6, 2.68, .5, 2.85)
		f.line(bus, grey(.1), .05, -.5, 1.3, .3, 1.75)
	}
	f.lampAt(bus, lamp, -1.15, .6, -.75, .85)
	f.lampAt(bus, lamp, .75, .6, 1.15, .85)
	f.quad(bus, grey(.95), -.3, .5, .3, .65)
	f.quad(bus, grey(.12), -half, .28, half, .42)
}

// cyclist draws a rider on a bicycle, seen from the side.
func (m model) cyclist() {
	frame := pick(m.r, colour{.8, .1, .12}, colour{.1, .3, .65}, grey(.15), colour{.1, .5, .35}, colour{.95, .6, .1}, grey(.85))
	m.shadow(1.7, .4)
	f := m.front()
	const r = .35
	for _, u := range []float64{-.54, .54} {
		f.ring(bicycle, rubber, u, r, r, .8*r)
		f.line(bicycle, grey(.55), .02, u-.9*r, r, u+.9*r, r)
		f.line(bicycle, grey(.55), .02, u, .1*r, u, 1.9*r)
		f.disc(bicycle, grey(.4), u, r, .06)
	}
	const thick = .055
	for _, l := range [][4]float64{{-.54, r, -.22, .82}, {-.54, r, -.05, r}, {-.05, r, -.22, .92}, {-.05, r, .38, .86}, {-.2, .8, .38, .84}, {.54, r, .36, 1.02}} {
		f.line(bicycle, frame, thick, l[0], l[1], l[2], l[3])
	}
	f.line(bicycle, grey(.15), .06, .36, 1.02, .52, 1.04)
	f.line(bicycle, grey(.15), .08, -.36, .95, -.1, .95)

	d := m.dress()
	knee := m.between(.52, .72)
	f.line(rider, d.legs.times(grey(.8)), .15, -.2, 1, .16, 1.25-knee)
	f.line(rider, d.legs.times(grey(.8)), .12, .16, 1.25-knee, -.02, .18)
	f.line(rider, d.top, .3, -.2, .98, .08, 1.42)
	f.line(rider, d.legs, .16, -.2, 1, .2, knee+.06)
	f.line(rider, d.legs, .13, .2, knee+.06, .06, .3)
	f.line(rider, d.shoes, .1, 0, .27, .17, .27)
	f.line(rider, d.top.times(grey(.85)), .1, .08, 1.38, .3, 1.15)
	f.line(rider, d.skin, .08, .3, 1.15, .46, 1.06)
	f.line(rider, d.skin, .1, .1, 1.45, .14, 1.55)
	f.disc(rider, d.skin, .17, 1.63, .125)
	hat := d.hair
	if m.chance(.6) {
		hat = pick(m.r, colour{.9, .2, .15}, grey(.9), colour{.2, .4, .8}, colour{.95, .8, .1})
	}
	f.cap(rider, hat, .16, 1.66, .145)
	if m.chance(.3) {
		f.quad(rider, pick(m.r, colour{.7, .2, .2}, colour{.2, .3, .3}, colour{.85, .6, .2}), -.32, 1.08, -.1, 1.42)
	}
}
