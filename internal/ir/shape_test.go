package ir_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/ir"
)

func TestShape(t *testing.T) {
	s := ir.Shape{2, 3, 5}
	assert.Equal(t, 30, s.Size())
	assert.Equal(t, 1, ir.Shape{}.Size())
	assert.Equal(t, 5, s.Channels())
	assert.Equal(t, "(2, 3, 5)", s.String())
	assert.Equal(t, "()", ir.Shape{}.String())
	assert.True(t, s.Equal(ir.Shape{2, 3, 5}))
	for _, o := range []ir.Shape{{2, 3}, {2, 3, 6}, {2, 3, 5, 1}, {}} {
		assert.False(t, s.Equal(o), "%v", o)
	}
	w := s.WithChannels(7)
	assert.Equal(t, ir.Shape{2, 3, 7}, w)
	assert.Equal(t, ir.Shape{2, 3, 5}, s)
}

func TestNHWC(t *testing.T) {
	for _, c := range []struct {
		shape ir.Shape
		want  []int
	}{
		{nil, []int{1, 1, 1, 1}},
		{ir.Shape{5}, []int{1, 1, 1, 5}},
		{ir.Shape{2, 5}, []int{2, 1, 1, 5}},
		{ir.Shape{2, 3, 5}, []int{2, 1, 3, 5}},
		{ir.Shape{2, 3, 4, 5}, []int{2, 3, 4, 5}},
		{ir.Shape{2, 3, 4, 5, 6}, []int{2, 12, 5, 6}},
		{ir.Shape{2, 3, 4, 5, 6, 7}, []int{2, 60, 6, 7}},
	} {
		n, h, w, ch := c.shape.NHWC()
		assert.Equal(t, c.want, []int{n, h, w, ch}, "%v", c.shape)
	}
}

func TestCheck(t *testing.T) {
	for _, s := range []ir.Shape{{}, {1}, {2, 3, 5}, {1 << 20, 1 << 10}} {
		assert.NoError(t, s.Check(), "%v", s)
	}
	for _, c := range []struct {
		shape ir.Shape
		want  string
	}{
		{ir.Shape{2, 0}, "shape (2, 0); every dimension must be positive"},
		{ir.Shape{-1, 2}, "shape (-1, 2); every dimension must be positive"},
		{ir.Shape{-1, -1}, "shape (-1, -1); every dimension must be positive"},
		{ir.Shape{1 << 20, 1 << 20, 2}, "more than"},
		{ir.Shape{math.MaxInt, math.MaxInt}, "make it smaller"},
		{ir.Shape{4, math.MaxInt/2 + 1}, "make it smaller"}, // a product that overflows to zero
	} {
		assert.ErrorContains(t, c.shape.Check(), c.want)
	}
	if math.MaxInt > 1<<40 {
		assert.NoError(t, ir.Shape{1 << 20, 1 << 20}.Check())
		assert.Error(t, ir.Shape{1 << 20, 1<<20 + 1}.Check())
	}
}

