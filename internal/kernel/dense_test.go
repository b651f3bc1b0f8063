package kernel

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/rng"
)

func TestLinear(t *testing.T) {
	for i, s := range [][3]int{{1, 3, 2}, {5, 70, 10}, {3, 20, 300}, {7, 130, 1}, {2, 64, 128}} {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			r := rng.New(5, "linear", i, 0)
			m, in, out := s[0], s[1], s[2]
			x, dx := weight(r, m*in)
			w, dw := weight(r, in*out)
			b, db := weight(r, out)
			gy, dgy := weight(r, m*out)
			// A linear layer is a 1×1 convolution of m pixels.
			pixels, one := dense{1, 1, m, in, dx}, Square(1, 1, 0, 1)

			y := Floats(m * out)
			operate(t, scratchSize{}, func(pool *ThreadPool) { LinearForward(pool, x, m, in, out, w, b, y) }, y)
			near(t, "y", refConv(pixels, one, dw, db, out).v, y, sumTolerance)
			operate(t, scratchSize{}, func(pool *ThreadPool) { LinearForward(pool, x, m, in, out, w, nil, y) }, y)
			near(t, "y without bias", refConv(pixels, one, dw, nil, out).v, y, sumTolerance)

			gx, gw, gb := Floats(m*in), Floats(in*out), Floats(out)
			wantX, wantW, wantB := refConvBackward(dense{1, 1, m, out, dgy}, pixels, one, dw)
			operate(t, sized(LinearScratch(m, in, out)), func(pool *ThreadPool) {
				LinearBackward(pool, gy, x, m, in, out, w, gx, gw, gb)
			}, gx, gw, gb)
			near(t, "gx", wantX.v, gx, sumTolerance)
			near(t, "gw", wantW, gw, sumTolerance)
			near(t, "gb", wantB, gb, sumTolerance)
		})
	}
}

func TestSoftmax(t *testing.T) {
	for i, s := range [][2]int{{1, 1}, {3, 7}, {900, 10}, {5, 313}, {2, 5000}} {
		rows, k := s[0], s[1]
		r := rng.New(5, "softmax", i, 0)
		x, dx := weight(r, rows*k)
		gy, dgy := weight(r, rows*k)
		y, gx := Floats(rows*k), Floats(rows*k)
		operate(t, scratchSize{}, func(pool *ThreadPool) { SoftmaxForward(pool, x, rows, k, y) }, y)
		want := refSoftmax(dx, rows, k)
		near(t, "y", want, y, 1e-6)
		operate(t, scratchSize{}, func(pool *ThreadPool) { SoftmaxBackward(pool, gy, y, rows, k, gx) }, gx)
		near(t, "gx", refSoftmaxBackward(dgy, want, rows, k), gx, 2e-6)
	}
}

func TestDraw(t *testing.T) {
	for i, s := range [][2]int{{1, 1}, {3, 7}, {900, 10}, {2, 5000}} {
		rows, k := s[0], s[1]
		r := rng.New(5, "draw", i, 0)
		x, dx := weight(r, rows*k)
		noise, dnoise := weight(r, rows*k)
		gy, dgy := weight(r, rows*k)
		y, gx := Floats(rows*k), Floats(rows*k)
		operate(t, scratchSize{}, func(pool *ThreadPool) { DrawForward(pool, x, noise, rows, k, y) }, y)
		const temperature = 0.5
		sums, want, taken := make([]float64, rows*k), make([]float64, rows*k), make([]float64, rows*k)
		for j := range sums {
			sums[j] = (dx[j] + dnoise[j]) / temperature
		}
		for row := range rows {
			at := row * k
			for j := row * k; j < (row+1)*k; j++ {
				if sums[j] > sums[at] {
					at = j
				}
			}
			want[at], taken[at] = 1, dgy[at]/temperature
		}
		near(t, "y", want, y, 0)
		operate(t, scratchSize{}, func(pool *ThreadPool) { DrawBackward(pool, gy, x, noise, temperature, y, rows, k, gx) }, gx)
		near(t, "gx", refSoftmaxBackward(taken, refSoftmax(sums, rows, k), rows, k), gx, 3e-6)
	}
}

