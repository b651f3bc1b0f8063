package kernel

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/rng"
)

// Every subset of the gradients of a kernel must be that part of all of them.
func TestGradientsAreOptional(t *testing.T) {
	const n, h, w, c, cout = 3, 9, 6, 5, 4
	win := Square(3, 2, 1, 1)
	oh, ow := win.Out(h, w)
	r := rng.New(1, "optional", 0, 0)
	x, _ := lazy(r, "affine", n, h, w, c)
	gz, _ := lazy(r, "gradient", n, oh, ow, cout)
	wd, _ := weight(r, 9*c)
	wp, _ := weight(r, c*cout)
	full, _ := weight(r, 9*c*cout)
	rows, _ := weight(r, n*c)
	gy, _ := weight(r, n*cout)
	kernels := []struct {
		name  string
		sizes []int
		run   func(t *ThreadPool, g [][]float32)
	}{
		{"stage", []int{x.Len(), len(wd), len(wp)}, func(t *ThreadPool, g [][]float32) {
			StagesBackward(t, Float32, x, []Stage{{Win: win, WD: wd, WP: wp, GZ: gz, GWD: g[1], GWP: g[2]}}, g[0], nil)
		}},
		{"conv", []int{x.Len(), len(full), cout}, func(t *ThreadPool, g [][]float32) {
			ConvBackward(t, Float32, gz, x, win, true, full, g[0], g[1], g[2])
		}},
		{"reduce", []int{x.Len(), len(wp) / 2, len(wp) / 2}, func(t *ThreadPool, g [][]float32) {
			ReduceBackward(t, gz, x, wp[:len(wp)/2], wp[len(wp)/2:], g[0], g[1], g[2])
		}},
		{"linear", []int{n * c, len(wp), cout}, func(t *ThreadPool, g [][]float32) {
			LinearBackward(t, gy, rows, n, c, cout, wp, g[0], g[1], g[2])
		}},
	}
	for _, k := range kernels {
		pool := NewThreadPool(2)
		outputs := func(subset int) [][]float32 {
			g := make([][]float32, len(k.sizes))
			for i, size := range k.sizes {
				if subset>>i&1 != 0 {
					g[i] = Floats(size)
				}
			}
			k.run(pool, g)
			return g
		}
		all := outputs(7)
		for subset := range 8 {
			for i, g := range outputs(subset) {
				if g != nil {
					near(t, fmt.Sprintf("%s %03b gradient %d", k.name, subset, i), wide(all[i]), g, 1e-6)
				}
			}
		}
	}
}

// Moments are optional too.
func TestMomentsAreOptional(t *testing.T) {
	const n, h, w, c, cout = 2, 5, 6, 3, 4
	r := rng.New(2, "optional", 0, 0)
	x, _ := lazy(r, "affine", n, h, w, c)
	wd, _ := weight(r, 9*c)
	wp, _ := weight(r, c*cout)
	full, _ := weight(r, 9*c*cout)
	win, strided := Square(3, 1, 1, 1), Square(3, 2, 1, 1)
	for name, run := range map[string]func(t *ThreadPool, z, mom []float32){
		"stage": func(t *ThreadPool, z, mom []float32) {
			StagesForward(t, Float32, x, []Stage{{Win: win, WD: wd, WP: wp, Z: z[:n*h*w*cout], Mom: mom}})
		},
		"conv": func(t *ThreadPool, z, mom []float32) {
			ConvForward(t, Float32, x, win, true, full, nil, z[:n*h*w*cout], cout, mom)
		},
		"reduce": func(t *ThreadPool, z, mom []float32) { ReduceForward(t, x, wp[:6], wp[6:], z[:n*3*3*cout], cout, mom) },
		"max":    func(t *ThreadPool, z, mom []float32) { MaxPoolForward(t, x, strided, z[:n*3*3*c], mom) },
		"avg":    func(t *ThreadPool, z, mom []float32) { AvgPoolForward(t, x, strided, z[:n*3*3*c], mom) },
	} {
		pool, with, without := NewThreadPool(1), Floats(n*h*w*cout), Floats(n*h*w*cout)
		mom := Floats(3 * cout)
		if name == "max" || name == "avg" {
			mom = mom[:3*c]
		}
		run(pool, with, mom)
		run(pool, without, nil)
		assert.Equal(t, with, without, name)
	}
}

func TestMisuse(t *testing.T) {
	pool, x := NewThreadPool(1), Plain(1, 4, 4, 2, Floats(32))
	win := Square(3, 1, 1, 1)
	w := Floats(200)
	for _, m := range []struct {
		message string
		run     func()
	}{
		{"kernel: z has 31 elements, want 32", func() { MaxPoolForward(pool, x, win, Floats(31), nil) }},
		{"kernel: x has 30 elements, want 32", func() {
			MaxPoolForward(pool, Plain(1, 4, 4, 2, Floats(30)), win, Floats(32), nil)
		}},
		{"kernel: a map's factor A has 1 elements, want 2", func() {
			Apply(pool, Map{N: 1, H: 4, W: 4, C: 2, P: Floats(32), A: Floats(1)}, false, Floats(32))
		}},
		{"kernel: a map's factor B has 0 elements, want 2", func() {
			Apply(pool, Map{N: 1, H: 4, W: 4, C: 2, P: Floats(32), Q: Floats(32)}, false, Floats(32))
		}},
		{"kernel: gz is [1, 4, 4, 2], want [1, 2, 2, 2]", func() {
			MaxPoolBackward(pool, x, x, Square(3, 2, 1, 1), Floats(32))
		}},
		{"kernel: window {KH:9 KW:9 SH:1 SW:1 PH:0 PW:0 DH:1 DW:1} does not fit into 4×4 pixels", func() {
			ConvForward(pool, Float32, x, Square(9, 1, 0, 1), false, w[:162], nil, Floats(1), 1, nil)
		}},
		{"kernel: window {KH:1 KW:1 SH:1 SW:1 PH:1 PW:1 DH:1 DW:1} is not square or padded by more than it reaches", func() {
			StagesForward(pool, Float32, x, []Stage{{Win: Square(1, 1, 1, 1), WD: w[:2], WP: w[:4], Z: Floats(72)}})
		}},
		{"kernel: a stage's WP has 5 elements, want 4", func() {
			StagesForward(pool, Float32, x, []Stage{{Win: win, WD: w[:18], WP: w[:5], Z: Floats(64)}})
		}},
		{"kernel: a factorised reduction has an even number of channels, not 3", func() {
			ReduceForward(pool, x, w[:2], w[:2], Floats(12), 3, nil)
		}},
		{"kernel: channels 1 to 3 of 2", func() { Slice(pool, x, 1, 2, Floats(32)) }},
		{"kernel: channels 2 to 4 of 3", func() { Unslice(pool, x, 2, 3, Floats(48)) }},
		{"kernel: 2 channels are no groups of 3", func() { Interleave(pool, Plain(1, 4, 4, 3, Floats(48)), x, Floats(32)) }},
		{"kernel: 2 channels are no groups of 3", func() { Deinterleave(pool, x, 3, nil, nil) }},
		{"kernel: labels has 1 elements, want 2", func() {
			CrossEntropy(pool, w[:6], 2, 3, []int32{0}, -1, 0)
		}},
	} {
		assert.PanicsWithValue(t, m.message, m.run)
	}
}
