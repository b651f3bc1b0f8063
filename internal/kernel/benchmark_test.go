package kernel

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"unnas/internal/rng"
)

// peak returns this machine's multiply-adds, counted twice, per second on one
// core: as many as the matrix product reaches on matrices that lie in the
// first-level cache. It is the best of many short runs, since other programs
// only ever slow one down.
var peak = sync.OnceValue(func() float64 {
	const m, depth, runs = 48, 64, 20
	best := 0.0
	for _, n := range []int{8, 16, 32, 64} {
		a, p, c := Floats(m*depth), Floats(depth*n), Floats(m*n)
		product := func() { active.gemm(m, n, depth, a, depth, p, n, c, n, true) }
		product() // loads the cache
		const flops = 1 << 24
		count := flops / (2 * m * n * depth)
		for range runs {
			start := time.Now()
			for range count {
				product()
			}
			best = max(best, float64(count*2*m*n*depth)/time.Since(start).Seconds())
		}
	}
	return best
})

// measure times a kernel on all cores and reports its rate: of multiply-adds
// counted twice, also in percent of the peak of these cores, or of bytes.
func measure(b *testing.B, flops, bytes int, run func(t *ThreadPool)) {
	pool := NewThreadPool(0)
	pool.Start()
	defer pool.Stop()
	run(pool)
	b.ReportAllocs()
	for b.Loop() {
		run(pool)
	}
	perSecond := float64(b.N) / b.Elapsed().Seconds()
	if flops == 0 {
		b.ReportMetric(float64(bytes)*perSecond/1e9, "GB/s")
		return
	}
	b.ReportMetric(float64(flops)*perSecond/1e9, "GFLOP/s")
	b.ReportMetric(100*float64(flops)*perSecond/(peak()*float64(pool.Size())), "%peak")
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
				measure(b, flops, 0, func(t *ThreadPool) { StagesForward(t, Float32, x, list) })
			})
			b.Run(name+"/backward", func(b *testing.B) { // the depthwise part three times, once again
				flops := 2*flops + 2*s.n*oh*ow*len(wd)
				measure(b, flops, 0, func(t *ThreadPool) { StagesBackward(t, Float32, x, list, gx, sums) })
			})
			b.Run(name+"/input", func(b *testing.B) {
				measure(b, flops, 0, func(t *ThreadPool) { StagesBackward(t, Float32, x, input, gx, sums) })
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
		for p, name := range map[Precision]string{Float32: "", BFloat16: "/bfloat16"} {
			b.Run(s.name+"/forward"+name, func(b *testing.B) {
				measure(b, flops, 0, func(t *ThreadPool) { ConvForward(t, p, x, s.win, s.relu, w, nil, z, s.cout, nil) })
			})
			b.Run(s.name+"/backward"+name, func(b *testing.B) {
				measure(b, 2*flops, 0, func(t *ThreadPool) { ConvBackward(t, p, gz, x, s.win, s.relu, w, gx, gw, nil) })
			})
			b.Run(s.name+"/input"+name, func(b *testing.B) {
				measure(b, flops, 0, func(t *ThreadPool) { ConvBackward(t, p, gz, x, s.win, s.relu, w, gx, nil, nil) })
			})
		}
	}
}

// Bytes are those of all maps read or written once.
func BenchmarkMaps(b *testing.B) {
	const n, size, c = 16, 32, 16
	r := rng.New(1, "benchmark", 0, 0)
	x, _ := lazy(r, "affine", n, size, size, c)
	gz, _ := lazy(r, "gradient", n, size, size, c)
	half, _ := lazy(r, "gradient", n, size/2, size/2, c)
	double, _ := lazy(r, "gradient", n, 2*size, 2*size, c)
	win := Square(3, 1, 1, 1)
	z, small, large := Floats(x.Len()), Floats(half.Len()), Floats(double.Len())
	mom, pooled := Floats(3*c), Floats(n*c)
	sg, sgz := make([]float64, c), make([]float64, c)
	maps := make([]Map, 8)
	terms := make([][]float32, len(maps))
	for k := range maps {
		maps[k], _ = lazy(r, "affine", n, size, size, c)
		terms[k] = maps[k].P
	}
	w, products := Floats(len(maps)), make([]float64, len(maps)*c)
	w1, _ := weight(r, c*c/2)
	gw1 := Floats(len(w1))
	for _, k := range []struct {
		name string
		maps float64 // in units of x; one that is formed of two counts as two
		run  func(t *ThreadPool)
	}{
		{"max", 2, func(t *ThreadPool) { MaxPoolForward(t, x, win, z, mom) }},
		{"maxBackward", 4, func(t *ThreadPool) { MaxPoolBackward(t, gz, x, win, z) }},
		{"avg", 2, func(t *ThreadPool) { AvgPoolForward(t, x, win, z, mom) }},
		{"avgBackward", 3, func(t *ThreadPool) { AvgPoolBackward(t, gz, win, size, size, z) }},
		{"combine", 9, func(t *ThreadPool) { Combine(t, maps, w, z) }},
		{"combineSums", 10, func(t *ThreadPool) { CombineSums(t, gz, maps, sg, products) }},
		{"sum", 9, func(t *ThreadPool) { Sum(t, z, terms) }},
		{"normSums", 3, func(t *ThreadPool) { NormSums(t, gz, x, mom[:c], sg, sgz) }},
		{"moments", 1, func(t *ThreadPool) { Moments(t, x, mom) }},
		{"apply", 2, func(t *ThreadPool) { Apply(t, x, true, z) }},
		{"reluBackward", 4, func(t *ThreadPool) { ReLUBackward(t, gz, x.P, z) }},
		{"concat", 8, func(t *ThreadPool) { Concat(t, maps[:4], large) }},
		{"slice", 1, func(t *ThreadPool) { Slice(t, x, c/4, c/2, z[:len(z)/2]) }},
		{"unslice", 6, func(t *ThreadPool) { Unslice(t, gz, c, 4*c, large) }},
		{"reduce", 1.5, func(t *ThreadPool) { ReduceForward(t, x, w1, w1, small, c, mom) }},
		{"reduceBackward", 2.5, func(t *ThreadPool) { ReduceBackward(t, half, x, w1, w1, z, gw1, gw1) }},
		{"globalPool", 1, func(t *ThreadPool) { GlobalPoolForward(t, x, pooled) }},
		{"globalPoolBackward", 1, func(t *ThreadPool) { GlobalPoolBackward(t, pooled, n, size, size, c, z) }},
		{"upsample", 5, func(t *ThreadPool) { UpsampleForward(t, x, 2*size, 2*size, large) }},
		{"upsampleBackward", 9, func(t *ThreadPool) { UpsampleBackward(t, double, size, size, z) }},
	} {
		b.Run(k.name, func(b *testing.B) { measure(b, 0, int(k.maps*4*float64(x.Len())), k.run) })
	}
}

