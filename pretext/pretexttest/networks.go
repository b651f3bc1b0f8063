package pretexttest

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
	"unnas/pretext"
)

// networks builds head and loss for batches of several sizes and runs them.
func (c *checker) networks() {
	for _, batch := range []int{1, 3} {
		n := network{checker: c, batch: batch}
		err := ops.Build(n.build) // for its guard against panics
		if err == nil {
			err = n.run()
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
	batch            int
	features, labels *gorgonia.Node
	loss             ops.Loss
	wrt              gorgonia.Nodes // features and parameters
	vm               ops.VM
}

func (n *network) build() error {
	g := gorgonia.NewGraph()
	s := ops.NewScope(g, ops.NewParams())
	var err error
	if n.features, err = ops.Images(g, "features", n.batch*n.spec.Inputs, 3, 5, 6); err != nil {
		return err
	}
	shape := tensor.Shape{n.batch * n.spec.LabelShape[0]}
	isMap := len(n.spec.LabelShape) > 1
	if isMap {
		shape = append(tensor.Shape{n.batch}, n.spec.LabelShape...)
	}
	if n.labels, err = ops.Labels(g, "labels", shape...); err != nil {
		return err
	}
	logits, err := n.task.Head(s.Sub("classifier"), n.features)
	if err != nil {
		return fmt.Errorf("head: %w", err)
	}
	if logits == nil {
		return errors.New("Head returns neither a node nor an error")
	}
	has, needed := logits.Shape(), fmt.Sprintf("(%d, %d)", shape[0], n.spec.Classes)
	fits := has.Eq(tensor.Shape{shape[0], n.spec.Classes})
	if isMap {
		needed = fmt.Sprintf("(%d, h, w, %d)", n.batch, n.spec.Classes)
		fits = has.Dims() == 4 && has[0] == n.batch && has[3] == n.spec.Classes
	}
	if !fits {
		return fmt.Errorf("the logits have shape %v; %s is needed", has, needed)
	}
	if n.loss, err = n.task.Loss(logits, n.labels); err != nil {
		return fmt.Errorf("loss: %w", err)
	}
	want := gorgonia.Nodes{n.loss.Value, n.loss.Correct, n.loss.Count}
	for i, name := range []string{"Value", "Correct", "Count"} {
		if want[i] == nil || want[i].Dims() != 0 {
			return fmt.Errorf("Loss.%s is no scalar", name)
		}
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
	n.vm.SetTraining(n.batch > 1) // one image may be too few to normalise by
	return nil
}

// run runs the network on samples, and with some or all of the labels ignored.
func (n *network) run() error {
	r := stream(1)
	x := make([]float32, n.features.Shape().TotalSize())
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	var y []int32
	for i := range n.batch {
		s, err := n.take(n.images[i%len(n.images)], true, uint64(i), 0, 0)
		if err != nil {
			return err
		}
		y = append(y, s.y...)
	}
	if err := ops.Bind(n.features, x); err != nil {
		return err
	}
	if err := n.step(y); err != nil {
		return err
	}
	size := len(y) / n.batch
	for i := n.batch - 1; i >= 0; i-- {
		copy(y[i*size:], slices.Repeat([]int32{pretext.Ignore}, size))
		if err := n.step(y); err != nil {
			return fmt.Errorf("labels from image %d on ignored: %w", i, err)
		}
	}
	return nil
}

// step checks one run with the given labels.
func (n *network) step(y []int32) error {
	if err := ops.Bind(n.labels, y); err != nil {
		return err
	}
	if err := n.vm.RunAll(); err != nil {
		return err
	}
	count := 0
	for _, label := range y {
		if label != pretext.Ignore {
			count++
		}
	}
	if got := scalar(n.loss.Count); got != float64(count) {
		return fmt.Errorf("the loss counts %v of %d labels, of which %d are not pretext.Ignore", got, len(y), count)
	}
	if got := scalar(n.loss.Correct); !(got >= 0 && got <= float64(count)) {
		return fmt.Errorf("%v of %d labels are right", got, count)
	}
	if got := scalar(n.loss.Value); math.IsNaN(got) || math.IsInf(got, 0) {
		return fmt.Errorf("the loss is %v; it must be finite", got)
	}
	for _, v := range n.wrt {
		for i, g := range values(v.Deriv()) {
			if f := float64(g); math.IsNaN(f) || math.IsInf(f, 0) {
				return fmt.Errorf("element %d of the gradient of %s is %v; it must be finite", i, v.Name(), g)
			}
		}
	}
	reached := slices.ContainsFunc(values(n.features.Deriv()), func(v float32) bool { return v != 0 })
	switch {
	case count > 0 && !reached:
		return errors.New("the gradient of the features is zero, so the network learns nothing")
	case count == 0 && reached:
		return errors.New("the gradient of the features is not zero, but no label counts")
	}
	return nil
}

func scalar(n *gorgonia.Node) float64 { return float64(values(n)[0]) }

// values returns the numbers that a node holds.
func values(n *gorgonia.Node) []float32 {
	switch v := n.Value().(type) {
	case *gorgonia.F32:
		return []float32{float32(*v)}
	case *tensor.Dense:
		return v.Data().([]float32)
	}
	return nil
}
