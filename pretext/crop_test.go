package pretext_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/internal/graph"
	"unnas/internal/kernel"
	"unnas/internal/xla"
	"unnas/internal/xla/xlatest"
	"unnas/ops"
	"unnas/pretext"
)

// device returns the CPU through XLA.
func device(t testing.TB) *xla.Device {
	return &xla.Device{Client: xlatest.Client(t), Options: xla.Options{Flags: xlatest.Quick}}
}

// inputsOnDevice returns the inputs that a device makes of crops, and, of a task that makes
// labels there, these.
func inputsOnDevice(t *testing.T, d *xla.Device, task pretext.CropTask, crops []pretext.CropSample) (images []float32, labels []int32) {
	t.Helper()
	c, spec, n := task.CropSpec(), task.Spec(), len(crops)
	g := gorgonia.NewGraph()
	bytes, err := ops.Crops(g, "crops", n, c.Height, c.Width)
	require.NoError(t, err)
	numbers, err := ops.Values(g, "numbers", n, c.Numbers)
	require.NoError(t, err)
	given := spec
	given.LabelShape = c.LabelShape
	targets, err := given.NewTargets(g, n)
	require.NoError(t, err)
	x, all, err := task.Inputs(bytes, numbers, targets)
	require.NoError(t, err)
	require.Equal(t, []int{n * spec.Inputs, spec.Height, spec.Width, spec.Channels}, []int(x.Shape()))
	want := gorgonia.Nodes{x}
	var logits *gorgonia.Node
	if all.Labels != targets.Labels {
		// The gradient of equal logits is below zero at the label alone.
		logits, err = ops.Images(g, "logits", n, spec.Height, spec.Width, spec.Classes)
		require.NoError(t, err)
		require.NoError(t, ops.Bind(logits, make([]float32, logits.Shape().TotalSize())))
		loss, err := task.Loss(logits, all)
		require.NoError(t, err)
		_, err = graph.Grad(loss.Value, gorgonia.Nodes{logits})
		require.NoError(t, err)
		want = append(want, logits.Deriv())
	}
	var whole pretext.CropSample
	for _, s := range crops {
		whole.Crop, whole.Numbers, whole.Labels = append(whole.Crop, s.Crop...), append(whole.Numbers, s.Numbers...), append(whole.Labels, s.Labels...)
	}
	require.NoError(t, ops.Bind(bytes, whole.Crop))
	require.NoError(t, ops.Bind(numbers, whole.Numbers))
	require.NoError(t, ops.Bind(targets.Labels, whole.Labels))
	plan, err := graph.Compile(g, graph.Options{Want: want, Device: d, Batch: gorgonia.Nodes{bytes}})
	require.NoError(t, err)
	m, err := plan.Bind(graph.NewArena(plan), kernel.NewThreadPool(1))
	require.NoError(t, err)
	require.NoError(t, m.RunAll())
	images = slices.Clone(x.Value().Data().([]float32))
	if logits == nil {
		return images, whole.Labels
	}
	for pixel := range slices.Chunk(logits.Deriv().Value().Data().([]float32), spec.Classes) {
		labels = append(labels, int32(slices.IndexFunc(pixel, func(g float32) bool { return g < 0 })))
	}
	return images, labels
}

