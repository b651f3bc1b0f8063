package xla_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/xla"
)

// cropsOf adds crops of random bytes, an input of a batch.
func cropsOf(p *irtest.Program, shape ...int) *ir.Value {
	bytes := make([]uint8, ir.Shape(shape).Size())
	for i := range bytes {
		bytes[i] = uint8(p.Random.Uint32())
	}
	return p.Add("crops", ir.Uint8, cpuexec.Array{Shape: shape, Foreign: bytes})
}

// TestNormaliseCrops leaves zeros outside of the rectangles of images.
func TestNormaliseCrops(t *testing.T) {
	p := irtest.NewProgram(1)
	const n, h, w = 2, 5, 4
	crops := cropsOf(p, n, h, w, 3)
	rows := [][]float32{
		{1, 4, 0, 2, 0.5, 0.25, 2, -1, 3, 0.125, 99},
		{0, 5, 1, 4, 1, 0.0625, 0.75, 0, -7, 2, 99},
	}
	numbers := p.Input("numbers", ir.Shape{n, 11}, append(rows[0], rows[1]...)...)
	q := p.Build(p.Op(ir.NormaliseCrops{}, crops, numbers))
	q.Batch = []*ir.Value{crops}
	got := onDevice(t, q, p.Data, xla.Options{})[0]
	for i, v := range got {
		m := rows[i/(h*w*3)]
		y, x, c := float32(i/(w*3)%h), float32(i/3%w), i%3
		want := float32(p.Data[0].Bytes()[i])*m[4+c] + m[7+c]
		if y < m[0] || y >= m[1] || x < m[2] || x >= m[3] {
			want = 0
		}
		assert.InDelta(t, want, v, 1e-5, "element %d", i)
	}
}

// TestQuarterTurns turns an image counter-clockwise.
func TestQuarterTurns(t *testing.T) {
	p := irtest.NewProgram(1)
	x := p.Input("x", ir.Shape{1, 2, 2, 2}, 1, -1, 2, -2, 3, -3, 4, -4)
	got := onDevice(t, p.Build(p.Op(ir.QuarterTurns{}, x)), p.Data, xla.Options{})[0]
	assert.Equal(t, []float32{
		1, -1, 2, -2, 3, -3, 4, -4,
		2, -2, 4, -4, 1, -1, 3, -3,
		4, -4, 3, -3, 2, -2, 1, -1,
		3, -3, 1, -1, 4, -4, 2, -2,
	}, got)
}

// TestTiles compares tiles with a plain loop; those of equal elements are zeros.
func TestTiles(t *testing.T) {
	p := irtest.NewProgram(2)
	o := ir.Tiles{Count: 3, Height: 3, Width: 2}
	x := p.Normal("x", 5, 2, 7, 6, 3)
	const h, w, c = 7, 6, 3
	image := func(n, i, j, k int) *float32 { return &p.Data[0].F[((n*h+i)*w+j)*c+k] }
	for i := 2; i < 5; i++ {
		for j := 3; j < 5; j++ {
			for k := range c {
				*image(1, i, j, k) = 0.1
			}
		}
	}
	places := [][]int{{0, 0, 4, 4, 1, 3}, {2, 3, 3, 1, 0, 2}}
	var numbers []float32
	for _, all := range places {
		numbers = append(numbers, 77)
		for _, v := range all {
			numbers = append(numbers, float32(v))
		}
	}
	q := p.Build(p.Op(o, x, p.Input("numbers", ir.Shape{2, 7}, numbers...)))
	got := onDevice(t, q, p.Data, xla.Options{})[0]
	size := o.Height * o.Width * c
	for n, all := range places {
		for k := range o.Count {
			var tile []float64
			for i := range o.Height {
				for j := range o.Width {
					for d := range c {
						tile = append(tile, float64(*image(n, all[2*k]+i, all[2*k+1]+j, d)))
					}
				}
			}
			var mean, square float64
			for _, v := range tile {
				mean += v / float64(size)
			}
			for _, v := range tile {
				square += (v - mean) * (v - mean) / float64(size)
			}
			for i, v := range tile {
				want := 0.0
				if n != 1 || k != 0 {
					want = (v - mean) / math.Sqrt(square)
				}
				assert.InDelta(t, want, got[(n*o.Count+k)*size+i], 1e-6, "element %d of tile %d of image %d", i, k, n)
			}
		}
	}
}

// TestLab converts pure colours, whose values in CIELAB are in every table, to bins in rows of
// one and of two.
func TestLab(t *testing.T) {
	const h, w, bins = 2, 5, 7
	colours := [h * w]struct {
		rgb       [3]uint8
		lightness float64
		bin       int32
	}{
		{[3]uint8{255, 255, 255}, 1, 1},
		{[3]uint8{255, 0, 0}, 0.53241, 6}, // 80.09, 67.20
		{[3]uint8{0, 0, 255}, 0.32297, 3}, // 79.19, -107.86
		{[3]uint8{0, 255, 0}, 0.87735, 0}, // -86.18, 83.18
		{[3]uint8{9, 9, 9}, 0.5, -1},      // padding
		{[3]uint8{0, 0, 0}, 0, 1},
		{[3]uint8{0, 255, 255}, 0.91113, 0}, // -48.09, -14.13
		{[3]uint8{255, 0, 255}, 0.60324, 4}, // 98.23, -60.83
		{[3]uint8{128, 128, 128}, 0.53585, 1},
		{[3]uint8{9, 9, 9}, 0.5, -1}, // padding
	}
	bytes := make([]uint8, 2*h*w*3) // and those of a black image that does not count
	for i, c := range colours {
		copy(bytes[3*i:], c.rgb[:])
	}
	p := irtest.NewProgram(3)
	crops := p.Add("crops", ir.Uint8, cpuexec.Array{Shape: ir.Shape{2, h, w, 3}, Foreign: bytes})
	rectangle := []float32{0, h, 0, w - 1, 0, 0, 0, 0, 0, 0}
	numbers := p.Input("numbers", ir.Shape{2, 10}, append(rectangle, rectangle...)...)
	labels := p.Add("labels", ir.Int32, cpuexec.Array{Shape: ir.Shape{2}, I: []int32{0, -1}})
	o := ir.Lab{Mean: 0.5, Std: 0.25, Step: 10, Ignore: -1, Rows: []ir.BinRow{{A: -50, B: -10, Count: 1}, {Count: 2}, {A: 80, B: -80, Count: 2}, {A: 80, B: 60, Count: 2}}}
	out := p.Outputs(o, crops, numbers, labels)
	// The gradient of equal logits is below zero at the bin alone.
	logits := p.Input("logits", ir.Shape{2, h, w, bins}, make([]float32, 2*h*w*bins)...)
	gradient := p.Op(ir.CrossEntropyGrad{Of: ir.CrossEntropy{Ignore: -1, Pixels: true}}, p.Input("one", ir.Shape{}, 1), logits, out[1])
	q := p.Build(out[0], gradient)
	q.Batch = []*ir.Value{crops}
	results := onDevice(t, q, p.Data, xla.Options{})
	for i := range 2 * h * w {
		lightness, bin := colours[i%(h*w)].lightness, colours[i%(h*w)].bin
		if i >= h*w { // black, but for the padding
			bin = -1
			if i%w < w-1 {
				lightness = 0
			}
		}
		assert.InDelta(t, (lightness-0.5)/0.25, results[0][i], 1e-4, "lightness %d", i)
		pixel := results[1][i*bins:][:bins]
		got := int32(slices.IndexFunc(pixel, func(g float32) bool { return g < 0 }))
		assert.Equal(t, bin, got, "bin %d", i)
	}
}
