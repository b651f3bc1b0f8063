package segmentation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/darts"
	"unnas/internal/rng"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// street returns a small network for the classes of Cityscapes, of output stride
// 16, with random weights and the running statistics of some scenes.
func street(t testing.TB) (segmentation.Network, *ops.Params) {
	genotype, ok := cell.GenotypeByName("unnas_cityscapes_rot")
	require.True(t, ok)
	n := segmentation.Network{
		Architecture: cell.Network{
			Backbone: cell.Backbone{Stem: cell.ImageNetStem, Width: 4, Cells: 3, Reductions: []int{1}},
			Genotype: genotype,
			Ops:      ops.All(),
		},
		Task: segmentation.Cityscapes(),
	}
	n.Task.ASPP.Channels = 6
	p, err := darts.NewParams(n.Architecture, n.Task, 3)
	require.NoError(t, err)
	const images, height, width = 4, 65, 97
	g := gorgonia.NewGraph()
	x, err := ops.Images(g, "x", images, height, width, 3)
	require.NoError(t, err)
	logits, err := n.Logits(ops.NewScope(g, p), x)
	require.NoError(t, err)
	m, err := ops.NewVM(g, logits)
	require.NoError(t, err)
	var pixels []float32
	for i := range images {
		one := make([]float32, 3*height*width)
		require.NoError(t, whole(n, height, width).Apply(one, load(t, town{images, width, height}, i), false, nil))
		pixels = append(pixels, one...)
	}
	require.NoError(t, ops.Bind(x, pixels))
	for range 30 {
		require.NoError(t, m.RunAll())
	}
	// On average no class is more likely than another.
	m.SetTraining(false)
	require.NoError(t, m.RunAll())
	bias := p.Data(p.Find("classifier.classifier.classifier.3.bias"))
	values := logits.Value().Data().([]float32)
	for i, v := range values {
		bias[i%19] -= v * 19 / float32(len(values))
	}
	return n, p
}

// town is a source of drawn images: blocks of the classes, each of a colour of its
// own, under a sky; some pixels do not count.
type town struct{ n, width, height int }

func (d town) Len() int { return d.n }

func (d town) Load(ctx context.Context, i int) (*pretext.Image, error) {
	img := &pretext.Image{Width: d.width, Height: d.height, Label: -1}
	r := rng.New(1, "town", 0, i)
	tops, classes := make([]int, 9), make([]uint8, 9)
	for k := range tops {
		tops[k], classes[k] = rng.IntN(r, d.height), uint8(rng.IntN(r, 19))
	}
	colours := segmentation.CityscapesPalette()
	for y := range d.height {
		for x := range d.width {
			k, class := x*len(tops)/d.width, uint8(10)
			if y >= tops[k] {
				class = classes[k]
			}
			c := colours[class]
			img.Pix = append(img.Pix, c.R^uint8(rng.IntN(r, 16)), c.G^uint8(y%16), c.B^uint8(x%16))
			if y == tops[k] {
				class = 255
			}
			img.Mask = append(img.Mask, class)
		}
	}
	return img, ctx.Err()
}

func load(t testing.TB, d pretext.Source, i int) *pretext.Image {
	img, err := d.Load(context.Background(), i)
	require.NoError(t, err)
	return img
}

func predict(t testing.TB, n segmentation.Network, p *ops.Params, o segmentation.PredictorConfig, img *pretext.Image) []uint8 {
	predictor, err := segmentation.NewPredictor(n, p, o)
	require.NoError(t, err)
	mask, err := predictor.Predict(img)
	require.NoError(t, err)
	return mask
}

// full returns the logits of an image in a view, at the resolution of the view: the
// long way, with all of them in memory.
func full(t *testing.T, n segmentation.Network, p *ops.Params, v pretext.Transform, img *pretext.Image, flip bool) []float32 {
	g := gorgonia.NewGraph()
	x, err := ops.Images(g, "x", 1, v.Height, v.Width, 3)
	require.NoError(t, err)
	logits, err := n.Logits(ops.NewScope(g, p), x)
	require.NoError(t, err)
	y, err := ops.Upsample(logits, v.Height, v.Width)
	require.NoError(t, err)
	m, err := ops.NewVM(g, y)
	require.NoError(t, err)
	m.SetTraining(false)
	pixels := make([]float32, 3*v.Height*v.Width)
	require.NoError(t, v.Apply(pixels, img, false, nil))
	if flip {
		pixels = mirrored(pixels, v.Width, 3)
	}
	require.NoError(t, ops.Bind(x, pixels))
	require.NoError(t, m.RunAll())
	out := y.Value().Data().([]float32)
	if flip {
		out = mirrored(out, v.Width, n.Task.ASPP.Classes)
	}
	return out
}

