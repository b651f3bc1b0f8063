package kernel

import (
	"math/rand/v2"
	"testing"
)

func TestInterleave(t *testing.T) {
	eachMap(t, func(t *testing.T, r *rand.Rand, kind string, first Map, d dense, _ scratchSize) {
		if first.C > 100 {
			return // the whole map would have too many channels for a test
		}
		for _, groups := range []int{1, 2, 3} {
			size, c := first.C, groups*first.C
			rest, whole := lazy(r, kind, first.N, first.H, first.W, c)
			scratch := sized(ElementwiseScratch(first.N, first.H, first.W, c, 1))
			want := newDense(first.N, first.H, first.W, c)
			wantRest, wantFirst := newDense(first.N, first.H, first.W, c), newDense(first.N, first.H, first.W, size)
			g, grads := lazy(r, kind, first.N, first.H, first.W, c)
			want.each(func(i, n, y, x, channel int) {
				j, group := channel/groups, channel%groups
				if group == 0 {
					from, _ := d.at(n, y, x, j)
					want.v[i] = d.v[from]
					wantFirst.v[from] = grads.v[i]
					return
				}
				from, _ := whole.at(n, y, x, group*size+j)
				want.v[i] = whole.v[from]
				wantRest.v[from] = grads.v[i]
			})
			dst := Floats(len(want.v))
			operate(t, scratch, func(pool *ThreadPool) { Interleave(pool, first, rest, dst) }, dst)
			near(t, "interleaved", want.v, dst, 0)

			gFirst, gRest := Floats(len(wantFirst.v)), Floats(len(wantRest.v))
			operate(t, scratch, func(pool *ThreadPool) { Deinterleave(pool, g, size, gFirst, gRest) }, gFirst, gRest)
			near(t, "gradient of first", wantFirst.v, gFirst, 0)
			near(t, "gradient of rest", wantRest.v, gRest, 0)
			operate(t, scratch, func(pool *ThreadPool) { Deinterleave(pool, g, size, nil, gRest) }, gRest)
			near(t, "gradient of rest alone", wantRest.v, gRest, 0)
			operate(t, scratch, func(pool *ThreadPool) { Deinterleave(pool, g, size, gFirst, nil) }, gFirst)
			near(t, "gradient of first alone", wantFirst.v, gFirst, 0)
		}
	})
}
