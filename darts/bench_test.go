package darts

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/internal/kernel"
	"unnas/internal/vm"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// The benchmarks run on one batch in memory. internal/peer measures the same in
// PyTorch, under the same names.

// BenchmarkStep times one bilevel step of the published supernets.
func BenchmarkStep(b *testing.B) {
	cityscapes := cell.DARTS(cell.ImageNetStem, 16, 12)
	cityscapes.Body.Reductions = cell.Reductions(12, 1)
	for _, c := range []struct {
		name  string
		space cell.Space
		task  pretext.Task
		batch int
	}{
		{"cifar/batch=16", cell.DARTS(cell.CIFARStem, 16, 8), cifar, 16},
		{"cifar/batch=64", cell.DARTS(cell.CIFARStem, 16, 8), cifar, 64},
		{"imagenet/batch=16", cell.DARTS(cell.ImageNetStem, 16, 8), pretext.Classification{View: pretext.ImageNet(224), Classes: 10}, 16},
		{"rotation/batch=16", cell.DARTS(cell.CIFARStem, 16, 8), pretext.Rotation{View: pretext.CIFAR10()}, 16},
		{"cityscapes/batch=2", cityscapes, labelling(321, 3, segmentation.SearchASPP(19)), 2},
	} {
		b.Run(c.name, func(b *testing.B) {
			config := DARTS()
			config.Space, config.Batch, config.Seed = c.space, c.batch, 1
			m, err := newModel(config, c.task)
			require.NoError(b, err)
			o := &fixed{model: m, batch: randomBatch(c.task, c.batch)}
			rule := newBilevel(config, m.team, o)
			measure(b, m, func() {
				require.NoError(b, rule.arch(o, config.LR.Base))
				require.NoError(b, rule.weights(o, config.LR.Base))
			})
		})
	}
}

// BenchmarkTrain times one step of SGD, with the gradient clipped, of networks
// without alphas.
func BenchmarkTrain(b *testing.B) {
	for _, c := range []struct {
		name  string
		task  pretext.Task
		body  body
		batch int
	}{
		{"cifar/batch=96", cifar, evaluated(cell.CIFARStem, 36, 20, 10), 96},
		{"imagenet/batch=16", imagenet, evaluated(cell.ImageNetStem, 48, 14, 1000), 16},
		{"nasbench/batch=32", cifar, nasBench, 32},
		// A head alone would need no gradient of its input; that of a network does.
		{"aspp/batch=2", labelling(41, 640, segmentation.EvalASPP(19)), normalised, 2},
	} {
		b.Run(c.name, func(b *testing.B) {
			m, n := newNetwork(b, c.task, c.body, c.batch)
			require.NoError(b, ops.Build(func() error {
				if err := ops.Grad(n.scope, m.loss.Value); err != nil {
					return err
				}
				return m.plan(n.scope)
			}))
			require.NoError(b, m.bind())
			config := DARTS()
			o := &fixed{model: m, batch: randomBatch(c.task, c.batch)}
			rule := newBilevel(config, m.team, o)
			measure(b, m, func() { require.NoError(b, rule.weights(o, config.LR.Base)) })
		})
	}
}

// evaluatedAtATime is the number of images of which the maps of a trained network
// stay in the cache. In evaluation images do not depend on each other, so a batch
// can be taken in parts.
const evaluatedAtATime = 8

// BenchmarkInfer times the logits of trained networks.
func BenchmarkInfer(b *testing.B) {
	for _, c := range []struct {
		name  string
		task  pretext.Task
		body  body
		batch int
	}{
		{"cifar/batch=1", cifar, evaluated(cell.CIFARStem, 36, 20, 0), 1},
		{"cifar/batch=32", cifar, evaluated(cell.CIFARStem, 36, 20, 0), 32},
		{"imagenet/batch=1", imagenet, evaluated(cell.ImageNetStem, 48, 14, 0), 1},
		{"imagenet/batch=32", imagenet, evaluated(cell.ImageNetStem, 48, 14, 0), 32},
	} {
		b.Run(c.name, func(b *testing.B) {
			part := min(c.batch, evaluatedAtATime)
			m, n := newNetwork(b, c.task, c.body, part)
			p, err := vm.Compile(n.scope.Graph(), vm.Options{Want: gorgonia.Nodes{n.logits}})
			require.NoError(b, err)
			m.weights, err = p.Bind(vm.NewArena(p), m.team)
			require.NoError(b, err)
			m.weights.Training, m.weights.UpdateStats = false, false
			m.bytes = p.Bytes(m.team.Size()) + int64(4*m.params.Count())
			images := randomBatch(c.task, c.batch).X
			size := len(images) / c.batch * part
			measure(b, m, func() {
				for images := range slices.Chunk(images, size) {
					require.NoError(b, m.let(m.images, &images[0], images))
					require.NoError(b, m.weights.RunAll())
				}
			})
		})
	}
}

// measure times a step of a model.
func measure(b *testing.B, m *model, step func()) {
	step() // touches the memory
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64(m.bytes)/(1<<20), "planned-MiB")
	b.ReportMetric(float64(len(m.params.Weights())+len(m.params.Alphas())), "params")
}

var (
	cifar    = pretext.Classification{View: pretext.CIFAR10(), Classes: 10}
	imagenet = pretext.Classification{View: pretext.ImageNet(224), Classes: 1000}
)

// labeller is the task to label the pixels of maps.
type labeller struct {
	pretext.Task
	spec pretext.Spec
	head segmentation.ASPP
}