func mirrored(x []float32, width, channels int) []float32 {
	out := make([]float32, len(x))
	for p := range len(x) / channels {
		q := p - p%width + width - 1 - p%width
		copy(out[q*channels:][:channels], x[p*channels:][:channels])
	}
	return out
}

// whole returns the view of an image as it is, in a frame of that size.
func whole(n segmentation.Network, height, width int) pretext.Transform {
	v := n.Task.Transform
	v.Crop, v.Short, v.Height, v.Width = pretext.CropWhole, 0, height, width
	return v
}

// best returns the class of the largest value and by how much it is the largest.
func best(x []float64) (class uint8, margin float64) {
	margin = math.Inf(1)
	for k, v := range x {
		if v > x[class] {
			class = uint8(k)
		}
	}
	for k, v := range x {
		if k != int(class) {
			margin = min(margin, x[class]-v)
		}
	}
	return class, margin
}

// TestPredictIsUpsampleAndArgmax holds the rows of predictions against logits that
// were enlarged all at once, for one pass and for the mean of mirrored ones.
func TestPredictIsUpsampleAndArgmax(t *testing.T) {
	n, p := street(t)
	for _, size := range [][3]int{{48, 72, 0}, {65, 97, 0}, {33, 49, 1}, {16, 160, 1}} {
		for _, flip := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v %v", size, flip), func(t *testing.T) {
				height, width := size[0], size[1]
				img := load(t, town{1, width, height}, 0)
				v := whole(n, (height+14)/16*16+1, (width+14)/16*16+1)
				logits := full(t, n, p, v, img, false)
				var mirror []float32
				if flip {
					mirror = full(t, n, p, v, img, true)
				}
				got := predict(t, n, p, segmentation.PredictorConfig{Flip: flip}, img)
				require.Len(t, got, height*width)
				seen := map[uint8]bool{}
				for i, class := range got {
					at := 19 * (i/width*v.Width + i%width)
					scores := make([]float64, 19)
					for k := range scores {
						scores[k] = float64(logits[at+k])
					}
					if flip {
						scores = softmax(scores)
						other := make([]float64, 19)
						for k := range other {
							other[k] = float64(mirror[at+k])
						}
						for k, v := range softmax(other) {
							scores[k] += v
						}
					}
					want, margin := best(scores)
					if margin > 1e-5 {
						require.Equal(t, want, class, "row %d, column %d", i/width, i%width)
					}
					seen[class] = true
				}
				assert.Greater(t, len(seen), 3, "the network is not blind")
			})
		}
	}
}

func softmax(x []float64) []float64 {
	var sum float64
	for _, v := range x {
		sum += math.Exp(v)
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Exp(v) / sum
	}
	return out
}

// TestPredictScales has the mean over two scales, one of them larger, of logits
// that are read where resizing puts a pixel.
func TestPredictScales(t *testing.T) {
	n, p := street(t)
	const height, width = 33, 49
	img := load(t, town{1, width, height}, 0)
	small := whole(n, 33, 49)
	large := whole(n, 81, 97) // 66 by 98 would need 113 columns
	large.Short, large.Width = 66, 113
	a, b := full(t, n, p, small, img, false), full(t, n, p, large, img, false)
	got := predict(t, n, p, segmentation.PredictorConfig{Scales: []float64{1, 2}}, img)
	one := predict(t, n, p, segmentation.PredictorConfig{}, img)
	assert.False(t, bytes.Equal(one, got))
	at := func(x []float32, v pretext.Transform, row, column float64, k int) float64 {
		r, c := int(row), int(column)
		fr, fc := row-float64(r), column-float64(c)
		value := func(r, c int) float64 { return float64(x[(min(r, v.Height-1)*v.Width+min(c, v.Width-1))*19+k]) }
		return (1-fr)*((1-fc)*value(r, c)+fc*value(r, c+1)) + fr*((1-fc)*value(r+1, c)+fc*value(r+1, c+1))
	}
	checked := 0
	for i, class := range got {
		y, x := float64(i/width), float64(i%width)
		first, second := make([]float64, 19), make([]float64, 19)
		for k := range first {
			first[k] = at(a, small, y, x, k)
			second[k] = at(b, large, 2*y+0.5, 2*x+0.5, k)
		}
		sum := softmax(first)
		for k, v := range softmax(second) {
			sum[k] += v
		}
		if want, margin := best(sum); margin > 1e-5 {
			require.Equal(t, want, class, "row %g, column %g", y, x)
			checked++
		}
	}
	assert.Greater(t, checked, height*width/2)
}

