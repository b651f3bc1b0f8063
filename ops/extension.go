package ops

import (
	"errors"
	"fmt"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/kernel"
)

// Kernel is a fused operation of the user's. It should have no state other than its
// configuration, so that one kernel can serve many nodes. No gradient passes through a
// Kernel that is not Differentiable.
type Kernel interface {
	// Name returns a name that includes the configuration.
	Name() string
	// Shapes returns the shapes of all outputs, or an error that names the input that
	// does not fit and the shape it wants.
	Shapes(in []tensor.Shape) ([]tensor.Shape, error)
	// Forward fills all outputs. Their previous contents are undefined.
	Forward(r *Run, out, in []Array) error
}

// Differentiable is a Kernel whose first output has gradients.
type Differentiable interface {
	Kernel
	// Backward fills grads, the gradients of the inputs, from gy, the gradient of the
	// first output, and the values of inputs and outputs. The gradient of an input that
	// is not needed, or of labels, has no Data.
	Backward(r *Run, grads []Array, gy Array, in, out []Array) error
}

// Array is an input or output of a Kernel. The memory belongs to the run: a kernel must not
// keep it.
type Array struct {
	Shape  tensor.Shape
	Data   []float32
	Labels []int32 // of an input of type int32
}

// Run is the context of a call of a Kernel. The zero value evaluates on one core, for
// tests that call a kernel directly.
type Run struct {
	// Training is false in evaluation.
	Training bool

	team *kernel.Team
}

// Parallel calls f for every i below n on all cores, in no fixed order. For results
// that do not depend on the number of cores, partition the work by shapes alone, let no
// two calls write the same element, and sum in a fixed order afterwards. A nested call
// runs on the core of its caller.
func (r *Run) Parallel(n int, f func(i int)) {
	if r.team == nil {
		for i := range n {
			f(i)
		}
		return
	}
	r.team.For(n, func(_ *kernel.Worker, i int) { f(i) })
}

// Apply adds a kernel to the graph of its inputs, nodes of type float32 or (for labels)
// int32, and returns the nodes of its outputs.
func Apply(k Kernel, in ...*gorgonia.Node) (gorgonia.Nodes, error) {
	if k == nil {
		return nil, errors.New("ops: the kernel is nil")
	}
	if len(in) == 0 {
		return nil, fmt.Errorf("ops: %s: no inputs; want at least one", k.Name())
	}
	c := &custom{k: k, floats: make([]bool, len(in))}
	shapes := make([]tensor.Shape, len(in))
	for i, n := range in {
		if n == nil {
			return nil, fmt.Errorf("ops: %s: input %d: %w", k.Name(), i, errNilNode)
		}
		shapes[i] = n.Shape()
		c.floats[i] = n.Dtype() == tensor.Float32
	}
	var err error
	if c.shapes, err = k.Shapes(shapes); err != nil {
		return nil, fmt.Errorf("ops: %s: %w", k.Name(), err)
	}
	if len(c.shapes) == 0 {
		return nil, fmt.Errorf("ops: %s has no outputs; Shapes must return at least one", k.Name())
	}
	get, err := outputs(c, in...)
	if err != nil {
		return nil, err
	}
	nodes := make(gorgonia.Nodes, len(c.shapes))
	for i := range nodes {
		nodes[i] = get(i)
	}
	return nodes, nil
}

// custom adapts a Kernel.
type custom struct {
	k      Kernel
	floats []bool         // false for labels
	shapes []tensor.Shape // of the outputs

	call
}

// call holds the arguments of a kernel; its memory is reused.
type call struct {
	mu      sync.Mutex
	run     Run
	out, in []Array
}

func (c *call) set(ctx *graph.Context, out []tensor.Shape, to, in []graph.Value) {
	c.run = Run{Training: ctx.Training, team: ctx.Team}
	c.out, c.in = c.out[:0], c.in[:0]
	for i, v := range to {
		c.out = append(c.out, Array{Shape: out[i], Data: v.F})
	}
	for _, v := range in {
		c.in = append(c.in, Array{Shape: v.Shape, Data: v.F, Labels: v.I})
	}
}

func (c *custom) Key() string { return c.k.Name() }

func (c *custom) Shapes([]tensor.Shape) ([]tensor.Shape, error) { return c.shapes, nil }

// Complete marks that Forward fills all outputs.
func (c *custom) Complete() {}

func (c *custom) Run(ctx *graph.Context, out, in []graph.Value) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(ctx, c.shapes, out, in)
	return c.k.Forward(&c.run, c.out, c.in)
}

func (c *custom) Wrt(inputs int) []bool {
	if _, ok := c.k.(Differentiable); ok {
		return c.floats
	}
	return make([]bool, inputs)
}

func (c *custom) Gradient(in gorgonia.Nodes, out func(int) *gorgonia.Node, gy *gorgonia.Node) (gorgonia.Nodes, error) {
	d, ok := c.k.(Differentiable)
	if !ok {
		return nil, fmt.Errorf("%s has no gradient; implement ops.Differentiable", c.k.Name())
	}
	args := append(gorgonia.Nodes{gy}, in...)
	for i := range c.shapes {
		args = append(args, out(i))
	}
	g := &customGrad{k: d, floats: c.floats, shapes: make([]tensor.Shape, len(in))}
	for i, n := range in {
		g.shapes[i] = n.Shape()
	}
	grads, err := gradients(g, len(in), args...)
	if err != nil {
		return nil, err
	}
	for i, differentiable := range c.floats {
		if !differentiable {
			grads[i] = nil
		}
	}
	return grads, nil
}

// customGrad adapts the gradient of a Kernel. Inputs: gy, the inputs and the
// outputs of the kernel. Outputs: the gradients of the inputs.
type customGrad struct {
	k      Differentiable
	floats []bool
	shapes []tensor.Shape // of the gradients

	call
}

func (c *customGrad) Key() string { return "gradient of " + c.k.Name() }

func (c *customGrad) Shapes([]tensor.Shape) ([]tensor.Shape, error) { return c.shapes, nil }

func (c *customGrad) Run(ctx *graph.Context, out, in []graph.Value) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(ctx, c.shapes, out, in)
	inputs := len(c.floats)
	for i, differentiable := range c.floats {
		if !differentiable {
			c.out[i].Data = nil
		}
	}
	return c.k.Backward(&c.run, c.out, c.in[0], c.in[1:1+inputs], c.in[1+inputs:])
}
