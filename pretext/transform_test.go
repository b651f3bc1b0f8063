package pretext_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/internal/rng"
	"unnas/pretext"
)

// plain returns a view that leaves bytes as they are.
func plain(h, w int, crop pretext.Crop) pretext.Transform {
	return pretext.Transform{Height: h, Width: w, Std: [3]float64{1. / 255, 1. / 255, 1. / 255}, Crop: crop}
}

// compass returns an image that knows its way: red is the column of a pixel plus
// one, green the row plus one, blue 255.
func compass(w, h int) *pretext.Image {
	img := &pretext.Image{Width: w, Height: h, Label: 3}
	for y := range h {
		for x := range w {
			img.Pix = append(img.Pix, uint8(x+1), uint8(y+1), 255)
		}
	}
	return img
}

func render(t require.TestingT, v pretext.Transform, img *pretext.Image, train bool, r *rand.Rand) []float32 {
	x := make([]float32, 3*v.Height*v.Width)
	for i := range x {
		x[i] = float32(math.NaN()) // every float must be written
	}
	require.NoError(t, v.Apply(x, img, train, r))
	return x
}

func TestRenderBilinear(t *testing.T) {
	img := &pretext.Image{Width: 2, Height: 1, Pix: []uint8{0, 10, 100, 100, 20, 200}}
	got := render(t, plain(3, 4, pretext.CropNone), img, false, nil)
	row := []float32{0, 10, 100, 25, 12.5, 125, 75, 17.5, 175, 100, 20, 200}
	assert.Equal(t, append(append(append([]float32{}, row...), row...), row...), got)

	img = &pretext.Image{Width: 1, Height: 4, Pix: []uint8{0, 1, 2, 100, 1, 2, 50, 1, 2, 80, 1, 2}}
	got = render(t, plain(2, 1, pretext.CropNone), img, false, nil)
	assert.Equal(t, []float32{50, 1, 2, 65, 1, 2}, got)
}

func TestRenderNormalises(t *testing.T) {
	v := plain(1, 1, pretext.CropNone)
	v.Mean, v.Std = [3]float64{0.5, 0.25, 0}, [3]float64{0.5, 0.125, 2}
	got := render(t, v, &pretext.Image{Width: 1, Height: 1, Pix: []uint8{255, 51, 102}}, false, nil)
	assert.InDeltaSlice(t, []float32{1, -0.4, 0.2}, got, 1e-6)
}

// at returns a pixel of a rendering.
func at(x []float32, v pretext.Transform, i, j int) [3]float32 {
	return [3]float32(x[3*(i*v.Width+j):])
}

// TestRenderEvaluation checks the fixed views of a tall and of a wide image,
// whose colours tell from where in the image a pixel comes.
func TestRenderEvaluation(t *testing.T) {
	for _, c := range []struct {
		name             string
		view             pretext.Transform
		w, h             int
		scaleX, scaleY   float64 // image pixels per view pixel
		offsetX, offsetY float64 // first view pixel in the scaled image
	}{
		// 56 by 70 covers 64 by 80, to which 200 by 120 scales as 133 by 80.
		{"area, wide", plain(70, 56, pretext.CropRandomResized), 200, 120, 200. / 133, 120. / 80, 39, 5},
		// 120 by 200 scales as 64 by 106.
		{"area, tall", plain(70, 56, pretext.CropRandomResized), 120, 200, 120. / 64, 200. / 106, 4, 18},
		// 255 by 100 covers 256 by 100, to which 128 by 100 scales as 256 by 200.
		{"scale", plain(100, 255, pretext.CropResized), 128, 100, 0.5, 0.5, 1, 50},
		{"pad", plain(30, 40, pretext.CropPadded), 80, 90, 2, 3, 0, 0},
		{"none", plain(30, 40, pretext.CropNone), 80, 90, 2, 3, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := render(t, c.view, compass(c.w, c.h), false, nil)
			for i := range c.view.Height {
				for j := range c.view.Width {
					x := (float64(j)+c.offsetX+0.5)*c.scaleX - 0.5
					y := (float64(i)+c.offsetY+0.5)*c.scaleY - 0.5
					p := at(got, c.view, i, j)
					require.InDelta(t, 1+min(max(x, 0), float64(c.w-1)), p[0], 1e-3, "column %d", j)
					require.InDelta(t, 1+min(max(y, 0), float64(c.h-1)), p[1], 1e-3, "row %d", i)
					require.InDelta(t, 255, p[2], 1e-3)
				}
			}
		})
	}
}

