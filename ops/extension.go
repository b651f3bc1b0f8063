package ops

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

// Kernel is a fused operation of the user's. It must have no state other than its
// configuration: one kernel can serve many nodes, and calls for several of them run at the
// same time, on any goroutine. No gradient passes through a Kernel that is not
// Differentiable.
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

	pool *kernel.ThreadPool
}

// Parallel calls f for every i below n on all cores, in no fixed order. For results
// that do not depend on the number of cores, partition the work by shapes alone, let no
// two calls write the same element, and sum in a fixed order afterwards. A nested call
// runs on the core of its caller.
func (r *Run) Parallel(n int, f func(i int)) {
	if r.pool == nil {
		for i := range n {
			f(i)
		}
		return
	}
	r.pool.ParallelFor(n, func(_ *kernel.Worker, i int) { f(i) })
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
	c := custom{k: k, adapter: &adapter{training: true, floats: make([]bool, len(in))}}
	shapes := make([]tensor.Shape, len(in))
	for i, n := range in {
		if n == nil {
			return nil, fmt.Errorf("ops: %s: input %d: %w", k.Name(), i, errNilNode)
		}
		shapes[i] = n.Shape()
		c.floats[i] = n.Dtype() == tensor.Float32
	}
	made, err := k.Shapes(shapes)
	if err != nil {
		return nil, fmt.Errorf("ops: %s: %w", k.Name(), err)
	}
	if len(made) == 0 {
		return nil, fmt.Errorf("ops: %s has no outputs; Shapes must return at least one", k.Name())
	}
	for _, s := range made {
		c.shapes = append(c.shapes, ir.Shape(s))
	}
	get, err := outputs(c, in...)
	if err != nil {
		return nil, err
	}
	nodes := make(gorgonia.Nodes, len(made))
	for i := range nodes {
		nodes[i] = get(i)
	}
	return nodes, nil
}

// adapter calls a method of a Kernel for the executor.
type adapter struct {
	training bool
	floats   []bool     // of the inputs of the Kernel; false for labels
	shapes   []ir.Shape // of the outputs

	mu      sync.Mutex // guards what follows, memory that every call uses again
	run     Run
	out, in []Array
}

// Infer returns the shapes that were inferred when the operator was applied.
func (a *adapter) Infer([]ir.Shape) ([]ir.Shape, error) { return a.shapes, nil }

// call calls f with the arguments as a Kernel knows them.
func (a *adapter) call(c *cpuexec.Context, out, in []cpuexec.Array, f func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.run = Run{Training: a.training, pool: c.Pool}
	a.out, a.in = a.out[:0], a.in[:0]
	for i, v := range out {
		a.out = append(a.out, Array{Shape: tensor.Shape(a.shapes[i]), Data: v.F})
	}
	for _, v := range in {
		a.in = append(a.in, Array{Shape: tensor.Shape(v.Shape), Data: v.F, Labels: v.I})
	}
	return f()
}

// evaluating returns an adapter for evaluation.
func (a *adapter) evaluating() *adapter { return &adapter{floats: a.floats, shapes: a.shapes} }

// custom is the operator of a Kernel.
type custom struct {
	k Kernel
	*adapter
}

func (c custom) String() string { return c.k.Name() }

// Traits says that Forward computes all outputs.
func (c custom) Traits([]ir.Shape) pass.Traits { return pass.Traits{All: true} }

// Evaluation returns the operator for evaluation.
func (c custom) Evaluation() (ir.Op, []int) { return custom{c.k, c.evaluating()}, nil }

// Run calls Forward.
func (c custom) Run(ctx *cpuexec.Context, out, in []cpuexec.Array) error {
	return c.call(ctx, out, in, func() error { return c.k.Forward(&c.run, c.out, c.in) })
}

// NeedsGrad returns true for floats, if the Kernel is Differentiable.
func (c custom) NeedsGrad(inputs int) []bool {
	if _, ok := c.k.(Differentiable); ok {
		return c.floats
	}
	return make([]bool, inputs)
}

// Gradient applies customGrad.
func (c custom) Gradient(b *ir.Builder, in, out []*ir.Value, gy *ir.Value) []*ir.Value {
	a := &adapter{training: true, floats: c.floats, shapes: ir.Shapes(in)}
	grads := b.Apply(customGrad{c.k.(Differentiable), a}, slices.Concat([]*ir.Value{gy}, in, out)...)
	for i, differentiable := range c.floats {
		if !differentiable {
			grads[i] = nil
		}
	}
	return grads
}

// customGrad is the operator of the gradient of a Kernel. Inputs: gy, the inputs and the
// outputs of the Kernel. Outputs: the gradients of the inputs.
type customGrad struct {
	k Differentiable
	*adapter
}

func (c customGrad) String() string { return "Grad" + c.k.Name() }

// Traits says that Backward leaves out what is not needed.
func (c customGrad) Traits([]ir.Shape) pass.Traits { return pass.Traits{} }

// Evaluation returns the operator for evaluation.
func (c customGrad) Evaluation() (ir.Op, []int) { return customGrad{c.k, c.evaluating()}, nil }

// Run calls Backward.
func (c customGrad) Run(ctx *cpuexec.Context, out, in []cpuexec.Array) error {
	return c.call(ctx, out, in, func() error {
		n := len(c.floats)
		for i, differentiable := range c.floats {
			if !differentiable {
				c.out[i].Data = nil
			}
		}
		return c.k.Backward(&c.run, c.out, c.in[0], c.in[1:1+n], c.in[1+n:])
	})
}
