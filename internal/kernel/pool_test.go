package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
)

func poolWindows() []Window {
	return []Window{
		Square(2, 1, 0, 1), Square(2, 2, 0, 1), Square(3, 1, 1, 1), Square(3, 2, 1, 1), Square(5, 1, 2, 1),
		Square(5, 2, 2, 1), Square(7, 1, 3, 1), Square(7, 2, 3, 1), Square(5, 3, 0, 1), Square(1, 2, 0, 1),
		Square(3, 1, 2, 2), Square(3, 2, 2, 2), Square(5, 1, 4, 2), Square(2, 1, 1, 3),
	}
}

func TestPool(t *testing.T) {
	eachWindow(t, poolWindows(), func(t *testing.T, r *rand.Rand, win Window, s [4]int, kind string) {
		n, h, w, c := s[0], s[1], s[2], s[3]
		oh, ow := win.Out(h, w)
		x, dx := lazy(r, kind, n, h, w, c)
		gz, dgz := lazy(r, kind, n, oh, ow, c)
		z, mom, gx := Floats(n*oh*ow*c), Floats(3*c), Floats(x.Len())

		operate(t, sized(MaxPoolScratch(n, h, w, c, win, false)), func(pool *ThreadPool) {
			MaxPoolForward(pool, x, win, z, mom)
		}, z, mom)
		want, _ := refMaxPool(dx, win)
		near(t, "max", want.v, z, 0)
		near(t, "moments of max", refMoments(want), mom, sumTolerance)
		operate(t, sized(MaxPoolScratch(n, h, w, c, win, true)), func(pool *ThreadPool) {
			MaxPoolBackward(pool, gz, x, win, gx)
		}, gx)
		near(t, "gradient of max", refMaxPoolBackward(dgz, dx, win).v, gx, sumTolerance)

		operate(t, sized(AvgPoolScratch(n, h, w, c, win, false)), func(pool *ThreadPool) {
			AvgPoolForward(pool, x, win, z, mom)
		}, z, mom)
		want = refAvgPool(dx, win)
		near(t, "avg", want.v, z, sumTolerance)
		near(t, "moments of avg", refMoments(want), mom, sumTolerance)
		operate(t, sized(AvgPoolScratch(n, h, w, c, win, true)), func(pool *ThreadPool) {
			AvgPoolBackward(pool, gz, win, h, w, gx)
		}, gx)
		near(t, "gradient of avg", refAvgPoolBackward(dgz, win, h, w).v, gx, sumTolerance)
	})
}

// Of equal elements the first by rows takes the gradient, as in PyTorch.
func TestMaxPoolGradientOfEqualElements(t *testing.T) {
	pool, gx := NewThreadPool(1), Floats(9)
	x := Plain(1, 3, 3, 1, []float32{1, 1, 1, 1, 1, 1, 1, 1, 1})
	gz := Plain(1, 2, 2, 1, []float32{1, 2, 3, 4})
	MaxPoolBackward(pool, gz, x, Square(3, 2, 1, 1), gx)
	require.Equal(t, []float32{1, 2, 0, 3, 4, 0, 0, 0, 0}, gx)
}

func TestGlobalPool(t *testing.T) {
	for i, s := range shapes {
		for j, kind := range lazies {
			t.Run(fmt.Sprintf("%v %s", s, kind), func(t *testing.T) {
				r := rng.New(3, "global pool", i, j)
				n, h, w, c := s[0], s[1], s[2], s[3]
				x, dx := lazy(r, kind, n, h, w, c)
				y := Floats(n * c)
				operate(t, sized(GlobalPoolScratch(n, h, w, c)), func(pool *ThreadPool) {
					GlobalPoolForward(pool, x, y)
				}, y)
				want := make([]float64, n*c)
				dx.each(func(i, n, _, _, channel int) { want[n*c+channel] += dx.v[i] / float64(h*w) })
				near(t, "y", want, y, sumTolerance)

				gy, dgy := weight(r, n*c)
				gx := Floats(x.Len())
				operate(t, scratchSize{}, func(pool *ThreadPool) { GlobalPoolBackward(pool, gy, n, h, w, c, gx) }, gx)
				back := newDense(n, h, w, c)
				back.each(func(i, n, _, _, channel int) { back.v[i] = dgy[n*c+channel] / float64(h*w) })
				near(t, "gx", back.v, gx, sumTolerance)
			})
		}
	}
}
