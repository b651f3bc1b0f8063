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

// sample is what a task makes of one image.
type sample struct {
	Inputs []picture
	Label  string // of all inputs together
	Fault  string // instead, if the image could not be had
}

// Across returns how many tiles there are in a line: of many inputs, a square.
func (s sample) Across() int {
	if len(s.Inputs) <= inputsOnLine {
		return 0
	}
	return int(math.Ceil(math.Sqrt(float64(len(s.Inputs)))))
}

// picture is an input or a map of labels.
type picture struct {
	URL   template.URL
	Width int // in pixels of the page
	Label string
}

const (
	samples      = 4   // on a page
	mostInputs   = 16  // of one sample that are shown
	largest      = 112 // side of a picture in pixels
	mostFloats   = 1 << 26
	inputsOnLine = 4

	loading = time.Minute // that an image may take
)

// draw returns samples of a task, made of images that lie evenly in the source, as
// they are in training. Equal sources and tasks give equal samples.
func draw(ctx context.Context, src pretext.Source, task pretext.Sampler) []sample {
	one := quota.New(1) // image at a time
	spec := task.Spec()
	n := min(samples, src.Len())
	missing := func(i int) string { return fmt.Sprintf("image %d could not be made into a sample", i) }
	xs, ys, all := make([][]float32, n), make([][]int32, n), make([]sample, n)
	for k := range n {
		i := k * src.Len() / n
		err := recovered(func() (err error) {
			xs[k], ys[k], err = load(ctx, one, src, task, i)
			return err
		})
		if err != nil { // the run reports it, if it loads the image
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

// recovered makes an error of a panic of a source or a task, which may be code of the
// user's own.
func recovered(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f()
}

// load returns the inputs and labels that a task makes of an image.
func load(ctx context.Context, shared *quota.Quota, src pretext.Source, task pretext.Sampler, i int) ([]float32, []int32, error) {
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

// A named task has a name for each of its classes.
type named interface {
	ClassName(class int32) string
}

// naming returns what names labels: the task, if it is named; the source, if it names
// the classes of a classification; or their numbers.
func naming(src pretext.Source, task pretext.Sampler) func(class int32) string {
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

// paint makes the pictures of a sample.
func (s *sample) paint(pixels []uint8, y []int32, spec pretext.Spec, colour func(class int32) color.NRGBA, name func(class int32) string) {
	label := func(y int32) string {
		if y == pretext.Ignore {
			return "no label"
		}
		return name(y)
	}
	if spec.Classes == 0 { // then labels name nothing
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

// levels returns the pixels of inputs in 8 bits: each channel from the least to the
// largest value that it has in any of them.
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

// paint returns the picture of one input, grey unless it has three channels.
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

// overlay returns an input with the colours of its labels over it, a colour for
// each class. Pixels that are ignored stay as they are.
func overlay(pixels []uint8, y []int32, spec pretext.Spec, colour func(class int32) color.NRGBA) *image.NRGBA {
	img := paint(pixels, spec)
	for i, class := range y {
		if class != pretext.Ignore {
			at, c := img.NRGBAAt(i%spec.Width, i/spec.Width), colour(class)
			img.SetNRGBA(i%spec.Width, i/spec.Width, color.NRGBA{mix(at.R, c.R, 3, 5), mix(at.G, c.G, 3, 5), mix(at.B, c.B, 3, 5), 255})
		}
	}
	return img
}

// A colourful task has a colour for each of its classes. Others are given some.
type colourful interface {
	ClassColor(class int32) color.NRGBA
}

// hue returns the colour of a class: hues at the golden angle differ however many
// there are.
func hue(class int32) color.NRGBA {
	turn := math.Mod(float64(class)*0.618034, 1)
	part := func(shift float64) uint8 {
		return uint8(127.5 + float64(127.5*math.Cos(2*math.Pi*(turn-shift))))
	}
	return color.NRGBA{part(0), part(1.0 / 3), part(2.0 / 3), 255}
}

// show returns an image that is no larger than a page wants it: one pixel of each
// block of a large one.
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
