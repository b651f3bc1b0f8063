package optest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// Options adapt the checks to an operation. A field that is not set has a value
// that suits most.
type Options struct {
	// Channels are the numbers of channels to try: 3 and 8, if not set.
	Channels []int
	// Sizes are the heights and widths to try: 6×9 and 7×4, if not set. The first
	// is that of a map with the first number of channels, and so on; the shorter
	// list starts again.
	Sizes [][2]int
	// Strides are the strides to try: 1 and 2, if not set.
	Strides []int
	// Tolerance is how far a derivative may be from its finite difference, as a
	// share of the norm of the gradient: 0.002, if not set.
	Tolerance float64
}

// images is the number of images in a batch.
const images = 2

func (o *Options) setDefaults() {
	if len(o.Channels) == 0 {
		o.Channels = []int{3, 8}
	}
	if len(o.Sizes) == 0 {
		o.Sizes = [][2]int{{6, 9}, {7, 4}}
	}
	if len(o.Strides) == 0 {
		o.Strides = []int{1, 2}
	}
	if o.Tolerance == 0 {
		o.Tolerance = 0.002
	}
}

// Run checks a candidate operation. It takes one Options at most. It changes
// GOMAXPROCS for a while, so tests that call it must not run in parallel.
func Run(t *testing.T, op ops.Op, o ...Options) {
	t.Helper()
	report(t, checkOp(op, options(t, o)))
}

// RunKernel checks a kernel on inputs of the given shapes. An input with neither
// Data nor Labels gets random numbers. Gradients are checked if the kernel is
// ops.Differentiable. It changes GOMAXPROCS as Run does.
func RunKernel(t *testing.T, k ops.Kernel, inputs ...ops.Array) {
	t.Helper()
	report(t, checkKernel(k, inputs, options(t, nil)))
}

// RunGraph checks a function that adds nodes to a graph: build returns the output
// for nodes of the given inputs, with parameters in s. Otherwise it is as
// RunKernel.
func RunGraph(t *testing.T, build func(s *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error), inputs ...ops.Array) {
	t.Helper()
	report(t, checkGraph(build, inputs, options(t, nil)))
}

func options(t *testing.T, o []Options) Options {
	t.Helper()
	if len(o) > 1 {
		t.Fatalf("optest: %d Options; give one at most", len(o))
	}
	var all Options
	for _, given := range o {
		all = given
	}
	all.setDefaults()
	return all
}

func report(t *testing.T, r result) {
	t.Helper()
	for _, err := range r.faults {
		t.Error(err)
	}
	t.Logf("largest error of a derivative: %.2g of the norm of its gradient", r.worst)
}

// result is what a check found.
type result struct {
	faults []error
	worst  float64 // the largest error of a gradient
}

func (r *result) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf(format, args...))
}

// add adds what a part of the check found.
func (r *result) add(part result, where string) {
	r.worst = max(r.worst, part.worst)
	for _, err := range part.faults {
		r.fault("%s: %w", where, err)
	}
}

var validName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

func checkOp(op ops.Op, o Options) (r result) {
	if name := op.Name(); !validName.MatchString(name) || op.Name() != name {
		r.fault("the name is %q; letters, digits, '_', '-' and '.' are needed, always the same", name)
	}
	for _, stride := range o.Strides {
		for _, affine := range []bool{false, true} {
			for i := range max(len(o.Channels), len(o.Sizes)) {
				size := o.Sizes[i%len(o.Sizes)]
				c := ops.OpConfig{Stride: stride, Affine: affine}
				shape := tensor.Shape{images, size[0], size[1], o.Channels[i%len(o.Channels)]}
				r.add(checkConnected(op, c, shape, o), fmt.Sprintf("%+v on %v", c, shape))
			}
		}
	}
	if _, ok := op.(ops.Dilatable); ok && slices.Contains(o.Strides, 1) {
		c := ops.OpConfig{Stride: 1, Affine: true, Dilation: 2}
		shape := tensor.Shape{images, o.Sizes[0][0], o.Sizes[0][1], o.Channels[0]}
		r.add(checkConnected(op, c, shape, o), fmt.Sprintf("%+v on %v", c, shape))
	}
	if slices.Contains(o.Strides, 1) {
		r.add(checkMixed(op, o), "in a mixed operation")
	}
	r.add(checkTwice(op, o), "two instances")
	return r
}

