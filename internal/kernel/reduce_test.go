package kernel

import (
	"fmt"
	"testing"

	"unnas/internal/rng"
)

func TestReduce(t *testing.T) {
	for i, s := range shapes {
		for j, kind := range lazies {
			t.Run(fmt.Sprintf("%v %s", s, kind), func(t *testing.T) {
				r := rng.New(3, "reduce", i, j)
				n, h, w, c := s[0], s[1], s[2], s[3]
				cout := 4 + 2*i
				oh, ow := (h+1)/2, (w+1)/2
				x, dx := lazy(r, kind, n, h, w, c)
				gz, dgz := lazy(r, kind, n, oh, ow, cout)
				w1, dw1 := weight(r, c*cout/2)
				w2, dw2 := weight(r, c*cout/2)

				z, mom := Floats(n*oh*ow*cout), Floats(3*cout)
				operate(t, sized(ReduceScratch(n, h, w, c, cout, false)), func(pool *ThreadPool) {
					ReduceForward(pool, x, w1, w2, z, cout, mom)
				}, z, mom)
				want := refReduce(dx, dw1, dw2, cout)
				near(t, "z", want.v, z, sumTolerance)
				near(t, "moments", refMoments(want), mom, sumTolerance)

				gx, gw1, gw2 := Floats(x.Len()), Floats(len(w1)), Floats(len(w2))
				wantX, want1, want2 := refReduceBackward(dgz, dx, dw1, dw2)
				operate(t, sized(ReduceScratch(n, h, w, c, cout, true)), func(pool *ThreadPool) {
					ReduceBackward(pool, gz, x, w1, w2, gx, gw1, gw2)
				}, gx, gw1, gw2)
				near(t, "gx", wantX.v, gx, sumTolerance)
				near(t, "gw1", want1, gw1, sumTolerance)
				near(t, "gw2", want2, gw2, sumTolerance)
			})
		}
	}
}
