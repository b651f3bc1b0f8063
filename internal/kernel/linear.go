package kernel

// Linear layers are cut along the weight rather than along the rows of x, which
// are few.
const (
	linearIn  = 64
	linearOut = 128
)

// LinearForward computes y[m·out], the rows of x[m·in] times w[in·out] plus b,
// which may be nil.
func LinearForward(t *ThreadPool, x []float32, m, in, out int, w, b, y []float32) {
	need("x", x, m*in)
	need("w", w, in*out)
	needIf("b", b, out)
	need("y", y, m*out)
	linearForward.run(t, (out+linearOut-1)/linearOut, linearArgs{m: m, in: in, out: out, x: x, w: w, b: b, y: y})
}

type linearArgs struct {
	m, in, out     int
	x, w, b, y     []float32
	gy, gx, gw, gb []float32
}

var linearForward = newLoop(func(a *linearArgs, _ *Worker, i int) {
	from := i * linearOut
	n := min(linearOut, a.out-from)
	if a.b != nil {
		for r := range a.m {
			copy(a.y[r*a.out+from:][:n], a.b[from:])
		}
	}
	active.gemm(a.m, n, a.in, a.x, a.in, a.w[from:], a.out, a.y[from:], a.out, a.b != nil)
})

// LinearScratch returns the memory, in floats, that LinearBackward needs for
// each worker and shared; LinearForward needs none.
func LinearScratch(m, in, out int) (perWorker, shared int) { return linearIn * linearOut, 0 }

// LinearBackward computes, from the gradient gy of the output of LinearForward,
// those of x, w and b: gx, gw and gb, each unless nil.
func LinearBackward(t *ThreadPool, gy, x []float32, m, in, out int, w, gx, gw, gb []float32) {
	need("gy", gy, m*out)
	need("x", x, m*in)
	need("w", w, in*out)
	needIf("gx", gx, m*in)
	needIf("gw", gw, in*out)
	needIf("gb", gb, out)
	a := linearArgs{m: m, in: in, out: out, x: x, w: w, gy: gy, gx: gx, gw: gw, gb: gb}
	if gx != nil {
		linearInput.run(t, (in+linearIn-1)/linearIn, a)
	}
	if gw != nil || gb != nil {
		linearWeight.run(t, (out+linearOut-1)/linearOut, a)
	}
}

// linearInput computes linearIn columns of gx.
var linearInput = newLoop(func(a *linearArgs, w *Worker, i int) {
	from := i * linearIn
	n := min(linearIn, a.in-from)
	turned := w.Scratch(linearIn * linearOut)
	for o := 0; o < a.out; o += linearOut {
		k := min(linearOut, a.out-o)
		for r := range n {
			for j, v := range a.w[(from+r)*a.out+o:][:k] {
				turned[j*n+r] = v
			}
		}
		active.gemm(a.m, n, k, a.gy[o:], a.out, turned, n, a.gx[from:], a.in, o > 0)
	}
})

// linearWeight computes linearOut columns of gw and gb.
var linearWeight = newLoop(func(a *linearArgs, _ *Worker, i int) {
	from := i * linearOut
	n := min(linearOut, a.out-from)
	if a.gw != nil {
		active.gemmT(a.m, n, a.in, a.x, a.in, a.gy[from:], a.out, a.gw[from:], a.out, false)
	}
	if a.gb != nil {
		gb := a.gb[from:][:n]
		clear(gb)
		for r := range a.m {
			for j, v := range a.gy[r*a.out+from:][:n] {
				gb[j] += v
			}
		}
	}
})
