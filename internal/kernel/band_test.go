package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBandsCoverEveryRowOnce(t *testing.T) {
	for _, n := range []int{1, 2, 5, 16, 33} {
		for h := 1; h < 70; h++ {
			for _, halo := range []int{0, 2, 8, 36} {
				b := cut(n, h, 2000, halo)
				next := 0
				for task := range b.tasks() {
					image, band := b.at(task)
					r := b.band(band, h)
					assert.Equal(t, next, image*h+r.from)
					assert.GreaterOrEqual(t, r.len(), min(h, max(bandRows, halo)))
					next = image*h + r.to
				}
				assert.Equal(t, n*h, next)
			}
		}
	}
}

func TestGroupsCoverEveryTaskOnce(t *testing.T) {
	for _, n := range []int{1, 2, 16, 17, 100} {
		for _, size := range []int{1, 1 << 10, 1 << 20, 1 << 22, 1 << 25} {
			g := grouped(bands{n, 1}, size, true)
			assert.LessOrEqual(t, g.count, mostGroups)
			assert.GreaterOrEqual(t, g.count, min(n, 2))
			if g.count > 2 {
				assert.LessOrEqual(t, g.memory(), groupFloats)
			}
			next := 0
			for i := range g.count {
				from, to := g.members(i)
				assert.Equal(t, next, from)
				assert.Less(t, from, to)
				next = to
			}
			assert.Equal(t, n, next)
		}
	}
}

// seenBy is the reverse of sees.
func TestWindowsSeeWhatTheyAreSeenBy(t *testing.T) {
	for _, win := range append(convWindows(), Window{KH: 1, KW: 1, SH: 2, SW: 2, PH: -3, PW: -3, DH: 1, DW: 1}) {
		for h := 1; h < 20; h++ {
			oh, _ := win.Out(h, 100)
			for y := range h {
				var want rows // of windows with y between their first and last row
				for z := range oh {
					if win.sees(rows{z, z + 1}).contains(y) {
						want = want.with(rows{z, z + 1})
					}
				}
				got := win.seenBy(rows{y, y + 1}, oh)
				assert.Equal(t, want.len(), got.len(), "%+v h=%d y=%d", win, h, y)
				if want.len() > 0 {
					assert.Equal(t, want, got, "%+v h=%d y=%d", win, h, y)
				}
			}
		}
	}
}
