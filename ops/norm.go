package ops

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// BatchNorm returns x [..., C] normalised per channel (Ioffe and Szegedy, 2015, arXiv
// 1502.03167): with mean and biased variance of the batch in training, with the running
// statistics otherwise. affine adds the scale "weight" and the shift "bias". If all
// readers of the result are operations of this package, it takes no memory: they
// normalise x as they read it. A batch of one value per channel, such as one image
// after global pooling, is an error in training.
func (s *Scope) BatchNorm(x *gorgonia.Node, affine bool) (*gorgonia.Node, error) {
	name := strings.TrimSuffix(s.prefix, ".")
	c, err := lastDimension(x)
	if err != nil {
		return nil, fmt.Errorf("ops: batch normalisation %s: %w", name, err)
	}
	if err := s.net.norm.check(); err != nil {
		return nil, fmt.Errorf("ops: batch normalisation %s: %w", name, err)
	}
	like := layer{norm{settings: s.net.norm}, x} // with any statistics
	if !affine {
		if y := s.known(like); y != nil {
			k, _ := graph.Of(y)
			_, err := s.stats(name, c, k.(norm).stats)
			return y, err
		}
	}
	stats, err := s.stats(name, c, nil)
	if err != nil {
		return nil, err
	}
	m, err := momentsOf(x)
	if err != nil {
		return nil, err
	}
	inputs := gorgonia.Nodes{x, m}
	if affine {
		for _, p := range []struct {
			name  string
			value float64
		}{{"weight", 1}, {"bias", 0}} {
			n, err := s.Param(p.name, Vector, tensor.Shape{c}, Constant(p.value))
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, n)
		}
	}
	y, err := apply(norm{stats, s.net.norm, affine}, inputs...)
	if err == nil && !affine {
		s.net.layers[like] = y
	}
	return y, err
}

// momenter is a kernel that also computes the moments of its output.
type momenter interface{ Moments() int }

// momentsOf returns the node of the mean and variance per channel of a map.
func momentsOf(x *gorgonia.Node) (*gorgonia.Node, error) {
	if k, i := graph.Of(x); i == 0 {
		if m, ok := k.(momenter); ok {
			return graph.Sibling(x, m.Moments()), nil
		}
	}
	return apply(measure{}, x)
}

// measure computes the moments [3, C] of a map: mean, biased variance, and the rounding
// error of the mean.
type measure struct{}

func (measure) Key() string { return "moments" }

func (measure) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{{3, in[0][in[0].Dims()-1]}}, nil
}

func (measure) Reads(int) graph.Pending { return graph.Affine }

func (measure) Scratch(in []tensor.Shape) (int, int) { return elementwise(in[0], 1) }

func (measure) Run(c *graph.Context, out, in []graph.Value) error {
	if c.Training {
		kernel.Moments(c.Team, in[0].Map(), out[0].F)
	}
	return nil
}

// norm is a batch normalisation. Inputs: x, its moments, scale and shift if
// affine. Outputs: y, coefficients [3, C] with y = row 0 · x + row 1 + row 2.
type norm struct {
	stats    *RunningStats
	settings Norm
	affine   bool
}

func (k norm) Key() string { return "batch norm " + k.stats.Name }

func (k norm) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{in[0], {3, k.stats.channels}}, nil
}

func (k norm) Form(i int) (graph.Form, bool) {
	return graph.Form{P: 0, Q: -1, Coef: 1, Shift: true, Rest: true}, i == 0
}

func (k norm) Scratch(in []tensor.Shape) (int, int) { return elementwise(in[0], 1) }

func (k norm) Cost(in []tensor.Shape) graph.Cost {
	return graph.Cost{NormElements: int64(in[0].TotalSize())}
}

var errNoInit = errors.New("the parameters have no values; call Params.Init after building the graph")

// batch returns mean and reciprocal standard deviation of channel j: of the batch, given its
// moments, or the running ones.
func (k norm) batch(c *graph.Context, moments []float32, j int) (mean, rstd float64) {
	mean, variance := float64(k.stats.Mean[j]), float64(k.stats.Var[j])
	if c.Training {
		mean = float64(moments[j]) + float64(moments[2*k.stats.channels+j])
		variance = float64(moments[k.stats.channels+j])
	}
	return mean, 1 / math.Sqrt(variance+k.settings.Epsilon)
}

func (k norm) Run(c *graph.Context, out, in []graph.Value) error {
	if k.stats.Mean == nil {
		return errNoInit
	}
	channels := k.stats.channels
	coef := out[1].F
	if coef == nil {
		coef = c.Floats(3 * channels)
	}
	a, d, rest := coef[:channels], coef[channels:2*channels], coef[2*channels:]
	for j := range channels {
		mean, rstd := k.batch(c, in[1].F, j)
		scale, shift := 1.0, 0.0
		if k.affine {
			scale, shift = float64(in[2].F[j]), float64(in[3].F[j])
		}
		a[j] = float32(scale * rstd)
		exact := shift - float64(mean*float64(a[j])) // computed with the rounded a, which keeps the mean
		d[j] = float32(exact)
		rest[j] = float32(exact - float64(d[j]))
	}
	m := in[0].Map()
	if c.Training && c.UpdateStats {
		n := m.Len() / channels
		if n < 2 {
			return fmt.Errorf("ops: batch normalisation %s: a batch of one value per channel has no variance; use two or more images per micro-batch, or larger maps", k.stats.Name)
		}
		k.update(in[1].F, n)
	}
	if out[0].Wanted() {
		m.A, m.D, m.E = a, d, rest
		kernel.Apply(c.Team, m, false, out[0].F)
	}
	return nil
}