// TestDrawFollowsSoftmax counts what is drawn.
func TestDrawFollowsSoftmax(t *testing.T) {
	const rows, k = 20000, 3
	r := rng.New(6, "draw", 0, 0)
	x, noise, y := Floats(rows*k), Floats(rows*k), Floats(rows*k)
	for i := range noise {
		x[i], noise[i] = float32(math.Log(float64(1+i%k))), float32(rng.Gumbel(r))
	}
	DrawForward(NewThreadPool(1), x, noise, rows, k, y)
	var counts [k]float64
	for i, v := range y {
		counts[i%k] += float64(v) / rows
	}
	for j, share := range counts { // five standard deviations
		p := float64(1+j) / 6
		assert.InDelta(t, p, share, 5*math.Sqrt(p*(1-p)/rows))
	}
}

func TestSoftmaxOfExtremes(t *testing.T) {
	pool, y := NewThreadPool(1), Floats(4)
	SoftmaxForward(pool, []float32{3e38, -3e38, 1e4, 3e38}, 1, 4, y)
	assert.Equal(t, []float32{0.5, 0, 0, 0.5}, y)
	SoftmaxForward(pool, []float32{0, float32(math.NaN()), 1, 2}, 1, 4, y)
	assert.True(t, math.IsNaN(float64(y[0])), "what is no number must not be lost")
}

func TestCrossEntropy(t *testing.T) {
	const ignore = 255
	for i, s := range []struct {
		rows, k   int
		smoothing float32
	}{{1, 2, 0}, {7, 10, 0}, {900, 5, 0.1}, {33, 313, 0.1}, {4, 1, 0.1}} {
		r := rng.New(5, "cross-entropy", i, 0)
		logits, dlogits := weight(r, s.rows*s.k)
		labels := make([]int32, s.rows)
		for j := range labels {
			labels[j] = int32(rng.IntN(r, s.k))
			if j%4 == 3 {
				labels[j] = ignore
			}
		}
		smoothing := float64(s.smoothing)
		wantLoss, wantCorrect, wantCount := refCrossEntropy(dlogits, s.rows, s.k, labels, ignore, smoothing)
		got := Floats(3)
		operate(t, sized(CrossEntropyScratch(s.rows, s.k)), func(pool *ThreadPool) {
			loss, correct, count := CrossEntropy(pool, logits, s.rows, s.k, labels, ignore, s.smoothing)
			got[0], got[1], got[2] = float32(loss), float32(correct), float32(count)
		}, got)
		assert.EqualValues(t, wantCorrect, got[1])
		assert.EqualValues(t, wantCount, got[2])
		assert.InDelta(t, wantLoss, got[0], 1e-6*math.Abs(wantLoss)+1e-7)

		g := Floats(s.rows * s.k)
		operate(t, scratchSize{}, func(pool *ThreadPool) {
			CrossEntropyBackward(pool, 3, logits, s.rows, s.k, labels, ignore, s.smoothing, g)
		}, g)
		near(t, "gradient", refCrossEntropyBackward(3, dlogits, s.rows, s.k, labels, ignore, smoothing), g, 1e-6)
	}
}

func TestCrossEntropyOfNothing(t *testing.T) {
	pool, g := NewThreadPool(1), []float32{5, 5}
	loss, correct, count := CrossEntropy(pool, []float32{1, 2}, 1, 2, []int32{-1}, -1, 0)
	assert.Zero(t, loss)
	assert.Zero(t, correct)
	assert.Zero(t, count)
	CrossEntropyBackward(pool, 1, []float32{1, 2}, 1, 2, []int32{-1}, -1, 0, g)
	assert.Equal(t, []float32{0, 0}, g)
}