// TestRenderArea reads the crop back from the ramps of the image.
func TestRenderArea(t *testing.T) {
	const w, h = 250, 130
	v := plain(30, 40, pretext.CropRandomResized)
	img := compass(w, h)
	smallest, largest := 1.0, 0.0
	for i := range 500 {
		got := render(t, v, img, true, rng.New(1, "area", 0, i))
		// Columns 10 and 30 are 20 steps apart and away from the clamped border.
		cw := float64(at(got, v, 15, 30)[0]-at(got, v, 15, 10)[0]) / 20 * 40
		ch := float64(at(got, v, 25, 20)[1]-at(got, v, 5, 20)[1]) / 20 * 30
		area, aspect := cw*ch/(w*h), cw/ch/(40./30)
		smallest, largest = min(smallest, area), max(largest, area)
		require.InDelta(t, 0.54, area, 0.47, "stream %d: crop %.1f by %.1f", i, cw, ch)
		require.InDelta(t, 0, math.Log(aspect), math.Log(4./3)+0.03, "stream %d: crop %.1f by %.1f", i, cw, ch)
		// The crop lies in the image: its border pixels are inside the ramp.
		x := float64(at(got, v, 15, 10)[0]) - 1 + 0.5 - 10.5*cw/40
		y := float64(at(got, v, 5, 20)[1]) - 1 + 0.5 - 5.5*ch/30
		require.InDelta(t, (w-cw)/2, x, (w-cw)/2+0.01, "stream %d", i)
		require.InDelta(t, (h-ch)/2, y, (h-ch)/2+0.01, "stream %d", i)
	}
	assert.Less(t, smallest, 0.1)
	assert.Greater(t, largest, 0.65)
}

// TestRenderAreaFallback uses an image in which no crop fits.
func TestRenderAreaFallback(t *testing.T) {
	v := plain(8, 8, pretext.CropRandomResized)
	got := render(t, v, compass(200, 2), true, rng.New(1, "area", 0, 0))
	for i := range 8 {
		for j := range 8 {
			require.InDelta(t, 1+(float64(j)+396.5)/4-0.5, at(got, v, i, j)[0], 1e-3)
		}
	}
}

func TestRenderPad(t *testing.T) {
	v := plain(20, 30, pretext.CropPadded)
	img := compass(30, 20)
	seen := map[[2]int]bool{}
	for i := range 1000 {
		got := render(t, v, img, true, rng.New(2, "pad", 0, i))
		middle := at(got, v, 10, 15)
		dx, dy := int(middle[0])-16, int(middle[1])-11
		seen[[2]int{dx, dy}] = true
		for y := range 20 {
			for x := range 30 {
				want := [3]float32{float32(x + dx + 1), float32(y + dy + 1), 255}
				if x+dx < 0 || x+dx >= 30 || y+dy < 0 || y+dy >= 20 {
					want = [3]float32{}
				}
				for c, v := range at(got, v, y, x) {
					if math.Abs(float64(v-want[c])) > 1e-3 {
						require.FailNow(t, "wrong pixel", "stream %d, row %d, column %d: %g, want %g", i, y, x, v, want[c])
					}
				}
			}
		}
	}
	assert.Len(t, seen, 81, "offsets of -4 to 4 along both axes")
	for o := range seen {
		assert.LessOrEqual(t, max(o[0], -o[0], o[1], -o[1]), 4)
	}
}

// TestRenderPadIsNormalised checks that the padding is zero after normalisation.
func TestRenderPadIsNormalised(t *testing.T) {
	v := pretext.CIFAR10Transform()
	img := &pretext.Image{Width: 32, Height: 32, Pix: make([]uint8, 3*32*32)}
	black := [3]float32{-125.3 / 63, -123 / 62.1, -113.9 / 66.7}
	zeros := 0
	for i := range 10 {
		x := render(t, v, img, true, rng.New(3, "pad", 0, i))
		for k := 0; k < len(x); k += 3 {
			if x[k] == 0 {
				zeros++
				require.Equal(t, []float32{0, 0, 0}, x[k:k+3])
			} else {
				require.InDeltaSlice(t, black[:], x[k:k+3], 1e-5)
			}
		}
	}
	assert.Positive(t, zeros)
}

