package xla

import (
	"math"

	"unnas/internal/ir"
	"unnas/internal/stablehlo"
)

// labelled is logits as a matrix with labels of its rows.
type labelled struct {
	logits, labels value
	counts         value // where labels count
	count          value // how many do, an integer
	target         value // the probabilities of the classes
}

// labelled returns the logits and labels of a loss, resized if they are of pixels.
func (e *emitter) labelled(o ir.CrossEntropy, logits, labels value) labelled {
	if o.Pixels {
		logits = e.upsample(logits, labels.Shape[1], labels.Shape[2])
	}
	l := labelled{logits: e.pixels(logits), labels: e.Reshape(labels, labels.Size())}
	l.counts = e.Compare("NE", l.labels, e.Int(stablehlo.I32, uint64(uint32(o.Ignore)), l.labels.Size()))
	l.count = e.howMany(l.counts)
	k := l.logits.Shape[1]
	own, other := 1.0, 0.0
	if k > 1 {
		own, other = 1-o.Smoothing, o.Smoothing/float64(k-1)
	}
	l.target = e.Select(e.hot(l.labels, l.logits), e.like(l.logits, own), e.like(l.logits, other))
	return l
}

// howMany returns the number of places where a condition holds.
func (e *emitter) howMany(v value) value {
	return e.Reduce(stablehlo.Sum, e.Convert(v, stablehlo.I32), 0)
}

// divisor returns the number of labels that count, at least one.
func (e *emitter) divisor(l labelled) value {
	return e.Convert(e.Max(l.count, e.Int(stablehlo.I32, 1)), stablehlo.F32)
}

func crossEntropy(e *emitter, o ir.CrossEntropy, in []value) []value {
	l := e.labelled(o, in[0], in[1])
	shifted := e.Sub(l.logits, e.largest(l.logits))
	logSum := e.Log(e.Reduce(stablehlo.Sum, e.Exp(shifted), 1))
	rows := e.Sub(logSum, e.Reduce(stablehlo.Sum, e.Mul(l.target, shifted), 1)) // targets add up to one
	loss := e.Div(e.total(e.where(l.counts, rows)), e.divisor(l))
	correct := e.howMany(e.And(l.counts, e.Compare("EQ", e.FirstLargest(l.logits), l.labels)))
	return []value{loss, e.exact(correct, in[1]), e.exact(l.count, in[1])}
}

// exact returns an integer as a float32, or as two with that sum where labels are so many
// that one is not exact.
func (e *emitter) exact(n, labels value) value {
	if labels.Size() <= ir.ExactCount {
		return e.Convert(n, stablehlo.F32)
	}
	rest := e.Rem(n, e.Int(stablehlo.I32, ir.ExactCount))
	return e.Convert(e.stack(e.Sub(n, rest), rest), stablehlo.F32)
}

func crossEntropyGrad(e *emitter, o ir.CrossEntropyGrad, in []value) []value {
	gy, logits := in[0], in[1]
	l := e.labelled(o.Of, logits, in[2])
	factor := e.Div(gy, e.divisor(l))
	g := e.Mul(e.Sub(e.softmax(l.logits), l.target), e.number(factor, l.logits))
	g = e.where(e.each(l.counts, g), g)
	if !o.Of.Pixels {
		return []value{g}
	}
	s := in[2].Shape
	return []value{e.upsampleInput(e.Reshape(g, s[0], s[1], s[2], logits.Shape[3]), logits.Shape[1], logits.Shape[2])}
}

func squaredError(e *emitter, o ir.SquaredError, in []value) []value {
	x, y := e.Reshape(in[0], in[0].Size()), e.Reshape(in[1], in[1].Size())
	counts := e.Compare("NE", y, e.like(y, float64(o.Ignore)))
	d := e.where(counts, e.Sub(x, y))
	sum, count := e.total(e.Mul(d, d)), e.howMany(counts)
	loss := e.Div(sum, e.Convert(e.Max(count, e.Int(stablehlo.I32, 1)), stablehlo.F32))
	return []value{loss, sum, e.exact(count, y)}
}

func squaredErrorGrad(e *emitter, o ir.SquaredErrorGrad, in []value) []value {
	x, y, count := in[1], in[2], e.total(in[3])
	factor := e.times(e.Div(in[0], e.Max(count, e.like(count, 1))), 2)
	g := e.Mul(e.Sub(x, y), e.number(factor, x))
	g = e.where(e.Compare("NE", y, e.like(y, float64(o.Ignore))), g)
	return []value{g, e.Negate(g)}
}

