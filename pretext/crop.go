package pretext

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// CropTask is a task whose inputs can be made on a device. There the data loader makes no
// floats: it crops and resizes images, and what goes to the device is a byte for each colour
// of a pixel and a few numbers for each image. The device normalises the crops, and makes the
// inputs of them that Sample would make on the CPU. Networks on the CPU use Sample.
//
// A type that embeds a CropTask is none, since Crop may not fit what it replaces: see
// [AsCropTask].
//
// Differs: the pixels of a crop are rounded to whole levels, as those of image libraries are.
// The inputs equal those of Sample up to the rounding of float32 where nothing is resized, as
// in CropPadded of images that have the size of the transform; elsewhere each pixel is
// within half a level of 255 before it is normalised.
type CropTask interface {
	Task
	// CropSpec returns the sizes of what Crop writes. They are constant.
	CropSpec() CropSpec
	// Crop writes the crop of one image, the numbers that Inputs reads with it, the labels of
	// the image and its float targets to dst. It draws from r what Sample draws, in the same
	// order, so that both make the same augmentation.
	Crop(dst CropSample, img *Image, train bool, r *rand.Rand) error
	// Inputs adds the inputs of N images to the graph, [N·Inputs, Height, Width, Channels] of
	// Spec, and returns them with the targets that Loss gets. crops are [N, Height, Width, 3]
	// of CropSpec, numbers [N, Numbers], and targets those that Crop wrote. The data loader
	// pads the last batch with images whose labels are IgnoreIndex and whose targets are
	// IgnoreValue; labels made of theirs must be IgnoreIndex, too.
	Inputs(crops, numbers *gorgonia.Node, targets Targets) (images *gorgonia.Node, all Targets, err error)
}

// AsCropTask returns a task as a CropTask. It returns false for tasks that are none, and for
// those that embed one.
func AsCropTask(task Task) (CropTask, bool) {
	c, ok := task.(CropTask)
	t := reflect.TypeOf(task)
	if ok && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !ok || t.Kind() != reflect.Struct {
		return c, ok
	}
	for i := range t.NumField() {
		f, crops := t.Field(i), reflect.TypeFor[CropTask]()
		if f.Anonymous && (f.Type.Implements(crops) || reflect.PointerTo(f.Type).Implements(crops)) {
			return nil, false
		}
	}
	return c, true
}

// CropSpec gives the sizes of what the Crop of a task writes for one image.
type CropSpec struct {
	Height, Width int // of the crop in pixels
	Numbers       int // that Inputs reads besides the crop, 1 or more
	// LabelShape is that of Spec. A task with a label for each pixel may have Inputs make
	// these; then it is that of the labels from which it does, such as [1].
	LabelShape []int
}

// Validate returns an error that names the first invalid field; s is the Spec of the task.
func (c CropSpec) Validate(s Spec) error {
	switch {
	case !fits([]int{c.Height, c.Width, 3}):
		return fmt.Errorf("pretext: CropSpec.Height, Width = %d, %d, want 1 or more and at most %d bytes", c.Height, c.Width, mostNumbers)
	case !fits([]int{c.Numbers}):
		return fmt.Errorf("pretext: CropSpec.Numbers = %d, want 1 to %d", c.Numbers, mostNumbers)
	case !slices.Equal(c.LabelShape, s.LabelShape) && (len(s.LabelShape) < 2 || len(c.LabelShape) == 0 || !fits(c.LabelShape)):
		return fmt.Errorf("pretext: CropSpec.LabelShape = %v for a Spec.LabelShape of %v, want the same; labels of pixels alone can be made by Inputs, from one label or more", c.LabelShape, s.LabelShape)
	}
	return nil
}