func TestRenderScale(t *testing.T) {
	v := plain(100, 80, pretext.CropResized)
	seen := map[[2]float32]bool{}
	for i := range 400 {
		got := render(t, v, compass(85, 100), true, rng.New(4, "scale", 0, i))
		first := at(got, v, 0, 0)
		seen[[2]float32{first[0], first[1]}] = true
		require.InDelta(t, first[0]+79, at(got, v, 9, 79)[0], 1e-3)
		require.InDelta(t, first[1]+99, at(got, v, 99, 9)[1], 1e-3)
	}
	assert.Len(t, seen, 6, "windows at columns 0 to 5")
}

// multiscale returns a plain view of that crop.
func multiscale(h, w, short int) pretext.Transform {
	v := plain(h, w, pretext.CropMultiscale)
	v.Short = short
	return v
}

// TestRenderMultiscale reads the scale back from the ramps of the image.
func TestRenderMultiscale(t *testing.T) {
	v := multiscale(40, 40, 60)
	img := compass(200, 100)
	narrow, wide := math.Inf(1), 0.0
	below, least := 0, 0
	const n = 600
	for i := range n {
		got := render(t, v, img, true, rng.New(9, "multiscale", 0, i))
		step := float64(at(got, v, 15, 30)[0]-at(got, v, 15, 10)[0]) / 20 // image pixels per view pixel
		down := float64(at(got, v, 30, 15)[1]-at(got, v, 10, 15)[1]) / 20
		require.InEpsilon(t, step, down, 0.01, "the aspect stays")
		short := 100 / step // pixels of the shorter side after scaling
		narrow, wide = min(narrow, short), max(wide, short)
		if short < 60 {
			below++
		}
		if short < 40.5 {
			least++
		}
		x := float64(at(got, v, 15, 10)[0]) - 1 + 0.5 - 10.5*step
		y := float64(at(got, v, 10, 15)[1]) - 1 + 0.5 - 10.5*step
		require.InDelta(t, 100-20*step, x, 100-20*step+0.01, "stream %d", i)
		require.InDelta(t, 50-20*step, y, 50-20*step+0.01, "stream %d", i)
	}
	assert.InDelta(t, 40, narrow, 0.1, "no smaller than the view")
	assert.InDelta(t, 120, wide, 3)
	assert.InDelta(t, n/2, below, 50, "as often smaller as larger")
	assert.InDelta(t, n*math.Log2(40./30)/2, least, 45, "as small as the view, rather than down to 30")

	// In evaluation 200 by 100 scales to 120 by 60, of which the centre is shown.
	got := render(t, v, img, false, nil)
	assert.InDelta(t, 1+(40+0.5)*100/60-0.5, at(got, v, 0, 0)[0], 1e-3)
	assert.InDelta(t, 1+(10+0.5)*100/60-0.5, at(got, v, 0, 0)[1], 1e-3)
}

// TestRenderWhole shows an image at its own scale, and a smaller one, in the upper
// left of the view; elsewhere are zeros and labels that do not count.
func TestRenderWhole(t *testing.T) {
	v := plain(7, 9, pretext.CropWhole)
	for _, c := range []struct{ short, h, w int }{{0, 4, 6}, {2, 2, 3}} {
		v.Short = c.short
		img := compass(6, 4)
		img.Mask = make([]uint8, 24)
		for i := range img.Mask {
			img.Mask[i] = uint8(i)
		}
		x, labels := make([]float32, 3*7*9), make([]int32, 7*9)
		for _, train := range []bool{false, true} {
			require.NoError(t, v.ApplyMask(x, labels, img, train, rng.New(1, "whole", 0, 0)))
			scale := 4 / float64(c.h)
			for i := range 7 {
				for j := range 9 {
					want, label := [3]float32{}, pretext.IgnoreIndex
					if i < c.h && j < c.w {
						row, column := (float64(i)+0.5)*scale-0.5, (float64(j)+0.5)*scale-0.5
						want = [3]float32{float32(column) + 1, float32(row) + 1, 255}
						label = int32(math.Round(row)*6 + math.Round(column))
					}
					got := at(x, v, i, j)
					assert.InDeltaSlice(t, want[:], got[:], 1e-3, "row %d, column %d", i, j)
					assert.Equal(t, label, labels[9*i+j], "row %d, column %d", i, j)
				}
			}
		}
	}
}