// labelling returns the task of a crop of Cityscapes, 321×321 pixels, given as
// maps of size×size pixels.
func labelling(size, channels int, head segmentation.ASPP) labeller {
	return labeller{head: head, spec: pretext.Spec{
		Height: size, Width: size, Channels: channels, Inputs: 1, LabelShape: []int{321, 321}, Classes: head.Classes,
	}}
}

func (labeller) Name() string { return "labelling" }

func (t labeller) Spec() pretext.Spec { return t.spec }

func (t labeller) Head(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
	return t.head.Build(s, x)
}

func (labeller) Loss(logits, labels *gorgonia.Node) (ops.Loss, error) {
	return ops.PixelCrossEntropy(logits, labels, ops.LossConfig{Ignore: 255})
}

// body adds what lies between images and head. It returns the logits of an
// auxiliary head, too, if there is one.
type body func(s *ops.Scope, x *gorgonia.Node) (y, auxiliary *gorgonia.Node, err error)

// evaluated returns the network of the cells of DARTS, with an auxiliary head if
// that is to tell any classes.
func evaluated(stem cell.Stem, width, cells, classes int) body {
	return func(s *ops.Scope, x *gorgonia.Node) (y, auxiliary *gorgonia.Node, err error) {
		g, _ := cell.Published("darts_v2")
		stack := cell.DARTS(stem, width, cells).Body
		n, err := stack.Network(s, x, g, ops.Published())
		if err != nil {
			return nil, nil, err
		}
		if classes > 0 {
			auxiliary, err = n.AuxiliaryHead(s, classes)
		}
		return n.Out, auxiliary, err
	}
}

// nasBench is the network of the cell 00005c142e6f48ac74fdcf73e3439874 of
// NAS-Bench-101.
func nasBench(s *ops.Scope, x *gorgonia.Node) (y, auxiliary *gorgonia.Node, err error) {
	c := cell.NASBench{
		Matrix: [][]int{
			{0, 1, 0, 0, 1, 1, 0},
			{0, 0, 1, 0, 0, 0, 0},
			{0, 0, 0, 1, 0, 0, 1},
			{0, 0, 0, 0, 0, 1, 0},
			{0, 0, 0, 0, 0, 1, 0},
			{0, 0, 0, 0, 0, 0, 1},
			{0, 0, 0, 0, 0, 0, 0},
		},
		Ops: []string{"input", "conv3x3-bn-relu", "maxpool3x3", "conv3x3-bn-relu", "conv3x3-bn-relu", "conv1x1-bn-relu", "output"},
	}
	y, err = cell.NASBenchBody{Stem: cell.CIFARStem, Width: 128, Stacks: 3, Modules: 3}.Network(s, x, c)
	return y, nil, err
}

func normalised(s *ops.Scope, x *gorgonia.Node) (y, auxiliary *gorgonia.Node, err error) {
	y, err = s.BatchNorm(x, true)
	return y, nil, err
}

// newNetwork builds a network with the head and the loss of a task, and draws its
// weights.
func newNetwork(b *testing.B, task pretext.Task, add body, batch int) (*model, *network) {
	m := &model{params: ops.NewParams(), team: kernel.NewTeam(0), headers: map[any]*tensor.Dense{}, parts: 1}
	n := &network{scope: ops.NewScope(gorgonia.NewGraph(), m.params)}
	spec := task.Spec()
	shape := []int{batch}
	if len(spec.LabelShape) > 1 {
		shape = append(shape, spec.LabelShape...)
	}
	require.NoError(b, ops.Build(func() error {
		var err error
		if m.images, err = ops.Images(n.scope.Graph(), "images", batch, spec.Height, spec.Width, spec.Channels); err != nil {
			return err
		}
		if m.labels, err = ops.Labels(n.scope.Graph(), "labels", shape...); err != nil {
			return err
		}
		features, auxiliary, err := add(n.scope, m.images)
		if err != nil {
			return err
		}
		if n.logits, err = task.Head(n.scope.Sub("classifier"), features); err != nil {
			return err
		}
		if m.loss, err = task.Loss(n.logits, m.labels); err != nil || auxiliary == nil {
			return err
		}
		second, err := task.Loss(auxiliary, m.labels)
		if err != nil {
			return err
		}
		share, err := gorgonia.Mul(second.Value, gorgonia.NewConstant(float32(cell.AuxiliaryWeight)))
		if err != nil {
			return err
		}
		m.loss.Value, err = gorgonia.Add(m.loss.Value, share)
		return err
	}))
	m.bytes = int64(m.params.Count() * 3 * 4)
	require.NoError(b, m.params.Init(1))
	return m, n
}

// fixed is an objective with one batch for everything.
type fixed struct {
	*model
	batch *batch
}

func randomBatch(task pretext.Task, n int) *batch {
	spec := task.Spec()
	b := &batch{X: make([]float32, n*spec.InputLen()), Y: make([]int32, n*spec.LabelLen()), Images: n}
	for i := range b.X {
		b.X[i] = float32((i*7919)%1000)/500 - 1
	}
	for i := range b.Y {
		b.Y[i] = int32(i % spec.Classes)
	}
	return b
}

func (f *fixed) Weights() (values, grads []float32) {
	return f.params.Weights(), f.params.WeightGrads()
}

func (f *fixed) Alphas() (values, grads []float32) { return f.params.Alphas(), f.params.AlphaGrads() }

func (f *fixed) TrainGrad() error {
	_, err := f.run(f.model.weights, f.batch)
	return err
}

func (f *fixed) HeldGrad() error {
	_, err := f.run(f.model.alphas, f.batch)
	return err
}

func (f *fixed) Trial(t trial) error {
	_, err := f.try(t, f.batch)
	return err
}
