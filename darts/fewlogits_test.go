package darts_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset/scenes"
	"unnas/ops"
	"unnas/pretext"
)

// graded is a task whose labels are grades, unless they are classes, and whose head
// has a few numbers.
type graded struct {
	pretext.Classification
	logits  int
	classes int
}

func (g graded) Spec() pretext.Spec {
	s := g.Classification.Spec()
	s.Classes = g.classes
	return s
}

func (g graded) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	return pretext.PooledHead(s, features, 1, g.logits)
}

func (graded) Loss(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
	n, err := ops.Apply(distance{}, logits, targets.Labels)
	if err != nil {
		return ops.Loss{}, err
	}
	return ops.Loss{Value: n[0], Score: n[1], Count: n[2], Metric: ops.Metric{Name: "none"}}, nil
}

// distance is the mean square of the logits' distance from the label.
type distance struct{}

func (distance) Name() string { return "distance" }
func (distance) Shapes([]tensor.Shape) ([]tensor.Shape, error) {
	return []tensor.Shape{{}, {}, {}}, nil
}
func (distance) Forward(_ *ops.Run, out, in []ops.Array) error {
	each := len(in[0].Data) / len(in[1].Labels)
	var sum float32
	for i, v := range in[0].Data {
		d := v - float32(in[1].Labels[i/each])
		sum += d * d / float32(len(in[0].Data))
	}
	out[0].Data[0], out[1].Data[0], out[2].Data[0] = sum, 0, float32(len(in[1].Labels))
	return nil
}
func (distance) Backward(_ *ops.Run, grads []ops.Array, gy ops.Array, in, _ []ops.Array) error {
	each := len(in[0].Data) / len(in[1].Labels)
	for i, v := range in[0].Data {
		grads[0].Data[i] = gy.Data[0] * 2 * (v - float32(in[1].Labels[i/each])) / float32(len(in[0].Data))
	}
	return nil
}

// TestHeadWithoutClasses trains and evaluates with heads that have fewer and more
// numbers than there are labels, which are no classes. They predict none, and are
// refused if the task says that labels are classes.
func TestHeadWithoutClasses(t *testing.T) {
	src, err := scenes.New(12, 16, 16, 1)
	require.NoError(t, err)
	g, _ := cell.GenotypeByName("darts_v2")
	network := cell.Network{Backbone: cell.DARTS(cell.CIFARStem, 2, 3).Backbone, Genotype: g, Ops: ops.All()}
	for _, logits := range []int{1, 6, 9} { // of eight classes
		task := graded{pretext.Classification{Transform: pretext.ScenesTransform(16), Classes: 8}, logits, 0}
		r, err := darts.Train(t.Context(), src, src, task, darts.TrainConfig{
			Network: network, Epochs: 1, Batch: 4, EvaluateEvery: 1, SGD: darts.SGD{LR: darts.Schedule{Kind: darts.Constant, Base: 1e-3}},
		}, darts.Runtime{})
		require.NoError(t, err)
		assert.NotContains(t, r.Last.Scores, "top5")
		p := r.Model()
		img, err := src.Load(t.Context(), 0)
		require.NoError(t, err)
		rows, err := p.Logits(t.Context(), img)
		require.NoError(t, err)
		assert.Len(t, rows[0], logits)
		_, err = p.Predict(t.Context(), img)
		assert.ErrorContains(t, err, "darts: task classification predicts no classes; take its Logits")
		task.classes = 8
		_, err = (&darts.Model{Architecture: network, Task: task, Params: r.Params}).Logits(t.Context())
		assert.ErrorContains(t, err, fmt.Sprintf("darts: head of classification: pretext: the head returns the shape (1, %d) for 1 images, want [1, 8]", logits))
	}
}

// merged is a task whose head mixes the images of a batch.
type merged struct {
	pretext.Classification
	axes []int
}

func (m merged) Spec() pretext.Spec { return graded{Classification: m.Classification}.Spec() }

func (m merged) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	logits, err := pretext.PooledHead(s, features, 1, m.Classification.Classes)
	if err != nil {
		return nil, err
	}
	return gorgonia.Sum(logits, m.axes...)
}

func (merged) Loss(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
	return graded{}.Loss(logits, targets)
}

// TestHeadThatMixesImages has no logits of an image to predict from.
func TestHeadThatMixesImages(t *testing.T) {
	g, _ := cell.GenotypeByName("darts_v2")
	network := cell.Network{Backbone: cell.DARTS(cell.CIFARStem, 2, 3).Backbone, Genotype: g, Ops: ops.All()}
	for shape, axes := range map[string][]int{"()": {0, 1}, "(8)": {0}} {
		task := merged{pretext.Classification{Transform: pretext.ScenesTransform(16), Classes: 8}, axes}
		params, err := darts.NewParams(network, task, 1)
		require.NoError(t, err)
		_, err = (&darts.Model{Architecture: network, Task: task, Params: params}).Logits(t.Context())
		assert.ErrorContains(t, err, "darts: the head of task classification gives logits of shape "+shape+" for 8 images; it must give rows for each image")
	}
}