// anchors returns where in a matrix of rows and rows both count and differ, where they are
// of one image, and which rows count.
func (e *emitter) anchors(labels value, ignore int32) (others, own, counts value) {
	n := labels.Size()
	rows := 2 * n
	counts = e.Compare("NE", labels, e.Int(stablehlo.I32, uint64(uint32(ignore)), n))
	counts = e.Reshape(e.Broadcast(counts, []int{n, 2}, 0), rows)
	square := []int{rows, rows}
	row, column := e.Iota(stablehlo.I32, 0, square...), e.Iota(stablehlo.I32, 1, square...)
	both := e.And(e.Broadcast(counts, square, 0), e.Broadcast(counts, square, 1))
	others = e.And(both, e.Compare("NE", row, column))
	own = e.And(others, e.Compare("EQ", e.Xor(row, e.Int(stablehlo.I32, 1, square...)), column))
	return others, own, counts
}

// exactDot is the product of two matrices in float32, whatever the precision of others is.
func (e *emitter) exactDot(x, y value, ofX, ofY int) value {
	defer func(p string) { e.Precision = p }(e.Precision)
	e.Precision = "HIGHEST"
	return e.Dot(x, y, ofX, ofY)
}

func contrast(e *emitter, o ir.Contrast, in []value) []value {
	z := in[0]
	others, own, counts := e.anchors(in[1], o.Ignore)
	count := e.howMany(counts)
	count = e.Select(e.Compare("LT", count, e.Int(stablehlo.I32, 4)), e.Int(stablehlo.I32, 0), count)
	enough := e.Compare("NE", count, e.Int(stablehlo.I32, 0))
	counts, others = e.And(counts, e.Broadcast(enough, counts.Shape)), e.And(others, e.Broadcast(enough, others.Shape))

	lengths := e.Sqrt(e.Reduce(stablehlo.Sum, e.Mul(z, z), 1))
	direct := e.Compare("GE", lengths, e.like(lengths, ir.NoDirection))
	units := e.where(e.each(direct, z), e.Div(z, e.each(lengths, z)))
	similar := e.times(e.exactDot(units, units, 1, 1), 1/o.Temperature)
	least := e.like(similar, math.Inf(-1))
	negatives := e.Reduce(stablehlo.Largest, e.Select(own, least, e.Select(others, similar, least)), 1)
	positive := e.Reduce(stablehlo.Sum, e.where(own, similar), 1)
	largest := e.Max(negatives, positive)
	soft := e.where(others, e.Exp(e.Sub(similar, e.each(largest, similar))))
	sums := e.Reduce(stablehlo.Sum, soft, 1)
	soft = e.where(others, e.Div(soft, e.each(sums, soft)))
	losses := e.where(counts, e.Sub(e.Add(e.Log(sums), largest), positive))
	hits := e.howMany(e.And(counts, e.Compare("GT", positive, negatives)))

	all := e.Convert(count, stablehlo.F32)
	loss := e.Div(e.total(losses), e.Max(all, e.like(all, 1)))
	return []value{loss, e.Convert(hits, stablehlo.F32), all, units, lengths, soft}
}

func contrastGrad(e *emitter, o ir.ContrastGrad, in []value) []value {
	count, units, lengths, soft := in[2], in[3], in[4], in[5]
	others, own, counts := e.anchors(in[1], o.Ignore)
	similar := e.Add(soft, e.Transpose(soft, 1, 0))
	similar = e.where(others, e.Select(own, e.plus(similar, -2), similar))
	factor := e.Div(in[0], e.times(count, o.Temperature))
	g := e.exactDot(e.Mul(similar, e.number(factor, similar)), units, 1, 0)
	along := e.Reduce(stablehlo.Sum, e.Mul(g, units), 1)
	g = e.Div(e.Sub(g, e.Mul(e.each(along, g), units)), e.each(lengths, g))
	learns := e.And(counts, e.Compare("GE", lengths, e.like(lengths, ir.NoDirection)))
	learns = e.And(learns, e.Broadcast(e.Compare("NE", count, e.like(count, 0)), learns.Shape))
	return []value{e.where(e.each(learns, g), g)}
}