// TestRenderMask compares each label with the colours beside it, which tell from
// where in the image they come.
func TestRenderMask(t *testing.T) {
	const w, h = 50, 30
	img := compass(w, h)
	for i := range w * h {
		img.Mask = append(img.Mask, uint8((i%w*7+i/w*3)%256)) // some are 255
	}
	pad := plain(24, 36, pretext.CropPadded)
	for _, v := range []pretext.Transform{plain(17, 21, pretext.CropRandomResized), multiscale(20, 25, 33), pad, plain(h, w, pretext.CropNone)} {
		v.Flip = true
		for i := range 30 {
			train := i > 0
			x, labels := make([]float32, 3*v.Height*v.Width), make([]int32, v.Height*v.Width)
			require.NoError(t, v.ApplyMask(x, labels, img, train, rng.New(10, "mask", 0, i)))
			assert.Equal(t, render(t, v, img, train, rng.New(10, "mask", 0, i)), x, "the same view as without the mask")
			for p, label := range labels {
				column, row, blue := float64(x[3*p]), float64(x[3*p+1]), x[3*p+2]
				if blue == 0 {
					require.Equal(t, pretext.IgnoreIndex, label, "padding")
					continue
				}
				fits := false
				for _, c := range []float64{column - 1e-3, column + 1e-3} {
					for _, r := range []float64{row - 1e-3, row + 1e-3} {
						want := int32(img.Mask[(int(math.Round(r))-1)*w+int(math.Round(c))-1])
						if want == 255 {
							want = pretext.IgnoreIndex
						}
						fits = fits || label == want
					}
				}
				require.True(t, fits, "crop %s, stream %d, pixel %d is %d, at column %g, row %g", v.Crop, i, p, label, column, row)
			}
		}
	}
}

func TestRenderMaskErrors(t *testing.T) {
	v := plain(2, 3, pretext.CropNone)
	img := compass(3, 2)
	require.ErrorContains(t, v.ApplyMask(make([]float32, 18), make([]int32, 6), img, false, nil), "has no mask")
	img.Mask = make([]uint8, 6)
	require.NoError(t, v.ApplyMask(make([]float32, 18), make([]int32, 6), img, false, nil))
	require.ErrorContains(t, v.ApplyMask(make([]float32, 18), make([]int32, 5), img, false, nil), "into 5 labels, want 6")
	require.ErrorContains(t, v.ApplyMask(make([]float32, 18), make([]int32, 6), nil, false, nil), "no image")
	img.Mask = img.Mask[1:]
	require.ErrorContains(t, v.ApplyMask(make([]float32, 18), make([]int32, 6), img, false, nil), "mask of 5 bytes")
}

func TestRenderFlip(t *testing.T) {
	v := plain(5, 4, pretext.CropNone)
	straight := render(t, v, compass(4, 5), true, nil)
	v.Flip = true
	assert.Equal(t, straight, render(t, v, compass(4, 5), false, nil), "evaluation")
	flips := 0
	for i := range 400 {
		got := render(t, v, compass(4, 5), true, rng.New(5, "flip", 0, i))
		if got[0] == straight[0] {
			require.Equal(t, straight, got)
			continue
		}
		flips++
		for y := range 5 {
			for x := range 4 {
				require.Equal(t, at(straight, v, y, 3-x), at(got, v, y, x))
			}
		}
	}
	assert.InDelta(t, 200, flips, 50)
}

// TestRenderJitter checks the deviation of the colour along the components.
func TestRenderJitter(t *testing.T) {
	v := plain(1, 2, pretext.CropNone)
	v.Std, v.Jitter = [3]float64{1, 1, 1}, 0.5
	img := &pretext.Image{Width: 2, Height: 1, Pix: []uint8{51, 102, 153, 51, 102, 153}}
	const n = 4000
	var squares [3]float64
	for i := range n {
		x := render(t, v, img, true, rng.New(6, "jitter", 0, i))
		require.Equal(t, x[:3], x[3:], "one shift for all pixels")
		r, g, b := float64(x[0])-0.2, float64(x[1])-0.4, float64(x[2])-0.6
		for k, axis := range [3][3]float64{{-0.5675, -0.5808, -0.5836}, {0.7192, -0.0045, -0.6948}, {0.4009, -0.8140, 0.4203}} {
			p := r*axis[0] + g*axis[1] + b*axis[2]
			squares[k] += p * p / n
		}
	}
	for k, value := range [3]float64{0.2175, 0.0188, 0.0045} {
		assert.InEpsilon(t, 0.5*value, math.Sqrt(squares[k]), 0.05, "component %d", k)
	}
	assert.InDeltaSlice(t, []float32{0.2, 0.4, 0.6}, render(t, v, img, false, nil)[:3], 1e-6, "evaluation")
}

