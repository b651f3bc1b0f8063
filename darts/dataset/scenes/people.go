package scenes

import "math"

// dress is the appearance of a person.
type dress struct {
	skin, hair, top, legs, shoes colour
}

// dress draws an appearance.
func (s *scene) dress() dress {
	return dress{
		skin:  pick(s.r, colour{.96, .8, .68}, colour{.87, .66, .5}, colour{.65, .44, .3}, colour{.42, .28, .2}),
		hair:  pick(s.r, colour{.12, .09, .07}, colour{.35, .22, .12}, colour{.78, .6, .3}, colour{.6, .28, .14}, grey(.75)),
		top:   pick(s.r, colour{.8, .15, .15}, colour{.15, .35, .7}, colour{.95, .8, .2}, colour{.2, .55, .35}, grey(.9), grey(.2), colour{.85, .45, .6}, colour{.55, .35, .65}, colour{.95, .55, .2}),
		legs:  pick(s.r, colour{.15, .2, .38}, grey(.15), colour{.45, .38, .28}, grey(.5), colour{.5, .15, .2}),
		shoes: pick(s.r, grey(.1), colour{.4, .22, .12}, grey(.9), colour{.7, .15, .15}),
	}
}

// cap paints the upper half of a disc: hair or a hat.
func (s sheet) cap(class uint8, c colour, u, v, r float64) {
	var half []uv
	for i := range 11 {
		sin, cos := math.Sincos(math.Pi * float64(i) / 10)
		half = append(half, uv{u + float64(r*cos), v + float64(r*sin)})
	}
	s.poly(class, c, half...)
}

// person draws someone who stands or walks.
func (m model) person() {
	d := m.dress()
	m.shadow(.55, .4)
	f := m.front()
	step := m.between(0, .2)
	swing := m.between(-.1, .16)
	long := m.chance(.3) // a coat or a dress instead of trousers

	legs := d.legs
	if long {
		legs = d.skin.mix(d.legs, .5)
	}
	f.line(person, legs.times(grey(.85)), .15, .08, .88, .08+step, .06)
	f.line(person, legs, .15, -.08, .88, -.09-step, .06)
	f.line(person, d.shoes, .09, .04+step, .05, .2+step, .05)
	f.line(person, d.shoes, .09, -.15-step, .05, .02-step, .05)
	f.line(person, d.top.times(grey(.78)), .105, .22, 1.4, .3+swing, .95)
	f.disc(person, d.skin, .31+swing, .9, .06)

	body := m.tint(person, d.top, 1.05*m.ahead)
	body.to = m.tint(person, d.top, .72*m.ahead).from
	body.a, body.b = f.at(.25*m.turn*m.sun, 1.2), f.at(-.25*m.turn*m.sun, 1.2)
	hem, wide := .82, .18
	if long {
		hem, wide = m.between(.4, .6), m.between(.24, .36)
	}
	f.polyPaint(body, uv{-wide, hem}, uv{wide, hem}, uv{.17, 1.05}, uv{.25, 1.38}, uv{.12, 1.48}, uv{-.12, 1.48}, uv{-.25, 1.38}, uv{-.17, 1.05})
	f.line(person, d.skin, .1, 0, 1.44, 0, 1.54)
	f.line(person, d.top, .105, -.22, 1.4, -.3-swing, .95)
	f.disc(person, d.skin, -.31-swing, .9, .06)

	if m.chance(.35) { // long hair falls behind the head
		f.quad(person, d.hair, -.14, 1.42, .14, 1.65)
	}
	f.disc(person, d.skin, 0, 1.63, .125)
	f.cap(person, d.hair, 0, 1.645, .14)
	f.disc(person, grey(.1), -.045, 1.63, .016)
	f.disc(person, grey(.1), .045, 1.63, .016)
	f.belongings()
}

// belongings gives a person a hat, a bag, an umbrella or nothing.
func (s sheet) belongings() {
	c := pick(s.r, colour{.85, .2, .2}, colour{.2, .45, .75}, colour{.95, .75, .2}, colour{.3, .6, .4}, grey(.15))
	if s.chance(.3) { // a hat
		s.quad(person, c, -.21, 1.68, .21, 1.715)
		s.cap(person, c, 0, 1.7, .135)
	}
	switch {
	case s.chance(.15):
		s.line(person, grey(.3), .03, .33, .9, .3, 2.05)
		s.cap(person, c, .3, 1.95, .62)
	case s.chance(.3):
		s.quad(person, c, .24, .55, .46, .85)
		s.line(person, c.times(grey(.7)), .03, .35, .85, .33, .95)
	}
}
