package darts

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/internal/engine"
	"unnas/internal/format"
	"unnas/internal/graph"
	"unnas/internal/kernel"
	"unnas/internal/memory"
	"unnas/internal/rng"
	"unnas/internal/xla"
	"unnas/ops"
	"unnas/pretext"
)

// NewParams returns new parameters of a network with the head of a task, with their
// first values, drawn from the seed: what weights are read into
// (ops.Params.ReadSafetensors).
func NewParams(a cell.Architecture, task pretext.Task, seed uint64) (*ops.Params, error) {
	p := ops.NewParams()
	err := ops.Build(func() error {
		if _, err := engine.Assemble(p, a, task, nil, 1); err != nil {
			return err
		}
		return p.Init(seed)
	})
	if err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	return p, nil
}

// A predictor runs a network with the head of a task on images, each under the
// evaluation transform of the task. Batch normalisations use their running statistics,
// so the result for an image does not depend, to the bit, on those beside it; what reads
// a map normalises it on the way. It takes the memory of a few images and none for
// gradients.
type predictor struct {
	task  pretext.Task
	spec  pretext.Spec
	parts [2]part // that many images go through part 0 as it takes, the rest through part 1
	x     []float32
	rest  pretext.Sample // labels and targets, which nothing reads
}

// part is a network for a number of images at a time.
type part struct {
	images  int
	logits  *gorgonia.Node
	machine *graph.Machine
}

// newPredictor returns a predictor with these parameters, which must have values and be
// those of this network and this task; the network runs on the device, nil is the CPU.
func newPredictor(a cell.Architecture, task pretext.Task, p *ops.Params, device *xla.Device) (*predictor, error) {
	if p == nil || !p.Ready() {
		return nil, errors.New("the parameters have no values; take those of a training, or NewParams and read weights into them")
	}
	r := &predictor{task: task}
	var networks [len(r.parts)]*engine.Network
	plans := make([]*graph.Plan, len(r.parts))
	err := ops.Build(func() error {
		for i, images := range []int{evaluatedAtATime, 1} {
			n, err := engine.Assemble(p, a, task, nil, images)
			if err == nil {
				err = n.Scope.Covers()
			}
			if err != nil {
				if _, err := engine.Assemble(ops.NewParams(), a, task, nil, 1); err != nil { // then it is not for the parameters
					return err
				}
				return fmt.Errorf("the parameters are of another network or task: %w; give those that it was trained with", err)
			}
			if shape := n.Logits.Shape(); shape.Dims() < 2 || shape[0]%images != 0 {
				return fmt.Errorf("the head of task %s gives logits of shape %v for %s; it must give rows for each image", task.Name(), shape, format.Plural(images, "image"))
			}
			networks[i], r.parts[i] = n, part{images: images, logits: n.Logits}
			if plans[i], err = graph.Compile(n.Scope.Graph(), graph.Options{Want: gorgonia.Nodes{n.Logits}, Evaluate: true, Device: device}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	r.spec = task.Spec()
	pool := kernel.NewThreadPool(0)
	input := evaluatedAtATime * r.spec.InputLen()
	bytes := 4*int64(input) + max(plans[0].Bytes(pool.Size()), plans[1].Bytes(pool.Size()))
	if total := memory.Total(); total > 0 && bytes > total {
		return nil, fmt.Errorf("darts: %s need %s of memory, this machine has %s; choose a smaller transform or network", format.Plural(evaluatedAtATime, "image"), format.Bytes(bytes), format.Bytes(total))
	}
	if err := device.Fits(max(plans[0].DeviceBytes(), plans[1].DeviceBytes())); err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	r.x, r.rest = make([]float32, input), r.spec.NewSample()
	arena := graph.NewArena(plans...)
	for i, n := range networks {
		m, err := plans[i].Bind(arena, pool)
		if err != nil {
			return nil, fmt.Errorf("darts: %w", err)
		}
		r.parts[i].machine = m
		if err := ops.Bind(n.Images, r.x[:n.Images.Shape().TotalSize()]); err != nil {
			return nil, fmt.Errorf("darts: %w", err)
		}
	}
	return r, nil
}

// logits returns those of each image, as Model.Logits does.
func (p *predictor) logits(ctx context.Context, images []*pretext.Image) ([][]float32, error) {
	all := make([][]float32, 0, len(images))
	for _, part := range p.parts {
		for len(images)-len(all) >= part.images {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			some, err := p.run(part, images, len(all))
			if err != nil {
				return nil, err
			}
			all = append(all, some...)
		}
	}
	return all, nil
}

// run returns the logits of as many images as a part takes, from the first one on.
func (p *predictor) run(part part, images []*pretext.Image, first int) ([][]float32, error) {
	for i := range part.images {
		if err := sample(p.task, p.x[i*p.spec.InputLen():][:p.spec.InputLen()], p.rest, images[first+i]); err != nil {
			return nil, fmt.Errorf("darts: image %d: %w", first+i, err)
		}
	}
	if err := part.machine.RunAll(); err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	rows := slices.Clone(part.logits.Value().Data().([]float32))
	for _, v := range rows {
		if !format.Finite(float64(v)) {
			return nil, errors.New("darts: logits are not finite numbers; the weights are damaged, or their training has diverged")
		}
	}
	return slices.Collect(slices.Chunk(rows, len(rows)/part.images)), nil
}

// sample writes the inputs that a task makes of an image in evaluation to x, and what
// it predicts to rest.
func sample(task pretext.Task, x []float32, rest pretext.Sample, img *pretext.Image) error {
	labelled := *img
	labelled.Label = 0 // tasks with labels refuse images without one; any will do
	if labelled.Mask == nil {
		labelled.Mask = make([]uint8, img.Width*img.Height)
	}
	rest.Inputs = x
	return task.Sample(rest, &labelled, false, rng.New(0, "prediction", 0, 0))
}

// Measure counts a network with the head of a task on one input of the task.
func Measure(a cell.Architecture, task pretext.Task) (cell.Complexity, error) {
	size, err := engine.Measure(a, task)
	if err != nil {
		return cell.Complexity{}, fmt.Errorf("darts: %w", err)
	}
	return size, nil
}