// TestPredictAgain has equal bits for equal images, whatever came before and on any
// number of cores, and sees new weights.
func TestPredictAgain(t *testing.T) {
	n, p := street(t)
	o := segmentation.PredictorConfig{Scales: []float64{0.5, 1}, Flip: true}
	predictor, err := segmentation.NewPredictor(n, p, o)
	require.NoError(t, err)
	d := town{3, 48, 40}
	want, err := predictor.Predict(load(t, d, 0))
	require.NoError(t, err)
	_, err = predictor.Predict(load(t, d, 1))
	require.NoError(t, err)
	_, err = predictor.Predict(load(t, town{1, 32, 64}, 0))
	require.NoError(t, err)
	got, err := predictor.Predict(load(t, d, 0))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, got))
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	for _, cores := range []int{1, 3} {
		runtime.GOMAXPROCS(cores)
		assert.True(t, bytes.Equal(want, predict(t, n, p, o, load(t, d, 0))), "%d cores", cores)
	}
	statistics := append([]float32(nil), p.Running()...)
	bias := p.Data(p.Find("classifier.classifier.classifier.3.bias"))
	require.NotNil(t, bias)
	bias[7] = 1e3
	got, err = predictor.Predict(load(t, d, 0))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(bytes.Repeat([]byte{7}, 48*40), got))
	assert.Equal(t, statistics, p.Running(), "evaluation does not train")
}

// TestPredictDense labels with output stride 8, of dilated cells, in both readings.
func TestPredictDense(t *testing.T) {
	n, _ := street(t)
	whole := cell.DARTS(cell.ImageNetStem, 4, 6).Backbone
	img := load(t, town{1, 60, 44}, 0)
	for _, reading := range []segmentation.StrideMode{segmentation.RemoveReduction, segmentation.KeepReduction} {
		for _, stride := range []int{16, 8} {
			body, err := segmentation.WithStride(whole, stride, reading)
			require.NoError(t, err)
			n.Architecture = cell.Network{Backbone: body, Genotype: n.Architecture.(cell.Network).Genotype, Ops: ops.All()}
			p, err := darts.NewParams(n.Architecture, n.Task, 1)
			require.NoError(t, err)
			assert.Len(t, predict(t, n, p, segmentation.PredictorConfig{}, img), 60*44)
		}
	}
}

func TestPredictOnePixel(t *testing.T) {
	n, p := street(t)
	for _, size := range [][2]int{{1, 1}, {1, 40}, {40, 1}} {
		img := &pretext.Image{Height: size[0], Width: size[1], Pix: make([]uint8, 3*size[0]*size[1])}
		assert.Len(t, predict(t, n, p, segmentation.PredictorConfig{Scales: []float64{0.25, 1}}, img), size[0]*size[1])
	}
}

func TestEvaluate(t *testing.T) {
	n, p := street(t)
	predictor, err := segmentation.NewPredictor(n, p, segmentation.PredictorConfig{})
	require.NoError(t, err)
	d := town{4, 56, 40}
	got, err := predictor.Evaluate(context.Background(), d)
	require.NoError(t, err)
	want, err := segmentation.NewConfusionMatrix(19)
	require.NoError(t, err)
	for i := range 4 {
		img := load(t, d, i)
		require.NoError(t, want.Add(img.Mask, predict(t, n, p, segmentation.PredictorConfig{}, img)))
	}
	assert.Equal(t, want, got)
	assert.Equal(t, uint64(4*56*(40-1)), got.Pixels(), "in each column one pixel does not count")

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	got, err = predictor.Evaluate(ctx, d)
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, got.Pixels())
	got, err = predictor.Evaluate(context.Background(), bare{d})
	require.EqualError(t, err, "segmentation: image 1 has no mask; use a data set with masks")
	assert.Equal(t, uint64(56*(40-1)), got.Pixels())
}

// bare is a source whose images, but for the first, have no masks.
type bare struct{ town }

func (b bare) Load(ctx context.Context, i int) (*pretext.Image, error) {
	img, err := b.town.Load(ctx, i)
	if err == nil && i > 0 {
		img.Mask = nil
	}
	return img, err
}

// broken is a source of which nothing can be loaded.
type broken struct{}

var errBroken = errors.New("broken")

func (broken) Len() int                                          { return 1 }
func (broken) Load(context.Context, int) (*pretext.Image, error) { return nil, errBroken }

// derived changes the cells of a network.
func derived(change func(d *cell.Network)) func(n *segmentation.Network, _ *segmentation.PredictorConfig) {
	return func(n *segmentation.Network, _ *segmentation.PredictorConfig) {
		d := n.Architecture.(cell.Network)
		change(&d)
		n.Architecture = d
	}
}

