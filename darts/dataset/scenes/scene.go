package scenes

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"unnas/internal/rng"
	"unnas/pretext"
)

// The classes of masks: the train ids of Cityscapes.
const (
	road = iota
	sidewalk
	building
	wall
	fence
	pole
	trafficLight
	trafficSign
	vegetation
	terrain
	sky
	person
	rider
	car
	_ // truck
	bus
	_ // train
	_ // motorcycle
	bicycle
)

// A scene is a flat world seen by a camera that looks straight ahead. Lengths in
// the world are metres: x to the right of the camera, y above the ground, z ahead.
// At distance z a metre appears 1/z long.
type scene struct {
	*canvas
	r      *rand.Rand
	hero   model   // main object
	extent float64 // larger side of the hero relative to the picture

	horizon float64 // its position in the picture, from above
	middle  float64 // position straight ahead, from the left
	camera  float64 // height of the camera in metres
	near    float64 // distance of the nearest ground in the picture

	mood   mood
	season season
	sun    float64 // side of the light: -1 left, 1 right
	ahead  float32 // light on surfaces that face the camera
	layout layout
	lane   float64 // middle of the road beside the hero
	bend   float64 // curvature of the road
	things []thing // smaller objects, far ones first
}

// thing is an object and its distance.
type thing struct {
	model
	draw func(m model)
}

// layout is the kind of ground.
type layout int

const (
	street   layout = iota // a road straight ahead, with sidewalks
	crossing               // a road from left to right
	meadow                 // a path through grass
	square                 // paved
	layouts                // number of layouts
)

// mood is a time of day with its weather.
type mood struct {
	top, low colour  // of the sky, above and at the horizon
	light    colour  // on all objects
	haze     float64 // fraction of the colour absorbed by a metre of air
	shadow   float32 // opacity of shadows
	cloud    colour
	clouds   int     // largest number of clouds
	disc     colour  // of sun or moon
	sun      float64 // probability of its visibility
	lamps    bool    // windows and lamps are lit
}

// moods returns the times of day.
func moods() []mood {
	return []mood{
		// Clear.
		{
			top: colour{.25, .5, .9}, low: colour{.72, .86, .98},
			light: colour{1, 1, .97}, haze: .004, shadow: .4,
			cloud: colour{1, 1, 1}, clouds: 5, disc: colour{1, .98, .85}, sun: .4,
		},
		// Bright.
		{
			top: colour{.35, .62, .85}, low: colour{.9, .94, .95},
			light: colour{.97, .97, .97}, haze: .01, shadow: .3,
			cloud: colour{.97, .97, .98}, clouds: 8, disc: colour{1, 1, .9}, sun: .3,
		},
		// Overcast.
		{
			top: colour{.55, .58, .62}, low: colour{.78, .79, .8},
			light: colour{.88, .89, .92}, haze: .012, shadow: .12,
			cloud: colour{.66, .68, .72}, clouds: 9,
		},
		// Fog.
		{
			top: colour{.8, .81, .82}, low: colour{.88, .88, .87},
			light: colour{.85, .86, .86}, haze: .035, shadow: .08,
		},
		// Late afternoon.
		{
			top: colour{.42, .55, .78}, low: colour{1, .83, .56},
			light: colour{1, .88, .7}, haze: .01, shadow: .42,
			cloud: colour{1, .88, .74}, clouds: 5, disc: colour{1, .93, .65}, sun: .8,
		},
		// Sunset.
		{
			top: colour{.26, .22, .45}, low: colour{1, .5, .28},
			light: colour{.86, .64, .56}, haze: .012, shadow: .35,
			cloud: colour{.75, .35, .4}, clouds: 6, disc: colour{1, .6, .3}, sun: .8,
		},
		// Dusk.
		{
			top: colour{.07, .1, .26}, low: colour{.42, .38, .55},
			light: colour{.55, .56, .68}, haze: .012, shadow: .2,
			cloud: colour{.25, .25, .4}, clouds: 4, disc: colour{.95, .94, .85}, sun: .5, lamps: true,
		},
		// Night.
		{
			top: colour{.02, .03, .09}, low: colour{.1, .13, .26},
			light: colour{.42, .44, .58}, haze: .012, shadow: .15,
			cloud: colour{.1, .12, .2}, clouds: 3, disc: colour{.97, .97, .9}, sun: .7, lamps: true,
		},
		// Before a storm.
		{
			top: colour{.3, .34, .4}, low: colour{.72, .7, .62},
			light: colour{.88, .87, .8}, haze: .01, shadow: .1,
			cloud: colour{.3, .32, .37}, clouds: 9,
		},
	}
}

