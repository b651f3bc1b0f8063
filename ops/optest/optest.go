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

// Options adapt the tests to an operation. Zero fields have defaults that suit most
// operations.
type Options struct {
	// Channels are the numbers of channels to test; default: 3 and 8.
	Channels []int
	// Sizes are the heights and widths to test; default: 6×9 and 7×4. Sizes and Channels are
	// paired in order; the shorter list repeats.
	Sizes [][2]int
	// Strides are the strides to test; default: 1 and 2.
	Strides []int
	// Tolerance is the largest error of a derivative relative to the norm of the gradient;
	// default: 0.002.
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

// Run tests a candidate operation, with at most one Options. It changes GOMAXPROCS
// temporarily, so tests that call it must not run in parallel.
func Run(t *testing.T, op ops.Op, o ...Options) {
	t.Helper()
	report(t, checkOp(op, options(t, o)))
}

// RunKernel tests a kernel on inputs of the given shapes. An input with neither Data
// nor Labels gets random numbers. Gradients are tested if the kernel is
// ops.Differentiable. It changes GOMAXPROCS as Run does.
func RunKernel(t *testing.T, k ops.Kernel, inputs ...ops.Array) {
	t.Helper()
	report(t, checkKernel(k, inputs, options(t, nil)))
}

// RunGraph tests a function that adds nodes to a graph: build returns the output for
// nodes of the given inputs, with parameters in s. Otherwise it is like RunKernel.
func RunGraph(t *testing.T, build func(s *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error), inputs ...ops.Array) {
	t.Helper()
	report(t, checkGraph(build, inputs, options(t, nil)))
}

func options(t *testing.T, o []Options) Options {
	t.Helper()
	if len(o) > 1 {
		t.Fatalf("optest: %d Options; want at most one", len(o))
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

// result is the result of a check.
type result struct {
	faults []error
	worst  float64 // the largest error of a gradient
}

func (r *result) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf(format, args...))
}

// add adds the result of a part of the check.
func (r *result) add(part result, where string) {
	r.worst = max(r.worst, part.worst)
	for _, err := range part.faults {
		r.fault("%s: %w", where, err)
	}
}

var validName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

func checkOp(op ops.Op, o Options) (r result) {
	if name := op.Name(); !validName.MatchString(name) || op.Name() != name {
		r.fault("the name is %q; want a constant name of letters, digits, '_', '-' and '.'", name)
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
	if d, ok := op.(ops.Dilatable); ok && d.Dilates() && slices.Contains(o.Strides, 1) {
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

// checkMixed checks a candidate in a mixed operation, as in a supernet, which can be
// fused with the candidate.
func checkMixed(op ops.Op, o Options) result {
	shape := tensor.Shape{images, o.Sizes[0][0], o.Sizes[0][1], o.Channels[0]}
	return checkGraph(func(s *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
		y, err := op.Build(s, in[0], ops.OpConfig{Stride: 1})
		if err != nil || y == nil {
			return nil, err // checkConnected reports nil nodes
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

// checkConnected checks a candidate with one configuration.
func checkConnected(op ops.Op, c ops.OpConfig, shape tensor.Shape, o Options) result {
	want := tensor.Shape{shape[0], (shape[1] + c.Stride - 1) / c.Stride, (shape[2] + c.Stride - 1) / c.Stride, shape[3]}
	return checkGraph(func(s *ops.Scope, in gorgonia.Nodes) (*gorgonia.Node, error) {
		y, err := op.Build(s, in[0], c)
		if err != nil {
			return nil, err
		}
		if y == nil {
			return nil, errors.New("Build returns neither a node nor an error")
		}
		if !y.Shape().Eq(want) {
			return nil, fmt.Errorf("the output has shape %v; want %v", y.Shape(), want)
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
		return r // the other checks report it
	}
	two, err := build("a", "b")
	if err != nil {
		r.fault("%w", err)
	} else if two.Count() != 2*one.Count() || len(two.Stats()) != 2*len(one.Stats()) {
		r.fault("%d parameters and %d normalisations, but %d and %d of one instance", two.Count(), len(two.Stats()), one.Count(), len(one.Stats()))
	}
	return r
}

func checkKernel(k ops.Kernel, inputs []ops.Array, o Options) (r result) {
	if name := k.Name(); name == "" || k.Name() != name {
		r.fault("the name is %q; want a constant name that includes the configuration", name)
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
