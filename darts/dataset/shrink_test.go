package dataset

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/pretext"
)

// triangle returns sample i of to that from samples become, with the same filter in
// floating point.
func triangle(i, from, to int, at func(j int) float64) float64 {
	scale := float64(from) / float64(to)
	centre := (float64(i) + 0.5) * scale
	var sum, weights float64
	for j := range from {
		w := max(0, 1-math.Abs((float64(j)+0.5-centre)/scale))
		sum += w * at(j)
		weights += w
	}
	return sum / weights
}

// TestShrink compares with floating point.
func TestShrink(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct{ width, height, short, wide, high int }{
		{9, 5, 4, 7, 4},
		{5, 13, 3, 3, 8},
		{40, 31, 7, 9, 7},
		{8, 6, 1, 1, 1},
		{6, 7, 5, 5, 6},
		{64, 300, 2, 2, 9},
	} {
		img := &pretext.Image{Width: c.width, Height: c.height, Label: 3, Pix: make([]uint8, 3*c.width*c.height), Mask: make([]uint8, c.width*c.height)}
		for i := range img.Pix {
			img.Pix[i] = uint8(r.IntN(256))
		}
		for i := range img.Mask {
			img.Mask[i] = uint8(i)
		}
		got := shrink(img, c.short)
		require.Equal(t, [3]int{c.wide, c.high, 3}, [3]int{got.Width, got.Height, got.Label})
		for y := range c.high {
			for x := range c.wide {
				for ch := range 3 {
					want := triangle(y, c.height, c.high, func(row int) float64 {
						return triangle(x, c.width, c.wide, func(column int) float64 { return float64(img.Pix[3*(row*c.width+column)+ch]) })
					})
					require.InDelta(t, want, got.Pix[3*(y*c.wide+x)+ch], 0.52, "%v: %d, %d", c, x, y)
				}
				row := int((float64(y) + 0.5) * float64(c.height) / float64(c.high))
				column := int((float64(x) + 0.5) * float64(c.width) / float64(c.wide))
				require.Equal(t, uint8(row*c.width+column), got.Mask[y*c.wide+x], "%v: mask %d, %d", c, x, y)
			}
		}
	}
}

// TestShrinkKeeps keeps the colour of images of one, images that are small enough, and
// all images at size 0.
func TestShrinkKeeps(t *testing.T) {
	for _, v := range []uint8{0, 1, 127, 254, 255} {
		img := &pretext.Image{Width: 700, Height: 333, Pix: make([]uint8, 3*700*333)}
		for i := range img.Pix {
			img.Pix[i] = v
		}
		for _, short := range []int{0, 333, 334} {
			assert.Same(t, img, shrink(img, short))
		}
		got := shrink(img, 100)
		require.Equal(t, [2]int{210, 100}, [2]int{got.Width, got.Height})
		assert.Nil(t, got.Mask)
		for _, p := range got.Pix {
			require.Equal(t, v, p)
		}
	}
}

// TestBlends demands weights that sum to one, whatever the lengths.
func TestBlends(t *testing.T) {
	for _, c := range [][2]int{{1, 1}, {2, 1}, {7, 5}, {500, 341}, {1 << 20, 1}, {100_000, 3}, {4097, 4096}} {
		for i, b := range blends(c[0], c[1]) {
			var sum uint64
			for _, w := range b.weights {
				sum += uint64(w)
			}
			require.Equal(t, uint64(1<<16), sum, "%v: %d", c, i)
			require.LessOrEqual(t, b.first+len(b.weights), c[0])
		}
	}
}