// CheckInputs returns an error unless what a CropTask has made of the crops of a batch of
// images has the shapes that s gives.
func (s Spec) CheckInputs(images *gorgonia.Node, targets Targets, n int) error {
	if want := []int{n * s.Inputs, s.Height, s.Width, s.Channels}; images == nil || !slices.Equal(images.Shape(), want) || images.Dtype() != tensor.Float32 {
		return fmt.Errorf("pretext: Inputs returns %s for %d images, want float32 %v; correct Inputs or Spec", described(images), n, want)
	}
	// Nodes as Sample has them, in a graph of their own.
	want, err := s.NewTargets(gorgonia.NewGraph(), n)
	if err != nil {
		return err
	}
	for _, t := range [][2]*gorgonia.Node{{want.Labels, targets.Labels}, {want.Values, targets.Values}} {
		if described(t[0]) != described(t[1]) {
			return fmt.Errorf("pretext: Inputs returns targets of %s for %d images, want %s; correct Inputs or Spec", described(t[1]), n, described(t[0]))
		}
	}
	return nil
}

// described returns the type and the shape of a node.
func described(n *gorgonia.Node) string {
	if n == nil {
		return "no node"
	}
	return fmt.Sprintf("%v %v", n.Dtype(), []int(n.Shape()))
}

// CropLen returns the number of bytes of a crop, of shape [Height, Width, 3].
func (c CropSpec) CropLen() int { return 3 * c.Height * c.Width }

// LabelLen returns the number of labels of one image.
func (c CropSpec) LabelLen() int { return product(c.LabelShape) }

// CropSample is the memory for what Crop writes.
type CropSample struct {
	Crop    []uint8   // [Height, Width, 3]: red, green and blue
	Numbers []float32 // [Numbers]
	Labels  []int32   // [LabelShape...]
	Targets []float32 // [TargetShape...] of Spec
}

// NewSample returns zeroed memory for one image; s is the Spec of the task.
func (c CropSpec) NewSample(s Spec) CropSample {
	return CropSample{make([]uint8, c.CropLen()), make([]float32, c.Numbers), make([]int32, c.LabelLen()), make([]float32, s.TargetLen())}
}

// Check returns an error if dst has other sizes; s is the Spec of the task.
func (c CropSpec) Check(dst CropSample, s Spec) error {
	if len(dst.Crop) != c.CropLen() || len(dst.Numbers) != c.Numbers || len(dst.Labels) != c.LabelLen() || len(dst.Targets) != s.TargetLen() {
		return fmt.Errorf("pretext: crop into %d bytes, %d numbers, %d labels and %d targets, want %d, %d, %d and %d",
			len(dst.Crop), len(dst.Numbers), len(dst.Labels), len(dst.Targets), c.CropLen(), c.Numbers, c.LabelLen(), s.TargetLen())
	}
	return nil
}

// cropSpec returns the sizes of the crops of a transform, with more numbers than those of
// ApplyBytes, for a task with a given Spec.
func (v Transform) cropSpec(s Spec, more int) CropSpec {
	return CropSpec{Height: v.Height, Width: v.Width, Numbers: ops.CropNumbers + more, LabelShape: s.LabelShape}
}

// ApplyBytes is Apply for a device: it writes img, cropped, resized and flipped, to dst,
// [Height, Width, 3], rounded to whole levels, and to the ops.CropNumbers first numbers those
// with which ops.NormaliseCrops normalises it and makes its padding zeros. It draws from r
// what Apply draws. There may be more numbers.
func (v Transform) ApplyBytes(dst []uint8, numbers []float32, img *Image, train bool, r *rand.Rand) error {
	return v.bytes(dst, numbers, nil, img, train, r)
}

// ApplyMaskBytes is ApplyBytes that also writes the transformed mask to labels, as ApplyMask
// does.
func (v Transform) ApplyMaskBytes(dst []uint8, numbers []float32, labels []int32, img *Image, train bool, r *rand.Rand) error {
	if err := v.checkMask(labels, img); err != nil {
		return err
	}
	return v.bytes(dst, numbers, labels, img, train, r)
}

func (v Transform) bytes(dst []uint8, numbers []float32, labels []int32, img *Image, train bool, r *rand.Rand) error {
	p, err := v.place(img, train, r)
	if err != nil {
		return err
	}
	if err := p.describe(dst, numbers); err != nil {
		return err
	}
	p.mask(labels, img)
	p.gain, p.bias = [3]float32{1, 1, 1}, [3]float32{}
	p.levels(dst, img)
	return nil
}

