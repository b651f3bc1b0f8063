package darts

import (
	"context"
	"fmt"
	"image"
	"slices"

	"gorgonia.org/gorgonia"
	"unnas/internal/engine"
	"unnas/internal/format"
	"unnas/internal/kernel"
	"unnas/internal/memory"
	"unnas/internal/vm"
	"unnas/ops"
	"unnas/pretext"
)

// Features are what the network makes of an image before the head of its task.
type Features struct {
	// Map is the output of the last cell, [Inputs, Height, Width, Channels]. A task
	// makes one input of an image as a rule; rotation makes four, of which the first is
	// upright.
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
// task. What is said of images and errors at Logits holds here.
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
	task    pretext.Task
	x       []float32
	rest    pretext.Sample // labels and targets, which nothing reads
	out     *gorgonia.Node
	machine *vm.Machine
}

func newExtractor(m *Model) (*extractor, error) {
	e := &extractor{task: m.Task}
	var images *gorgonia.Node
	var plan *vm.Plan
	err := ops.Build(func() error {
		n, err := engine.NewNetwork(m.Params, m.Task, 1)
		if err != nil {
			return err
		}
		net, err := n.Add(m.Architecture, m.Task, nil)
		if err != nil {
			return err
		}
		if err := n.Scope.Covers(); err != nil {
			return err
		}
		images, e.out = n.Images, net.Out
		plan, err = vm.Compile(n.Scope.Graph(), vm.Options{Want: gorgonia.Nodes{net.Out}})
		return err
	})
	if err != nil {
		return nil, err
	}
	team := kernel.NewTeam(0)
	if bytes, total := plan.Bytes(team.Size()), memory.Total(); total > 0 && bytes > total {
		return nil, fmt.Errorf("an image needs %s of memory, this machine has %s; choose a smaller transform or network", format.Bytes(bytes), format.Bytes(total))
	}
	e.x, e.rest = make([]float32, m.Task.Spec().InputLen()), m.Task.Spec().NewSample()
	if e.machine, err = plan.Bind(vm.NewArena(plan), team); err != nil {
		return nil, err
	}
	e.machine.Training, e.machine.UpdateStats = false, false
	return e, ops.Bind(images, e.x)
}

func (e *extractor) run(img *pretext.Image) (Features, error) {
	if err := sample(e.task, e.x, e.rest, img); err != nil {
		return Features{}, err
	}
	if err := e.machine.RunAll(); err != nil {
		return Features{}, err
	}
	s := e.out.Shape()
	return Features{Map: slices.Clone(e.out.Value().Data().([]float32)), Inputs: s[0], Height: s[1], Width: s[2], Channels: s[3]}, nil
}
