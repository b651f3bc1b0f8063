package ops

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// Softmax returns the softmax of each row of x [R, K]: the weights for Mix of architecture
// parameters x.
func Softmax(x *gorgonia.Node) (*gorgonia.Node, error) { return apply(softmax{}, x) }

type softmax struct{}

func (softmax) Key() string { return "softmax" }

func (softmax) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if in[0].Dims() != 2 {
		return nil, fmt.Errorf("the input has shape %v; want [rows, choices]", in[0])
	}
	return in, nil
}

func (softmax) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.SoftmaxForward(c.Team, in[0].F, in[0].Shape[0], in[0].Shape[1], out[0].F)
	return nil
}

func (softmax) Wrt(inputs int) []bool { return graph.All(inputs) }

func (softmax) Gradient(_ gorgonia.Nodes, out func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	return gradients(softmaxGrad{}, 1, gy, out(0))
}

type softmaxGrad struct{}

func (softmaxGrad) Key() string { return "gradient of softmax" }

func (softmaxGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[1:], nil }

func (softmaxGrad) Run(c *graph.Context, out, in []graph.Value) error {
	kernel.SoftmaxBackward(c.Team, in[0].F, in[1].F, in[1].Shape[0], in[1].Shape[1], out[0].F)
	return nil
}

// GumbelSoftmax draws one element of each row of x [R, K] and returns one there and
// zero elsewhere: weights for Mix that select one operation per edge (Dong and Yang,
// 2019, arXiv 1910.04465, after Jang et al., 2017, arXiv 1611.01144). noise [R, K] has
// the standard Gumbel distribution, so that an element is drawn with its Softmax
// probability. The gradient passes only through the drawn elements, as those of
// softmax((x + noise)/temperature); temperature is a vector of one positive number.
// noise and temperature have no gradient.
func GumbelSoftmax(x, noise, temperature *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(draw{}, x, noise, temperature)
}

// draw selects one element of each row. Inputs: x, noise, temperature.
type draw struct{}

func (draw) Key() string { return "draw" }

func (draw) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if in[0].Dims() != 2 || !in[1].Eq(in[0]) {
		return nil, fmt.Errorf("inputs of shape %v and noise of %v; want [rows, choices] for both", in[0], in[1])
	}
	if in[2].Dims() != 1 || in[2][0] != 1 {
		return nil, fmt.Errorf("a temperature of shape %v; want a vector of one number", in[2])
	}
	return in[:1], nil
}

func (draw) Run(c *graph.Context, out, in []graph.Value) error {
	if t := in[2].F[0]; !(t > 0 && t <= math.MaxFloat32) { // or NaN
		return fmt.Errorf("ops: GumbelSoftmax: the temperature is %v; want a positive finite number, since the gradient divides by it", t)
	}
	kernel.DrawForward(c.Team, in[0].F, in[1].F, in[0].Shape[0], in[0].Shape[1], out[0].F)
	return nil
}

func (draw) Wrt(int) []bool { return []bool{true, false, false} }

func (draw) Gradient(in gorgonia.Nodes, out func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := gradients(drawGrad{}, 1, append(gorgonia.Nodes{gy, out(0)}, in...)...)
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{g[0], nil, nil}, nil
}

// drawGrad is the gradient of draw. Inputs: gy, y, x, noise, temperature.
type drawGrad struct{}

func (drawGrad) Key() string { return "gradient of draw" }

func (drawGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[2:3], nil }

func (drawGrad) Run(c *graph.Context, out, in []graph.Value) error {
	s := in[2].Shape
	kernel.DrawBackward(c.Team, in[0].F, in[2].F, in[3].F, in[4].F[0], in[1].F, s[0], s[1], out[0].F)
	return nil
}

// Dirichlet draws each row of its result from the Dirichlet distribution with
// concentrations elu(x) + 1 for a row of x [R, K]: random weights for Mix that are
// positive and sum to one (Chen et al., 2021, arXiv 2006.10355). noise [R, K] has the
// standard normal distribution and no gradient; the result is a smooth function of
// both, by the quantiles of Gamma distributions. The gradient of x is the pathwise one,
// the exact derivative of the sample (Figurnov et al., 2018, arXiv 1805.08498).
// Elements of x must be from -50 to 1000.
func Dirichlet(x, noise *gorgonia.Node) (*gorgonia.Node, error) {
	return apply(dirichlet{}, x, noise)
}

// dirichlet draws the rows. Inputs: x, noise. Outputs: the rows, and derivatives for
// the gradient.
type dirichlet struct{}

func (dirichlet) Key() string { return "Dirichlet" }

func (dirichlet) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if in[0].Dims() != 2 || !in[1].Eq(in[0]) {
		return nil, fmt.Errorf("inputs of shape %v and noise of %v; want [rows, choices] for both", in[0], in[1])
	}
	return in, nil
}

func (dirichlet) Run(c *graph.Context, out, in []graph.Value) error {
	for i, v := range in[0].F {
		if !(v >= -50 && v <= 1000) { // or NaN
			return fmt.Errorf("ops: Dirichlet: input %d is %v, want -50 to 1000; lower the learning rate of the architecture parameters", i, v)
		}
	}
	kernel.DirichletForward(c.Team, in[0].F, in[1].F, in[0].Shape[0], in[0].Shape[1], out[0].F, out[1].F)
	return nil
}

func (dirichlet) Wrt(int) []bool { return []bool{true, false} }

func (dirichlet) Gradient(_ gorgonia.Nodes, out func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	g, err := gradients(dirichletGrad{}, 1, gy, out(0), out(1))
	if err != nil {
		return nil, err
	}
	return gorgonia.Nodes{g[0], nil}, nil
}