// plain is an architecture that does not say its stride, wrapped one that says it,
// nothing one without a map.
type (
	plain   struct{ cell.Architecture }
	wrapped struct {
		cell.Architecture
		stride int
	}
	nothing struct{ cell.Architecture }
)

func (w wrapped) OutputStride() int { return w.stride }
func (nothing) OutputStride() int   { return 16 }
func (nothing) Build(*ops.Scope, *gorgonia.Node, cell.DropPathFunc) (*cell.Features, error) {
	return nil, nil
}

// TestArchitecturesThatSayTheirStride label alike, whatever their type.
func TestArchitecturesThatSayTheirStride(t *testing.T) {
	n, p := street(t)
	d := n.Architecture.(cell.Network)
	img := load(t, town{1, 60, 44}, 0)
	want := predict(t, n, p, segmentation.PredictorConfig{}, img)
	for name, a := range map[string]cell.Architecture{
		"pointer": &d, "wrapped": wrapped{d, 16}, "wrapped pointer": &wrapped{d, 16},
		"network": n, "pointer to a network": &n,
	} {
		got := segmentation.Network{Architecture: a, Task: n.Task}
		assert.Equal(t, want, predict(t, got, p, segmentation.PredictorConfig{}, img), name)
		evaluate, _, err := n.Task.Evaluate(t.Context(), a, p, town{2, 60, 44}, "")
		require.NoError(t, err, name)
		counts, err := evaluate(t.Context(), []int{1, 0})
		require.NoError(t, err, name)
		assert.Contains(t, n.Task.Scores(counts), "miou", name)
	}
}