// TestCrops compares what a device makes of crops with samples, in training and in
// evaluation: with equal streams, of which both draw the same.
func TestCrops(t *testing.T) {
	d := device(t)
	square := func(side int, crop pretext.Crop) pretext.Transform {
		v := pretext.ImageNetTransform(side)
		v.Crop, v.Short = crop, 14
		return v
	}
	oblong := square(13, pretext.CropMultiscale)
	oblong.Width = 9
	whole := oblong
	whole.Height, whole.Width, whole.Crop, whole.Short, whole.Jitter = 23, 31, pretext.CropWhole, 0, 0.2
	padded := pretext.CIFAR10Transform()
	padded.Height, padded.Width, padded.Jitter = 16, 16, 0.5
	flipped := oblong
	flipped.Height, flipped.Width, flipped.Crop = 12, 15, pretext.CropRandomResized
	jigsaw := pretext.Jigsaw{Transform: padded, Grid: 2, Permutations: 24, GrayscaleProb: 0.5}
	exact := []*pretext.Image{speckled(16, 16, 1), speckled(16, 16, 2), speckled(16, 16, 3), grey(16, 16), speckled(16, 16, 4)}
	others := []*pretext.Image{speckled(31, 23, 1), speckled(19, 22, 2), speckled(30, 13, 3), grey(14, 20), speckled(13, 9, 4)}
	for _, c := range []struct {
		name   string
		task   pretext.CropTask
		images []*pretext.Image
		// A number may differ by this, and by that much more for each deviation from the mean.
		within, more float64
	}{
		{"classification, padded", pretext.Classification{Transform: padded, Classes: 5}, exact, 2e-6, 0},
		{"classification, random resized crop", pretext.Classification{Transform: flipped, Classes: 5}, others, 0.51 / 255 / 0.224, 0},
		{"classification, multiscale", pretext.Classification{Transform: oblong, Classes: 5}, others, 0.51 / 255 / 0.224, 0},
		{"classification, whole", pretext.Classification{Transform: whole, Classes: 5}, others, 2e-6, 0},
		{"rotation, padded", pretext.Rotation{Transform: padded}, exact, 2e-6, 0},
		{"rotation, resized", pretext.Rotation{Transform: square(11, pretext.CropResized)}, others, 0.51 / 255 / 0.224, 0},
		{"colorization, padded", pretext.Colorization{Transform: padded}, exact, 1e-6, 0},
		{"colorization, random resized crop", pretext.Colorization{Transform: flipped}, others, 1e-6, 0},
		{"jigsaw, padded", jigsaw, exact, 2e-5, 0},
		{"jigsaw, resized", pretext.Jigsaw{Transform: flipped, Grid: 3, Permutations: 1000, GrayscaleProb: 0.5}, others, 0.05, 0.05},
		{"relative patch, padded", pretext.RelativePatch{Transform: padded, Patch: 4, Gap: 1, GrayscaleProb: 0.5}, exact, 2e-5, 0},
		{"relative patch, resized", pretext.RelativePatch{Transform: flipped, Patch: 3, Gap: 1, GrayscaleProb: 0.5}, others, 0.05, 0.05},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec, size := c.task.Spec(), c.task.CropSpec()
			require.NoError(t, size.Validate(spec))
			var crops []pretext.CropSample
			var samples []pretext.Sample
			for _, train := range []bool{true, false, true, true} {
				for i, img := range c.images {
					seed := uint64(len(crops))
					a, b := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 1))
					s, k := spec.NewSample(), size.NewSample(spec)
					fillCrop(k)
					require.NoError(t, c.task.Sample(s, img, train, a), "image %d", i)
					require.NoError(t, c.task.Crop(k, img, train, b), "image %d", i)
					require.Equal(t, a.Uint64(), b.Uint64(), "both draw the same")
					samples, crops = append(samples, s), append(crops, k)
				}
			}
			images, labels := inputsOnDevice(t, d, c.task, crops)
			for i, s := range samples {
				require.Equal(t, s.Labels, labels[i*spec.LabelLen():][:spec.LabelLen()], "labels %d", i)
				got := images[i*spec.InputLen():][:spec.InputLen()]
				for j, v := range s.Inputs {
					within := c.within + c.more*math.Abs(float64(v))
					require.InDelta(t, v, got[j], within*max(1, math.Abs(float64(v))), "number %d of the inputs of sample %d", j, i)
				}
			}
		})
	}
}

