package golden

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"

	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// Body returns the backbone of a case.
func (g *Case) Body() cell.Backbone { return g.Space().Backbone }

// Space returns the search space of a case.
func (g *Case) Space() cell.Space {
	switch {
	case g.Stem == cell.NASBench201Stem:
		return cell.NASBench201(g.Width, g.Depth)
	case g.Stem == cell.TransNASStem:
		return cell.TransNASBench101(g.Width)
	}
	space := cell.DARTS(g.Stem, g.Width, g.Depth)
	if number, err := strconv.Atoi(strings.TrimPrefix(g.SpaceName, "s")); err == nil {
		if reduced, err := cell.RobustDARTS(number, g.Stem, g.Width, g.Depth); err == nil {
			space = reduced
		}
	}
	if g.Task == "seg" {
		space.Backbone.Reductions = cell.Reductions(g.Depth, 1)
	}
	return space
}

// Problem returns the task of a case, with the sizes of the tensors of these names. It
// makes no samples: the case has them.
func (g *Case) Problem(input, target string) pretext.Task {
	in, out := g.Tensors[input].Shape, g.Tensors[target].Shape
	p := problem{Case: g, spec: pretext.Spec{Inputs: 1, LabelShape: []int{1}, Classes: g.Classes}}
	if len(in) == 5 { // tiles of a jigsaw
		p.spec.Inputs, in = in[1], in[1:]
	}
	p.spec.Channels, p.spec.Height, p.spec.Width = in[1], in[2], in[3]
	if len(out) > 1 {
		p.spec.LabelShape = out[1:]
	}
	return p
}

type problem struct {
	*Case
	spec pretext.Spec
}

func (p problem) Name() string       { return p.Task }
func (p problem) Validate() error    { return nil }
func (p problem) Spec() pretext.Spec { return p.spec }

func (problem) Sample(pretext.Sample, *pretext.Image, bool, *rand.Rand) error {
	return errors.New("golden: the case holds the samples")
}

func (p problem) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	switch p.Task {
	case "seg":
		return segmentation.ASPP{Channels: p.ASPP, Rates: p.Rates, Classes: p.Classes}.Build(s.Sub("classifier"), features)
	case "col":
		return pretext.PixelHead(s, features, p.Classes)
	}
	return pretext.PooledHead(s, features, p.spec.Inputs, p.Classes)
}

func (p problem) Loss(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
	switch p.Task {
	case "seg":
		return ops.PixelCrossEntropy(logits, targets.Labels, ops.LossConfig{IgnoreIndex: 255})
	case "col":
		return ops.PixelCrossEntropy(logits, targets.Labels, ops.LossConfig{IgnoreIndex: ops.NoIgnoreIndex})
	}
	return ops.CrossEntropy(logits, targets.Labels, ops.LossConfig{IgnoreIndex: ops.NoIgnoreIndex})
}
