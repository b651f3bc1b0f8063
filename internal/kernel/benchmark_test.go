package kernel

import (
	"fmt"
	"testing"

	"unnas/internal/rng"
)

// measure times a kernel on all cores and reports its rate in multiply-adds
// counted twice, or in bytes.
func measure(b *testing.B, flops, bytes int, run func(t *Team)) {
	team := NewTeam(0)
	team.Begin()
	defer team.End()
	run(team)
	for b.Loop() {
		run(team)
	}
	perSecond := float64(b.N) / b.Elapsed().Seconds()
	if flops > 0 {
		b.ReportMetric(float64(flops)*perSecond/1e9, "GFLOP/s")
	} else {
		b.ReportMetric(float64(bytes)*perSecond/1e9, "GB/s")
	}
}

func BenchmarkStage(b *testing.B) {
	for _, s := range []struct{ n, size, c int }{{16, 32, 16}, {16, 16, 32}, {16, 8, 64}} {
		for _, win := range []Window{Square(3, 1, 1, 1), Square(5, 1, 2, 1), Square(3, 1, 2, 2), Square(5, 2, 2, 1)} {
			r := rng.New(1, "benchmark", 0, 0)
			x, _ := lazy(r, "affine", s.n, s.size, s.size, s.c)
			oh, ow := win.Out(s.size, s.size)
			gz, _ := lazy(r, "gradient", s.n, oh, ow, s.c)
			wd, _ := weight(r, win.KH*win.KW*s.c)
			wp, _ := weight(r, s.c*s.c)
			gx, sums := Floats(x.Len()), Floats(2*s.c)
			list := []Stage{{
				Win: win, WD: wd, WP: wp, Z: Floats(gz.Len()), Mom: Floats(3 * s.c),
				GZ: gz, GWD: Floats(len(wd)), GWP: Floats(len(wp)),
			}}
			input := []Stage{{Win: win, WD: wd, WP: wp, GZ: gz}}
			flops := 2 * s.n * oh * ow * (len(wd) + len(wp))
			name := fmt.Sprintf("C%d@%d/k%ds%dd%d", s.c, s.size, win.KH, win.SH, win.DH)
			b.Run(name+"/forward", func(b *testing.B) {
				measure(b, flops, 0, func(t *Team) { StagesForward(t, x, list) })
			})
			b.Run(name+"/backward", func(b *testing.B) { // the depthwise part three times, once again
				flops := 2*flops + 2*s.n*oh*ow*len(wd)
				measure(b, flops, 0, func(t *Team) { StagesBackward(t, x, list, gx, sums) })
			})
			b.Run(name+"/input", func(b *testing.B) {
				measure(b, flops, 0, func(t *Team) { StagesBackward(t, x, input, gx, sums) })
			})
		}
	}
}

func BenchmarkConv(b *testing.B) {
	for _, s := range []struct {
		name             string
		n, size, c, cout int
		win              Window
		relu             bool
	}{
		{"1x1", 16, 32, 64, 16, Square(1, 1, 0, 1), true},
		{"1x1plain", 16, 16, 128, 128, Square(1, 1, 0, 1), false},
		{"3x3", 16, 16, 128, 128, Square(3, 1, 1, 1), false},
		{"3x3small", 16, 8, 512, 512, Square(3, 1, 1, 1), false},
		{"3x3tiny", 16, 32, 16, 16, Square(3, 1, 1, 1), true},
		{"stem", 16, 32, 3, 48, Square(3, 1, 1, 1), false},
		{"dilated", 2, 41, 256, 64, Square(3, 1, 6, 6), false},
		{"7x1", 16, 17, 64, 64, Window{KH: 7, KW: 1, SH: 1, SW: 1, PH: 3, DH: 1, DW: 1}, true},
	} {
		r := rng.New(1, "benchmark", 0, 0)
		kind := "plain"
		if s.relu {
			kind = "affine"
		}
		x, _ := lazy(r, kind, s.n, s.size, s.size, s.c)
		oh, ow := s.win.Out(s.size, s.size)
		gz, _ := lazy(r, kind, s.n, oh, ow, s.cout)
		w, _ := weight(r, s.win.KH*s.win.KW*s.c*s.cout)
		z, gx, gw := Floats(gz.Len()), Floats(x.Len()), Floats(len(w))
		flops := 2 * s.n * oh * ow * len(w)
		b.Run(s.name+"/forward", func(b *testing.B) {
			measure(b, flops, 0, func(t *Team) { ConvForward(t, x, s.win, s.relu, w, nil, z, s.cout, nil) })
		})
		b.Run(s.name+"/backward", func(b *testing.B) {
			measure(b, 2*flops, 0, func(t *Team) { ConvBackward(t, gz, x, s.win, s.relu, w, gx, gw, nil) })
		})
		b.Run(s.name+"/input", func(b *testing.B) {
			measure(b, flops, 0, func(t *Team) { ConvBackward(t, gz, x, s.win, s.relu, w, gx, nil, nil) })
		})
	}
}

