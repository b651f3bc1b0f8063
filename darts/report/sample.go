package report

import (
	"context"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"time"

	"unnas/internal/format"
	"unnas/internal/quota"
	"unnas/pretext"
)

// sample is a sample of a task.
type sample struct {
	Inputs []picture
	Label  string // common label of all inputs
	Fault  string // error message instead of inputs
}

// Across returns the number of tiles in a row: many inputs form a square.
func (s sample) Across() int {
	if len(s.Inputs) <= inputsOnLine {
		return 0
	}
	return int(math.Ceil(math.Sqrt(float64(len(s.Inputs)))))
}

// picture is an input or a label map.
type picture struct {
	URL   template.URL
	Width int // in pixels of the page
	Label string
}

const (
	samples      = 4   // per page
	mostInputs   = 16  // inputs shown per sample
	largest      = 112 // side of a picture in pixels
	mostFloats   = 1 << 26
	inputsOnLine = 4

	loading = time.Minute // time limit per image
)

// draw returns samples of a task in training mode, of images evenly spread over the
// source. Equal sources and tasks give equal samples.
func draw(ctx context.Context, src pretext.Source, task pretext.TaskData) []sample {
	one := quota.New(1) // image at a time
	spec := task.Spec()
	n := min(samples, src.Len())
	missing := func(i int) string { return fmt.Sprintf("no sample of image %d", i) }
	xs, ys, all := make([][]float32, n), make([][]int32, n), make([]sample, n)
	for k := range n {
		i := k * src.Len() / n
		err := recovered(func() (err error) {
			xs[k], ys[k], err = load(ctx, one, src, task, i)
			return err
		})
		if err != nil { // the run reports errors of images that it loads
			all[k].Fault = missing(i)
		}
	}
	colour, name := hue, naming(src, task)
	if t, ok := task.(colourful); ok {
		colour = t.ClassColor
	}
	for k, pixels := range levels(xs, spec.Channels) {
		if all[k].Fault != "" {
			continue
		}
		if err := recovered(func() error { all[k].paint(pixels, ys[k], spec, colour, name); return nil }); err != nil {
			all[k] = sample{Fault: missing(k * src.Len() / n)}
		}
	}
	return all
}

// recovered turns a panic of a source or a task, which may be user code, into an error.
func recovered(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// load returns the inputs and labels of a sample.
func load(ctx context.Context, shared *quota.Quota, src pretext.Source, task pretext.TaskData, i int) ([]float32, []int32, error) {
	ctx, end := shared.Lease(ctx)
	defer end()
	spec := task.Spec()
	if spec.InputLen() < 1 || spec.InputLen() > mostFloats || spec.LabelLen() > mostFloats || spec.TargetLen() > mostFloats {
		return nil, nil, fmt.Errorf("%d floats, %d labels, %d targets", spec.InputLen(), spec.LabelLen(), spec.TargetLen())
	}
	ctx, cancel := context.WithTimeout(ctx, loading)
	defer cancel()
	img, err := src.Load(ctx, i)
	if err != nil {
		return nil, nil, err
	}
	dst := spec.NewSample()
	return dst.Inputs, dst.Labels, task.Sample(dst, img, true, rand.New(rand.NewPCG(1, uint64(i))))
}

// A named task has names for its classes.
type named interface {
	ClassName(class int32) string
}

// naming returns the function that names labels: the task's, the source's class names for a
// classification, or numbers.
func naming(src pretext.Source, task pretext.TaskData) func(class int32) string {
	if t, ok := task.(named); ok {
		return t.ClassName
	}
	var names []string
	if s, ok := src.(interface{ Classes() []string }); ok {
		if _, ok := task.(pretext.Classification); ok {
			names = s.Classes()
		}
	}
	return func(class int32) string {
		if int(class) < len(names) {
			return names[class]
		}
		return fmt.Sprintf("class %d", class)
	}
}

// paint sets the pictures of a sample.
func (s *sample) paint(pixels []uint8, y []int32, spec pretext.Spec, colour func(class int32) color.NRGBA, name func(class int32) string) {
	label := func(y int32) string {
		if y == pretext.IgnoreIndex {
			return "no label"
		}
		return name(y)
	}
	if spec.Classes == 0 { // labels are not classes
		spec.LabelShape, y = nil, nil
	}
	size := len(pixels) / spec.Inputs
	for k := range min(spec.Inputs, mostInputs) {
		p := show(paint(pixels[k*size:(k+1)*size], spec), spec.Inputs)
		if len(spec.LabelShape) == 1 && spec.LabelShape[0] == spec.Inputs && spec.Inputs > 1 {
			p.Label = label(y[k])
		}
		s.Inputs = append(s.Inputs, p)
	}
	switch shape := spec.LabelShape; {
	case len(shape) == 2 && shape[0] == spec.Height && shape[1] == spec.Width && spec.Inputs == 1:
		target := show(overlay(pixels, y, spec, colour), 1)
		target.Label = "labels"
		s.Inputs[0].Label = "input"
		s.Inputs = append(s.Inputs, target)
	case len(y) == 1:
		s.Label = label(y[0])
	}
}

// levels returns the inputs as 8-bit pixels: each channel is scaled from its minimum to
// its maximum over all inputs.
func levels(xs [][]float32, channels int) [][]uint8 {
	all := make([][]uint8, len(xs))
	for k, x := range xs {
		all[k] = make([]uint8, len(x))
	}
	for c := range channels {
		low, high := float32(math.Inf(1)), float32(math.Inf(-1))
		for _, x := range xs {
			for i := c; i < len(x); i += channels {
				if format.Finite(float64(x[i])) {
					low, high = min(low, x[i]), max(high, x[i])
				}
			}
		}
		if !(low < high) || !format.Finite(float64(high-low)) {
			continue
		}
		for k, x := range xs {
			for i := c; i < len(x); i += channels {
				if format.Finite(float64(x[i])) {
					all[k][i] = uint8(255*(x[i]-low)/(high-low) + 0.5)
				}
			}
		}
	}
	return all
}

// paint returns the image of one input, grayscale unless it has three channels.
func paint(pixels []uint8, spec pretext.Spec) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, spec.Width, spec.Height))
	for i := range spec.Width * spec.Height {
		p := pixels[i*spec.Channels:]
		c := color.NRGBA{p[0], p[0], p[0], 255}
		if spec.Channels == 3 {
			c.G, c.B = p[1], p[2]
		}
		img.SetNRGBA(i%spec.Width, i/spec.Width, c)
	}
	return img
}

