package darts

import (
	"bytes"
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/internal/memory"
	"unnas/ops"
	"unnas/pretext"
)

// passing is a network that passes its images on as they are.
type passing struct{}

func (passing) Validate() error { return nil }

func (passing) Build(_ *ops.Scope, x *gorgonia.Node, _ cell.DropPathFunc) (*cell.Features, error) {
	return &cell.Features{Out: x}, nil
}

// grey returns an image of one colour, without a class.
func grey(height, width int, r, g, b uint8) *pretext.Image {
	return &pretext.Image{Width: width, Height: height, Pix: bytes.Repeat([]uint8{r, g, b}, height*width), Label: -1}
}

// TestPredictorByHand classifies images of one colour by their means alone.
func TestPredictorByHand(t *testing.T) {
	view := pretext.Transform{Height: 3, Width: 2, Mean: [3]float64{0.2, 0.4, 0}, Std: [3]float64{0.5, 0.25, 1}, Crop: pretext.CropNone}
	task := pretext.Classification{Transform: view, Classes: 4}
	p, err := NewParams(passing{}, task, 1)
	require.NoError(t, err)
	copy(p.Data(p.Find("classifier.classifier.weight")), []float32{ // [3 channels, 4 classes]
		1, 0, 0, 1,
		0, 2, 0, 1,
		0, 0, 3, 1,
	})
	copy(p.Data(p.Find("classifier.classifier.bias")), []float32{0, -1, 0, -10})
	predictor, err := modelOf(t, passing{}, task, p)
	require.NoError(t, err)

	images := []*pretext.Image{grey(5, 7, 255, 0, 0), grey(3, 2, 51, 255, 51)}
	logits, err := predictor.Logits(t.Context(), pictures(images)...)
	require.NoError(t, err)
	require.Len(t, logits, 2)
	// Channels normalised: (1-0.2)/0.5, (0-0.4)/0.25, 0; and 0, (1-0.4)/0.25, 0.2.
	assert.InDeltaSlice(t, []float32{1.6, -4.2, 0, -10}, logits[0], 1e-5)
	assert.InDeltaSlice(t, []float32{0, 3.8, 0.6, -7.4}, logits[1], 1e-5)

	predictions, err := predictor.Predict(t.Context(), pictures(images)...)
	require.NoError(t, err)
	require.Len(t, predictions, 2)
	for i, order := range [][]int{{0, 2, 1, 3}, {1, 2, 0, 3}} {
		sum := 0.0
		for k, c := range predictions[i] {
			assert.Equal(t, order[k], c.Class)
			sum += c.Probability
		}
		assert.InDelta(t, 1, sum, 1e-12)
	}
	assert.InDelta(t, 1/(1+math.Exp(-5.8)+math.Exp(-1.6)+math.Exp(-11.6)), predictions[0][0].Probability, 1e-6)

	clear(p.Weights()) // equally probable classes stay in their order
	predictions, err = predictor.Predict(t.Context(), images[0])
	require.NoError(t, err)
	assert.Equal(t, [][]Prediction{{{Class: 0, Probability: 0.25}, {Class: 1, Probability: 0.25}, {Class: 2, Probability: 0.25}, {Class: 3, Probability: 0.25}}}, predictions)
	none, err := predictor.Predict(t.Context())
	require.NoError(t, err)
	assert.Empty(t, none)
}

// noise returns images of several sizes.
func noise(seed uint64, n int) []*pretext.Image {
	r := rand.New(rand.NewPCG(seed, 0))
	images := make([]*pretext.Image, n)
	for i := range images {
		images[i] = grey(7+r.IntN(20), 6+r.IntN(20), 0, 0, 0)
		for k := range images[i].Pix {
			images[i].Pix[k] = uint8(r.Uint32())
		}
	}
	return images
}

