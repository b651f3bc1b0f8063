package darts

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/internal/engine"
	"unnas/internal/format"
	"unnas/internal/kernel"
	"unnas/internal/memory"
	"unnas/internal/rng"
	"unnas/internal/vm"
	"unnas/ops"
	"unnas/pretext"
)

// NewParams returns new parameters of a network with the head of a task, with their
// first values, which the seed tells: what weights are read into
// (ops.Params.ReadSafetensors).
func NewParams(a cell.Architecture, task pretext.Task, seed uint64) (*ops.Params, error) {
	p := ops.NewParams()
	err := ops.Build(func() error {
		if _, err := engine.Assemble(p, a, task, 1); err != nil {
			return err
		}
		return p.Init(seed)
	})
	if err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	return p, nil
}

// Predictor tells what a network with the head of a task makes of images, each in
// the view that the task has of it in evaluation. Batch normalisations use their
// running statistics, so the result for an image does not depend, to the bit, on
// those beside it. They take no pass of their own: what reads a map normalises it on
// the way. It reads the weights where they are, so that it sees what a training has
// changed in between.
//
// It takes the memory of a few images and none for gradients. It is not safe for
// use by several goroutines; several predictors may share parameters. Whole images
// whose pixels are to be labelled are for segmentation.Predictor.
type Predictor struct {
	task  pretext.Task
	spec  pretext.Spec
	parts [2]part // that many images go through part 0 as it takes, the rest through part 1
	x     []float32
	rest  pretext.Sample // labels and targets, which nobody reads
}

// part is a network for so many images at a time.
type part struct {
	images  int
	logits  *gorgonia.Node
	machine *vm.Machine
}

// NewPredictor returns a predictor with these parameters, which must have values
// (NewParams, or those of a training) and be those of this network and this task.
func NewPredictor(a cell.Architecture, task pretext.Task, p *ops.Params) (*Predictor, error) {
	if p == nil || !p.Ready() {
		return nil, errors.New("darts: the parameters have no values; take those of a training, or NewParams and read weights into them")
	}
	r := &Predictor{task: task}
	var networks [len(r.parts)]*engine.Network
	plans := make([]*vm.Plan, len(r.parts))
	err := ops.Build(func() error {
		for i, images := range []int{evaluatedAtATime, 1} {
			n, err := engine.Assemble(p, a, task, images)
			if err == nil {
				err = n.Scope.Covers()
			}
			if err != nil {
				if _, err := engine.Assemble(ops.NewParams(), a, task, 1); err != nil { // then it is not for the parameters
					return err
				}
				return fmt.Errorf("the parameters are of another network or task: %w; give those that it was trained with", err)
			}
			if shape := n.Logits.Shape(); shape.Dims() < 2 || shape[0]%images != 0 {
				return fmt.Errorf("the head of task %s gives logits of shape %v for %s; it must give rows for each image", task.Name(), shape, format.Plural(images, "image"))
			}
			networks[i], r.parts[i] = n, part{images: images, logits: n.Logits}
			if plans[i], err = vm.Compile(n.Scope.Graph(), vm.Options{Want: gorgonia.Nodes{n.Logits}}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	r.spec = task.Spec()
	team := kernel.NewTeam(0)
	input := evaluatedAtATime * r.spec.InputLen()
	bytes := 4*int64(input) + max(plans[0].Bytes(team.Size()), plans[1].Bytes(team.Size()))
	if total := memory.Total(); total > 0 && bytes > total {
		return nil, fmt.Errorf("darts: %s need %s of memory, this machine has %s; choose a smaller view or network", format.Plural(evaluatedAtATime, "image"), format.Bytes(bytes), format.Bytes(total))
	}
	r.x, r.rest = make([]float32, input), r.spec.NewSample()
	arena := vm.NewArena(plans...)
	for i, n := range networks {
		m, err := plans[i].Bind(arena, team)
		if err != nil {
			return nil, fmt.Errorf("darts: %w", err)
		}
		m.Training, m.UpdateStats = false, false
		r.parts[i].machine = m
		if err := ops.Bind(n.Images, r.x[:n.Images.Shape().TotalSize()]); err != nil {
			return nil, fmt.Errorf("darts: %w", err)
		}
	}
	return r, nil
}

// Logits returns the logits of each image as the head of the task gives them: one
// row for each label of the image, one after the other, of Classes numbers as a rule.
// Labels and masks of the images are not needed, unless the task makes its inputs of
// them; what a task draws is the same for each image. An image that is nil or not
// valid is an error, as are logits that are not finite numbers.
func (p *Predictor) Logits(images ...*pretext.Image) ([][]float32, error) {
	all := make([][]float32, 0, len(images))
	for _, part := range p.parts {
		for len(images)-len(all) >= part.images {
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
func (p *Predictor) run(part part, images []*pretext.Image, first int) ([][]float32, error) {
	for i := range part.images {
		if err := p.show(p.x[i*p.spec.InputLen():][:p.spec.InputLen()], images[first+i]); err != nil {
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

// show writes the inputs that a task makes of an image.
func (p *Predictor) show(x []float32, img *pretext.Image) error {
	if img == nil {
		return errors.New("it is nil")
	}
	labelled := *img
	labelled.Label = 0 // tasks with labels refuse images without one; any will do
	dst := p.rest
	dst.Inputs = x
	return p.task.Sample(dst, &labelled, false, rng.New(0, "prediction", 0, 0))
}

// Prediction is a class and its probability, the softmax of the logits.
type Prediction struct {
	Class       int
	Probability float64
}

// Predict returns the classes of each image, the most probable first; of equally
// probable ones the first. It takes a task with one label for each image and a logit
// for each class; for others, and for what is wrong with images, see Logits.
func (p *Predictor) Predict(images ...*pretext.Image) ([][]Prediction, error) {
	if p.spec.Classes == 0 {
		return nil, fmt.Errorf("darts: task %s predicts no classes; take its Logits", p.task.Name())
	}
	if p.spec.LabelLen() != 1 {
		return nil, fmt.Errorf("darts: task %s has labels of shape %v for an image, not one; take its Logits", p.task.Name(), p.spec.LabelShape)
	}
	logits, err := p.Logits(images...)
	if err != nil {
		return nil, err
	}
	all := make([][]Prediction, len(logits))
	for i, row := range logits {
		all[i] = ranked(row)
	}
	return all, nil
}

// ranked returns the classes of a row of logits by their probability.
func ranked(logits []float32) []Prediction {
	top, sum := float64(slices.Max(logits)), 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - top)
	}
	classes := make([]Prediction, len(logits))
	for k, v := range logits {
		classes[k] = Prediction{k, math.Exp(float64(v)-top) / sum}
	}
	slices.SortStableFunc(classes, func(a, b Prediction) int { return cmp.Compare(logits[b.Class], logits[a.Class]) })
	return classes
}

// Measure counts a network with the head of a task on one input of the task.
func Measure(a cell.Architecture, task pretext.Task) (cell.Complexity, error) {
	size, err := engine.Measure(a, task)
	if err != nil {
		return cell.Complexity{}, fmt.Errorf("darts: %w", err)
	}
	return size, nil
}