// overlay returns an input blended with the colours of its labels. Ignored pixels are
// unchanged.
func overlay(pixels []uint8, y []int32, spec pretext.Spec, colour func(class int32) color.NRGBA) *image.NRGBA {
	img := paint(pixels, spec)
	for i, class := range y {
		if class != pretext.IgnoreIndex {
			at, c := img.NRGBAAt(i%spec.Width, i/spec.Width), colour(class)
			img.SetNRGBA(i%spec.Width, i/spec.Width, color.NRGBA{mix(at.R, c.R, 3, 5), mix(at.G, c.G, 3, 5), mix(at.B, c.B, 3, 5), 255})
		}
	}
	return img
}

// A colourful task has colours for its classes. Others get defaults.
type colourful interface {
	ClassColor(class int32) color.NRGBA
}

// hue returns the colour of a class: hues at the golden angle always differ.
func hue(class int32) color.NRGBA {
	turn := math.Mod(float64(class)*0.618034, 1)
	part := func(shift float64) uint8 {
		return uint8(127.5 + float64(127.5*math.Cos(2*math.Pi*(turn-shift))))
	}
	return color.NRGBA{part(0), part(1.0 / 3), part(2.0 / 3), 255}
}

// show returns an image of page size; large images are reduced by block means.
func show(img *image.NRGBA, inputs int) picture {
	side := max(img.Rect.Dx(), img.Rect.Dy())
	if by := (side + largest - 1) / largest; by > 1 {
		small := image.NewNRGBA(image.Rect(0, 0, (img.Rect.Dx()+by-1)/by, (img.Rect.Dy()+by-1)/by))
		for y := range small.Rect.Dy() {
			for x := range small.Rect.Dx() {
				small.SetNRGBA(x, y, mean(img, x*by, y*by, by))
			}
		}
		img = small
	}
	width := largest
	if inputs > inputsOnLine { // tiles
		width = largest * 2 / 5
	} else if inputs > 1 {
		width = largest * 3 / 4
	}
	return picture{URL: dataURL(img), Width: width * img.Rect.Dx() / max(img.Rect.Dx(), img.Rect.Dy())}
}

// mean returns the mean colour of a block.
func mean(img *image.NRGBA, x0, y0, size int) color.NRGBA {
	var r, g, b, n int
	for y := y0; y < min(y0+size, img.Rect.Max.Y); y++ {
		for x := x0; x < min(x0+size, img.Rect.Max.X); x++ {
			c := img.NRGBAAt(x, y)
			r, g, b, n = r+int(c.R), g+int(c.G), b+int(c.B), n+1
		}
	}
	return color.NRGBA{uint8(r / n), uint8(g / n), uint8(b / n), 255}
}