// The head of an ImageNet network, and the softmax of as many alphas as a search
// has.
func BenchmarkHead(b *testing.B) {
	const m, in, out, edges, candidates = 64, 768, 1000, 14, 8
	r := rng.New(1, "benchmark", 0, 0)
	x, _ := weight(r, m*in)
	w, _ := weight(r, in*out)
	logits, _ := weight(r, m*out)
	bias, gx, gw, gb, g := Floats(out), Floats(m*in), Floats(in*out), Floats(out), Floats(m*out)
	alphas, _ := weight(r, edges*candidates)
	p, ga := Floats(len(alphas)), Floats(len(alphas))
	labels := make([]int32, m)
	for _, k := range []struct {
		name         string
		flops, bytes int
		run          func(t *ThreadPool)
	}{
		{"linear/forward", 2 * m * in * out, 0, func(t *ThreadPool) { LinearForward(t, x, m, in, out, w, bias, g) }},
		{"linear/backward", 4 * m * in * out, 0, func(t *ThreadPool) { LinearBackward(t, logits, x, m, in, out, w, gx, gw, gb) }},
		{"crossEntropy/forward", 0, 4 * m * out, func(t *ThreadPool) { CrossEntropy(t, logits, m, out, labels, -1, 0.1) }},
		{"crossEntropy/backward", 0, 8 * m * out, func(t *ThreadPool) { CrossEntropyBackward(t, 1, logits, m, out, labels, -1, 0.1, g) }},
		{"softmax/forward", 0, 8 * len(p), func(t *ThreadPool) { SoftmaxForward(t, alphas, edges, candidates, p) }},
		{"softmax/backward", 0, 12 * len(p), func(t *ThreadPool) { SoftmaxBackward(t, alphas, p, edges, candidates, ga) }},
	} {
		b.Run(k.name, func(b *testing.B) { measure(b, k.flops, k.bytes, k.run) })
	}
}

// Bytes are those that the enlarged logits would take.
func BenchmarkPixelCrossEntropy(b *testing.B) {
	for _, s := range []struct {
		name             string
		n, size, full, k int
	}{
		{"colorization", 16, 8, 32, 313},
		{"segmentation", 2, 41, 321, 19},
	} {
		r := rng.New(1, "benchmark", 0, 0)
		logits, _ := lazy(r, "affine", s.n, s.size, s.size, s.k)
		labels, g := make([]int32, s.n*s.full*s.full), Floats(logits.Len())
		for i := range labels {
			labels[i] = int32(rng.IntN(r, s.k))
		}
		b.Run(s.name+"/forward", func(b *testing.B) {
			measure(b, 0, 4*len(labels)*s.k, func(t *ThreadPool) { PixelCrossEntropy(t, logits, s.full, s.full, labels, -1) })
		})
		b.Run(s.name+"/backward", func(b *testing.B) {
			measure(b, 0, 4*len(labels)*s.k, func(t *ThreadPool) { PixelCrossEntropyBackward(t, 1, logits, s.full, s.full, labels, -1, g) })
		})
	}
}

func BenchmarkOptimiser(b *testing.B) {
	const n = 2e6
	w, v, m, g := Floats(n), Floats(n), Floats(n), Floats(n)
	b.Run("norm", func(b *testing.B) { measure(b, 0, 4*n, func(t *ThreadPool) { SquaredNorm(t, g) }) })
	b.Run("sgd", func(b *testing.B) {
		measure(b, 0, 5*4*n, func(t *ThreadPool) { SGD(t, w, v, g, 0.1, 0.9, 1e-4, 1, false) })
	})
	b.Run("adam", func(b *testing.B) {
		measure(b, 0, 7*4*n, func(t *ThreadPool) { Adam(t, w, m, v, g, 1, 0.1, 0.5, 0.999, 1e-8, 1e-3) })
	})
}