// update moves the running statistics towards those of a batch of n pixels.
func (k norm) update(moments []float32, n int) {
	momentum := k.settings.Momentum
	unbias := float64(n) / float64(n-1)
	for j := range k.stats.channels {
		mean := float64(moments[j]) + float64(moments[2*k.stats.channels+j])
		variance := float64(moments[k.stats.channels+j]) * unbias
		k.stats.Mean[j] = float32(float64((1-momentum)*float64(k.stats.Mean[j])) + float64(momentum*mean))
		k.stats.Var[j] = float32(float64((1-momentum)*float64(k.stats.Var[j])) + float64(momentum*variance))
	}
}

func (k norm) Wrt(inputs int) []bool {
	wrt := graph.All(inputs)
	wrt[1] = false // part of the gradient of x
	return wrt
}

// summer is a kernel of gradients that also computes sums of some of them.
type summer interface {
	// Sums returns, for output i, the output with the sums [2, C] of that gradient
	// and of that gradient times a map, and the input that is this map. It reports
	// false if there are no sums for the output.
	Sums(i int) (sums, of int, ok bool)
}

// sumsOf returns the sums [2, C] of gy and of gy·y if the kernel of gy computes them,
// and nil otherwise. gy may be the gradient of another map than y: an addition passes
// its gradient on.
func sumsOf(gy, y *gorgonia.Node) *gorgonia.Node {
	from, i := graph.Of(gy)
	s, ok := from.(summer)
	if !ok {
		return nil
	}
	sums, of, ok := s.Sums(i)
	if !ok || graph.Children(graph.Operation(gy))[of] != y {
		return nil
	}
	return graph.Sibling(gy, sums)
}

func (k norm) Gradient(in gorgonia.Nodes, out func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	grad, args := normGrad{of: k}, gorgonia.Nodes{gy, in[0], in[1]}
	if k.affine {
		args = append(args, in[2])
	} else if sums := sumsOf(gy, out(0)); sums != nil {
		grad.summed, args = true, append(args, sums)
	}
	g, err := graph.Apply(grad, args...)
	if err != nil {
		return nil, err
	}
	if !k.affine {
		return gorgonia.Nodes{g(0), nil}, nil
	}
	return gorgonia.Nodes{g(0), nil, g(2), g(3)}, nil
}

// normGrad is the gradient of norm. Inputs: gy, x, the moments, the scale if
// affine, the sums [2, C] of gy and of gy·y if summed. Outputs: the gradient of
// x, coefficients [3, C] with gx = row 0 · gy + row 1 · x + row 2, the gradients
// of scale and shift.
type normGrad struct {
	of     norm
	summed bool // never if affine
}

func (k normGrad) Key() string { return "gradient of " + k.of.Key() }

func (k normGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	c := k.of.stats.channels
	return []tensor.Shape{in[1], {3, c}, {c}, {c}}, nil
}

func (k normGrad) Reads(i int) graph.Pending {
	if i == 0 {
		return graph.Scaled
	}
	return graph.None
}

func (k normGrad) Form(i int) (graph.Form, bool) {
	return graph.Form{P: 0, Q: 1, Coef: 1, Shift: true}, i == 0
}

func (k normGrad) Scratch(in []tensor.Shape) (int, int) { return elementwise(in[1], 1) }

// Run follows from y = scale·(x-mean)·rstd + shift: with n pixels and the sums
// S = Σgy and T = Σgy·(x-mean) of a channel,
//
//	gx = scale·rstd·(gy - S/n - (x-mean)·rstd²·T/n)
//
// in training, and scale·rstd·gy otherwise.
func (k normGrad) Run(c *graph.Context, out, in []graph.Value) error {
	if k.of.stats.Mean == nil {
		return errNoInit
	}
	channels := k.of.stats.channels
	g, x := in[0].Map(), in[1].Map()
	sums := c.Sums(2 * channels)
	s, t := sums[:channels], sums[channels:]
	coef := out[1].F
	buf := c.Floats(4 * channels)
	mean := buf[:channels]
	if coef == nil {
		coef = buf[channels:]
	}
	for j := range mean {
		m, rstd := k.of.batch(c, in[2].F, j)
		mean[j] = float32(m)
		if k.summed {
			s[j], t[j] = float64(in[3].F[j]), float64(in[3].F[channels+j])/rstd
		}
	}
	if !k.summed {
		kernel.NormSums(c.Team, g, x, mean, s, t)
	}
	a, b, d := coef[:channels], coef[channels:2*channels], coef[2*channels:]
	n := float64(x.Len() / channels)
	for j := range channels {
		m, rstd := k.of.batch(c, in[2].F, j)
		if out[2].Wanted() {
			out[2].F[j] = float32(t[j] * rstd)
		}
		if out[3].Wanted() {
			out[3].F[j] = float32(s[j])
		}
		scale := rstd
		if k.of.affine {
			scale *= float64(in[3].F[j])
		}
		slope := 0.0
		if c.Training {
			slope = scale * rstd * rstd * t[j] / n
			d[j] = float32(float64(slope*m) - scale*s[j]/n)
		} else {
			d[j] = 0
		}
		a[j], b[j] = float32(scale), float32(-slope)
		if g.A != nil {
			a[j] *= g.A[j]
		}
	}
	if out[0].Wanted() {
		kernel.Apply(c.Team, kernel.Map{N: x.N, H: x.H, W: x.W, C: x.C, P: g.P, A: a, Q: x.P, B: b, D: d}, false, out[0].F)
	}
	return nil
}
