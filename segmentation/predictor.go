package segmentation

import (
	"context"
	"errors"
	"fmt"
	"math"

	"gorgonia.org/gorgonia"

	"unnas/internal/format"
	"unnas/internal/graph"
	"unnas/internal/kernel"
	"unnas/internal/memory"
	"unnas/internal/xla"
	"unnas/ops"
	"unnas/pretext"
)

// PredictorConfig configures a Predictor. The zero value is the published evaluation, one
// pass over the image as it is, on the CPU; Scales and Flip are test-time augmentation.
type PredictorConfig struct {
	// Scales are the sizes at which the image is evaluated, relative to its own; nil means 1
	// alone. Chen et al. (2017, arXiv 1706.05587) use 0.5, 0.75, 1, 1.25, 1.5 and 1.75.
	Scales []float64
	// Flip adds the horizontal flip of each scale.
	Flip bool
	// Device runs the network: "" or "cpu" are the library's own kernels, others as in
	// darts.Runtime. A device compiles a program for each size of image.
	Device string
}

// Predictor labels the pixels of whole images with a network in evaluation mode, one
// image at a time. It reads the parameters in place and thus follows a training.
//
// Each image is normalised and padded to the right and below with zeros to one more than a
// multiple of the output stride, 2048×1024 pixels to 2049×1025. Its logits are resized
// bilinearly with aligned corners, row by row: only the rows in work are in memory at the
// resolution of the image.
//
// With several scales or flips, the class is that of the largest mean probability, the
// softmax of the resized logits (Chen et al., 2017, arXiv 1706.05587). Pixels map to a
// scaled image as in resizing (pretext.CropWhole).
//
// It keeps plan and memory for the last image size. It is not safe for concurrent use.
type Predictor struct {
	net    Network
	params *ops.Params
	c      PredictorConfig
	device *xla.Device
	pool   *kernel.ThreadPool

	height, width int     // image size of the passes
	passes        []*pass // one for each scale
	x             []float32
}

// pass is the network for one scale.
type pass struct {
	transform     pretext.Transform
	height, width int // of the scaled image within the transform

	images, logits *gorgonia.Node
	plan           *graph.Plan
	machine        *graph.Machine
	rows, cells    int         // of a map, and of one of its rows
	maps           [][]float32 // logits [rows, cells, classes], and those of the flipped image
	columns        []position  // of each image column in a map
}

// NewPredictor returns a predictor with parameters p, which must have values
// (darts.NewParams, or those of a training).
func NewPredictor(n Network, p *ops.Params, c PredictorConfig) (*Predictor, error) {
	if err := n.Validate(); err != nil {
		return nil, err
	}
	if p == nil || !p.Ready() {
		return nil, errors.New("segmentation: the parameters have no values; use those of a training, or read weights into darts.NewParams")
	}
	if c.Scales == nil {
		c.Scales = []float64{1}
	}
	if len(c.Scales) == 0 {
		return nil, errors.New("segmentation: Scales is empty; want nil for the image as it is")
	}
	for _, s := range c.Scales {
		if !(s > 0) || math.IsInf(s, 0) {
			return nil, fmt.Errorf("segmentation: Scales is %v; want positive numbers", c.Scales)
		}
	}
	if err := ops.Build(func() error { return n.check(p) }); err != nil {
		return nil, err
	}
	device, err := xla.Open(c.Device, 0, xla.Options{})
	if err != nil {
		return nil, fmt.Errorf("segmentation: %w", err)
	}
	return &Predictor{net: n, params: p, c: c, device: device, pool: kernel.NewThreadPool(0)}, nil
}

