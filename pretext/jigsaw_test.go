package pretext_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
	"unnas/pretext"
)

func TestJigsawSizes(t *testing.T) {
	for _, c := range []struct {
		name                  string
		task                  pretext.Jigsaw
		tile, inputs, classes int
	}{
		{"CIFAR-10", pretext.JigsawCIFAR10(), 12, 4, 24},
		{"ImageNet", pretext.JigsawImageNet(), 64, 9, 1000},
		{"Cityscapes", pretext.JigsawCityscapes(), 81, 9, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.task.Validate())
			assert.Equal(t, "jigsaw", c.task.Name())
			assert.Equal(t, pretext.Spec{
				Height: c.tile, Width: c.tile, Channels: 3,
				Inputs: c.inputs, LabelShape: []int{1}, Classes: c.classes,
			}, c.task.Spec())
			assert.Equal(t, 0.3, c.task.GrayShare)
		})
	}
	tall := pretext.Jigsaw{View: plain(12, 6, pretext.CropNone), Grid: 3, Permutations: 1000}
	assert.Equal(t, [2]int{3, 1}, [2]int{tall.Spec().Height, tall.Spec().Width}, "0.76 of 4 and of 2, rounded down")
}

// ramps returns an image in which red is the column and green the row.
func ramps(w, h int) *pretext.Image {
	img := compass(w, h)
	for i := range img.Pix {
		if i%3 == 2 {
			img.Pix[i] = 0
		}
	}
	return img
}

// tileAt returns what a tile of the image of ramps is that begins in that row and
// column.
func tileAt(s pretext.Spec, row, column int) []float32 {
	var raw []float64
	for i := range s.Height {
		for j := range s.Width {
			raw = append(raw, float64(column+j+1), float64(row+i+1), 0)
		}
	}
	var mean, variance float64
	for _, v := range raw {
		mean += v / float64(len(raw))
	}
	for _, v := range raw {
		variance += (v - mean) * (v - mean) / float64(len(raw))
	}
	x := make([]float32, len(raw))
	for i, v := range raw {
		x[i] = float32((v - mean) / math.Sqrt(variance))
	}
	return x
}

// TestJigsawTiles finds all tiles in evaluation: that of cell i lies in the middle
// of the cell and is input p[i] of permutation p.
func TestJigsawTiles(t *testing.T) {
	for _, c := range []struct{ grid, permutations int }{{2, 24}, {3, 1000}} {
		const cellHeight, cellWidth = 8, 13 // tiles of 6 by 9
		task := pretext.Jigsaw{View: plain(c.grid*cellHeight, c.grid*cellWidth, pretext.CropNone), Grid: c.grid, Permutations: c.permutations}
		img := ramps(task.View.Width, task.View.Height)
		spec := task.Spec()
		require.Equal(t, [2]int{6, 9}, [2]int{spec.Height, spec.Width})
		seen := map[int32]bool{}
		for seed := range uint64(200) {
			x, y := sample(t, task, img, false, seed)
			seen[y[0]] = true
			size := len(x) / spec.Inputs
			for cell, place := range task.Orders()[y[0]] {
				want := tileAt(spec, cell/c.grid*cellHeight+1, cell%c.grid*cellWidth+2)
				require.InDeltaSlice(t, want, x[int(place)*size:][:size], 1e-4, "seed %d, cell %d", seed, cell)
			}
		}
		assert.Greater(t, len(seen), min(c.permutations, 180)*9/10, "classes seen in 200 samples")
	}
}

// TestJigsawOffsets reads from training tiles where they began: anywhere in the
// cell, each on its own.
func TestJigsawOffsets(t *testing.T) {
	const cell = 9 // tiles of 6, at 0 to 3
	task := pretext.Jigsaw{View: plain(2*cell, 2*cell, pretext.CropNone), Grid: 2, Permutations: 24}
	img := ramps(2*cell, 2*cell)
	var starts [2 * cell][2 * cell][]float32 // tiles by the row and column of their first pixel
	for row := range starts {
		for column := range starts {
			starts[row][column] = tileAt(task.Spec(), row, column)
		}
	}
	seen := map[[3]int]int{}
	together := 0
	for seed := range uint64(400) {
		x, y := sample(t, task, img, true, seed)
		size := len(x) / 4
		var all [][2]int
		for i, place := range task.Orders()[y[0]] {
			got := x[int(place)*size:][:size]
			for top := range cell {
				for left := range cell {
					want := starts[i/2*cell+top][i%2*cell+left]
					if slices.EqualFunc(want, got, func(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-4 }) {
						seen[[3]int{i, top, left}]++
						all = append(all, [2]int{top, left})
					}
				}
			}
			require.Len(t, all, i+1, "seed %d, cell %d", seed, i)
		}
		if all[0] == all[1] {
			together++
		}
	}
	assert.Len(t, seen, 4*4*4, "all offsets of all cells")
	for at, n := range seen {
		assert.InDelta(t, 25, n, 22, "cell, row and column %v", at)
	}
	assert.Less(t, together, 60, "tiles that moved alike, 25 expected")
}

// TestJigsawNormalises checks mean and deviation of tiles of an image whose cells
// differ in brightness and contrast.
func TestJigsawNormalises(t *testing.T) {
	r := rng.New(1, "noise", 0, 0)
	img := &pretext.Image{Width: 60, Height: 45}
	for i := range 60 * 45 {
		contrast := 10 + i%60*3
		for range 3 {
			img.Pix = append(img.Pix, uint8(rng.IntN(r, contrast)))
		}
	}
	task := pretext.JigsawImageNet()
	task.View.Height, task.View.Width = 30, 30
	for seed := range uint64(20) {
		x, _ := sample(t, task, img, true, seed)
		for i := range 9 {
			tile := x[i*len(x)/9:][:len(x)/9]
			var mean, squares float64
			for _, v := range tile {
				mean += float64(v) / float64(len(tile))
				squares += float64(v) * float64(v) / float64(len(tile))
			}
			require.InDelta(t, 0, mean, 1e-5)
			require.InDelta(t, 1, squares, 1e-5)
		}
	}
}