// season has the colours of plants.
type season struct {
	grass  colour
	leaves []colour
	snow   bool
}

// seasons returns the seasons and climates.
func seasons() []season {
	return []season{
		{grass: colour{.33, .55, .2}, leaves: []colour{{.2, .42, .14}, {.28, .5, .18}, {.16, .36, .16}}}, // summer
		{grass: colour{.45, .62, .25}, leaves: []colour{{.42, .6, .22}, {.9, .68, .76}, {.35, .55, .2}}}, // spring
		{grass: colour{.72, .62, .36}, leaves: []colour{{.4, .46, .2}, {.33, .42, .2}}},                  // a dry summer
		{grass: colour{.55, .5, .25}, leaves: []colour{{.8, .42, .12}, {.75, .56, .16}, {.6, .22, .12}}}, // autumn
		{grass: colour{.9, .92, .95}, leaves: []colour{{.2, .33, .26}, {.72, .76, .8}}, snow: true},      // winter
		{grass: colour{.84, .73, .54}, leaves: []colour{{.3, .45, .2}, {.25, .4, .22}}},                  // desert
	}
}

// between returns a number from lo to hi.
func (s *scene) between(lo, hi float64) float64 { return rng.Uniform(s.r, lo, hi) }

// chance returns true with probability p.
func (s *scene) chance(p float64) bool { return rng.Bool(s.r, p) }

// pick returns one of the choices.
func pick[T any](r *rand.Rand, choices ...T) T { return choices[rng.IntN(r, len(choices))] }

// side returns -1 or 1.
func (s *scene) side() float64 { return pick(s.r, -1., 1) }

// newScene draws all of a scene except its details.
func newScene(c *canvas, r *rand.Rand, k kind) *scene {
	s := &scene{canvas: c, r: r}
	c.grainSeed = r.Uint32()
	s.mood = pick(r, moods()...)
	s.season = pick(r, seasons()...)
	s.sun = s.between(-1, 1)
	s.ahead = float32(s.between(.78, 1))
	s.layout = layout(rng.IntN(r, int(layouts)))
	s.placeHero(k)
	s.placeRoad(k)
	s.placeThings()
	return s
}

// placeHero places the camera and the object of the class, near the middle and large.
func (s *scene) placeHero(k kind) {
	width, height := float64(s.width)/s.unit, float64(s.height)/s.unit
	along := s.layout == street && k.end > 0 && s.chance(.7)
	extent := s.between(.5, .95)
	if s.chance(.25) {
		extent = s.between(.95, 1.4)
	}
	scale := extent / k.length(along) // picture per metre
	foot := height * s.between(.72, .96)
	if !k.wide {
		foot = max(foot, 1.06*extent)
	}
	horizon := height * s.between(.3, .66)
	if s.chance(.25) {
		horizon = height * s.between(.05, .9)
	}
	s.camera = min(max((foot-horizon)/scale, .7), 9)
	s.horizon = foot - float64(s.camera*scale)
	s.near = s.camera / max(height-s.horizon, .05)
	s.middle = width * s.between(.3, .7)
	s.extent = extent
	s.hero = model{scene: s, z: 1 / scale, turn: s.side(), along: along}
	s.hero.x = (float64(width*s.between(.32, .68)) - s.middle) * s.hero.z
}

const (
	roadHalf = 3.4 // half of the width of a road, in metres
	walkWide = 2.2 // of a sidewalk
)