// dirichletGrad is the gradient of dirichlet. Inputs: gy and the outputs.
type dirichletGrad struct{}

func (dirichletGrad) Key() string { return "gradient of Dirichlet" }

func (dirichletGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[:1], nil }

func (dirichletGrad) Run(c *graph.Context, out, in []graph.Value) error {
	s := in[0].Shape
	kernel.DirichletBackward(c.Team, in[0].F, in[1].F, in[2].F, s[0], s[1], out[0].F)
	return nil
}

// Mix returns Σ weights[index[k]]·xs[k], the weighted sum of maps of equal shape that
// forms a node of a supernet. weights may have any shape; index counts its elements in
// order. Maps that are always zero cost nothing.
func Mix(weights *gorgonia.Node, index []int, xs ...*gorgonia.Node) (*gorgonia.Node, error) {
	if err := alike(xs); err != nil {
		return nil, fmt.Errorf("ops: mix: %w", err)
	}
	if err := needFloats(weights); err != nil {
		return nil, fmt.Errorf("ops: weights of a mix: %w", err)
	}
	if len(index) != len(xs) {
		return nil, fmt.Errorf("ops: a mix of %d maps with %d weights; want equal numbers", len(xs), len(index))
	}
	have := weights.Shape().TotalSize()
	k := mix{}
	inputs := gorgonia.Nodes{weights}
	for i, x := range xs {
		if index[i] < 0 || index[i] >= have {
			return nil, fmt.Errorf("ops: mix: weight index %d, want 0 to below %d", index[i], have)
		}
		if !isZeros(x) {
			k.index = append(k.index, index[i])
			inputs = append(inputs, x)
		}
	}
	if len(k.index) == 0 {
		return xs[0], nil
	}
	return apply(k, inputs...)
}

// mix is a weighted sum. Inputs: weights, maps.
type mix struct{ index []int }

func (k mix) Key() string { return fmt.Sprintf("mix of %d", len(k.index)) }

func (k mix) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return in[1:2], nil }

func (k mix) Reads(i int) graph.Pending {
	if i == 0 {
		return graph.None
	}
	return graph.Affine
}

func (k mix) Scratch(in []tensor.Shape) (int, int) { return elementwise(in[1], len(k.index)) }

func (k mix) Run(c *graph.Context, out, in []graph.Value) error {
	w := c.Floats(len(k.index))
	for i, j := range k.index {
		w[i] = in[0].F[j]
	}
	kernel.Combine(c.Team, c.Maps(in[1:]), w, out[0].F)
	return nil
}

func (k mix) Wrt(inputs int) []bool { return graph.All(inputs) }

func (k mix) Gradient(in gorgonia.Nodes, _ func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	out, err := graph.Apply(mixGrad{k}, append(gorgonia.Nodes{gy}, in...)...)
	if err != nil {
		return nil, err
	}
	n := len(k.index)
	grads := gorgonia.Nodes{out(n)}
	for i := range n {
		grads = append(grads, out(i))
	}
	return grads, nil
}

// mixGrad is the gradient of mix. Inputs: gy, weights, maps. Outputs: the
// gradients of the maps, that of the weights, the factors [maps, C] with which
// the gradients of the maps follow from gy, and for each map the sums [2, C] of
// its gradient and of that times the map.
type mixGrad struct{ of mix }

func (k mixGrad) Key() string { return "gradient of " + k.of.Key() }

func (k mixGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	n := len(k.of.index)
	c := in[0][in[0].Dims()-1]
	out := make([]tensor.Shape, 0, 2*n+2)
	out = append(out, in[2:]...)
	out = append(out, in[1], tensor.Shape{n, c})
	for range n {
		out = append(out, tensor.Shape{2, c})
	}
	return out, nil
}

func (k mixGrad) Reads(i int) graph.Pending {
	if i < 2 {
		return graph.None
	}
	return graph.Affine
}

func (k mixGrad) Form(i int) (graph.Form, bool) {
	n := len(k.of.index)
	return graph.Form{P: 0, Q: -1, Coef: n + 1, Row: i}, i < n
}

func (k mixGrad) Sums(i int) (sums, of int, ok bool) {
	return len(k.of.index) + 2 + i, 2 + i, i < len(k.of.index)
}

func (k mixGrad) Scratch(in []tensor.Shape) (int, int) {
	return elementwise(in[0], len(k.of.index))
}

func (k mixGrad) Run(c *graph.Context, out, in []graph.Value) error {
	n := len(k.of.index)
	g := in[0].Map()
	k.sums(c, g, out, in)
	coef := out[n+1].F
	if coef == nil {
		coef = c.Floats(n * g.C)
	}
	for i, j := range k.of.index {
		row := coef[i*g.C : (i+1)*g.C]
		for ch := range row {
			row[ch] = in[1].F[j]
		}
		if out[i].Wanted() {
			m := g
			m.A = row
			kernel.Apply(c.Team, m, false, out[i].F)
		}
	}
	return nil
}

// sums computes the gradient of the weights and the wanted sums.
func (k mixGrad) sums(c *graph.Context, g kernel.Map, out, in []graph.Value) {
	n := len(k.of.index)
	weights := out[n].F
	clear(weights)
	maps, number := c.Maps(in[2:]), c.Numbers(n)
	count := 0
	for i := range n {
		if weights != nil || out[n+2+i].Wanted() {
			maps[count], number[count] = maps[i], i
			count++
		}
	}
	sums := c.Sums((count + 1) * g.C)
	sg, products := sums[:g.C], sums[g.C:]
	kernel.CombineSums(c.Team, g, maps[:count], sg, products)
	for l, i := range number[:count] {
		j, sgv := k.of.index[i], products[l*g.C:(l+1)*g.C]
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
