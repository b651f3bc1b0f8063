package darts

import (
	"context"
	"errors"
	"fmt"
	"image"
	"slices"

	"gorgonia.org/gorgonia"

	"unnas/internal/engine"
	"unnas/internal/format"
	"unnas/internal/graph"
	"unnas/internal/kernel"
	"unnas/internal/memory"
	"unnas/internal/xla"
	"unnas/ops"
	"unnas/pretext"
)

// Features are what the network makes of an image before the head of its task.
type Features struct {
	// Map is the output of the last cell, [Inputs, Height, Width, Channels]. Inputs is
	// 1, unless the network takes tiles or patches of an image, as that of a jigsaw.
	Map                             []float32
	Inputs, Height, Width, Channels int
}

// Pooled returns the mean of the map over its pixels, Channels numbers for each input:
// the vector that a linear classifier sees.
func (f Features) Pooled() []float32 {
	pixels := f.Height * f.Width
	all := make([]float32, f.Inputs*f.Channels)
	for i := range f.Inputs {
		row := all[i*f.Channels:][:f.Channels]
		sums := make([]float64, f.Channels)
		for k, v := range f.Map[i*pixels*f.Channels:][:pixels*f.Channels] {
			sums[k%f.Channels] += float64(v)
		}
		for c, sum := range sums {
			row[c] = float32(sum / float64(pixels))
		}
	}
	return all
}

// Features returns the features of each image, under the evaluation transform of the
// task: the whole image, neither turned, nor hidden in part, nor distorted. A task whose
// network takes something else, such as tiles or the lightness alone, makes it of the
// image. What is said of images and errors at Logits holds here.
func (m *Model) Features(ctx context.Context, images ...image.Image) ([]Features, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	if m.features == nil {
		e, err := newExtractor(m)
		if err != nil {
			return nil, fmt.Errorf("darts: %w", err)
		}
		m.features = e
	}
	converted, err := convert(images)
	if err != nil {
		return nil, err
	}
	all := make([]Features, len(converted))
	for i, img := range converted {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if all[i], err = m.features.run(img); err != nil {
			return nil, fmt.Errorf("darts: image %d: %w", i, err)
		}
	}
	return all, nil
}

// An extractor runs a network without a head on one image at a time.
type extractor struct {
	input   func(img *pretext.Image) error // writes x
	x       []float32
	out     *gorgonia.Node
	machine *graph.Machine
}

// inputTransformer is a task whose network takes images under a transform.
type inputTransformer interface{ InputTransform() pretext.Transform }

func newExtractor(m *Model) (*extractor, error) {
	device, err := xla.Open(m.Device, 0, xla.Options{})
	if err != nil {
		return nil, err
	}
	e, spec := &extractor{}, m.Task.Spec()
	rest := spec.NewSample() // labels and targets, which nothing reads
	e.input = func(img *pretext.Image) error { return sample(m.Task, e.x, rest, img) }
	if t, ok := m.Task.(inputTransformer); ok {
		spec.Inputs = 1
		transform := t.InputTransform()
		spec.Height, spec.Width, spec.Channels = transform.Height, transform.Width, 3
		e.input = func(img *pretext.Image) error { return transform.Apply(e.x, img, false, nil) }
	}
	var images *gorgonia.Node
	var plan *graph.Plan
	err = ops.Build(func() error {
		whole, err := engine.Assemble(m.Params, m.Architecture, m.Task, nil, 1)
		if err == nil {
			err = whole.Scope.Covers()
		}
		if err != nil {
			return err
		}
		s := ops.NewScope(gorgonia.NewGraph(), m.Params)
		if images, err = ops.Images(s.Graph(), "images", spec.Inputs, spec.Height, spec.Width, spec.Channels); err != nil {
			return err
		}
		net, err := m.Architecture.Build(s, images, nil)
		if err != nil {
			return err
		}
		e.out = net.Out
		plan, err = graph.Compile(s.Graph(), graph.Options{Want: gorgonia.Nodes{net.Out}, Evaluate: true, Device: device})
		return err
	})
	if err != nil {
		return nil, err
	}
	pool := kernel.NewThreadPool(0)
	if bytes, total := plan.Bytes(pool.Size()), memory.Total(); total > 0 && bytes > total {
		return nil, fmt.Errorf("an image needs %s of memory, this machine has %s; choose a smaller transform or network", format.Bytes(bytes), format.Bytes(total))
	}
	if err := device.Fits(plan.DeviceBytes()); err != nil {
		return nil, err
	}
	e.x = make([]float32, spec.InputLen())
	if e.machine, err = plan.Bind(graph.NewArena(plan), pool); err != nil {
		return nil, err
	}
	return e, ops.Bind(images, e.x)
}

func (e *extractor) run(img *pretext.Image) (Features, error) {
	if err := e.input(img); err != nil {
		return Features{}, err
	}
	if err := e.machine.RunAll(); err != nil {
		return Features{}, err
	}
	s, data := e.out.Shape(), e.out.Value().Data().([]float32)
	for _, v := range data {
		if !format.Finite(float64(v)) {
			return Features{}, errors.New("features are not finite numbers; the weights are damaged, or their training has diverged")
		}
	}
	return Features{Map: slices.Clone(data), Inputs: s[0], Height: s[1], Width: s[2], Channels: s[3]}, nil
}