// placeRoad lays the road under a hero that drives, or else beside it.
func (s *scene) placeRoad(k kind) {
	s.lane = s.hero.x + float64(s.side()*s.between(1.2, 1.9))
	if k.aside > 0 {
		s.lane = s.hero.x + float64(s.side()*(roadHalf+k.aside+s.between(0, .8)))
	}
	if s.chance(.4) {
		s.bend = s.side() * s.between(.001, .006)
	}
}

// roadAt returns the middle of the road at a distance.
func (s *scene) roadAt(z float64) float64 {
	d := z - s.hero.z
	return s.lane + float64(s.bend*d*math.Abs(d))
}

// placeThings puts smaller objects behind the hero.
func (s *scene) placeThings() {
	count := 4 + rng.IntN(s.r, 7)
	if s.chance(.2) {
		count = rng.IntN(s.r, 3)
	}
	count += count * (max(s.width, s.height)/min(s.width, s.height) - 1) / 2 // more in a panorama
	all := kinds()
	lining := pick(s.r, -1, aHouse, aTree) // objects along the road; -1: any
	for range count {
		k := pick(s.r, all...)
		if k.aside > 3 && lining >= 0 {
			k = all[lining]
		}
		along := s.layout == street && k.end > 0
		nearest := max(float64(1.25*s.hero.z)+4, k.length(along)/(.6*s.extent))
		m := s.standing(nearest * math.Exp(s.between(0, 1.5)))
		m.along = along
		if s.layout == street && k.aside == 0 {
			m.x = s.roadAt(m.z) + float64(s.side()*s.between(1.2, 2))
		} else if s.layout == street {
			m.x = s.roadAt(m.z) + float64(s.side()*(roadHalf+k.aside+s.between(0, k.aside)))
		}
		s.things = append(s.things, thing{m, k.draw})
	}
	for range rng.IntN(s.r, 5) {
		m := s.standing(float64(s.hero.z*s.between(1.2, 3)) + 3)
		if s.layout == street {
			m.x = s.roadAt(m.z) + float64(s.side()*(roadHalf+.4))
		}
		s.things = append(s.things, thing{m, pick(s.r, model.lamp, model.lights, model.bush)})
	}
	if s.chance(.3) {
		m := s.standing(float64(s.hero.z*s.between(1.3, 2.5)) + 5)
		s.things = append(s.things, thing{m, pick(s.r, model.fence, model.wall, model.hedge)})
	}
	slices.SortStableFunc(s.things, func(a, b thing) int { return cmp.Compare(b.z, a.z) })
}

// standing returns an object at a distance, anywhere in the picture.
func (s *scene) standing(z float64) model {
	x := (s.between(0, float64(s.width)/s.unit) - s.middle) * z
	return model{scene: s, x: x, z: z, turn: s.side()}
}

// draw paints the scene from far to near.
func (s *scene) draw(k kind) {
	s.drawSky()
	s.drawDistance()
	s.drawGround()
	for _, t := range s.things {
		t.draw(t.model)
	}
	k.draw(s.hero)
	s.drawForeground()
}

// project returns the position of a point of the world in the picture.
func (s *scene) project(x, y, z float64) point {
	return point{s.middle + x/z, s.horizon + (s.camera-float64(y))/z}
}

// air returns the colour of a lit surface seen from a distance.
func (s *scene) air(c colour, z float64) colour {
	return c.times(s.mood.light).mix(s.mood.low, float32(1-math.Exp(-z*s.mood.haze)))
}

// image develops the picture: exposure, the noise of a sensor, 8 bits.
func (s *scene) image(label int) *pretext.Image {
	img := &pretext.Image{Width: s.width, Height: s.height, Label: label, Mask: s.mask}
	img.Pix = make([]uint8, 3*s.width*s.height)
	exposure := float32(s.between(.88, 1.1))
	noise := float32(s.between(.004, .03))
	seed := s.r.Uint32()
	for i, c := range s.pix {
		for k, v := range c {
			v = float32(v*exposure) + float32(noise*speckle(int32(i), int32(k), seed))
			img.Pix[3*i+k] = uint8(float32(min(max(v, 0), 1)*255) + .5)
		}
	}
	return img
}
