package scenes

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/internal/rng"
)

// paintedArea fills a white shape on a black canvas and adds up what is white,
// in pixels.
func paintedArea(c *canvas, outline []point) float64 {
	c.fill(paint{class: car, from: grey(1), opacity: 1}, outline)
	sum := 0.
	for _, p := range c.pix {
		sum += float64(p[0])
	}
	return sum
}

func TestFillCoverage(t *testing.T) {
	c := newCanvas(12, 8) // a unit is 8 pixels
	area := paintedArea(c, []point{{2.25 / 8, .25}, {5.5 / 8, .25}, {5.5 / 8, .75}, {2.25 / 8, .75}})
	assert.InDelta(t, 3.25*4, area, 1e-4)
	row := c.pix[3*12:][:12]
	for x, want := range []float32{0, 0, .75, 1, 1, .5, 0, 0, 0, 0, 0, 0} {
		assert.InDelta(t, want, row[x][0], 1e-5, "column %d", x)
		assert.Equal(t, want >= .5, c.mask[3*12+x] == car, "column %d", x)
	}
}

// TestFillArea compares triangles, which may reach out of the picture, with
// their exact area inside.
func TestFillArea(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := func(name string, lo, hi float64) float64 { return rapid.Float64Range(lo, hi).Draw(t, name) }
		width, height := rapid.IntRange(16, 60).Draw(t, "width"), rapid.IntRange(16, 60).Draw(t, "height")
		c := newCanvas(width, height)
		w, h := float64(width)/c.unit, float64(height)/c.unit
		// A base inside the picture, from the left end of a row to any point.
		a := point{at("ax", 0, w), at("ay", 0, h)}
		b := point{at("bx", 0, w), at("by", 0, h)}
		d := point{at("dx", 0, w), at("dy", 0, h)}
		want := math.Abs((b.x-a.x)*(d.y-a.y)-(d.x-a.x)*(b.y-a.y)) / 2 * c.unit * c.unit
		// Lines sample the height of each of three corners and two edges.
		require.InDelta(t, want, paintedArea(c, []point{a, b, d}), .02*want+float64(width)/lines)
	})
}

func TestFillOutside(t *testing.T) {
	for name, outline := range map[string][]point{
		"left":   {{-3, .1}, {-1, .1}, {-1, .9}},
		"right":  {{5, .1}, {9, .1}, {9, .9}},
		"above":  {{.1, -2}, {.9, -2}, {.5, -1}},
		"below":  {{.1, 2}, {.9, 2}, {.5, 3}},
		"nobody": {{.5, .5}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Zero(t, paintedArea(newCanvas(20, 16), outline))
		})
	}
	c := newCanvas(20, 16)
	assert.InDelta(t, 320, paintedArea(c, []point{{-9, -9}, {9, -9}, {9, 9}, {-9, 9}}), 1e-3, "all of it")
}

func TestRingHasHole(t *testing.T) {
	c := newCanvas(100, 90)
	s := &scene{canvas: c, horizon: .5, middle: .5, mood: mood{light: grey(1)}}
	f := model{scene: s, z: 1, turn: 1}.front()
	f.light = 1
	f.ring(car, grey(1), 0, 0, .4, .2)
	sum := 0.
	for _, p := range c.pix {
		sum += float64(p[0])
	}
	assert.InEpsilon(t, math.Pi*(.16-.04)*90*90, sum, .02)
	assert.Zero(t, c.pix[45*100+45][0], "the middle")
}

// TestObjectsAreDrawn checks that each kind covers part of an empty scene with
// its own class.
func TestObjectsAreDrawn(t *testing.T) {
	assert.Len(t, kinds(), aTree+1)
	for i, want := range [...]uint8{bus, car, rider, building, person, trafficSign, building, vegetation} {
		for seed := range uint64(20) {
			s := testScene(seed, kinds()[i])
			kinds()[i].draw(s.hero)
			n := 0
			for _, m := range s.mask {
				if m == want {
					n++
				}
			}
			require.Greater(t, n, len(s.mask)/50, "%s, seed %d", kinds()[i].name, seed)
		}
	}
}

func testScene(seed uint64, k kind) *scene {
	return newScene(newCanvas(48, 40), rng.New(seed, "test", 0, 0), k)
}
