package darts

import (
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/internal/cpuexec"
	"unnas/internal/engine"
	"unnas/internal/loader"
	"unnas/internal/ranks"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// The benchmarks run on one batch in memory. internal/peer measures the same in
// PyTorch, under the same names, but for partial connections. The environment variable
// UNNAS_BENCH_PRECISION sets the Precision, and UNNAS_BENCH_DEVICE the device of BenchmarkStep
// and BenchmarkTrain.
var (
	benchPrecision = Precision(os.Getenv("UNNAS_BENCH_PRECISION"))
	benchDevice    = Runtime{Device: os.Getenv("UNNAS_BENCH_DEVICE")}
)

// BenchmarkStep times one bilevel step of the published supernets.
func BenchmarkStep(b *testing.B) {
	cityscapes := cell.DARTS(cell.ImageNetStem, 16, 12)
	cityscapes.Backbone.Reductions = cell.Reductions(12, 1)
	partial := PCDARTS().Space
	for _, c := range []struct {
		name  string
		space cell.Space
		task  pretext.Task
		batch int
	}{
		{"cifar/batch=16", cell.DARTS(cell.CIFARStem, 16, 8), cifar, 16},
		{"cifar/batch=64", cell.DARTS(cell.CIFARStem, 16, 8), cifar, 64},
		{"partial/batch=16", partial, cifar, 16},
		{"partial/batch=64", partial, cifar, 64},
		{"imagenet/batch=16", cell.DARTS(cell.ImageNetStem, 16, 8), pretext.Classification{Transform: pretext.ImageNetTransform(224), Classes: 10}, 16},
		{"rotation/batch=16", cell.DARTS(cell.CIFARStem, 16, 8), pretext.Rotation{Transform: pretext.CIFAR10Transform()}, 16},
		{"cityscapes/batch=2", cityscapes, labelling(321, 3, segmentation.SearchASPP(19)), 2},
	} {
		b.Run(c.name, func(b *testing.B) {
			config := DARTS()
			config.Space, config.Batch, config.Seed, config.Precision = c.space, c.batch, 1, benchPrecision
			m, err := newModel(config, benchDevice, c.task)
			require.NoError(b, err)
			o := &fixed{model: m, batch: randomBatch(c.task, m.Crops(c.task), c.batch)}
			rule, err := newBilevel(config, m.rules, m.Engine, o)
			require.NoError(b, err)
			measure(b, m.Engine, func() {
				require.NoError(b, rule.alphas(rule.at(0, 0, config.LR.Base)))
				require.NoError(b, rule.weights(rule.at(0, 0, config.LR.Base)))
			})
		})
	}
}

// BenchmarkTrain times one step of SGD, with the gradient clipped, of networks
// without alphas.
func BenchmarkTrain(b *testing.B) {
	for _, c := range []struct {
		name      string
		task      pretext.Task
		network   cell.Architecture
		auxiliary float64
		batch     int
	}{
		{"cifar/batch=96", cifar, evaluated(cell.CIFARStem, 36, 20), cell.AuxiliaryWeight, 96},
		{"imagenet/batch=16", imagenet, evaluated(cell.ImageNetStem, 48, 14), cell.AuxiliaryWeight, 16},
		{"nasbench/batch=32", cifar, nasBench, 0, 32},
		// A head alone would need no gradient of its input; that of a network does.
		{"aspp/batch=2", labelling(41, 640, segmentation.EvalASPP(19)), normalised{}, 0, 2},
	} {
		b.Run(c.name, func(b *testing.B) {
			t := trainer(c.task, c.network, c.batch)
			t.rt = benchDevice
			t.c.GradClip, t.c.Auxiliary, t.c.Precision = 5, c.auxiliary, benchPrecision
			require.NoError(b, t.plan(b.Context(), 0))
			t.batch = randomBatch(c.task, t.Crops(c.task), c.batch)
			measure(b, t.Engine, func() { require.NoError(b, t.update(0.025)) })
		})
	}
}

// BenchmarkScaling counts the barriers in the gradients of a step and computes, from the
// time that each task takes on one core, how much faster they would be on more cores.
func BenchmarkScaling(b *testing.B) {
	report := func(b *testing.B, e *engine.Engine, batch *loader.Batch, runners ...*engine.Runner) {
		var all cpuexec.Schedule
		for _, r := range runners {
			_, err := e.RunPart(r, *batch) // binds the batch, and touches the memory
			require.NoError(b, err)
			s, err := r.Machine.Measure(5)
			require.NoError(b, err)
			all = all.Then(s)
		}
		b.ReportMetric(float64(all.Barriers()), "barriers")
		b.ReportMetric(all.Speedup(16), "x-at-16-cores")
		b.ReportMetric(all.Speedup(64), "x-at-64-cores")
		b.ReportMetric(0, "ns/op")
	}
	plan := func() func() { // for many cores
		before := runtime.GOMAXPROCS(64)
		return func() { runtime.GOMAXPROCS(before) }
	}
	b.Run("search/cifar/batch=16", func(b *testing.B) {
		defer plan()()
		config := DARTS()
		config.Space, config.Batch = cell.DARTS(cell.CIFARStem, 16, 8), 16
		m, err := newModel(config, Runtime{}, cifar)
		require.NoError(b, err)
		report(b, m.Engine, randomBatch(cifar, nil, 16), m.alphas, m.weights)
	})
	for _, c := range []struct {
		name    string
		task    pretext.Task
		network cell.Architecture
		batch   int
	}{
		{"train/imagenet/batch=16", imagenet, evaluated(cell.ImageNetStem, 48, 14), 16},
		{"train/nasbench/batch=32", cifar, nasBench, 32},
		{"train/aspp/batch=2", labelling(41, 640, segmentation.EvalASPP(19)), normalised{}, 2},
	} {
		b.Run(c.name, func(b *testing.B) {
			defer plan()()
			t := trainer(c.task, c.network, c.batch)
			require.NoError(b, t.plan(b.Context(), 0))
			report(b, t.Engine, randomBatch(c.task, nil, c.batch), t.learn)
		})
	}
}

// trainer returns a training without images, not planned yet.
func trainer(task pretext.Task, a cell.Architecture, batch int) *training {
	c := TrainConfig{Network: a, Epochs: 1, Batch: batch, SGD: SGD{Momentum: 0.9, WeightDecay: 3e-4}}
	return &training{c: c, task: task, Engine: engine.New(1, ranks.New(nil)), result: &TrainResult{}}
}

// BenchmarkInfer times the logits of trained networks.
func BenchmarkInfer(b *testing.B) {
	for _, c := range []struct {
		name  string
		task  pretext.Task
		net   cell.Architecture
		batch int
	}{
		{"cifar/batch=1", cifar, evaluated(cell.CIFARStem, 36, 20), 1},
		{"cifar/batch=32", cifar, evaluated(cell.CIFARStem, 36, 20), 32},
		{"imagenet/batch=1", imagenet, evaluated(cell.ImageNetStem, 48, 14), 1},
		{"imagenet/batch=32", imagenet, evaluated(cell.ImageNetStem, 48, 14), 32},
	} {
		b.Run(c.name, func(b *testing.B) {
			p, err := NewParams(c.net, c.task, 1)
			require.NoError(b, err)
			predictor, err := newPredictor(c.net, c.task, p, nil)
			require.NoError(b, err)
			part := predictor.parts[0]
			if c.batch < part.images {
				part = predictor.parts[1]
			}
			images := randomBatch(c.task, nil, c.batch).X
			e := &engine.Engine{Params: p, Bytes: int64(4*p.Count()) + part.machine.Bytes()}
			measure(b, e, func() {
				for some := range slices.Chunk(images, len(images)/c.batch*part.images) {
					copy(predictor.x, some)
					require.NoError(b, part.machine.RunAll())
				}
			})
		})
	}
}

// measure times a step.
func measure(b *testing.B, m *engine.Engine, step func()) {
	step() // touches the memory
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
	b.ReportMetric(float64(m.Bytes)/(1<<20), "planned-MiB")
	if m.Device != nil {
		b.ReportMetric(float64(m.DeviceBytes)/(1<<20), "device-MiB")
	}
	b.ReportMetric(float64(len(m.Params.Weights())+len(m.Params.Alphas())), "params")
}

var (
	cifar    = pretext.Classification{Transform: pretext.CIFAR10Transform(), Classes: 10}
	imagenet = pretext.Classification{Transform: pretext.ImageNetTransform(224), Classes: 1000}
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

func (labeller) Validate() error { return nil }

func (t labeller) Spec() pretext.Spec { return t.spec }

func (t labeller) Head(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
	return t.head.Build(s, x)
}

func (labeller) Loss(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
	return ops.PixelCrossEntropy(logits, targets.Labels, ops.LossConfig{IgnoreIndex: 255})
}

// evaluated returns the network of the cells of DARTS.
func evaluated(stem cell.Stem, width, cells int) cell.Architecture {
	g, _ := cell.GenotypeByName("darts_v2")
	return cell.Network{Backbone: cell.DARTS(stem, width, cells).Backbone, Genotype: g, Ops: ops.All()}
}

// nasBench is the network of the cell 00005c142e6f48ac74fdcf73e3439874 of
// NAS-Bench-101.
var nasBench = cell.NASBenchNetwork{
	Backbone: cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: 128, Stacks: 3, Modules: 3},
	Cell: cell.NASBenchCell{
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
	},
}

// normalised is a network that does no more than normalise its images.
type normalised struct{}

func (normalised) Validate() error { return nil }

func (normalised) Build(s *ops.Scope, x *gorgonia.Node, _ cell.DropPathFunc) (*cell.Features, error) {
	y, err := s.BatchNorm(x, true)
	return &cell.Features{Out: y}, err
}

// fixed is an objective with one batch for everything.
type fixed struct {
	*model
	batch *loader.Batch
}

// randomBatch returns a batch of n images, with crops instead of inputs unless they are nil.
func randomBatch(task pretext.Task, crops pretext.CropTask, n int) *loader.Batch {
	spec := task.Spec()
	b := &loader.Batch{T: make([]float32, n*spec.TargetLen()), Images: n}
	if crops == nil {
		b.X, b.Y = make([]float32, n*spec.InputLen()), make([]int32, n*spec.LabelLen())
	} else {
		c := crops.CropSpec()
		b.C, b.N, b.Y = make([]uint8, n*c.CropLen()), make([]float32, n*c.Numbers), make([]int32, n*c.LabelLen())
		for i := range n {
			copy(b.N[i*c.Numbers:], []float32{0, float32(c.Height), 0, float32(c.Width), 0.02, 0.02, 0.02, -2, -2, -2})
		}
	}
	for i := range b.C {
		b.C[i] = uint8(i * 7919 % 251)
	}
	for i := range b.X {
		b.X[i] = float32((i*7919)%1000)/500 - 1
	}
	for i := range b.Y {
		b.Y[i] = int32(i % max(spec.Classes, 1))
	}
	for i := range b.T {
		b.T[i] = float32((i*104729)%1000)/500 - 1
	}
	return b
}

func (f *fixed) Weights() (values, grads []float32) {
	return f.Params.Weights(), f.Params.WeightGrads()
}

func (f *fixed) Alphas() (values, grads []float32) { return f.Params.Alphas(), f.Params.AlphaGrads() }

func (f *fixed) TrainGrad() error {
	_, err := f.run(f.model.weights, f.batch)
	return err
}

func (f *fixed) ValGrad() error {
	_, err := f.run(f.model.alphas, f.batch)
	return err
}

func (f *fixed) Tables() []Table { return f.tables }

func (f *fixed) Candidates() []Candidate { return f.candidates }

func (f *fixed) Trial(t Trial) (loss float64, err error) {
	p, err := f.try(t, f.batch)
	return p.Loss, err
}