// TestPredictorParts demands that an image has the same bits whatever is beside it,
// and that labels and masks change nothing.
func TestPredictorParts(t *testing.T) {
	for _, task := range []pretext.Task{smallTask(), pretext.Rotation{Transform: squareView()}, pretext.JigsawCIFAR10(), pretext.Colorization{Transform: squareView()}} {
		t.Run(task.Name(), func(t *testing.T) {
			c := smallTraining()
			p, err := NewParams(c.Network, task, 3)
			require.NoError(t, err)
			predictor, err := modelOf(t, c.Network, task, p)
			require.NoError(t, err)
			images := noise(5, 2*evaluatedAtATime+3)
			all, err := predictor.Logits(t.Context(), pictures(images)...)
			require.NoError(t, err)
			require.Len(t, all, len(images))
			assert.NotEqual(t, all[0], all[1])
			for i, img := range images {
				labelled := *img
				labelled.Label = 1 << 20
				one, err := predictor.Logits(t.Context(), &labelled)
				require.NoError(t, err)
				require.Equal(t, all[i:i+1], one, "image %d", i)
			}
			some, err := predictor.Logits(t.Context(), pictures(images[1:12])...)
			require.NoError(t, err)
			assert.Equal(t, all[1:12], some)
			slices.Reverse(images)
			back, err := predictor.Logits(t.Context(), pictures(images)...)
			require.NoError(t, err)
			slices.Reverse(back)
			assert.Equal(t, all, back)
		})
	}
}

func squareView() pretext.Transform {
	v := smallTask().(pretext.Classification).Transform
	v.Width, v.Height = 8, 8
	return v
}

// TestPredictorSeesTraining trains, writes the weights, reads them into new
// parameters, and finds the accuracy of the training's own evaluation again.
func TestPredictorSeesTraining(t *testing.T) {
	c := everything()
	task := smallTask().(pretext.Classification)
	task.Transform.Height, task.Transform.Width = 32, 32 // for the auxiliary head
	c.Auxiliary, c.Epochs = 0.4, 1
	held := stripes{n: 11, fail: -1}
	trained, err := Train(t.Context(), stripes{n: 12, fail: -1}, held, task, c, Runtime{})
	require.NoError(t, err)
	var file bytes.Buffer
	require.NoError(t, trained.Params.WriteSafetensors(&file, nil))
	assert.Contains(t, file.String(), "auxiliary_head.")

	p, err := NewParams(c.Network, task, 99)
	require.NoError(t, err)
	require.Nil(t, p.Find("auxiliary_head.classifier.weight"))
	require.NoError(t, p.ReadSafetensors(&file))
	images := make([]*pretext.Image, held.n)
	for i := range images {
		images[i], err = held.Load(t.Context(), i)
		require.NoError(t, err)
	}
	predictor, err := modelOf(t, c.Network, task, p)
	require.NoError(t, err)
	same, err := modelOf(t, c.Network, task, trained.Params)
	require.NoError(t, err)
	want, err := same.Logits(t.Context(), pictures(images)...)
	require.NoError(t, err)
	logits, err := predictor.Logits(t.Context(), pictures(images)...)
	require.NoError(t, err)
	assert.Equal(t, want, logits)
	predictions, err := predictor.Predict(t.Context(), pictures(images)...)
	require.NoError(t, err)
	right, loss := 0, 0.0
	for i, classes := range predictions {
		if classes[0].Class == images[i].Label {
			right++
		}
		at := slices.IndexFunc(classes, func(p Prediction) bool { return p.Class == images[i].Label })
		loss -= math.Log(classes[at].Probability)
	}
	assert.InDelta(t, trained.Last.ValScore, float64(right)/float64(held.n), 1e-12)
	assert.InDelta(t, trained.Last.ValLoss, loss/float64(held.n), 1e-5)

	// It sees what changes.
	clear(p.Weights())
	logits, err = predictor.Logits(t.Context(), images[0])
	require.NoError(t, err)
	assert.Equal(t, [][]float32{{0, 0, 0}}, logits)
}

