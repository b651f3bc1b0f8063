package kernel

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
)

func TestDropout(t *testing.T) {
	eachMap(t, func(t *testing.T, _ *rand.Rand, _ string, x Map, d dense, size scratchSize) {
		for _, rate := range []float32{0, 0.25} {
			want := make([]float64, len(d.v))
			for i, v := range d.v {
				if number := rng.At(9, i/2) >> (32 * (i % 2)); float64(uint32(number))/(1<<32) >= float64(rate) {
					want[i] = v / (1 - float64(rate))
				}
			}
			dst := Floats(len(want))
			operate(t, size, func(pool *ThreadPool) { Dropout(pool, x, 9, rate, dst) }, dst)
			near(t, "dropout", want, dst, 1e-7)
		}
	})
}

// TestDropoutDropsItsShare counts what is dropped, by keys and by places.
func TestDropoutDropsItsShare(t *testing.T) {
	const n, rate = 1 << 16, 0.3
	x := Plain(1, 1, n, 1, Floats(n))
	set(x.P, 1)
	var drops [2][]float32
	for key := range drops {
		drops[key] = Floats(n)
		Dropout(NewThreadPool(1), x, uint64(key), rate, drops[key])
		zeros := 0
		for _, v := range drops[key] {
			if v == 0 {
				zeros++
				continue
			}
			require.InDelta(t, 1/0.7, v, 1e-6)
		}
		assert.InDelta(t, rate, float64(zeros)/n, 0.01)
	}
	both := 0
	for i := range n {
		if drops[0][i] == 0 && drops[1][i] == 0 {
			both++
		}
	}
	assert.InDelta(t, rate*rate, float64(both)/n, 0.01, "keys are independent")
}
