package scenes

import (
	"math"
	"slices"

	"unnas/internal/rng"
)

// drawSky paints sky over the whole picture: gradient, stars, sun or moon, clouds.
func (s *scene) drawSky() {
	width, height := float64(s.width)/s.unit, float64(s.height)/s.unit
	s.fill(paint{
		class: sky, from: s.mood.top, to: s.mood.low, opacity: 1,
		a: point{0, s.horizon - 1}, b: point{0, s.horizon},
	}, []point{{0, 0}, {width, 0}, {width, height}, {0, height}})
	if s.mood.lamps {
		for range 25 {
			p := point{s.between(0, width), s.between(0, s.horizon)}
			s.spot(paint{class: sky, from: colour{1, 1, .9}, opacity: float32(s.between(.2, .9))}, p, .004)
		}
	}
	if s.chance(s.mood.sun) {
		p := point{float64(width * (.5 + float64(.5*s.sun))), s.horizon - s.between(.08, .5)}
		glow := s.between(.15, .35)
		s.spot(paint{class: sky, from: s.mood.disc, to: s.mood.disc, a: p, b: point{p.x + glow, p.y}, radial: true, opacity: .6, fade: true}, p, glow)
		s.spot(paint{class: sky, from: s.mood.disc, opacity: 1}, p, s.between(.03, .06))
	}
	for range rng.IntN(s.r, s.mood.clouds+1) {
		s.drawCloud(point{s.between(-.1, width+.1), s.horizon - s.between(.05, .6)}, s.between(.08, .3))
	}
}

// drawCloud paints a row of puffs with a flat base, bright above and darker below.
func (s *scene) drawCloud(p point, size float64) {
	dark := s.mood.cloud.mix(s.mood.low, .5)
	opacity := float32(s.between(.5, .95))
	for range 5 {
		r := size * s.between(.15, .32)
		q := point{p.x + float64(size*s.between(-.6, .6)), p.y - float64(.6*r)}
		s.blob(paint{
			class: sky, from: s.mood.cloud, to: dark, opacity: opacity,
			a: point{q.x, q.y - float64(r)}, b: point{q.x, p.y + float64(.3*r)},
		}, q, 1.6*r, r, .08)
	}
}

// drawDistance paints the horizon.
func (s *scene) drawDistance() {
	width := float64(s.width) / s.unit
	base := s.horizon + .02
	for layer := range rng.IntN(s.r, 4) {
		z := 900. / float64(layer+1) // metres, for the colour of the air
		high := s.between(.02, .13) / float64(layer+1)
		switch rng.IntN(s.r, 3) {
		case 0: // hills
			c := s.air(s.season.grass.mix(s.season.leaves[0], float32(s.between(0, 1))), z/3)
			phase, step := s.between(0, 6), s.between(3, 9)
			outline := []point{{width, base}, {0, base}}
			for i := range 33 {
				x := width * float64(i) / 32
				outline = append(outline, point{x, s.horizon - float64(high*(1+float64(.6*math.Sin(float64(step*x)+phase))+float64(.4*math.Sin(2.3*step*x))))})
			}
			s.fill(paint{class: pick[uint8](s.r, vegetation, terrain), from: c, opacity: 1}, outline)
		case 1: // a forest
			for x := -.02; x < width; x += .035 {
				c := s.air(pick(s.r, s.season.leaves...), z/4)
				h := high * s.between(.4, .8)
				s.blob(paint{class: vegetation, from: c, opacity: 1, grain: .1}, point{x + s.between(0, .02), base - float64(h/2)}, .03, h, .15)
			}
		case 2: // a town
			for x := -.05; x < width; x += s.between(.03, .12) {
				c := s.air(grey(float32(s.between(.3, .7))), z/4)
				w, h := s.between(.03, .09), high*s.between(.4, 1.4)
				s.fill(paint{class: building, from: c, opacity: 1}, []point{{x, base}, {x, s.horizon - float64(h)}, {x + float64(w), s.horizon - float64(h)}, {x + float64(w), base}})
			}
		}
	}
}

