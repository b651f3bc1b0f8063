package ir

import "fmt"

// Window is the geometry of a convolution or pooling: the size of the kernel, its
// stride, padding and dilation, each for rows and columns.
type Window struct {
	Rows, Columns                 int
	StrideRows, StrideColumns     int
	PadRows, PadColumns           int
	DilationRows, DilationColumns int
}

// Square returns the window of a k×k kernel.
func Square(k, stride, pad, dilation int) Window {
	return Window{k, k, stride, stride, pad, pad, dilation, dilation}
}

// String formats the window, a square one briefly.
func (w Window) String() string {
	if w != Square(w.Rows, w.StrideRows, w.PadRows, w.DilationRows) {
		return fmt.Sprintf("%d×%d stride=%d,%d pad=%d,%d dilation=%d,%d", w.Rows, w.Columns, w.StrideRows, w.StrideColumns, w.PadRows, w.PadColumns, w.DilationRows, w.DilationColumns)
	}
	text := fmt.Sprintf("%d×%d", w.Rows, w.Columns)
	for _, a := range []struct {
		name          string
		value, common int
	}{{"stride", w.StrideRows, 1}, {"pad", w.PadRows, 0}, {"dilation", w.DilationRows, 1}} {
		if a.value != a.common {
			text += fmt.Sprintf(" %s=%d", a.name, a.value)
		}
	}
	return text
}

// MaxWindow is the largest size, stride, padding and dilation of a window: more than any
// image needs, and small enough that products do not overflow.
const MaxWindow = 1 << 16

// Out returns the size of the output for an input of h×w pixels, or an error if the
// window is invalid or does not fit.
func (w Window) Out(h, wd int) (oh, ow int, err error) {
	if max(w.Rows, w.Columns, w.StrideRows, w.StrideColumns, w.DilationRows, w.DilationColumns, w.PadRows, w.PadColumns) > MaxWindow {
		return 0, 0, fmt.Errorf("window %v: sizes, strides, dilations and paddings must be at most %d", w, MaxWindow)
	}
	if min(w.Rows, w.Columns, w.StrideRows, w.StrideColumns, w.DilationRows, w.DilationColumns) <= 0 || min(w.PadRows, w.PadColumns) < 0 {
		return 0, 0, fmt.Errorf("window %v: sizes, strides and dilations must be positive, paddings not negative", w)
	}
	// The division by the stride rounds towards zero, so a window that does not fit must
	// be detected before it.
	rows, columns := w.DilationRows*(w.Rows-1)+1, w.DilationColumns*(w.Columns-1)+1
	if h+2*w.PadRows < rows || wd+2*w.PadColumns < columns {
		return 0, 0, fmt.Errorf("a map of %d×%d pixels is smaller than the window %v; use larger images or fewer strides", h, wd, w)
	}
	return (h+2*w.PadRows-rows)/w.StrideRows + 1, (wd+2*w.PadColumns-columns)/w.StrideColumns + 1, nil
}

// square returns an error unless rows and columns have the same geometry.
func (w Window) square() error {
	if w != Square(w.Rows, w.StrideRows, w.PadRows, w.DilationRows) {
		return fmt.Errorf("window %v: rows and columns must be alike", w)
	}
	return nil
}

// Dilated reports whether the taps are apart.
func (w Window) Dilated() bool { return w.DilationRows > 1 || w.DilationColumns > 1 }

// Centred reports whether the padding is that which keeps the resolution at stride 1.
func (w Window) Centred() bool { return 2*w.PadRows == w.DilationRows*(w.Rows-1) }
