package pretext_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/ops"
	"unnas/pretext"
)

func TestSpecValidate(t *testing.T) {
	good := pretext.Spec{Height: 4, Width: 5, Channels: 3, Inputs: 2, LabelShape: []int{2}, Classes: 7, TargetShape: []int{3, 6}}
	require.NoError(t, good.Validate())
	assert.Equal(t, []int{120, 2, 18}, []int{good.InputLen(), good.LabelLen(), good.TargetLen()})
	for want, f := range map[string]func(*pretext.Spec){
		"Spec.Height = 0":                         func(s *pretext.Spec) { s.Height = 0 },
		"Spec.Width = -1":                         func(s *pretext.Spec) { s.Width = -1 },
		"Spec.Channels = 0":                       func(s *pretext.Spec) { s.Channels = 0 },
		"Spec.Inputs = 0":                         func(s *pretext.Spec) { s.Inputs = 0 },
		"want at most 1073741824":                 func(s *pretext.Spec) { s.Height, s.Width = 1<<40, 1<<40 },
		"Spec.LabelShape and Spec.Targ":           func(s *pretext.Spec) { s.LabelShape, s.TargetShape = nil, nil },
		"Spec.LabelShape = [2 0]":                 func(s *pretext.Spec) { s.LabelShape = []int{2, 0} },
		"Spec.TargetShape = [-3]":                 func(s *pretext.Spec) { s.TargetShape = []int{-3} },
		"Spec.TargetShape = [1099511":             func(s *pretext.Spec) { s.TargetShape = []int{1 << 40, 1 << 40} },
		"Spec.Classes = -1":                       func(s *pretext.Spec) { s.Classes = -1 },
		"Spec.Classes = 16777217":                 func(s *pretext.Spec) { s.Classes = 1<<24 + 1 },
		"Spec.Classes = 7 for labels of shape []": func(s *pretext.Spec) { s.LabelShape = nil },
	} {
		s := good
		f(&s)
		assert.ErrorContains(t, s.Validate(), want)
	}
}

// TestSpecCheckHead takes logits that fit the classes, and anything without classes.
func TestSpecCheckHead(t *testing.T) {
	g := gorgonia.NewGraph()
	shaped := func(name string, shape ...int) *gorgonia.Node {
		n, err := ops.Values(g, name, shape...)
		require.NoError(t, err)
		return n
	}
	rows := pretext.Spec{LabelShape: []int{2}, Classes: 5}
	maps := pretext.Spec{LabelShape: []int{8, 9}, Classes: 5}
	assert.NoError(t, rows.CheckHead(shaped("rows", 6, 5), 3))
	assert.NoError(t, maps.CheckHead(shaped("maps", 3, 2, 4, 5), 3))
	assert.NoError(t, pretext.Spec{LabelShape: []int{2}}.CheckHead(shaped("any", 7), 3))
	assert.EqualError(t, rows.CheckHead(shaped("fewer logits", 6, 4), 3), "pretext: the head returns the shape (6, 4) for 3 images, want [6, 5], a row of Spec.Classes logits for each label; correct Head or Spec")
	assert.ErrorContains(t, rows.CheckHead(shaped("fewer rows", 3, 5), 3), "want [6, 5]")
	assert.ErrorContains(t, maps.CheckHead(shaped("flat", 3, 5), 3), "want [3, h, w, 5], maps of Spec.Classes logits; correct Head or Spec")
	assert.ErrorContains(t, maps.CheckHead(shaped("other maps", 3, 2, 4, 6), 3), "(3, 2, 4, 6)")
	assert.ErrorContains(t, rows.CheckHead(nil, 3), "neither a node nor an error")
}

func TestSpecNewTargets(t *testing.T) {
	g := gorgonia.NewGraph()
	s := pretext.Spec{LabelShape: []int{4}, TargetShape: []int{2, 3}}
	targets, err := s.NewTargets(g, 5)
	require.NoError(t, err)
	assert.Equal(t, []int{20}, []int(targets.Labels.Shape()))
	assert.Equal(t, []int{5, 2, 3}, []int(targets.Values.Shape()))
	_, err = s.NewTargets(g, 5)
	assert.ErrorContains(t, err, "pretext: ops: the graph already has a node named \"labels\"")
	none, err := pretext.Spec{}.NewTargets(g, 5)
	require.NoError(t, err)
	assert.Equal(t, pretext.Targets{}, none)
}