func TestPredictorErrors(t *testing.T) {
	n, p := street(t)
	for name, c := range map[string]struct {
		change func(n *segmentation.Network, o *segmentation.PredictorConfig)
		want   string
	}{
		"body":     {derived(func(d *cell.Network) { d.Backbone.Reductions = []int{9} }), "segmentation: cell: Reductions is [9]"},
		"genotype": {derived(func(d *cell.Network) { d.Ops = ops.Set{ops.None()} }), "segmentation: cell: "},
		"network":  {func(n *segmentation.Network, _ *segmentation.PredictorConfig) { n.Architecture = nil }, "segmentation: Network.Architecture is nil"},
		"stride": {func(n *segmentation.Network, _ *segmentation.PredictorConfig) {
			n.Architecture = plain{n.Architecture}
		}, "segmentation: an architecture of type segmentation_test.plain does not report its output stride; give it a method OutputStride() int"},
		"no stride": {func(n *segmentation.Network, _ *segmentation.PredictorConfig) {
			n.Architecture = wrapped{n.Architecture, -2}
		}, "has output stride -2, not in 1..8192"},
		"wrong stride": {func(n *segmentation.Network, _ *segmentation.PredictorConfig) {
			n.Architecture = wrapped{n.Architecture, 32}
		},
			"segmentation: an architecture of type segmentation_test.wrapped has output stride 32, but maps an image of 33×33 pixels to 3×3, not to 2×2"},
		"nothing": {func(n *segmentation.Network, _ *segmentation.PredictorConfig) {
			n.Architecture = nothing{n.Architecture}
		}, "builds no feature map"},
		"head":      {func(n *segmentation.Network, _ *segmentation.PredictorConfig) { n.Task.ASPP.Rates = nil }, "ASPP rates []"},
		"no scales": {func(_ *segmentation.Network, o *segmentation.PredictorConfig) { o.Scales = []float64{} }, "segmentation: Scales is empty"},
		"scale": {func(_ *segmentation.Network, o *segmentation.PredictorConfig) {
			o.Scales = []float64{1, math.NaN()}
		},
			"segmentation: Scales is [1 NaN]; want positive numbers"},
	} {
		t.Run(name, func(t *testing.T) {
			n, o := n, segmentation.PredictorConfig{}
			c.change(&n, &o)
			_, err := segmentation.NewPredictor(n, p, o)
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := segmentation.NewPredictor(n, ops.NewParams(), segmentation.PredictorConfig{})
	require.ErrorContains(t, err, "segmentation: the parameters have no values; use those of a training, or read weights into darts.NewParams")

	predictor, err := segmentation.NewPredictor(n, p, segmentation.PredictorConfig{})
	require.NoError(t, err)
	_, err = predictor.Predict(nil)
	require.EqualError(t, err, "segmentation: no image")
	_, err = predictor.Predict(&pretext.Image{Width: 20, Height: 16, Pix: make([]uint8, 7)})
	require.ErrorContains(t, err, "holds 7 bytes, want 960")
	_, err = predictor.Predict(&pretext.Image{Width: -20, Height: 16})
	require.ErrorContains(t, err, "segmentation: image of -20 by 16 pixels")
	_, err = predictor.Predict(&pretext.Image{Width: 1 << 40, Height: 1 << 20})
	require.ErrorContains(t, err, "at most 67108864 pixels")
	_, err = predictor.Evaluate(context.Background(), broken{})
	require.ErrorIs(t, err, errBroken)
	require.ErrorContains(t, err, "segmentation: image 0: broken")
	_, err = predictor.Evaluate(t.Context(), nil)
	require.ErrorContains(t, err, "segmentation: the source is nil")
	_, _, err = n.Task.Evaluate(t.Context(), (*cell.Network)(nil), p, town{1, 8, 8}, "")
	require.ErrorContains(t, err, "segmentation: Network.Architecture is nil")
	_, err = n.Task.Head(ops.NewScope(gorgonia.NewGraph(), ops.NewParams()), nil)
	require.ErrorContains(t, err, "segmentation: ASPP on a nil node")

	other := n
	derived(func(d *cell.Network) { d.Backbone.Width = 6 })(&other, nil)
	_, err = segmentation.NewPredictor(other, p, segmentation.PredictorConfig{})
	require.ErrorContains(t, err, "segmentation: the parameters are of another network or task: ")
	require.ErrorContains(t, err, "parameter stem0.0.weight is a weight of shape")
	other = n
	derived(func(d *cell.Network) { d.Backbone.Cells-- })(&other, nil)
	_, err = segmentation.NewPredictor(other, p, segmentation.PredictorConfig{})
	require.ErrorContains(t, err, "e not in the network, such as cells.")
	img := load(t, town{1, 32, 32}, 0)

	bias := p.Data(p.Find("classifier.classifier.classifier.3.bias"))
	bias[2] = float32(math.Inf(-1))
	predictor, err = segmentation.NewPredictor(n, p, segmentation.PredictorConfig{})
	require.NoError(t, err)
	_, err = predictor.Predict(img)
	require.ErrorContains(t, err, "segmentation: logits are not finite")
}

// TestPredictorMemory plans without taking, and refuses what the machine lacks.
func TestPredictorMemory(t *testing.T) {
	n, p := street(t)
	one, err := segmentation.NewPredictor(n, p, segmentation.PredictorConfig{})
	require.NoError(t, err)
	small, err := one.Bytes(64, 128)
	require.NoError(t, err)
	large, err := one.Bytes(128, 256)
	require.NoError(t, err)
	assert.InEpsilon(t, 4, float64(large)/float64(small), 0.3)
	scaled, err := segmentation.NewPredictor(n, p, segmentation.PredictorConfig{Scales: []float64{0.5, 1, 2}, Flip: true})
	require.NoError(t, err)
	most, err := scaled.Bytes(64, 128)
	require.NoError(t, err)
	assert.InEpsilon(t, float64(large), float64(most), 0.2, "scales share memory")
	_, err = one.Bytes(0, 5)
	require.ErrorContains(t, err, "segmentation: image of 5 by 0 pixels")
}

// BenchmarkPredict labels an image of the size of Cityscapes with the network of
// the paper for segmentation.
func BenchmarkPredict(b *testing.B) {
	n, _ := street(b)
	g, _ := cell.GenotypeByName("darts_v2")
	body := cell.Backbone{Stem: cell.ImageNetStem, Width: 82, Cells: 12, Reductions: cell.Reductions(12, 1)}
	n.Architecture = cell.Network{Backbone: body, Genotype: g, Ops: ops.All()}
	n.Task.ASPP = segmentation.EvalASPP(19)
	p, err := darts.NewParams(n.Architecture, n.Task, 1)
	require.NoError(b, err)
	img := load(b, town{1, 2048, 1024}, 0)
	predictor, err := segmentation.NewPredictor(n, p, segmentation.PredictorConfig{})
	require.NoError(b, err)
	bytes, err := predictor.Bytes(1024, 2048)
	require.NoError(b, err)
	before := resident()
	for b.Loop() {
		_, err := predictor.Predict(img)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(bytes)/(1<<20), "planned-MiB")
	if peak := resident(); peak > 0 {
		b.ReportMetric(float64(peak-before)/(1<<20), "grown-MiB")
	}
}

// resident returns the most memory that the process has had so far, or 0 where the
// system does not tell.
func resident() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
			n, _ := strconv.ParseInt(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}
