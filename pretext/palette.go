package pretext

import (
	"math"
	"sync"
)

// A palette finds the nearest of a set of tints, the bins. For each cell of a grid it
// stores the bins that can be nearest. The grid spans -abReach to abReach along both axes
// and contains all of sRGB.
type palette struct {
	bins  []tint
	cells [abCells * abCells][]int32 // row by row; a row has one value of a
	all   []int32                    // for tints off the grid
}

const (
	abReach = 128
	abStep  = 4 // side of a cell; a power of two, so that the cell of a tint is exact
	abCells = 2 * abReach / abStep
)

func newPalette(bins []tint) *palette {
	p := &palette{bins: bins}
	for k := range bins {
		p.all = append(p.all, int32(k))
	}
	for i := range p.cells {
		low := tint{float64(i/abCells*abStep - abReach), float64(i%abCells*abStep - abReach)}
		// No tint of the cell is further from its bin than this, squared.
		bound := math.Inf(1)
		for _, c := range bins {
			bound = min(bound, squares(furthest(low.a, c.a), furthest(low.b, c.b)))
		}
		// Bins are integers, so an excluded bin is further away by much more than the
		// rounding error of distances.
		for k, c := range bins {
			if squares(closest(low.a, c.a), closest(low.b, c.b)) <= bound {
				p.cells[i] = append(p.cells[i], int32(k))
			}
		}
	}
	return p
}

// closest and furthest return the distances from c of the closest and of the furthest point
// of a cell that starts at low, along one axis.
func closest(low, c float64) float64  { return max(low-c, 0, c-low-abStep) }
func furthest(low, c float64) float64 { return max(c-low, low+abStep-c) }

func squares(x, y float64) float64 { return float64(x*x) + float64(y*y) }

// nearest returns the index of the nearest bin, the first if there are several.
func (p *palette) nearest(t tint) int32 {
	among := p.all
	i, j := int(math.Floor(t.a/abStep))+abCells/2, int(math.Floor(t.b/abStep))+abCells/2
	if uint(i) < abCells && uint(j) < abCells {
		among = p.cells[i*abCells+j]
	}
	best, shortest := int32(0), math.Inf(1)
	for _, k := range among {
		c := &p.bins[k]
		if d := squares(t.a-c.a, t.b-c.b); d < shortest {
			best, shortest = k, d
		}
	}
	return best
}

// gamut is the palette of Zhang et al. (2016, arXiv 1603.08511), which covers the tints of
// sRGB.
var gamut = sync.OnceValue(func() *palette { return newPalette(gamutBins()) })

// abDistance is the distance of neighbours among the bins of gamut.
const abDistance = 10

// gamutBins returns the multiples of abDistance within the outline, sorted by a, then b.
func gamutBins() []tint {
	var bins []tint
	for a := -90.; a <= 100; a += abDistance {
		for b := -110.; b <= 100; b += abDistance {
			if inOutline(tint{a, b}) {
				bins = append(bins, tint{a, b})
			}
		}
	}
	return bins
}

// outline is the convex hull of those bins, counter-clockwise.
var outline = [...]tint{
	{-90, 90}, {-90, 50}, {-80, 20}, {-60, -20}, {-30, -50}, {10, -80}, {40, -100}, {60, -110},
	{90, -110}, {100, -90}, {100, 0}, {90, 70}, {70, 80}, {40, 90}, {0, 100}, {-50, 100},
}

// inOutline reports whether a tint lies within the outline or on it.
func inOutline(t tint) bool {
	p := outline[len(outline)-1]
	for _, q := range outline {
		if (q.a-p.a)*(t.b-p.b) < (q.b-p.b)*(t.a-p.a) {
			return false
		}
		p = q
	}
	return true
}