// check returns an error unless the parameters are those of the network.
func (n Network) check(p *ops.Params) error {
	build := func(p *ops.Params) (*ops.Scope, error) {
		g := gorgonia.NewGraph()
		side := n.padded(2)
		images, err := ops.Images(g, "images", 1, side, side, 3)
		if err != nil {
			return nil, err
		}
		s := ops.NewScope(g, p)
		logits, err := n.Logits(s, images)
		if err != nil {
			return nil, err
		}
		if shape := logits.Shape(); shape[1] != 2 || shape[2] != 2 {
			return nil, fmt.Errorf("segmentation: an architecture of type %T has output stride %d, but maps an image of %[5]d×%[6]d pixels to %[3]d×%[4]d, not to 2×2; correct its OutputStride", n.Architecture, n.OutputStride(), shape[1], shape[2], side, side)
		}
		return s, nil
	}
	s, err := build(p)
	if err == nil {
		err = s.Covers()
	}
	if err != nil {
		if _, err := build(ops.NewParams()); err != nil { // the parameters are not the cause
			return err
		}
		return fmt.Errorf("segmentation: the parameters are of another network or task: %w; use those that the network was trained with", err)
	}
	return nil
}

// Bytes returns the memory for images of this size, besides the image and the parameters. It
// does not allocate it.
func (p *Predictor) Bytes(height, width int) (int64, error) {
	passes, err := p.plan(height, width)
	return p.bytes(passes), err
}

// bytes is the memory of passes that share one arena and one input.
func (p *Predictor) bytes(passes []*pass) int64 {
	var runs, input, maps int64 // in bytes, in floats, in floats
	for _, s := range passes {
		runs = max(runs, s.plan.Bytes(p.pool.Size()))
		input = max(input, int64(s.images.Shape().TotalSize()))
		maps += int64(s.logits.Shape().TotalSize())
	}
	if p.c.Flip {
		maps *= 2
	}
	return runs + 4*(input+maps)
}

// plan builds and plans the passes for images of a size.
func (p *Predictor) plan(height, width int) ([]*pass, error) {
	if min(height, width) < 1 {
		return nil, fmt.Errorf("segmentation: image of %d by %d pixels, want 1 or more each", width, height)
	}
	passes := make([]*pass, len(p.c.Scales))
	for i, scale := range p.c.Scales {
		s := &pass{transform: p.net.Task.Transform}
		s.transform.Crop = pretext.CropWhole
		s.transform.Short = max(1, int(math.Round(min(scale*float64(min(height, width)), math.MaxInt32))))
		s.height, s.width = s.transform.WholeSize(height, width)
		s.transform.Height, s.transform.Width = p.net.padded(s.height), p.net.padded(s.width)
		if err := s.transform.Validate(); err != nil {
			return nil, fmt.Errorf("segmentation: an image of %d by %d pixels at scale %g: %w", width, height, scale, err)
		}
		if err := ops.Build(func() error { return s.build(p.net, p.params, p.device) }); err != nil {
			return nil, err
		}
		passes[i] = s
	}
	return passes, nil
}

func (s *pass) build(n Network, p *ops.Params, device *xla.Device) error {
	g := gorgonia.NewGraph()
	var err error
	if s.images, err = ops.Images(g, "images", 1, s.transform.Height, s.transform.Width, 3); err != nil {
		return fmt.Errorf("segmentation: %w", err)
	}
	if s.logits, err = n.Logits(ops.NewScope(g, p), s.images); err != nil {
		return err
	}
	s.rows, s.cells = s.logits.Shape()[1], s.logits.Shape()[2]
	if s.plan, err = graph.Compile(g, graph.Options{Want: gorgonia.Nodes{s.logits}, Evaluate: true, Device: device}); err != nil {
		return fmt.Errorf("segmentation: %w", err)
	}
	return nil
}