func TestPredictorErrors(t *testing.T) {
	c, task := smallTraining(), smallTask()
	p, err := NewParams(c.Network, task, 1)
	require.NoError(t, err)
	for _, bad := range []*ops.Params{nil, ops.NewParams()} {
		_, err := modelOf(t, c.Network, task, bad)
		require.ErrorContains(t, err, "darts: the parameters have no values; take those of a training, or NewParams")
	}
	_, err = NewParams(nil, task, 1)
	require.EqualError(t, err, "darts: the network or the task is nil")
	_, err = modelOf(t, c.Network, nil, p)
	require.EqualError(t, err, "darts: the model has no Architecture or no Task; give both")
	_, err = NewParams(cell.Network{}, task, 1)
	require.ErrorContains(t, err, "darts: cell: Stem is")
	_, err = NewParams(c.Network, pretext.Classification{Transform: squareView(), Classes: 1}, 1)
	require.ErrorContains(t, err, "darts: task classification: pretext: Classification.Classes = 1")

	wide := c.Network.(cell.Network)
	wide.Backbone.Width = 6
	_, err = modelOf(t, wide, task, p)
	require.ErrorContains(t, err, "darts: the parameters are of another network or task: cell: stem: ops: parameter stem.0.weight is a weight of shape")
	_, err = modelOf(t, c.Network, pretext.Classification{Transform: squareView(), Classes: 5}, p)
	require.ErrorContains(t, err, "parameter classifier.classifier.weight is a weight of shape")
	deep := c.Network.(cell.Network)
	deep.Backbone.Cells = 5
	_, err = modelOf(t, deep, task, p)
	require.ErrorContains(t, err, "the parameters are of another network or task: ")
	deeper, err := NewParams(deep, task, 1)
	require.NoError(t, err)
	_, err = modelOf(t, c.Network, task, deeper)
	require.ErrorContains(t, err, "are not in the network, such as cells.3.")

	predictor, err := modelOf(t, c.Network, task, p)
	require.NoError(t, err)
	good := noise(2, 10)
	_, err = predictor.Logits(t.Context(), pictures(append(good, nil))...)
	require.EqualError(t, err, "darts: image 10 is nil")
	_, err = predictor.Predict(t.Context(), good[0], &pretext.Image{Width: 20, Height: 16, Pix: make([]uint8, 7)})
	require.ErrorContains(t, err, "darts: image 1: pretext: image of 20 by 16 pixels holds 7 bytes, want 960")
	_, err = predictor.Logits(t.Context(), &pretext.Image{})
	require.ErrorContains(t, err, "darts: image 0: pretext: image of 0 by 0 pixels")
	p.Data(p.Find("classifier.classifier.bias"))[1] = float32(math.NaN())
	_, err = predictor.Predict(t.Context(), pictures(good)...)
	require.ErrorContains(t, err, "darts: logits are not finite numbers")

	turned := pretext.Rotation{Transform: squareView()}
	p, err = NewParams(c.Network, turned, 1)
	require.NoError(t, err)
	predictor, err = modelOf(t, c.Network, turned, p)
	require.NoError(t, err)
	_, err = predictor.Predict(t.Context(), good[0])
	require.EqualError(t, err, "darts: task rotation has labels of shape [4] for an image, not one; take its Logits, or Segment")

	if memory.Total() == 0 {
		return // nobody knows what is too much
	}
	huge := pretext.Classification{Transform: pretext.ImageNetTransform(8192), Classes: 2}
	wide.Backbone.Width = 64
	p, err = NewParams(wide, huge, 1)
	require.NoError(t, err)
	_, err = modelOf(t, wide, huge, p)
	require.ErrorContains(t, err, "darts: 8 images need")
}

// modelOf returns a model whose network has been built.
func modelOf(t testing.TB, a cell.Architecture, task pretext.Task, p *ops.Params) (*Model, error) {
	m := &Model{Architecture: a, Task: task, Params: p}
	_, err := m.Logits(t.Context())
	return m, err
}

// pictures returns images as models take them.
func pictures(images []*pretext.Image) []image.Image {
	all := make([]image.Image, len(images))
	for i, img := range images {
		all[i] = img
	}
	return all
}