// Bytes are those of all maps read or written once.
func BenchmarkMaps(b *testing.B) {
	const n, size, c = 16, 32, 16
	r := rng.New(1, "benchmark", 0, 0)
	x, _ := lazy(r, "affine", n, size, size, c)
	gz, _ := lazy(r, "gradient", n, size, size, c)
	win := Square(3, 1, 1, 1)
	z, mom := Floats(x.Len()), Floats(3*c)
	sg, sgz := make([]float64, c), make([]float64, c)
	bytes := 4 * x.Len()
	maps := make([]Map, 8)
	for k := range maps {
		maps[k], _ = lazy(r, "affine", n, size, size, c)
	}
	w, products := Floats(len(maps)), make([]float64, len(maps)*c)
	wide := Floats(4 * len(z))
	w1, _ := weight(r, c*c/2)
	half, _ := lazy(r, "gradient", n, size/2, size/2, c)
	for _, k := range []struct {
		name  string
		bytes int
		run   func(t *Team)
	}{
		{"max", 2, func(t *Team) { MaxPoolForward(t, x, win, z, mom) }},
		{"maxBackward", 4, func(t *Team) { MaxPoolBackward(t, gz, x, win, z) }},
		{"avg", 2, func(t *Team) { AvgPoolForward(t, x, win, z, mom) }},
		{"avgBackward", 3, func(t *Team) { AvgPoolBackward(t, gz, win, size, size, z) }},
		{"combine", 9, func(t *Team) { Combine(t, maps, w, z) }},
		{"combineSums", 10, func(t *Team) { CombineSums(t, gz, maps, sg, products) }},
		{"normSums", 3, func(t *Team) { NormSums(t, gz, x, mom[:c], sg, sgz) }},
		{"moments", 1, func(t *Team) { Moments(t, x, mom) }},
		{"apply", 2, func(t *Team) { Apply(t, x, true, z) }},
		{"concat", 8, func(t *Team) { Concat(t, maps[:4], wide) }},
		{"reduce", 2, func(t *Team) { ReduceForward(t, x, w1, w1, half.P, c, mom) }},
		{"reduceBackward", 3, func(t *Team) { ReduceBackward(t, half, x, w1, w1, z, w1, w1) }},
	} {
		b.Run(k.name, func(b *testing.B) { measure(b, 0, k.bytes*bytes, k.run) })
	}
}

func BenchmarkPixelCrossEntropy(b *testing.B) {
	const n, size, full, k = 16, 8, 32, 313
	r := rng.New(1, "benchmark", 0, 0)
	logits, _ := lazy(r, "affine", n, size, size, k)
	labels, g := make([]int32, n*full*full), Floats(logits.Len())
	for i := range labels {
		labels[i] = int32(rng.IntN(r, k))
	}
	b.Run("forward", func(b *testing.B) {
		measure(b, 0, 4*len(labels)*k, func(t *Team) { PixelCrossEntropy(t, logits, full, full, labels, -1) })
	})
	b.Run("backward", func(b *testing.B) {
		measure(b, 0, 4*len(labels)*k, func(t *Team) { PixelCrossEntropyBackward(t, 1, logits, full, full, labels, -1, g) })
	})
}

func BenchmarkOptimiser(b *testing.B) {
	const n = 2e6
	w, v, m, g := Floats(n), Floats(n), Floats(n), Floats(n)
	b.Run("norm", func(b *testing.B) { measure(b, 0, 4*n, func(t *Team) { SquaredNorm(t, g) }) })
	b.Run("sgd", func(b *testing.B) {
		measure(b, 0, 5*4*n, func(t *Team) { SGD(t, w, v, g, 0.1, 0.9, 1e-4, 1, false) })
	})
	b.Run("adam", func(b *testing.B) {
		measure(b, 0, 7*4*n, func(t *Team) { Adam(t, w, m, v, g, 1, 0.1, 0.5, 0.999, 1e-8, 1e-3) })
	})
}