// fillCrop fills a sample with what Crop has to overwrite.
func fillCrop(k pretext.CropSample) {
	for i := range k.Crop {
		k.Crop[i] = 77
	}
	for i := range k.Numbers {
		k.Numbers[i] = float32(math.NaN())
	}
	for i := range k.Labels {
		k.Labels[i] = math.MinInt32
	}
}

// speckled returns an image of random colours.
func speckled(width, height int, seed uint64) *pretext.Image {
	r := rand.New(rand.NewPCG(seed, 9))
	img := &pretext.Image{Width: width, Height: height, Label: int(seed) % 5}
	for range 3 * width * height {
		img.Pix = append(img.Pix, uint8(r.Uint32()))
	}
	return img
}

// grey returns an image of shades of grey.
func grey(width, height int) *pretext.Image {
	img := speckled(width, height, 7)
	for i := range img.Pix {
		img.Pix[i] = img.Pix[i/3*3]
	}
	return img
}

// TestCropsOfAllColours holds that a device finds the bins of package pretext.
func TestCropsOfAllColours(t *testing.T) {
	d := device(t)
	v := pretext.ImageNetTransform(0)
	v.Height, v.Width, v.Crop = 128, 256, pretext.CropNone
	task := pretext.Colorization{Transform: v}
	img := speckled(256, 128, 5)
	for i := range 256 { // the axes of the cube
		for c := range 3 {
			img.Pix[3*(i+256*c)+(c+1)%3], img.Pix[3*(i+256*c)+(c+2)%3] = 0, 0
		}
		img.Pix[3*(i+256*3)], img.Pix[3*(i+256*3)+1], img.Pix[3*(i+256*3)+2] = uint8(i), uint8(i), uint8(i)
	}
	s, k := task.Spec().NewSample(), task.CropSpec().NewSample(task.Spec())
	require.NoError(t, task.Sample(s, img, false, nil))
	require.NoError(t, task.Crop(k, img, false, nil))
	images, labels := inputsOnDevice(t, d, task, []pretext.CropSample{k})
	assert.Equal(t, s.Labels, labels)
	assert.InDeltaSlice(t, s.Inputs, images, 1e-6)
}

// TestCropsThatDoNotCount makes labels of images whose label is IgnoreIndex.
func TestCropsThatDoNotCount(t *testing.T) {
	task := pretext.Colorization{Transform: pretext.ScenesTransform(8)}
	var crops []pretext.CropSample
	for i := range 2 {
		k := task.CropSpec().NewSample(task.Spec())
		require.NoError(t, task.Crop(k, speckled(8, 8, 1), false, nil))
		k.Labels[0] -= int32(i)
		crops = append(crops, k)
	}
	require.Equal(t, pretext.IgnoreIndex, crops[1].Labels[0])
	_, labels := inputsOnDevice(t, device(t), task, crops)
	assert.NotContains(t, labels[:64], pretext.IgnoreIndex)
	assert.Equal(t, slices.Repeat([]int32{pretext.IgnoreIndex}, 64), labels[64:])
}

// embedding is a task with inputs of its own.
type embedding struct{ pretext.Rotation }

// holding has the methods of a CropTask itself.
type holding struct{ pretext.CropTask }

func TestAsCropTask(t *testing.T) {
	rotation := pretext.Rotation{Transform: pretext.ScenesTransform(8)}
	for _, task := range []pretext.Task{rotation, &rotation, pretext.JigsawCIFAR10()} {
		c, ok := pretext.AsCropTask(task)
		assert.True(t, ok)
		assert.Equal(t, task, c)
	}
	for _, task := range []pretext.Task{embedding{rotation}, &embedding{rotation}, holding{rotation}, struct{ *pretext.Rotation }{&rotation}, pretext.ContrastiveCIFAR10(), struct{ pretext.Task }{rotation}} {
		_, ok := pretext.AsCropTask(task)
		assert.False(t, ok, "%T", task)
	}
}