// checkMixed checks a candidate beside another one in a mixed operation, as in a
// supernet. There a kernel shares work with the mixed operation.
func checkMixed(op ops.Op, o Options) result {
	shape := tensor.Shape{images, o.Sizes[0][0], o.Sizes[0][1], o.Channels[0]}
	return checkGraph(func(s *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
		y, err := op.Build(s, in[0], ops.OpConfig{Stride: 1})
		if err != nil || y == nil {
			return nil, err // a nil node is found without a mixed operation, too
		}
		alphas, err := s.Alpha("alphas", tensor.Shape{1, 2}, ops.Normal(0.5))
		if err != nil {
			return nil, err
		}
		weights, err := ops.Softmax(alphas)
		if err != nil {
			return nil, err
		}
		return ops.Mix(weights, []int{0, 1}, y, in[0])
	}, []ops.Array{{Shape: shape}}, o)
}

// checkConnected checks a candidate in one place.
func checkConnected(op ops.Op, c ops.OpConfig, shape tensor.Shape, o Options) result {
	want := tensor.Shape{shape[0], (shape[1] + c.Stride - 1) / c.Stride, (shape[2] + c.Stride - 1) / c.Stride, shape[3]}
	return checkGraph(func(s *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
		y, err := op.Build(s, in[0], c)
		if err != nil {
			return nil, err
		}
		if y == nil {
			return nil, errors.New("it returns neither a node nor an error")
		}
		if !y.Shape().Eq(want) {
			return nil, fmt.Errorf("the output has shape %v; %v is needed", y.Shape(), want)
		}
		return y, nil
	}, []ops.Array{{Shape: shape}}, o)
}

// checkTwice checks that a candidate can be used twice in a network.
func checkTwice(op ops.Op, o Options) (r result) {
	shape := tensor.Shape{images, o.Sizes[0][0], o.Sizes[0][1], o.Channels[0]}
	build := func(names ...string) (params *ops.Params, err error) {
		params = ops.NewParams()
		return params, ops.Build(func() error {
			g := gorgonia.NewGraph()
			s := ops.NewScope(g, params)
			x, err := ops.Images(g, "x", shape[0], shape[1], shape[2], shape[3])
			if err != nil {
				return err
			}
			for _, name := range names {
				if _, err := op.Build(s.Sub(name), x, ops.OpConfig{Stride: o.Strides[0], Affine: true}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	one, err := build("a")
	if err != nil {
		return r // the other checks tell
	}
	two, err := build("a", "b")
	if err != nil {
		r.fault("%w", err)
	} else if two.Count() != 2*one.Count() || len(two.Stats()) != 2*len(one.Stats()) {
		r.fault("they have %d parameters and %d normalisations, one has %d and %d", two.Count(), len(two.Stats()), one.Count(), len(one.Stats()))
	}
	return r
}

func checkKernel(k ops.Kernel, inputs []ops.Array, o Options) (r result) {
	if name := k.Name(); name == "" || k.Name() != name {
		r.fault("the name is %q; one that tells the settings is needed, always the same", name)
	}
	_, differentiable := k.(ops.Differentiable)
	s := subject{
		inputs:         inputs,
		differentiable: differentiable,
		build: func(_ *ops.Scope, in gorgonia.Nodes) (gorgonia.Nodes, error) {
			return ops.Apply(k, in...)
		},
	}
	r.add(s.check(o), k.Name())
	return r
}

func checkGraph(build func(*ops.Scope, gorgonia.Nodes) (*gorgonia.Node, error), inputs []ops.Array, o Options) result {
	s := subject{
		inputs:         inputs,
		differentiable: true,
		build: func(s *ops.Scope, in gorgonia.Nodes) (gorgonia.Nodes, error) {
			y, err := build(s, in)
			return gorgonia.Nodes{y}, err
		},
	}
	return s.check(o)
}
