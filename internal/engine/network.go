package engine

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"

	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/loader"
	"unnas/ops"
	"unnas/pretext"
)

// A Network is a graph from the images of a batch to their loss.
type Network struct {
	Scope   *ops.Scope
	Images  *gorgonia.Node // an input, or what a device makes of crops
	Targets pretext.Targets
	Logits  *gorgonia.Node
	Loss    ops.Loss

	crops, numbers *gorgonia.Node  // inputs of which a device makes Images; nil without
	given          pretext.Targets // inputs; Targets are these, or what a device makes of them
	batch          gorgonia.Nodes  // all inputs that hold a batch

	planned, differentiated bool
}

// NewNetwork creates the inputs of a graph for batches of the given size: the images, or
// crops of which a device makes them, unless crops is nil.
func NewNetwork(p *ops.Params, task pretext.Task, crops pretext.CropTask, batch int) (*Network, error) {
	n := &Network{Scope: ops.NewScope(gorgonia.NewGraph(), p)}
	spec := task.Spec()
	err := spec.Validate()
	if err == nil && crops == nil {
		err = n.addImages(spec, batch)
	} else if err == nil {
		err = n.addCrops(spec, crops, batch)
	}
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", task.Name(), err)
	}
	for _, node := range []*gorgonia.Node{n.crops, n.numbers, n.given.Labels, n.given.Values} {
		if node != nil {
			n.batch = append(n.batch, node)
		}
	}
	return n, nil
}

func (n *Network) addImages(s pretext.Spec, batch int) (err error) {
	g := n.Scope.Graph()
	if n.Images, err = ops.Images(g, "images", batch*s.Inputs, s.Height, s.Width, s.Channels); err != nil {
		return err
	}
	n.batch = gorgonia.Nodes{n.Images}
	n.given, err = s.NewTargets(g, batch)
	n.Targets = n.given
	return err
}

func (n *Network) addCrops(s pretext.Spec, task pretext.CropTask, batch int) (err error) {
	g, c, given := n.Scope.Graph(), task.CropSpec(), s
	if err := c.Validate(s); err != nil {
		return err
	}
	if n.crops, err = ops.Crops(g, "crops", batch, c.Height, c.Width); err != nil {
		return err
	}
	if n.numbers, err = ops.Values(g, "numbers", batch, c.Numbers); err != nil {
		return err
	}
	given.LabelShape = c.LabelShape
	if n.given, err = given.NewTargets(g, batch); err != nil {
		return err
	}
	if n.Images, n.Targets, err = task.Inputs(n.crops, n.numbers, n.given); err != nil {
		return err
	}
	return s.CheckInputs(n.Images, n.Targets, batch)
}

// Assemble adds a network with the head and the loss of a task to a new graph, for
// batches of the given size, as NewNetwork makes them.
func Assemble(p *ops.Params, a cell.Architecture, task pretext.Task, crops pretext.CropTask, batch int) (*Network, error) {
	if IsNil(a) || IsNil(task) {
		return nil, errors.New("the network or the task is nil")
	}
	if err := a.Validate(); err != nil {
		return nil, err
	}
	if err := task.Validate(); err != nil {
		return nil, fmt.Errorf("task %s: %w", task.Name(), err)
	}
	n, err := NewNetwork(p, task, crops, batch)
	if err != nil {
		return nil, err
	}
	_, err = n.Add(a, task, nil)
	return n, err
}

// Add adds a network with the head and the loss of a task to the graph.
func (n *Network) Add(a cell.Architecture, task pretext.Task, path cell.DropPathFunc) (*cell.Features, error) {
	net, err := a.Build(n.Scope, n.Images, path)
	if err != nil {
		return nil, err
	}
	if net == nil || net.Out == nil {
		return nil, fmt.Errorf("the network of type %T has no last feature map; its Build must return a cell.Features with Out", a)
	}
	return net, n.Head(task, net.Out)
}

// Head adds the head and the loss of a task to a feature map.
func (n *Network) Head(task pretext.Task, features *gorgonia.Node) (err error) {
	if n.Logits, err = task.Head(n.Scope.Sub("classifier"), features); err != nil {
		return fmt.Errorf("head of %s: %w", task.Name(), err)
	}
	if err := task.Spec().CheckHead(n.Logits, n.Images.Shape()[0]/task.Spec().Inputs); err != nil {
		return fmt.Errorf("head of %s: %w", task.Name(), err)
	}
	n.Loss, err = n.LossOf(task, n.Logits)
	return err
}

// LossOf adds the loss of a task on logits to the graph.
func (n *Network) LossOf(task pretext.Task, logits *gorgonia.Node) (ops.Loss, error) {
	loss, err := task.Loss(logits, n.Targets)
	if err != nil {
		return loss, fmt.Errorf("loss of %s: %w", task.Name(), err)
	}
	if loss.Value == nil || loss.Count == nil {
		return loss, fmt.Errorf("loss of %s: no Value or Count; its Loss must return both", task.Name())
	}
	if (loss.Score != nil) != ScoreName.MatchString(loss.Metric.Name) {
		return loss, fmt.Errorf("loss of %s: Metric.Name is %q; want letters, digits and any of \"_.-\" with a Score, and none without", task.Name(), loss.Metric.Name)
	}
	return loss, nil
}

// array returns the value of an input for a batch.
func (n *Network) array(input *gorgonia.Node, b *loader.Batch) cpuexec.Array {
	a := cpuexec.Array{Shape: ir.Shape(input.Shape())}
	switch input {
	case n.crops:
		a.Foreign = b.C
	case n.numbers:
		a.F = b.N
	case n.given.Labels:
		a.I = b.Y
	case n.given.Values:
		a.F = b.T
	default:
		a.F = b.X
	}
	return a
}

// arrays returns the values of all inputs for a batch.
func (n *Network) arrays(b *loader.Batch) (all []cpuexec.Array) {
	for _, input := range n.batch {
		all = append(all, n.array(input, b))
	}
	return all
}

// batchBytes returns the memory of a batch.
func (n *Network) batchBytes() (bytes int64) {
	for _, input := range n.batch {
		bytes += int64(input.Shape().TotalSize()) * int64(input.Dtype().Size())
	}
	return bytes
}

// whole returns the largest possible count of a batch: of labels, or of targets without
// labels.
func (n *Network) whole() float64 {
	of := n.Targets.Labels
	if of == nil {
		of = n.Targets.Values
	}
	return float64(of.Shape().TotalSize())
}

// wanted returns the nodes that every run computes.
func (n *Network) wanted() gorgonia.Nodes {
	want := gorgonia.Nodes{n.Loss.Value, n.Loss.Count}
	if n.Loss.Score != nil {
		want = append(want, n.Loss.Score)
	}
	return want
}

// ScoreName matches valid names of scores, which are parts of other names.
var ScoreName = regexp.MustCompile(`^[\w.-]+$`)

// IsNil reports whether a network or a task is nil or a nil pointer.
func IsNil(x any) bool {
	v := reflect.ValueOf(x)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

// Measure counts a network with the head of a task for one input of the task.
func Measure(a cell.Architecture, task pretext.Task) (cell.Complexity, error) {
	var size cell.Complexity
	err := ops.Build(func() error {
		n, err := Assemble(ops.NewParams(), a, task, nil, 1)
		if err != nil {
			return err
		}
		size = cell.Measure(n.Scope)
		return nil
	})
	return size, err
}