// prepare prepares the passes for images of a size.
func (p *Predictor) prepare(height, width int) error {
	if p.passes != nil && p.height == height && p.width == width {
		return nil
	}
	p.passes, p.x = nil, nil // free their memory first
	passes, err := p.plan(height, width)
	if err != nil {
		return err
	}
	if bytes, total := p.bytes(passes), memory.Total(); total > 0 && bytes > total {
		return fmt.Errorf("segmentation: an image of %d by %d pixels needs %s of memory, this machine has %s; choose smaller images or scales", width, height, format.Bytes(bytes), format.Bytes(total))
	}
	plans, input := make([]*graph.Plan, len(passes)), 0
	for i, s := range passes {
		if err := p.device.Fits(s.plan.DeviceBytes()); err != nil {
			return fmt.Errorf("segmentation: %w", err)
		}
		plans[i] = s.plan
		input = max(input, s.images.Shape().TotalSize())
	}
	arena := graph.NewArena(plans...)
	p.x = make([]float32, input)
	for _, s := range passes {
		if s.machine, err = s.plan.Bind(arena, p.pool); err != nil {
			return fmt.Errorf("segmentation: %w", err)
		}
		if err := ops.Bind(s.images, p.x[:s.images.Shape().TotalSize()]); err != nil {
			return fmt.Errorf("segmentation: %w", err)
		}
		s.maps = make([][]float32, 1)
		if p.c.Flip {
			s.maps = make([][]float32, 2)
		}
		for i := range s.maps {
			s.maps[i] = make([]float32, s.logits.Shape().TotalSize())
		}
		s.columns = make([]position, width)
		for x := range s.columns {
			s.columns[x] = locate(x, width, s.width, s.transform.Width, s.cells)
		}
	}
	p.passes, p.height, p.width = passes, height, width
	return nil
}

// Predict returns the class of every pixel of an image, [Height, Width] as in Image.Mask; it
// ignores the image's own mask. Infinite and NaN logits are an error.
func (p *Predictor) Predict(img *pretext.Image) ([]uint8, error) {
	if img == nil {
		return nil, errors.New("segmentation: no image")
	}
	if err := p.prepare(img.Height, img.Width); err != nil {
		return nil, err
	}
	for _, s := range p.passes {
		if err := s.run(p.x[:s.images.Shape().TotalSize()], img); err != nil {
			return nil, err
		}
	}
	mask := make([]uint8, img.Height*img.Width)
	scratch := 2 // pixels: the logits and the probabilities of one
	for _, s := range p.passes {
		scratch += len(s.maps) * s.cells
	}
	scratch *= p.net.Task.ASPP.Classes
	p.pool.Start()
	defer p.pool.Stop()
	p.pool.ParallelFor(img.Height, func(w *kernel.Worker, y int) {
		p.row(mask[y*img.Width:][:img.Width], y, w.Scratch(scratch))
	})
	return mask, nil
}

// run computes the maps of an image; x is the input of the network.
func (s *pass) run(x []float32, img *pretext.Image) error {
	if err := s.transform.Apply(x, img, false, nil); err != nil {
		return fmt.Errorf("segmentation: %w", err)
	}
	for i, m := range s.maps {
		if i > 0 {
			mirror(x, s.transform.Width, 3)
		}
		if err := s.machine.RunAll(); err != nil {
			return fmt.Errorf("segmentation: %w", err)
		}
		copy(m, s.logits.Value().Data().([]float32))
		for _, v := range m {
			if v-v != 0 {
				return errors.New("segmentation: logits are not finite; the weights are damaged, or their training diverged")
			}
		}
		if i > 0 {
			mirror(m, s.cells, len(m)/(s.rows*s.cells))
		}
	}
	return nil
}

// mirror reverses rows of pixels with the given channels.
func mirror(x []float32, width, channels int) {
	for ; len(x) > 0; x = x[width*channels:] {
		for i, j := 0, width-1; i < j; i, j = i+1, j-1 {
			for c := range channels {
				x[i*channels+c], x[j*channels+c] = x[j*channels+c], x[i*channels+c]
			}
		}
	}
}

// position is a position between two neighbours in a map: the first and the weight of the
// second.
type position struct {
	at     int
	weight float32
}

// locate returns the position in a map of pixel i of side pixels, which are resized to
// scaled pixels and padded to padded; the map has the same corners.
func locate(i, side, scaled, padded, cells int) position {
	if cells == 1 {
		return position{}
	}
	pixel := float64((float64(i)+0.5)*(float64(scaled)/float64(side))) - 0.5
	pixel = min(max(pixel, 0), float64(scaled-1))
	at := pixel * float64(cells-1) / float64(padded-1)
	first := min(int(at), cells-2)
	return position{first, float32(at - float64(first))}
}