// describe writes the numbers of a crop.
func (p *placement) describe(dst []uint8, numbers []float32) error {
	if want := 3 * p.height * p.width; len(dst) != want || len(numbers) < ops.CropNumbers {
		return fmt.Errorf("pretext: transform to %d by %d pixels into %d bytes and %d numbers, want %d, and %d or more", p.width, p.height, len(dst), len(numbers), want, ops.CropNumbers)
	}
	top, bottom := p.rows.inside(p.height)
	left, right := p.cols.inside(p.width)
	if p.flip {
		left, right = p.width-right, p.width-left
	}
	for i, edge := range [4]int{top, bottom, left, right} {
		numbers[i] = float32(edge)
	}
	copy(numbers[4:], p.gain[:])
	copy(numbers[7:], p.bias[:])
	return nil
}

// inside returns the range of the first n output pixels that are not padding.
func (a axis) inside(n int) (from, to int) {
	from = min(max(0, -a.offset), n)
	return from, max(from, min(n, a.size-a.offset))
}

// levels writes the image, byte·gain + bias rounded to whole levels, and zeros in the padding.
func (p *placement) levels(dst []uint8, img *Image) {
	gain, bias := p.gain, p.bias
	if p.rows.length == p.rows.size && p.cols.length == p.cols.size && gain == [3]float32{1, 1, 1} && bias == [3]float32{} {
		p.copy(dst, img)
		return
	}
	var room [512]tap
	taps := p.cols.taps(room[:0], p.width, p.flip)
	for i := range p.height {
		line := dst[3*p.width*i:][:3*p.width]
		y0, y1, wy, ok := p.rows.at(i)
		if !ok {
			clear(line)
			continue
		}
		upper := img.Pix[3*img.Width*y0:][:3*img.Width]
		lower := img.Pix[3*img.Width*y1:][:3*img.Width]
		for j, t := range taps {
			out := (*[3]uint8)(line[3*j:])
			if !t.ok {
				*out = [3]uint8{}
				continue
			}
			a, b := (*[3]uint8)(upper[3*t.first:]), (*[3]uint8)(upper[3*t.second:])
			c, d := (*[3]uint8)(lower[3*t.first:]), (*[3]uint8)(lower[3*t.second:])
			for k := range out {
				top := mix(float32(a[k]), float32(b[k]), t.weight)
				low := mix(float32(c[k]), float32(d[k]), t.weight)
				out[k] = level(float32(mix(top, low, wy)*gain[k]) + bias[k])
			}
		}
	}
}

// copy is levels of an image that is not resized and keeps its colours.
func (p *placement) copy(dst []uint8, img *Image) {
	top, bottom := p.rows.inside(p.height)
	left, right := p.cols.inside(p.width)
	clear(dst)
	for i := top; i < bottom; i++ {
		y, x := p.rows.start+p.rows.offset+i, p.cols.start+p.cols.offset+left
		from := img.Pix[3*(y*img.Width+x):][:3*(right-left)]
		line := dst[3*p.width*i:][:3*p.width]
		if !p.flip {
			copy(line[3*left:], from)
			continue
		}
		for j := 0; j < len(from); j += 3 {
			*(*[3]uint8)(line[3*(p.width-left)-j-3:]) = [3]uint8(from[j:])
		}
	}
}

// level rounds a value to an 8-bit level, the nearest one if it is out of range.
func level(v float32) uint8 {
	n := int64(v + 0.5)
	if uint64(n) > 255 {
		n = min(max(n, 0), 255)
	}
	return uint8(n)
}

// normalised returns the crops, normalised.
func normalised(crops, numbers *gorgonia.Node) (*gorgonia.Node, error) {
	x, err := ops.NormaliseCrops(crops, numbers)
	if err != nil {
		return nil, fmt.Errorf("pretext: %w", err)
	}
	return x, nil
}