// TestRenderJitterByHand works the shift out for one component after the other.
func TestRenderJitterByHand(t *testing.T) {
	v := plain(1, 1, pretext.CropNone)
	v.Mean, v.Std, v.Jitter = [3]float64{0.5, 0.25, 0}, [3]float64{1, 0.5, 2}, 0.1
	img := &pretext.Image{Width: 1, Height: 1, Pix: []uint8{51, 102, 153}} // 0.2, 0.4, 0.6
	for _, c := range []struct {
		name    string
		normals [3]float64
		shift   [3]float64
	}{
		{"none", [3]float64{0, 0, 0}, [3]float64{0, 0, 0}},
		{"first", [3]float64{1, 0, 0}, [3]float64{-0.012343125, -0.0126324, -0.0126933}},
		{"second", [3]float64{0, 1, 0}, [3]float64{0.001352096, -0.00000846, -0.001306224}},
		{"third", [3]float64{0, 0, 1}, [3]float64{0.000180405, -0.0003663, 0.000189135}},
		{"all", [3]float64{1, 2, 4}, [3]float64{-0.008917313, -0.01411452, -0.014549208}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := []float64{-0.3 + c.shift[0], 2 * (0.15 + c.shift[1]), (0.6 + c.shift[2]) / 2}
			assert.InDeltaSlice(t, want, render(t, v, img, true, normals(c.normals[:]...)), 1e-6)
		})
	}
}

// normals returns a generator that gives these numbers, none below 0, where
// normal ones are drawn.
func normals(n ...float64) *rand.Rand {
	s := new(script)
	for _, v := range n {
		// Box and Muller: v is the length of the vector, which points along the axis.
		*s = append(*s, uint64((1-math.Exp(-v*v/2))*(1<<53))<<11, 0)
	}
	return rand.New(s)
}

// script is a source of numbers that were written down.
type script []uint64

func (s *script) Uint64() uint64 {
	v := (*s)[0]
	*s = (*s)[1:]
	return v
}

func TestRenderIsReproducible(t *testing.T) {
	v := pretext.ImageNetTransform(24)
	img := compass(90, 60)
	a := render(t, v, img, true, rng.New(7, "x", 1, 2))
	assert.Equal(t, a, render(t, v, img, true, rng.New(7, "x", 1, 2)))
	assert.NotEqual(t, a, render(t, v, img, true, rng.New(7, "x", 1, 3)))
}

// TestRenderAnySize renders images and views of odd sizes by all rules.
func TestRenderAnySize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := rapid.IntRange(1, 40)
		crop := rapid.SampledFrom([]pretext.Crop{pretext.CropRandomResized, pretext.CropPadded, pretext.CropResized, pretext.CropMultiscale, pretext.CropNone})
		v := plain(side.Draw(t, "height"), side.Draw(t, "width"), crop.Draw(t, "crop"))
		v.Short = side.Draw(t, "short")
		img := compass(side.Draw(t, "image width"), side.Draw(t, "image height"))
		train := rapid.Bool().Draw(t, "train")
		x := render(t, v, img, train, rng.New(rapid.Uint64().Draw(t, "seed"), "size", 0, 0))
		for _, f := range x {
			require.True(t, f >= 0 && f <= 255.01, "%g", f)
		}
	})
}

func TestRenderDoesNotAllocate(t *testing.T) {
	img, r := compass(90, 60), rng.New(8, "x", 0, 0)
	for _, v := range []pretext.Transform{pretext.CIFAR10Transform(), pretext.ImageNetTransform(32), plain(20, 30, pretext.CropResized), pretext.CityscapesTransform(33, 60)} {
		x := make([]float32, 3*v.Height*v.Width)
		assert.Zero(t, testing.AllocsPerRun(10, func() { _ = v.Apply(x, img, true, r) }), v.Crop)
	}
}

