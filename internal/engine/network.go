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
	Images  *gorgonia.Node
	Targets pretext.Targets
	Logits  *gorgonia.Node
	Loss    ops.Loss

	planned, differentiated bool
}

// NewNetwork creates the inputs of a graph for batches of the given size.
func NewNetwork(p *ops.Params, task pretext.Task, batch int) (*Network, error) {
	g := gorgonia.NewGraph()
	n := &Network{Scope: ops.NewScope(g, p)}
	spec := task.Spec()
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("task %s: %w", task.Name(), err)
	}
	var err error
	if n.Images, err = ops.Images(g, "images", batch*spec.Inputs, spec.Height, spec.Width, spec.Channels); err != nil {
		return nil, err
	}
	n.Targets, err = spec.NewTargets(g, batch)
	return n, err
}

// Assemble adds a network with the head and the loss of a task to a new graph, for
// batches of the given size.
func Assemble(p *ops.Params, a cell.Architecture, task pretext.Task, batch int) (*Network, error) {
	if IsNil(a) || IsNil(task) {
		return nil, errors.New("the network or the task is nil")
	}
	if err := a.Validate(); err != nil {
		return nil, err
	}
	if err := task.Validate(); err != nil {
		return nil, fmt.Errorf("task %s: %w", task.Name(), err)
	}
	n, err := NewNetwork(p, task, batch)
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

// batch returns the inputs that hold a batch.
func (n *Network) batch() gorgonia.Nodes {
	nodes := gorgonia.Nodes{n.Images}
	for _, t := range []*gorgonia.Node{n.Targets.Labels, n.Targets.Values} {
		if t != nil {
			nodes = append(nodes, t)
		}
	}
	return nodes
}

// arrays returns the values of these inputs for a batch.
func (n *Network) arrays(b loader.Batch) []cpuexec.Array {
	arrays := []cpuexec.Array{{Shape: ir.Shape(n.Images.Shape()), F: b.X}}
	if t := n.Targets.Labels; t != nil {
		arrays = append(arrays, cpuexec.Array{Shape: ir.Shape(t.Shape()), I: b.Y})
	}
	if t := n.Targets.Values; t != nil {
		arrays = append(arrays, cpuexec.Array{Shape: ir.Shape(t.Shape()), F: b.T})
	}
	return arrays
}

// batchBytes returns the memory of a batch.
func (n *Network) batchBytes() (bytes int64) {
	for _, node := range n.batch() {
		bytes += 4 * int64(node.Shape().TotalSize())
	}
	return bytes
}

// whole returns the largest possible count of a batch, as loader.Batch.Whole does.
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
		n, err := Assemble(ops.NewParams(), a, task, 1)
		if err != nil {
			return err
		}
		size = cell.Measure(n.Scope)
		return nil
	})
	return size, err
}
