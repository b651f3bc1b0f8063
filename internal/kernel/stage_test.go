package kernel

import (
	"math/rand/v2"
	"testing"
)

func TestStage(t *testing.T) {
	eachWindow(t, squareWindows(), func(t *testing.T, r *rand.Rand, win Window, s [4]int, kind string) {
		n, h, w, c := s[0], s[1], s[2], s[3]
		oh, ow := win.Out(h, w)
		for _, cout := range []int{c, 5} {
			x, dx := lazy(r, kind, n, h, w, c)
			gz, dgz := lazy(r, kind, n, oh, ow, cout)
			wd, dwd := weight(r, win.KH*win.KW*c)
			wp, dwp := weight(r, c*cout)

			z, mom := Floats(n*oh*ow*cout), Floats(3*cout)
			operate(t, sized(StageScratch(n, h, w, c, win, cout, false)), func(team *Team) {
				StageForward(team, x, win, wd, wp, z, cout, mom)
			}, z, mom)
			want := refStage(dx, win, dwd, dwp, cout)
			near(t, "z", want.v, z, sumTolerance)
			near(t, "moments", refMoments(want), mom, sumTolerance)

			gx, gwd, gwp, sums := Floats(x.Len()), Floats(len(wd)), Floats(len(wp)), Floats(2*c)
			wantX, wantD, wantP := refStageBackward(dgz, dx, win, dwd, dwp)
			size := sized(StageScratch(n, h, w, c, win, cout, true))
			operate(t, size, func(team *Team) {
				StageBackward(team, gz, x, win, wd, wp, gx, gwd, gwp, sums)
			}, gx, gwd, gwp, sums)
			near(t, "gx", wantX.v, gx, sumTolerance)
			near(t, "gwd", wantD, gwd, sumTolerance)
			near(t, "gwp", wantP, gwp, sumTolerance)
			wantSums := channelSums(wantX, dx)
			near(t, "sums", wantSums, sums, sumTolerance)
			operate(t, size, func(team *Team) {
				StageBackward(team, gz, x, win, wd, wp, gx, nil, nil, sums)
			}, gx, sums)
			near(t, "gx alone", wantX.v, gx, sumTolerance)
			near(t, "sums without gradients of weights", wantSums, sums, sumTolerance)
		}
	})
}
