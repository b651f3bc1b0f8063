package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
)

func TestStage(t *testing.T) {
	eachWindow(t, squareWindows(), func(t *testing.T, r *rand.Rand, win Window, s [4]int, kind string) {
		x, dx := lazy(r, kind, s[0], s[1], s[2], s[3])
		for _, cout := range []int{x.C, 5} {
			checkStages(t, Float32, r, kind, x, dx, []Window{win}, []int{cout})
		}
	})
}

// TestStageOfManyChannels has more channels than a vector register file holds, and
// groups of three tasks and of four.
func TestStageOfManyChannels(t *testing.T) {
	const n, c = 130, 53
	require.Greater(t, cut(n, 3, 4*c, 2).tasks(), 2*mostGroups)
	r := rng.New(3, "stages", 0, 0)
	for _, kind := range []string{"affine", "gradient"} {
		x, dx := lazy(r, kind, n, 3, 4, c)
		checkStages(t, Float32, r, kind, x, dx, []Window{Square(3, 1, 1, 1), Square(5, 1, 4, 2)}, []int{c, 41})
	}
}

// TestStagesOfOneMap computes several stages at once, in every order of sizes.
func TestStagesOfOneMap(t *testing.T) {
	three, five, wide, seven := [3]int{3, 1, 1}, [3]int{5, 2, 1}, [3]int{5, 4, 2}, [3]int{7, 3, 1}
	for i, fan := range [][][3]int{{three, five}, {wide, three, five}, {seven, {1, 0, 1}, three, wide}} {
		for stride := 1; stride <= 2; stride++ {
			for l, s := range shapes {
				r := rng.New(uint64(i), fmt.Sprint("stages", s, stride), 0, 0)
				kind := lazies[(i+stride+l)%len(lazies)]
				var wins []Window
				var couts []int
				for j, k := range fan {
					wins, couts = append(wins, Square(k[0], stride, k[1], k[2])), append(couts, s[3]+j)
				}
				x, dx := lazy(r, kind, s[0], s[1], s[2], s[3])
				t.Run(fmt.Sprintf("%v stride %d of %v %s", fan, stride, s, kind), func(t *testing.T) {
					checkStages(t, Float32, r, kind, x, dx, wins, couts)
				})
			}
		}
	}
}

func TestStagesThatDoNotGoTogether(t *testing.T) {
	for _, win := range []Window{Square(3, 2, 1, 1), Square(3, 1, 0, 1)} {
		list := []Stage{{Win: Square(3, 1, 1, 1), WD: Floats(9), WP: Floats(1)}, {Win: win, WD: Floats(9), WP: Floats(1)}}
		assert.PanicsWithValue(t, fmt.Sprintf("kernel: stages of windows %+v and %+v do not go together", list[0].Win, win), func() {
			StagesScratch(Float32, 1, 8, 8, 1, list, false)
		})
	}
}

// checkStages compares stages of x, and their gradients, with the reference.
func checkStages(t *testing.T, p Precision, r *rand.Rand, kind string, x Map, dx dense, wins []Window, couts []int) {
	t.Helper()
	tolerance := sumTolerance
	if p == BFloat16 {
		tolerance = 0x1p-7 // what lies between the convolutions is rounded, on either side of a tie
	}
	list, want := make([]Stage, len(wins)), make([]dense, len(wins))
	var forward, backward [][]float32
	wantD, wantP := make([][]float64, len(wins)), make([][]float64, len(wins))
	wantX := newDense(x.N, x.H, x.W, x.C)
	for i, win := range wins {
		s, cout := &list[i], couts[i]
		oh, ow := win.Out(x.H, x.W)
		var dwd, dwp []float64
		var dgz dense
		s.Win = win
		s.WD, dwd = weight(r, win.KH*win.KW*x.C)
		s.WP, dwp = weight(r, x.C*cout)
		s.GZ, dgz = lazy(r, kind, x.N, oh, ow, cout)
		s.Z, s.Mom = Floats(x.N*oh*ow*cout), Floats(3*cout)
		s.GWD, s.GWP = Floats(len(s.WD)), Floats(len(s.WP))
		forward, backward = append(forward, s.Z, s.Mom), append(backward, s.GWD, s.GWP)
		want[i] = refStage(dx, win, dwd, dwp, cout)
		var gx dense
		gx, wantD[i], wantP[i] = refStageBackward(dgz, dx, win, dwd, dwp)
		for j, v := range gx.v {
			wantX.v[j] += v
		}
	}
	operate(t, sized(StagesScratch(p, x.N, x.H, x.W, x.C, list, false)), func(pool *ThreadPool) {
		StagesForward(pool, p, x, list)
	}, forward...)
	for i := range list {
		near(t, "z", want[i].v, list[i].Z, tolerance)
		near(t, "moments", refMoments(want[i]), list[i].Mom, tolerance)
	}

	gx, sums := Floats(x.Len()), Floats(2*x.C)
	size := sized(StagesScratch(p, x.N, x.H, x.W, x.C, list, true))
	operate(t, size, func(pool *ThreadPool) { StagesBackward(pool, p, x, list, gx, sums) }, append(backward, gx, sums)...)
	near(t, "gx", wantX.v, gx, tolerance)
	near(t, "sums", channelSums(wantX, dx), sums, tolerance)
	for i := range list {
		near(t, "gwd", wantD[i], list[i].GWD, tolerance)
		near(t, "gwp", wantP[i], list[i].GWP, tolerance)
		list[i].GWD, list[i].GWP = nil, nil
	}
	operate(t, size, func(pool *ThreadPool) { StagesBackward(pool, p, x, list, gx, sums) }, gx, sums)
	near(t, "gx alone", wantX.v, gx, tolerance)
	near(t, "sums without gradients of weights", channelSums(wantX, dx), sums, tolerance)
}