// TestJigsawConstantTile: a tile without any contrast has no deviation to be
// divided by.
func TestJigsawConstantTile(t *testing.T) {
	task := pretext.Jigsaw{View: plain(12, 12, pretext.CropNone), Grid: 2, Permutations: 24}
	task.View.Mean = [3]float64{0.3, 0.3, 0.3}
	img := &pretext.Image{Width: 7, Height: 5, Pix: slices.Repeat([]uint8{77}, 105)}
	x, _ := sample(t, task, img, true, 1)
	assert.Equal(t, make([]float32, len(x)), x)
}

// TestJigsawGray counts the grey ones among training samples.
func TestJigsawGray(t *testing.T) {
	task := pretext.Jigsaw{View: plain(12, 12, pretext.CropNone), Grid: 2, Permutations: 24, GrayShare: 0.3}
	img := compass(12, 12)
	before := slices.Clone(img.Pix)
	gray := func(x []float32) bool {
		for i := 0; i < len(x); i += 3 {
			if x[i] != x[i+1] || x[i] != x[i+2] {
				return false
			}
		}
		return true
	}
	n := 0
	for seed := range uint64(1000) {
		if x, _ := sample(t, task, img, true, seed); gray(x) {
			n++
		}
		if x, _ := sample(t, task, img, false, seed); gray(x) {
			require.Fail(t, "grey in evaluation")
		}
	}
	assert.InDelta(t, 300, n, 70)
	assert.Equal(t, before, img.Pix)

	// Columns of black, blue, red, green and white, in this order of luma.
	task = pretext.Jigsaw{View: plain(8, 80, pretext.CropNone), Grid: 2, Permutations: 24, GrayShare: 1}
	img = &pretext.Image{Width: 80, Height: 8}
	for range 8 * 80 / 5 {
		img.Pix = append(img.Pix, 255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0)
	}
	x, _ := sample(t, task, img, true, 1)
	require.True(t, gray(x))
	tile := slices.Sorted(slices.Values(x[:len(x)/4]))
	levels := slices.Compact(tile)
	require.Len(t, levels, 5)
	for i, want := range []float64{0, 0.0721, 0.2125, 0.7154, 1} {
		assert.InDelta(t, want, (levels[i]-levels[0])/(levels[4]-levels[0]), 0.003)
	}
}

func TestJigsawIsReproducible(t *testing.T) {
	task := pretext.JigsawCIFAR10()
	img := compass(60, 40)
	a, first := sample(t, task, img, true, 1)
	b, second := sample(t, task, img, true, 1)
	assert.Equal(t, a, b)
	assert.Equal(t, first, second)
	c, _ := sample(t, task, img, true, 2)
	assert.NotEqual(t, a, c)
}

func TestJigsawErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(j *pretext.Jigsaw)
		want   string
	}{
		{"view", func(j *pretext.Jigsaw) { j.View.Width = 0 }, "View.Height, View.Width = 255, 0"},
		{"grid", func(j *pretext.Jigsaw) { j.Grid = 4 }, "Jigsaw.Grid = 4, want 2 or 3"},
		{"no grid", func(j *pretext.Jigsaw) { j.Grid = 0 }, "Jigsaw.Grid = 0, want 2 or 3"},
		{"height", func(j *pretext.Jigsaw) { j.View.Height = 256 }, "Jigsaw.View.Height = 256 does not divide into the 3 cells of Jigsaw.Grid; 258 pixels would"},
		{"width", func(j *pretext.Jigsaw) { j.View.Width = 254 }, "Jigsaw.View.Width = 254 does not divide into the 3 cells of Jigsaw.Grid; 255 pixels would"},
		{"cells of a pixel", func(j *pretext.Jigsaw) { j.View.Width = 3 }, "Jigsaw.View.Width = 3 gives cells of a pixel, want 6 or more"},
		{"permutations", func(j *pretext.Jigsaw) { j.Permutations = 24 }, "Jigsaw.Permutations = 24 of 3×3 tiles, want 24 for 2×2, 1000 or 2000 for 3×3"},
		{"grey", func(j *pretext.Jigsaw) { j.GrayShare = 1.5 }, "Jigsaw.GrayShare = 1.5, want 0 to 1"},
		{"no number", func(j *pretext.Jigsaw) { j.GrayShare = math.NaN() }, "Jigsaw.GrayShare = NaN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			task := pretext.JigsawImageNet()
			c.change(&task)
			require.ErrorContains(t, task.Validate(), c.want)
			require.ErrorContains(t, task.Sample(pretext.Sample{}, compass(5, 4), false, rng.New(1, "x", 0, 0)), c.want)
		})
	}
	task := pretext.JigsawCIFAR10()
	x, y := make([]float32, task.Spec().InputLen()), make([]int32, 1)
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, compass(5, 4), false, nil), "no random stream")
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: x[1:], Labels: y}, compass(5, 4), false, nil), "1727 floats, 1 labels and 0 targets, want 1728, 1 and 0")
	require.ErrorContains(t, task.Sample(pretext.Sample{Inputs: x, Labels: y}, nil, true, rng.New(1, "x", 0, 0)), "no image")
}