func TestRenderErrors(t *testing.T) {
	v := plain(2, 3, pretext.CropNone)
	good := compass(3, 2)
	for _, c := range []struct {
		name string
		view pretext.Transform
		dst  int
		img  *pretext.Image
		want string
	}{
		{"view", pretext.Transform{}, 18, good, "Transform.Height, Transform.Width = 0, 0"},
		{"short dst", v, 17, good, "into 17 floats, want 18"},
		{"long dst", v, 19, good, "into 19 floats, want 18"},
		{"no image", v, 18, nil, "no image"},
		{"empty image", v, 18, &pretext.Image{}, "image of 0 by 0 pixels"},
		{"negative size", v, 18, &pretext.Image{Width: -3, Height: -2, Pix: make([]uint8, 18)}, "image of -3 by -2 pixels"},
		{"short image", v, 18, &pretext.Image{Width: 3, Height: 2, Pix: make([]uint8, 17)}, "holds 17 bytes, want 18"},
		{"wide", plain(9, 2, pretext.CropWhole), 54, good, `image of 3 by 2 pixels is larger than the transform's 2 by 9; choose a larger transform, or another crop than "whole"`},
		{"high", plain(1, 9, pretext.CropWhole), 27, good, "image of 3 by 2 pixels is larger than the transform's 9 by 1"},
		{"short mask", v, 18, &pretext.Image{Width: 3, Height: 2, Pix: make([]uint8, 18), Mask: make([]uint8, 5)}, "mask of 5 bytes, want 6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.ErrorContains(t, c.view.Apply(make([]float32, c.dst), c.img, true, rng.New(1, "x", 0, 0)), c.want)
		})
	}
}

func TestViewValidate(t *testing.T) {
	for _, v := range []pretext.Transform{pretext.CIFAR10Transform(), pretext.ImageNetTransform(224), pretext.ScenesTransform(64), pretext.CityscapesTransform(321, 512), plain(2, 3, pretext.CropResized)} {
		require.NoError(t, v.Validate())
	}
	for _, c := range []struct {
		name   string
		change func(v *pretext.Transform)
		want   string
	}{
		{"height", func(v *pretext.Transform) { v.Height = 0 }, "Transform.Height, Transform.Width = 0, 32"},
		{"width", func(v *pretext.Transform) { v.Width = -1 }, "Transform.Height, Transform.Width = 32, -1"},
		{"size", func(v *pretext.Transform) { v.Width = 1 << 40 }, "at most 67108864 pixels"},
		{"mean", func(v *pretext.Transform) { v.Mean[1] = math.NaN() }, "Transform.Mean[1] = NaN"},
		{"zero deviation", func(v *pretext.Transform) { v.Std[2] = 0 }, "Transform.Std[2] = 0"},
		{"infinite deviation", func(v *pretext.Transform) { v.Std[0] = math.Inf(1) }, "Transform.Std[0] = +Inf"},
		{"crop", func(v *pretext.Transform) { v.Crop = "zoom" }, `Transform.Crop = "zoom", want "random_resized_crop", "padded_crop", "resized_crop", "multiscale_crop", "whole" or "none"`},
		{"shorter side of a whole", func(v *pretext.Transform) { v.Crop, v.Short = pretext.CropWhole, -1 }, `Transform.Short = -1, want 0 to 67108864 for crop "whole"`},
		{"shorter side", func(v *pretext.Transform) { v.Crop = pretext.CropMultiscale }, `Transform.Short = 0, want 1 to 33554432 for 32 by 32 pixels of crop "multiscale_crop"`},
		{"shorter side of a long view", func(v *pretext.Transform) {
			v.Crop, v.Height, v.Width, v.Short = pretext.CropMultiscale, 1, 1<<20, 1<<10
		}, `Transform.Short = 1024, want 1 to 32 for 1048576 by 1 pixels`},
		{"mean that is no colour", func(v *pretext.Transform) { v.Mean[1] = 1e300 }, "Transform.Mean[1] = 1e+300, want a number from -1e+06 to 1e+06"},
		{"deviation that is none", func(v *pretext.Transform) { v.Std[2] = 1e-60 }, "Transform.Std[2] = 1e-60, want a number from 1e-06 to 1e+06"},
		{"jitter beyond colours", func(v *pretext.Transform) { v.Jitter = 1e40 }, "Transform.Jitter = 1e+40, want a number from 0 to 1e+06"},
		{"jitter", func(v *pretext.Transform) { v.Jitter = -0.1 }, "Transform.Jitter = -0.1"},
		{"no number", func(v *pretext.Transform) { v.Jitter = math.NaN() }, "Transform.Jitter = NaN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := pretext.CIFAR10Transform()
			c.change(&v)
			require.ErrorContains(t, v.Validate(), c.want)
		})
	}
}

func TestViewJSON(t *testing.T) {
	for _, want := range []pretext.Transform{pretext.CIFAR10Transform(), pretext.ImageNetTransform(224), pretext.ScenesTransform(32), pretext.CityscapesTransform(769, 1024)} {
		text, err := json.Marshal(want)
		require.NoError(t, err)
		var got pretext.Transform
		require.NoError(t, json.Unmarshal(text, &got))
		assert.Equal(t, want, got)
	}
}
