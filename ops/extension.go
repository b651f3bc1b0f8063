package ops

import (
	"fmt"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// Kernel is an operation of one's own that computes its outputs in one go. It
// should hold settings only, so that one kernel can serve many nodes.
type Kernel interface {
	// Name names the operation with all its settings.
	Name() string
	// Shapes returns the shapes of all outputs, or an error that says which
	// input does not fit and how it should be.
	Shapes(in []tensor.Shape) ([]tensor.Shape, error)
	// Forward fills all outputs. What lies in them before is undefined.
	Forward(r *Run, out, in []Array) error
}

// Differentiable is a Kernel whose first output has gradients.
type Differentiable interface {
	Kernel
	// Backward fills grads, the gradients of the inputs, from gy, the gradient
	// of the first output, and the values of inputs and outputs. The gradient
	// of an input that nobody wants, or of labels, has no Data.
	Backward(r *Run, grads []Array, gy Array, in, out []Array) error
}

// Array is what a Kernel reads or writes. The memory belongs to the run: a
// kernel must not keep it.
type Array struct {
	Shape  tensor.Shape
	Data   []float32
	Labels []int32 // of an input of type int32
}

// Run is the run that a Kernel takes part in.
type Run struct {
	// Training is false when a network is evaluated.
	Training bool

	team *kernel.Team
}

// Parallel calls f for every i below n on all cores, in no fixed order. For
// results that do not depend on the number of cores, cut the work by the shapes
// alone, let no two calls write the same place, and add up in a fixed order
// afterwards.
func (r *Run) Parallel(n int, f func(i int)) {
	r.team.For(n, func(_ *kernel.Worker, i int) { f(i) })
}

// Apply adds a kernel to the graph of its inputs, nodes of type float32 or (for
// labels) int32, and returns the nodes of its outputs.
func Apply(k Kernel, in ...*gorgonia.Node) (gorgonia.Nodes, error) {
	if len(in) == 0 {
		return nil, fmt.Errorf("ops: %s: a kernel needs at least one input", k.Name())
	}
	shapes := make([]tensor.Shape, len(in))
	for i, n := range in {
		if n == nil {
			return nil, fmt.Errorf("ops: %s: input %d is a nil node", k.Name(), i)
		}
		shapes[i] = n.Shape()
	}
	out, err := k.Shapes(shapes)
	if err != nil {
		return nil, fmt.Errorf("ops: %s: %w", k.Name(), err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("ops: %s has no output; Shapes must name at least one", k.Name())
	}
	get, err := outputs(&custom{k: k, outputs: len(out)}, in...)
	if err != nil {
		return nil, err
	}
	nodes := make(gorgonia.Nodes, len(out))
	for i := range nodes {
		nodes[i] = get(i)
	}
	return nodes, nil
}

// custom adapts a Kernel.
type custom struct {
	k       Kernel
	outputs int

	mu   sync.Mutex
	buf  arrays
	run  Run
	junk [][]float32 // memory of outputs that nobody reads
}

// arrays is re-used memory for what a kernel is called with.
type arrays struct{ out, in []Array }

func (b *arrays) fill(out, in []graph.Value) {
	b.out, b.in = b.out[:0], b.in[:0]
	for _, v := range out {
		b.out = append(b.out, Array{Shape: v.Shape, Data: v.F})
	}
	for _, v := range in {
		b.in = append(b.in, Array{Shape: v.Shape, Data: v.F, Labels: v.I})
	}
}

func (c *custom) Key() string { return c.k.Name() }

func (c *custom) Shapes(in []tensor.Shape) ([]tensor.Shape, error) { return c.k.Shapes(in) }

func (c *custom) Run(ctx *graph.Context, out, in []graph.Value) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf.fill(out, in)
	if c.junk == nil {
		c.junk = make([][]float32, len(out))
	}
	for i := range c.buf.out {
		if o := &c.buf.out[i]; o.Data == nil { // Forward fills all outputs
			if c.junk[i] == nil {
				shapes := make([]tensor.Shape, len(in))
				for j := range in {
					shapes[j] = in[j].Shape
				}
				all, err := c.k.Shapes(shapes)
				if err != nil {
					return err
				}
				c.junk[i] = make([]float32, all[i].TotalSize())
			}
			o.Data = c.junk[i]
		}
	}
	c.run = Run{Training: ctx.Training, team: ctx.Team}
	return c.k.Forward(&c.run, c.buf.out, c.buf.in)
}

func (c *custom) Wrt(inputs int) []bool {
	if _, ok := c.k.(Differentiable); ok {
		return all(inputs)
	}
	return make([]bool, inputs)
}

func (c *custom) Gradient(in gorgonia.Nodes, out func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	d, ok := c.k.(Differentiable)
	if !ok {
		return nil, fmt.Errorf("%s has no gradient; implement ops.Differentiable", c.k.Name())
	}
	args := append(gorgonia.Nodes{gy}, in...)
	for i := range c.outputs {
		args = append(args, out(i))
	}
	return gradients(&customGrad{k: d, inputs: len(in)}, len(in), args...)
}

// customGrad adapts the gradient of a Kernel. Inputs: gy, the inputs and the
// outputs of the kernel. Outputs: the gradients of the inputs.
type customGrad struct {
	k      Differentiable
	inputs int

	mu  sync.Mutex
	buf arrays
	run Run
}

func (c *customGrad) Key() string { return "gradient of " + c.k.Name() }

func (c *customGrad) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	return in[1 : 1+c.inputs], nil
}

func (c *customGrad) Run(ctx *graph.Context, out, in []graph.Value) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf.fill(out, in)
	for i := range c.buf.out {
		if c.buf.in[1+i].Labels != nil {
			c.buf.out[i].Data = nil
		}
	}
	c.run = Run{Training: ctx.Training, team: ctx.Team}
	return c.k.Backward(&c.run, c.buf.out, c.buf.in[0], c.buf.in[1:1+c.inputs], c.buf.in[1+c.inputs:])
}