func TestCropsRefuse(t *testing.T) {
	img := speckled(16, 16, 1)
	for name, task := range map[string]pretext.CropTask{
		"classification": pretext.Classification{Transform: pretext.ScenesTransform(16), Classes: 5}, "rotation": pretext.Rotation{Transform: pretext.ScenesTransform(16)},
		"colorization": pretext.Colorization{Transform: pretext.ScenesTransform(16)}, "jigsaw": pretext.JigsawCIFAR10(), "relative patch": pretext.RelativePatchCIFAR10(),
	} {
		t.Run(name, func(t *testing.T) {
			spec, size := task.Spec(), task.CropSpec()
			r := rand.New(rand.NewPCG(1, 1))
			for i := range 4 {
				k := size.NewSample(spec)
				switch i {
				case 0:
					k.Crop = k.Crop[1:]
				case 1:
					k.Numbers = k.Numbers[1:]
				case 2:
					k.Labels = append(k.Labels, 1)
				case 3:
					k.Targets = append(k.Targets, 1)
				}
				assert.ErrorContains(t, task.Crop(k, img, true, r), fmt.Sprintf(", want %d, %d, %d and 0", size.CropLen(), size.Numbers, size.LabelLen()))
			}
			k := size.NewSample(spec)
			assert.ErrorContains(t, task.Crop(k, nil, true, r), "no image")
			assert.ErrorContains(t, task.Crop(k, img, true, nil), "no random stream")
			assert.NoError(t, task.Crop(k, img, true, r))
		})
	}
	assert.ErrorContains(t, pretext.Rotation{}.Crop(pretext.CropSample{}, img, true, nil), "Transform.Height")
	unlabelled := *img
	unlabelled.Label = -1
	c := pretext.Classification{Transform: pretext.ScenesTransform(16), Classes: 5}
	assert.ErrorContains(t, c.Crop(c.CropSpec().NewSample(c.Spec()), &unlabelled, false, nil), "image of class -1")
	v := pretext.ScenesTransform(16)
	assert.ErrorContains(t, v.ApplyBytes(make([]uint8, 767), make([]float32, 10), img, false, nil), "into 767 bytes and 10 numbers, want 768, and 10 or more")
	assert.ErrorContains(t, v.ApplyBytes(make([]uint8, 768), make([]float32, 9), img, false, nil), "into 768 bytes and 9 numbers")
	assert.NoError(t, v.ApplyBytes(make([]uint8, 768), make([]float32, 11), img, false, nil))

	spec := pretext.Spec{Height: 2, Width: 3, Channels: 3, Inputs: 1, LabelShape: []int{2, 3}}
	for _, c := range []struct {
		size pretext.CropSpec
		want string
	}{
		{pretext.CropSpec{Width: 3, Numbers: 1, LabelShape: []int{1}}, "CropSpec.Height, Width = 0, 3"},
		{pretext.CropSpec{Height: 1 << 20, Width: 1 << 20, Numbers: 1, LabelShape: []int{1}}, "at most 1073741824 bytes"},
		{pretext.CropSpec{Height: 2, Width: 3, LabelShape: []int{1}}, "CropSpec.Numbers = 0"},
		{pretext.CropSpec{Height: 2, Width: 3, Numbers: 1}, "CropSpec.LabelShape = [] for a Spec.LabelShape of [2 3]"},
		{pretext.CropSpec{Height: 2, Width: 3, Numbers: 1, LabelShape: []int{0}}, "CropSpec.LabelShape = [0]"},
	} {
		assert.ErrorContains(t, c.size.Validate(spec), c.want)
	}
	assert.NoError(t, pretext.CropSpec{Height: 2, Width: 3, Numbers: 1, LabelShape: []int{1}}.Validate(spec))
	spec.LabelShape = []int{4}
	assert.ErrorContains(t, pretext.CropSpec{Height: 2, Width: 3, Numbers: 1, LabelShape: []int{1}}.Validate(spec), "labels of pixels alone can be made by Inputs")
}
