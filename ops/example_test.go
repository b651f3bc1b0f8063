package ops_test

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// swish is a candidate made of Gorgonia's own nodes: x·σ(x) (Ramachandran et al.,
// 2017, arXiv 1710.05941), at stride 2 followed by average pooling.
type swish struct{}

func (swish) Name() string { return "swish" }

func (swish) Build(_ *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	gate, err := gorgonia.Sigmoid(x)
	if err != nil {
		return nil, err
	}
	y, err := gorgonia.HadamardProd(x, gate)
	if err != nil || c.Stride == 1 {
		return y, err
	}
	return ops.AvgPool2D(y, 3, c.Stride, 1)
}

func Example() {
	err := ops.Build(func() error {
		g := gorgonia.NewGraph()
		s := ops.NewScope(g, ops.NewParams())
		x, err := ops.Images(g, "images", 2, 8, 6, 3)
		if err != nil {
			return err
		}
		y, err := s.CIFARStem(x, 4)
		if err != nil {
			return err
		}
		if y, err = ops.SepConv(3).Build(s.Sub("cell"), y, ops.OpConfig{Stride: 2, Affine: true}); err != nil {
			return err
		}
		if y, err = ops.GlobalAvgPool(y); err != nil {
			return err
		}
		if y, err = s.Sub("classifier").Linear(y, 1, 10); err != nil {
			return err
		}
		labels, err := ops.Labels(g, "labels", 2)
		if err != nil {
			return err
		}
		loss, err := ops.CrossEntropy(y, labels, ops.LossConfig{IgnoreIndex: ops.NoIgnoreIndex})
		if err != nil {
			return err
		}
		if err := ops.Grad(s, loss.Value); err != nil {
			return err
		}
		if err := s.Params().Init(1); err != nil {
			return err
		}
		m, err := ops.NewVM(g, loss.Value, s.Learnables()[0].Deriv())
		if err != nil {
			return err
		}
		if err := gorgonia.Let(x, tensor.New(tensor.WithShape(2, 8, 6, 3), tensor.WithBacking(make([]float32, 288)))); err != nil {
			return err
		}
		if err := gorgonia.Let(labels, tensor.New(tensor.WithShape(2), tensor.WithBacking([]int32{3, 7}))); err != nil {
			return err
		}
		if err := m.RunAll(); err != nil {
			return err
		}
		fmt.Printf("loss %.1f\n", loss.Value.Value().Data())
		for _, q := range s.Params().List() {
			fmt.Println(q.Name, q.Shape)
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// loss 2.3
	// stem.0.weight (3, 3, 3, 4)
	// stem.1.weight (4)
	// stem.1.bias (4)
	// cell.op.1.weight (3, 3, 1, 4)
	// cell.op.2.weight (1, 1, 4, 4)
	// cell.op.3.weight (4)
	// cell.op.3.bias (4)
	// cell.op.5.weight (3, 3, 1, 4)
	// cell.op.6.weight (1, 1, 4, 4)
	// cell.op.7.weight (4)
	// cell.op.7.bias (4)
	// classifier.weight (4, 10)
	// classifier.bias (10)
}

// A custom candidate operation is used like any other.
func ExampleOp() {
	set := append(ops.DARTS(), swish{})
	g := gorgonia.NewGraph()
	s := ops.NewScope(g, ops.NewParams())
	x, err := ops.Images(g, "images", 2, 7, 6, 4)
	if err != nil {
		fmt.Println(err)
		return
	}
	op, err := set.Find("swish")
	if err != nil {
		fmt.Println(err)
		return
	}
	y, err := op.Build(s, x, ops.OpConfig{Stride: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(y.Shape())
	// Output: (2, 4, 3, 4)
}

// softplus is a kernel, y = log(1+exp(x)), with its gradient.
type softplus struct{}

func (softplus) Name() string { return "softplus" }

func (softplus) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	if len(in) != 1 {
		return nil, fmt.Errorf("%d inputs; one is needed", len(in))
	}
	return in, nil
}

func (softplus) Forward(r *ops.Run, out, in []ops.Array) error {
	images := in[0].Shape[0]
	size := len(in[0].Data) / images
	r.Parallel(images, func(n int) {
		for i := n * size; i < (n+1)*size; i++ {
			x := float64(in[0].Data[i])
			out[0].Data[i] = float32(math.Log1p(math.Exp(-math.Abs(x))) + max(x, 0))
		}
	})
	return nil
}

func (softplus) Backward(_ *ops.Run, grads []ops.Array, gy ops.Array, in, _ []ops.Array) error {
	for i, x := range in[0].Data {
		grads[0].Data[i] = gy.Data[i] / (1 + float32(math.Exp(-float64(x))))
	}
	return nil
}

// A custom kernel runs like those of the library: planned, in memory laid
// out beforehand, on all cores.
func ExampleKernel() {
	g := gorgonia.NewGraph()
	x := gorgonia.NewMatrix(g, tensor.Float32, gorgonia.WithShape(2, 3), gorgonia.WithName("x"),
		gorgonia.WithValue(tensor.New(tensor.WithShape(2, 3), tensor.WithBacking([]float32{-2, -1, 0, 1, 2, 3}))))
	y, err := ops.Apply(softplus{}, x)
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := ops.NewVM(g, y[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := m.RunAll(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.2f\n", y[0].Value().Data())
	// Output: [0.13 0.31 0.69 1.31 2.13 3.05]
}

// The layers of a Scope declare the parameters that they need. Another graph over
// the same parameters, here for a batch of another size, shares them.
func ExampleScope() {
	params := ops.NewParams()
	head := func(batch int) (*gorgonia.Node, error) {
		g := gorgonia.NewGraph()
		s := ops.NewScope(g, params)
		x, err := ops.Images(g, "images", batch, 6, 5, 3)
		if err != nil {
			return nil, err
		}
		y, err := s.Sub("features").ReLUConvBN(x, 8, true)
		if err != nil {
			return nil, err
		}
		return s.Sub("head").Conv(y, ops.ConvConfig{Out: 2, Window: ops.Square(3, 2, 1, 1), Bias: true})
	}
	for _, batch := range []int{16, 1} {
		y, err := head(batch)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(y.Shape(), params.Count(), "weights")
	}
	// Output:
	// (16, 3, 3, 2) 186 weights
	// (1, 3, 3, 2) 186 weights
}

func ExampleSet() {
	// The candidates of DARTS without the operation none, and with one more.
	set := append(ops.DARTS()[1:], ops.SepConv(7))
	fmt.Println(set.Names())
	fmt.Println(set.Has("none"))
	// Output:
	// [max_pool_3x3 avg_pool_3x3 skip_connect sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 dil_conv_5x5 sep_conv_7x7]
	// false
}

// NewVM plans what is wanted, and nothing else is computed. Gorgonia's operations
// and those of this package mix.
func ExampleNewVM() {
	g := gorgonia.NewGraph()
	x := gorgonia.NewTensor(g, tensor.Float32, 4, gorgonia.WithShape(1, 2, 2, 1), gorgonia.WithName("x"))
	squares, err := gorgonia.Square(x)
	if err != nil {
		fmt.Println(err)
		return
	}
	mean, err := ops.GlobalAvgPool(squares)
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := ops.NewVM(g, mean)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, pixels := range [][]float32{{1, 2, 3, 4}, {0, 0, 0, 2}} {
		if err := gorgonia.Let(x, tensor.New(tensor.WithShape(1, 2, 2, 1), tensor.WithBacking(pixels))); err != nil {
			fmt.Println(err)
			return
		}
		if err := m.RunAll(); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(mean.Value())
	}
	// Output:
	// [[7.5]]
	// [[1]]
}
