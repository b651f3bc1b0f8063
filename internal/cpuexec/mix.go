package cpuexec

import (
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

type mix struct{ ir.Mix }

func (k mix) Traits(in []ir.Shape) pass.Traits {
	t := pointwise(in, in[1], len(k.Index))
	t.Reads[0] = ir.Stored
	return t
}

func (k mix) Run(c *Context, out, in []Array) error {
	w := c.Floats(len(k.Index))
	for i, j := range k.Index {
		w[i] = in[0].F[j]
	}
	kernel.Combine(c.Pool, c.asMaps(in[1:]), w, out[0].F)
	return nil
}

type mixGrad struct{ ir.MixGrad }

func (k mixGrad) Traits(in []ir.Shape) pass.Traits {
	n := len(k.Index)
	t := pointwise(in, in[0], n)
	t.Reads[0], t.Reads[1] = ir.Stored, ir.Stored
	t.Defers = func(i int) (pass.Deferral, bool) {
		return pass.Deferral{P: 0, Q: -1, Coef: n + 1, Row: i}, i < n
	}
	t.Sums = func(i int) (sums, of int, ok bool) { return n + 2 + i, 2 + i, i < n }
	return t
}

func (k mixGrad) Run(c *Context, out, in []Array) error {
	n := len(k.Index)
	g := in[0].AsMap()
	k.sums(c, g, out, in)
	coef := out[n+1].F
	if coef == nil {
		coef = c.Floats(n * g.C)
	}
	for i, j := range k.Index {
		row := coef[i*g.C : (i+1)*g.C]
		for ch := range row {
			row[ch] = in[1].F[j]
		}
		if out[i].Needed() {
			m := g
			m.A = row
			kernel.Apply(c.Pool, m, false, out[i].F)
		}
	}
	return nil
}

// sums computes the gradient of the weights and the sums that are needed.
func (k mixGrad) sums(c *Context, g kernel.Map, out, in []Array) {
	n := len(k.Index)
	weights := out[n].F
	clear(weights)
	maps, number := c.asMaps(in[2:]), room(&c.numbers, n)
	count := 0
	for i := range n {
		if weights != nil || out[n+2+i].Needed() {
			maps[count], number[count] = maps[i], i
			count++
		}
	}
	sums := c.Sums((count + 1) * g.C)
	sg, products := sums[:g.C], sums[g.C:]
	kernel.CombineSums(c.Pool, g, maps[:count], sg, products)
	for l, i := range number[:count] {
		j, sgv := k.Index[i], products[l*g.C:(l+1)*g.C]
		if weights != nil {
			var dot float64
			for _, v := range sgv {
				dot += v
			}
			weights[j] += float32(dot)
		}
		if to := out[n+2+i].F; to != nil {
			w := float64(in[1].F[j])
			for ch := range sgv {
				to[ch], to[g.C+ch] = float32(w*sg[ch]), float32(w*sgv[ch])
			}
		}
	}
}

type softmax struct{}

func (softmax) Traits([]ir.Shape) pass.Traits { return pure() }

func (softmax) Run(c *Context, out, in []Array) error {
	s := in[0].Shape
	kernel.SoftmaxForward(c.Pool, in[0].F, s[0], s[1], out[0].F)
	return nil
}

type softmaxGrad struct{}

func (softmaxGrad) Traits([]ir.Shape) pass.Traits { return pure() }

func (softmaxGrad) Run(c *Context, out, in []Array) error {
	s := in[1].Shape
	kernel.SoftmaxBackward(c.Pool, in[0].F, in[1].F, s[0], s[1], out[0].F)
	return nil
}

type gumbelSoftmax struct{}

func (gumbelSoftmax) Traits([]ir.Shape) pass.Traits { return pure() }

func (gumbelSoftmax) Run(c *Context, out, in []Array) error {
	if err := checkTemperature(in[2].F); err != nil {
		return err
	}
	s := in[0].Shape
	kernel.DrawForward(c.Pool, in[0].F, in[1].F, s[0], s[1], out[0].F)
	return nil
}

type gumbelSoftmaxGrad struct{}

func (gumbelSoftmaxGrad) Traits([]ir.Shape) pass.Traits { return pure() }

func (gumbelSoftmaxGrad) Run(c *Context, out, in []Array) error {
	s := in[2].Shape
	kernel.DrawBackward(c.Pool, in[0].F, in[2].F, in[3].F, in[4].F[0], in[1].F, s[0], s[1], out[0].F)
	return nil
}

type dirichlet struct{}

func (dirichlet) Traits([]ir.Shape) pass.Traits { return pass.Traits{Pure: true, All: true} }

func (dirichlet) Run(c *Context, out, in []Array) error {
	if err := checkConcentrations(in[0].F); err != nil {
		return err
	}
	s := in[0].Shape
	kernel.DirichletForward(c.Pool, in[0].F, in[1].F, s[0], s[1], out[0].F, out[1].F)
	return nil
}

type dirichletGrad struct{}

func (dirichletGrad) Traits([]ir.Shape) pass.Traits { return pure() }

func (dirichletGrad) Run(c *Context, out, in []Array) error {
	s := in[0].Shape
	kernel.DirichletBackward(c.Pool, in[0].F, in[1].F, in[2].F, s[0], s[1], out[0].F)
	return nil
}

type normaliseEdges struct{ ir.NormaliseEdges }

func (k normaliseEdges) Traits([]ir.Shape) pass.Traits { return pure() }

func (k normaliseEdges) Run(c *Context, out, in []Array) error {
	edges, candidates := in[0].Shape[0], in[0].Shape[1]
	buf := c.Floats(edges * (candidates + 2))
	mixed, weights := out[0].F, out[1].F
	if mixed == nil {
		mixed = buf[edges:]
	}
	if weights == nil {
		weights = buf[:edges]
	}
	kernel.EdgesForward(in[0].F, in[1].F, k.Into, candidates, weights, mixed)
	return nil
}

type normaliseEdgesGrad struct{ ir.NormaliseEdgesGrad }

func (k normaliseEdgesGrad) Traits([]ir.Shape) pass.Traits { return pure() }

func (k normaliseEdgesGrad) Run(_ *Context, out, in []Array) error {
	kernel.EdgesBackward(in[0].F, in[1].F, in[3].F, k.Into, in[1].Shape[1], out[0].F, out[1].F)
	return nil
}
