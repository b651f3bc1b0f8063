package xla_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"unnas/internal/ir/irtest"
	"unnas/internal/xla"
	"unnas/internal/xla/xlatest"
)

// TestRandomNetworks compares training programs of random networks with those on the CPU.
// The seeds are fixed, since results differ where a ReLU rounds to the other side of zero.
func TestRandomNetworks(t *testing.T) {
	xlatest.Client(t)
	var worst float64
	for seed := range uint64(10) {
		n, p := irtest.NewNetwork(seed, 3+int(seed)%8)
		begin := time.Now()
		got := onDevice(t, p, slices.Clone(n.Data), xla.Options{Flags: xlatest.Quick})
		took := time.Since(begin)
		var most float64
		for i, want := range onCPU(t, p, slices.Clone(n.Data)) {
			// Gradients that are zero but for rounding have no size of their own.
			d := difference(t, want, got[i], 0.01)
			assert.LessOrEqual(t, d, 1e-4, "seed %d, result %d", seed, i)
			most = max(most, d)
		}
		t.Logf("seed %d: %d steps in %v, error %.1e", seed, len(p.Steps), took.Round(time.Millisecond), most)
		worst = max(worst, most)
	}
	t.Logf("largest error %.1e", worst)
}
