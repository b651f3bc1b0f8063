package kernel

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/rng"
)

// Inputs [N, H, W, C] and the sizes that they are interpolated to.
var upsamplings = []struct{ n, h, w, c, toH, toW int }{
	{2, 3, 4, 5, 9, 7}, {1, 1, 1, 3, 5, 6}, {1, 1, 5, 2, 4, 5}, {3, 4, 1, 2, 4, 3}, {1, 17, 2, 3, 40, 61}, {17, 2, 3, 4, 6, 5},
	{2, 6, 5, 3, 3, 2}, {2, 4, 4, 2, 1, 1},
}

func TestUpsample(t *testing.T) {
	for i, s := range upsamplings {
		for j, kind := range lazies {
			t.Run(fmt.Sprintf("%v %s", s, kind), func(t *testing.T) {
				r := rng.New(9, "upsample", i, j)
				x, dx := lazy(r, kind, s.n, s.h, s.w, s.c)
				gy, dgy := lazy(r, kind, s.n, s.toH, s.toW, s.c)
				y, gx := Floats(gy.Len()), Floats(x.Len())
				operate(t, sized(UpsampleScratch(s.h, s.w, s.c, s.toH, s.toW, false)), func(pool *ThreadPool) {
					UpsampleForward(pool, x, s.toH, s.toW, y)
				}, y)
				near(t, "y", refUpsample(dx, s.toH, s.toW).v, y, sumTolerance)
				operate(t, sized(UpsampleScratch(s.h, s.w, s.c, s.toH, s.toW, true)), func(pool *ThreadPool) {
					UpsampleBackward(pool, gy, s.h, s.w, gx)
				}, gx)
				near(t, "gx", refUpsampleBackward(dgy, s.h, s.w).v, gx, sumTolerance)
			})
		}
	}
}

func TestPixelCrossEntropy(t *testing.T) {
	const ignore = 255
	for i, s := range upsamplings {
		for j, kind := range lazies {
			t.Run(fmt.Sprintf("%v %s", s, kind), func(t *testing.T) {
				r := rng.New(9, "pixels", i, j)
				x, dx := lazy(r, kind, s.n, s.h, s.w, s.c)
				rows := s.n * s.toH * s.toW
				labels := make([]int32, rows)
				for p := range labels {
					labels[p] = int32(rng.IntN(r, s.c))
					if p%3 == 1 || p > rows/2 && p < rows/2+40 {
						labels[p] = ignore
					}
				}
				full := refUpsample(dx, s.toH, s.toW)
				wantLoss, wantCorrect, wantCount := refCrossEntropy(full.v, rows, s.c, labels, ignore, 0)
				got := Floats(3)
				operate(t, sized(PixelCrossEntropyScratch(s.n, s.h, s.w, s.c, s.toH, s.toW, false)), func(pool *ThreadPool) {
					loss, correct, count := PixelCrossEntropy(pool, x, s.toH, s.toW, labels, ignore)
					got[0], got[1], got[2] = float32(loss), float32(correct), float32(count)
				}, got)
				assert.EqualValues(t, wantCount, got[2])
				assert.InDelta(t, wantLoss, got[0], 1e-6*math.Abs(wantLoss)+1e-7)
				assert.InDelta(t, wantCorrect, got[1], ties(full))

				g := Floats(x.Len())
				operate(t, sized(PixelCrossEntropyScratch(s.n, s.h, s.w, s.c, s.toH, s.toW, true)), func(pool *ThreadPool) {
					PixelCrossEntropyBackward(pool, 3, x, s.toH, s.toW, labels, ignore, g)
				}, g)
				fine := dense{s.n, s.toH, s.toW, s.c, refCrossEntropyBackward(3, full.v, rows, s.c, labels, ignore, 0)}
				near(t, "gradient", refUpsampleBackward(fine, s.h, s.w).v, g, sumTolerance)
			})
		}
	}
}

// ties counts the pixels with two largest values that rounding might reverse.
func ties(d dense) float64 {
	count := 0.0
	for p := 0; p < len(d.v); p += d.c {
		first, second := math.Inf(-1), math.Inf(-1)
		for _, v := range d.v[p : p+d.c] {
			first, second = max(first, v), max(second, min(first, v))
		}
		if first-second < 1e-5 {
			count++
		}
	}
	return count
}
