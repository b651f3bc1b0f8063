package pretexttest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
	"unnas/pretext"
)

// networks builds and runs head and loss for several batch sizes.
func (c *checker) networks() {
	for _, batch := range []int{1, 3} {
		n := network{checker: c, batch: batch}
		err := ops.Build(n.build) // recovers from panics
		if err == nil {
			err = n.run()
		}
		if err == nil && batch > 1 && !n.learns {
			err = errors.New("nothing counts in the loss, so the network learns nothing")
		}
		if err != nil {
			c.fault("a batch of %d: %w", batch, err)
			return
		}
	}
}

// network is the end of a network: features, head, loss and gradients.
type network struct {
	*checker
	batch    int
	features *gorgonia.Node
	targets  pretext.Targets
	loss     ops.Loss
	learns   bool           // a gradient has reached the features
	wrt      gorgonia.Nodes // features and parameters
	vm       ops.VM
}

func (n *network) build() error {
	g := gorgonia.NewGraph()
	s := ops.NewScope(g, ops.NewParams())
	var err error
	if n.features, err = ops.Images(g, "features", n.batch*n.spec.Inputs, 3, 5, 6); err != nil {
		return err
	}
	if n.targets, err = n.spec.NewTargets(g, n.batch); err != nil {
		return err
	}
	out, err := n.task.Head(s.Sub("classifier"), n.features)
	if err != nil {
		return fmt.Errorf("head: %w", err)
	}
	if err := n.spec.CheckHead(out, n.batch); err != nil {
		return err
	}
	if n.loss, err = n.task.Loss(out, n.targets); err != nil {
		return fmt.Errorf("loss: %w", err)
	}
	want := gorgonia.Nodes{n.loss.Value}
	if n.loss.Value == nil || n.loss.Value.Dims() != 0 {
		return errors.New("Loss.Value is not a scalar")
	}
	if n.loss.Count == nil {
		return errors.New("Loss.Count is nil; means over batches need it")
	}
	want = append(want, n.loss.Count)
	if n.loss.Score != nil {
		want = append(want, n.loss.Score)
	}
	if (n.loss.Score != nil) != validName.MatchString(n.loss.Metric.Name) {
		return fmt.Errorf("the name of the score is %q; want letters, digits and any of \"_.-\" with Loss.Score, and none without", n.loss.Metric.Name)
	}
	n.wrt = append(gorgonia.Nodes{n.features}, s.Learnables()...)
	if _, err := gorgonia.Grad(n.loss.Value, n.wrt...); err != nil {
		return fmt.Errorf("the loss must depend on the features and on every parameter, and be differentiable: %w", err)
	}
	for _, v := range n.wrt {
		want = append(want, v.Deriv())
	}
	if err := s.Params().Init(1); err != nil {
		return err
	}
	if n.vm, err = ops.NewVM(g, want...); err != nil {
		return err
	}
	n.vm.SetTraining(n.batch > 1) // one image may be too few for batch normalisation
	return nil
}

// run runs the network on samples, then with some and all of the labels ignored.
func (n *network) run() error {
	r := stream(1)
	x := make([]float32, n.features.Shape().TotalSize())
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	var all pretext.Sample
	for i := range n.batch {
		s, err := n.take(n.images[i%len(n.images)], true, uint64(i), 0, 0)
		if err != nil {
			return err
		}
		all.Labels = append(all.Labels, s.Labels...)
		all.Targets = append(all.Targets, s.Targets...)
	}
	if err := ops.Bind(n.features, x); err != nil {
		return err
	}
	if err := n.step(all); err != nil {
		return err
	}
	for i := n.batch - 1; i >= 0; i-- {
		fill(all.Labels[i*n.spec.LabelLen():], pretext.IgnoreIndex)
		fill(all.Targets[i*n.spec.TargetLen():], pretext.IgnoreValue)
		if err := n.step(all); err != nil {
			return fmt.Errorf("labels and targets from image %d on ignored: %w", i, err)
		}
	}
	return nil
}

// step checks one run with the given labels and targets.
func (n *network) step(all pretext.Sample) error {
	if n.targets.Labels != nil {
		if err := ops.Bind(n.targets.Labels, all.Labels); err != nil {
			return err
		}
	}
	if n.targets.Values != nil {
		if err := ops.Bind(n.targets.Values, all.Targets); err != nil {
			return err
		}
	}
	if err := n.vm.RunAll(); err != nil {
		return err
	}
	count, err := ops.Count(n.loss.Count)
	if err != nil {
		return err
	}
	labels, targets := counted(all.Labels, pretext.IgnoreIndex), counted(all.Targets, pretext.IgnoreValue)
	switch {
	case n.spec.Classes > 0 && len(all.Targets) == 0 && count != float64(labels):
		return fmt.Errorf("the loss counts %v of %d labels, of which %d are not pretext.IgnoreIndex", count, len(all.Labels), labels)
	case !finite(count) || count < 0:
		return fmt.Errorf("the loss counts %v; want 0 or more", count)
	case labels+targets == 0 && count != 0:
		return fmt.Errorf("the loss counts %v, but all labels are pretext.IgnoreIndex and all targets pretext.IgnoreValue", count)
	}
	if err := n.score(count); err != nil {
		return err
	}
	if got := scalar(n.loss.Value); !finite(got) {
		return fmt.Errorf("the loss is %v; want a finite number", got)
	}
	for _, v := range n.wrt {
		for i, g := range values(v.Deriv()) {
			if !finite(float64(g)) {
				return fmt.Errorf("element %d of the gradient of %s is %v; want a finite number", i, v.Name(), g)
			}
		}
	}
	reached := slices.ContainsFunc(values(n.features.Deriv()), func(v float32) bool { return v != 0 })
	switch {
	case count > 0 && !reached:
		return errors.New("the gradient of the features is zero, so the network learns nothing")
	case count == 0 && reached:
		return errors.New("the gradient of the features is not zero, but nothing counts")
	}
	n.learns = n.learns || reached
	return nil
}

// score checks the score of a run with the given count.
func (n *network) score(count float64) error {
	if n.loss.Score == nil {
		return nil
	}
	got, err := ops.Count(n.loss.Score)
	switch {
	case err != nil:
		return err
	case !finite(got) || count == 0 && got != 0:
		return fmt.Errorf("the score is %v for a count of %v; want a finite sum over what counts", got, count)
	case slices.Contains(accuracies, n.loss.Metric.Name) && (got < 0 || got > count):
		return fmt.Errorf("%v of %v labels are correct", got, count)
	}
	return nil
}

// accuracies are the metrics of package ops with means from 0 to 1.
var accuracies = []string{"top1", "pixel_accuracy", "contrastive_top1"}

// counted returns the number of elements other than ignore.
func counted[T comparable](all []T, ignore T) (n int) {
	for _, x := range all {
		if x != ignore {
			n++
		}
	}
	return n
}

var validName = regexp.MustCompile(`^[\w.-]+$`)

func scalar(n *gorgonia.Node) float64 { return float64(values(n)[0]) }

// values returns the values of a node.
func values(n *gorgonia.Node) []float32 {
	switch v := n.Value().(type) {
	case *gorgonia.F32:
		return []float32{float32(*v)}
	case *tensor.Dense:
		return v.Data().([]float32)
	}
	return nil
}