// blend interpolates a row between two rows of a map.
func blend(dst, m []float32, p position) {
	n := len(dst)
	first, second := m[p.at*n:][:n], m[min(p.at+1, len(m)/n-1)*n:][:n]
	for i, v := range first {
		dst[i] = mix(v, second[i], p.weight)
	}
}

// mix interpolates between a and b; t runs from 0 to 1. The result has the same bits on all
// CPUs.
func mix(a, b, t float32) float32 { return a + float32(t*(b-a)) }

// row writes the classes of row y of an image.
func (p *Predictor) row(mask []uint8, y int, scratch []float32) {
	classes := p.net.Task.ASPP.Classes
	logits, mean, rows := scratch[:classes], scratch[classes:2*classes], scratch[2*classes:]
	rest := rows
	for _, s := range p.passes {
		at := locate(y, p.height, s.height, s.transform.Height, s.rows)
		for _, m := range s.maps {
			n := s.cells * classes
			blend(rest[:n], m, at)
			rest = rest[n:]
		}
	}
	single := len(p.passes) == 1 && !p.c.Flip // softmax preserves the order
	for x := range mask {
		clear(mean)
		rest = rows
		for _, s := range p.passes {
			at := s.columns[x]
			for range s.maps {
				first, second := rest[at.at*classes:][:classes], rest[min(at.at+1, s.cells-1)*classes:][:classes]
				for k, v := range first {
					logits[k] = mix(v, second[k], at.weight)
				}
				if !single {
					addSoftmax(mean, logits)
				}
				rest = rest[s.cells*classes:]
			}
		}
		if single {
			mask[x] = largest(logits)
		} else {
			mask[x] = largest(mean)
		}
	}
}

// addSoftmax adds the softmax of logits to sum; it overwrites logits.
func addSoftmax(sum, logits []float32) {
	top := logits[largest(logits)]
	var total float32
	for k, v := range logits {
		logits[k] = float32(math.Exp(float64(v - top)))
		total += logits[k]
	}
	for k, v := range logits {
		sum[k] += v / total
	}
}

// largest returns the index of the first largest value.
func largest(x []float32) uint8 {
	best := 0
	for k, v := range x {
		if v > x[best] {
			best = k
		}
	}
	return uint8(best)
}

// Evaluate labels all images of a source and counts the results against their masks. An
// image that has no mask or cannot be loaded is an error. On errors, and once ctx is
// done, it returns the counts so far.
func (p *Predictor) Evaluate(ctx context.Context, src pretext.Source) (*ConfusionMatrix, error) {
	if src == nil {
		return nil, errors.New("segmentation: the source is nil")
	}
	images := make([]int, src.Len())
	for i := range images {
		images[i] = i
	}
	return p.evaluate(ctx, src, images)
}

// evaluate is Evaluate for some images.
func (p *Predictor) evaluate(ctx context.Context, src pretext.Source, images []int) (*ConfusionMatrix, error) {
	c, err := NewConfusionMatrix(p.net.Task.ASPP.Classes)
	if err != nil {
		return nil, err
	}
	for _, i := range images {
		if err := ctx.Err(); err != nil {
			return c, err
		}
		img, err := load(ctx, src, i)
		if err != nil {
			return c, err
		}
		predicted, err := p.Predict(img)
		if err == nil {
			err = c.Add(img.Mask, predicted)
		}
		if err != nil {
			return c, fmt.Errorf("segmentation: image %d: %w", i, err)
		}
	}
	return c, nil
}

// load returns an image with its mask.
func load(ctx context.Context, src pretext.Source, i int) (*pretext.Image, error) {
	img, err := src.Load(ctx, i)
	if err != nil {
		return nil, fmt.Errorf("segmentation: image %d: %w", i, err)
	}
	if img == nil || img.Mask == nil {
		return nil, fmt.Errorf("segmentation: image %d has no mask; use a data set with masks", i)
	}
	return img, nil
}