// drawGround paints the ground up to the horizon, and roads on it.
func (s *scene) drawGround() {
	grass := s.season.grass.mix(s.season.leaves[0], float32(s.between(0, .3)))
	asphalt := pick(s.r, grey(.3), grey(.42), grey(.55), colour{.5, .44, .4}, colour{.62, .57, .5})
	paving := pick(s.r, colour{.66, .64, .6}, colour{.75, .7, .62}, colour{.6, .5, .45}, grey(.5))
	if s.season.snow {
		asphalt = asphalt.mix(grey(.9), float32(s.between(0, .6)))
		paving = paving.mix(grey(.95), .6)
	}
	switch s.layout {
	case street:
		s.plain(terrain, grass, .16)
		s.strip(sidewalk, paving, -roadHalf-walkWide, roadHalf+walkWide)
		s.strip(road, asphalt, -roadHalf, roadHalf)
		for z := s.near; z < 60+float64(8*s.hero.z); z += 4 {
			s.ground(road, asphalt.mix(grey(1), .7), s.roadAt(z), z, s.roadAt(z+2), z+2, .12)
		}
	case crossing:
		s.plain(terrain, grass, .16)
		front, back := max(s.hero.z-s.between(1.5, 3), .9*s.near), s.hero.z+s.between(3, 5)
		middle, far := (front+back)/2, 3*(back+10)
		s.ground(sidewalk, paving, 0, max(front-walkWide, .9*s.near), 0, back+walkWide, far)
		s.ground(road, asphalt, 0, front, 0, back, far)
		for x := -2 * back; x < 2*back; x += 4 {
			s.ground(road, asphalt.mix(grey(1), .7), x, float64(middle)-.08, x, float64(middle)+.08, 2)
		}
	case meadow:
		s.plain(terrain, grass, .2)
		if s.chance(.5) {
			s.strip(sidewalk, colour{.72, .62, .46}.mix(s.season.grass, .2), -1, 1)
		}
	case square:
		s.plain(sidewalk, paving, .06)
		for z := s.near; z < 8*s.hero.z; z += max(1, s.hero.z/6) {
			s.ground(sidewalk, paving.times(grey(.85)), 0, z, 0, 1.02*z, float64(8*z)+40)
		}
	}
}

// earth returns paint for the ground. Its spots, of the size of tufts of grass and of
// patches, fade where they become too small to see.
func (s *scene) earth(class uint8, c colour, spots float32) paint {
	row := -1
	var z float64
	var col colour
	var tufts, patches float32
	return paint{class: class, opacity: 1, texture: func(x, y int) colour {
		if y != row {
			row = y
			z = s.camera / max((float64(y)+.5)/s.unit-s.horizon, 1e-3)
			col = s.air(c, z)
			across, ahead := z/s.unit, z*z/s.unit/s.camera // metres between pixels
			tufts = spots * float32(min(.1/across, .1/ahead, 1))
			patches = spots * float32(min(1/across, 1/ahead, 1))
		}
		wide := ((float64(x)+.5)/s.unit - s.middle) * z
		v := 1 + float32(patches*s.grain(.4*wide, .4*z))
		if tufts > .005 {
			v += float32(tufts * s.grain(5*wide, 5*z))
		}
		return col.times(grey(v))
	}}
}

// plain paints all ground.
func (s *scene) plain(class uint8, c colour, spots float32) {
	width, height := float64(s.width)/s.unit, float64(s.height)/s.unit
	s.fill(s.earth(class, c, spots), []point{{0, s.horizon}, {width, s.horizon}, {width, height}, {0, height}})
}

// ground paints a stripe of ground, w metres wide from left to right, from one
// place to another that is further ahead.
func (s *scene) ground(class uint8, c colour, x0, z0, x1, z1, w float64) {
	s.fill(s.earth(class, c, .05), []point{
		s.project(x0-float64(w/2), 0, z0), s.project(x0+float64(w/2), 0, z0),
		s.project(x1+float64(w/2), 0, z1), s.project(x1-float64(w/2), 0, z1),
	})
}

// strip paints the ground between left and right of the middle of the road.
func (s *scene) strip(class uint8, c colour, left, right float64) {
	var there, back []point
	near, far := .9*s.near, 60+float64(25*s.hero.z)
	const steps = 24
	for i := range steps + 1 {
		z := near * math.Pow(far/near, float64(i)/steps)
		x := s.roadAt(min(z, s.hero.z+40))
		there = append(there, s.project(x+left, 0, z))
		back = append(back, s.project(x+right, 0, z))
	}
	slices.Reverse(back)
	s.fill(s.earth(class, c, .05), append(there, back...))
}

// drawForeground scatters grass and flowers before the hero.
func (s *scene) drawForeground() {
	if s.layout == square || s.layout == street || s.season.snow {
		return
	}
	petals := pick(s.r, colour{.95, .85, .2}, colour{.9, .3, .3}, colour{.95, .95, .95}, colour{.6, .4, .8})
	for range 14 {
		m := s.standing(s.hero.z * s.between(.3, .9))
		p := m.at(0, 0, 0)
		if i, j := int(p.y*s.unit), int(p.x*s.unit); i < 0 || j < 0 || i >= s.height || j >= s.width || s.mask[i*s.width+j] != terrain {
			continue
		}
		h := .05 * m.z
		f := m.front()
		f.line(terrain, s.season.leaves[0], h/8, 0, 0, h/6, h)
		f.line(terrain, s.season.leaves[0], h/8, 0, 0, -h/4, .8*h)
		f.disc(terrain, petals, h/6, h, h/4)
	}
}
