package xla

import (
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
	correct := e.howMany(e.And(l.counts, e.Compare("EQ", e.firstLargest(l.logits), l.labels)))
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