func TestWindowOut(t *testing.T) {
	for _, c := range []struct {
		name   string
		window ir.Window
		h, w   int
		oh, ow int
	}{
		{"same size", ir.Square(3, 1, 1, 1), 7, 5, 7, 5},
		{"no padding", ir.Square(3, 1, 0, 1), 7, 5, 5, 3},
		{"stride rounds down", ir.Square(3, 2, 1, 1), 7, 6, 4, 3},
		{"dilation", ir.Square(3, 1, 0, 2), 7, 5, 3, 1},
		{"dilation and padding", ir.Square(5, 1, 4, 2), 7, 5, 7, 5},
		{"whole map", ir.Square(5, 3, 0, 1), 5, 5, 1, 1},
		{"padding alone holds the window", ir.Square(3, 1, 1, 1), 1, 1, 1, 1},
		{"unequal", ir.Window{Rows: 1, Columns: 7, StrideRows: 3, StrideColumns: 2, PadRows: 0, PadColumns: 3, DilationRows: 5, DilationColumns: 1}, 7, 6, 3, 3},
		{"unequal the other way", ir.Window{Rows: 7, Columns: 1, StrideRows: 1, StrideColumns: 1, PadRows: 2, PadColumns: 1, DilationRows: 1, DilationColumns: 9}, 7, 6, 5, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			oh, ow, err := c.window.Out(c.h, c.w)
			assert.NoError(t, err)
			assert.Equal(t, []int{c.oh, c.ow}, []int{oh, ow})
		})
	}
	window := func(change func(w *ir.Window)) ir.Window {
		w := ir.Square(3, 1, 1, 1)
		change(&w)
		return w
	}
	const positive, large, fit = "must be positive, paddings not negative", "must be at most 65536", "use larger images or fewer strides"
	for _, c := range []struct {
		name   string
		change func(w *ir.Window)
		want   string
	}{
		{"no rows", func(w *ir.Window) { w.Rows = 0 }, positive},
		{"no columns", func(w *ir.Window) { w.Columns = 0 }, positive},
		{"no stride of rows", func(w *ir.Window) { w.StrideRows = 0 }, positive},
		{"a negative stride of columns", func(w *ir.Window) { w.StrideColumns = -1 }, positive},
		{"no dilation of rows", func(w *ir.Window) { w.DilationRows = 0 }, positive},
		{"no dilation of columns", func(w *ir.Window) { w.DilationColumns = 0 }, positive},
		{"a negative padding of rows", func(w *ir.Window) { w.PadRows = -1 }, positive},
		{"a negative padding of columns", func(w *ir.Window) { w.PadColumns = -1 }, positive},
		{"huge rows", func(w *ir.Window) { w.Rows = math.MaxInt }, large},
		{"huge columns", func(w *ir.Window) { w.Columns = ir.MaxWindow + 1 }, large},
		{"huge strides of rows", func(w *ir.Window) { w.StrideRows = ir.MaxWindow + 1 }, large},
		{"huge strides of columns", func(w *ir.Window) { w.StrideColumns = ir.MaxWindow + 1 }, large},
		{"a huge padding of rows", func(w *ir.Window) { w.PadRows = ir.MaxWindow + 1 }, large},
		{"a huge padding of columns", func(w *ir.Window) { w.PadColumns = math.MaxInt }, large},
		{"a huge dilation of rows", func(w *ir.Window) { w.DilationRows = math.MaxInt }, large},
		{"a huge dilation of columns", func(w *ir.Window) { w.DilationColumns = ir.MaxWindow + 1 }, large},
		{"too many rows", func(w *ir.Window) { w.Rows = 10 }, "a map of 7×5 pixels is smaller than the window 10×3"},
		{"too many columns", func(w *ir.Window) { w.Columns = 8 }, fit},
		{"a row too many, with a stride", func(w *ir.Window) { w.Rows, w.StrideRows = 10, 4 }, fit},
		{"too much dilation", func(w *ir.Window) { w.DilationColumns = 4 }, fit},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := window(c.change).Out(7, 5)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		window            ir.Window
		text              string
		dilated, centered bool
	}{
		{ir.Square(3, 1, 1, 1), "3×3 pad=1", false, true},
		{ir.Square(1, 2, 0, 1), "1×1 stride=2", false, true},
		{ir.Square(5, 2, 4, 2), "5×5 stride=2 pad=4 dilation=2", true, true},
		{ir.Square(5, 1, 2, 2), "5×5 pad=2 dilation=2", true, false},
		{ir.Square(3, 1, 0, 1), "3×3", false, false},
		{ir.Window{Rows: 1, Columns: 7, StrideRows: 1, StrideColumns: 2, PadRows: 0, PadColumns: 3, DilationRows: 1, DilationColumns: 1}, "1×7 stride=1,2 pad=0,3 dilation=1,1", false, true},
		{ir.Window{Rows: 3, Columns: 3, StrideRows: 1, StrideColumns: 1, PadRows: 1, PadColumns: 1, DilationRows: 1, DilationColumns: 2}, "3×3 stride=1,1 pad=1,1 dilation=1,2", true, true},
	} {
		assert.Equal(t, c.text, c.window.String())
		assert.Equal(t, c.dilated, c.window.Dilated(), c.text)
		assert.Equal(t, c.centered, c.window.Centred(), c.text)
	}
}
