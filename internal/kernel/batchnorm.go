package kernel

// NormSums sets sg and sgz to the sums, over all pixels, of g and of
// g·(z - mean), for each channel: what the gradient of a batch normalisation of z
// consists of (Ioffe and Szegedy, 2015, arXiv 1502.03167).
func NormSums(t *ThreadPool, g, z Map, mean []float32, sg, sgz []float64) {
	z.check("z")
	g.like("g", z.N, z.H, z.W, z.C)
	need("mean", mean, g.C)
	need("sg", sg, g.C)
	need("sgz", sgz, g.C)
	parts := t.Shared(partsSize(spans(&g), 2*g.C))
	normSums.run(t, spans(&g), normSumsArgs{g, z, parts})
	addUp(t, sg[:g.C], parts, spans(&g), 2*g.C, 0)
	addUp(t, sgz[:g.C], parts, spans(&g), 2*g.C, g.C)
	for j := range g.C {
		sgz[j] = z.dot(j, sg[j], sgz[j]) - float64(float64(mean[j])*sg[j])
	}
}

type normSumsArgs struct {
	g, z  Map
	parts []float32
}

var normSums = newLoop(func(a *normSumsArgs, w *Worker, i int) {
	c := a.g.C
	mem := pieces(w.Scratch(2 * lines(blockFloats(c))))
	gBuf, zBuf := mem.take(blockFloats(c)), mem.take(blockFloats(c))
	sums := part(a.parts, i, 2*c)
	from, to := span(i, &a.g)
	for step := blockOf(c); from < to; from += step {
		n := min(step, to-from)
		active.dots(sums[:c], sums[c:], a.g.pixels(gBuf, from, n), a.z.terms(zBuf, from, n), n, c)
	}
})
