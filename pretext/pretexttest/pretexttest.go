package pretexttest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"unnas/pretext"
)

// Run tests a task. Without images it uses tiny, narrow, grey and constant images of class
// 0 or 1, with masks of the classes 0 and 1; pass images for tasks that need others.
func Run(t *testing.T, task pretext.Task, images ...*pretext.Image) {
	t.Helper()
	if len(images) == 0 {
		images = defaults()
	}
	for _, err := range check(task, images) {
		t.Error(err)
	}
}

// defaults returns the default images of Run.
func defaults() []*pretext.Image {
	r := rand.New(rand.NewPCG(1, 2))
	noise := func(int) [3]uint8 { return [3]uint8{uint8(r.Uint64()), uint8(r.Uint64()), uint8(r.Uint64())} }
	grey := func(i int) [3]uint8 { return [3]uint8{uint8(i), uint8(i), uint8(i)} }
	constant := func(r, g, b uint8) func(int) [3]uint8 { return func(int) [3]uint8 { return [3]uint8{r, g, b} } }
	var all []*pretext.Image
	for _, k := range []struct {
		width, height int
		pixel         func(i int) [3]uint8
	}{
		{37, 23, noise}, {50, 64, noise}, {1, 1, noise}, {2, 61, noise}, {75, 3, noise},
		{19, 41, grey}, {32, 32, constant(0, 0, 0)}, {31, 16, constant(255, 255, 255)}, {5, 7, constant(200, 30, 90)},
	} {
		img := &pretext.Image{Width: k.width, Height: k.height, Label: len(all) % 2}
		for i := range k.width * k.height {
			p := k.pixel(i)
			img.Pix = append(img.Pix, p[:]...)
			img.Mask = append(img.Mask, [...]uint8{0, 1, 255}[i/3%3])
		}
		all = append(all, img)
	}
	return all
}

// checker collects the faults of a task.
type checker struct {
	task   pretext.Task
	spec   pretext.Spec
	images []*pretext.Image
	faults []error
}

// check returns the faults of a task. It ends with the first part that finds faults, since
// later parts would repeat them.
func check(task pretext.Task, images []*pretext.Image) []error {
	c := &checker{task: task, images: images}
	for _, part := range []func(){c.sizes, c.samples, c.goroutines, c.badInput, c.settings, c.networks, c.crops} {
		if c.guard("", part); len(c.faults) > 0 {
			break
		}
	}
	return c.faults
}

func (c *checker) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf(format, args...))
}

// guard turns a panic into a fault.
func (c *checker) guard(where string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.fault("%spanic: %v", where, p)
		}
	}()
	f()
}

// sizes checks the name and the sizes.
func (c *checker) sizes() {
	if name := c.task.Name(); name == "" || c.task.Name() != name {
		c.fault("the name is %q; want a constant name that is not empty", name)
	}
	if err := c.task.Validate(); err != nil {
		c.fault("Validate refuses the task; test a valid one: %w", err)
		return
	}
	c.spec = c.task.Spec()
	other := c.task.Spec()
	if !reflect.DeepEqual(c.spec, other) {
		c.fault("the sizes change: %+v, then %+v", c.spec, other)
	}
	for _, shape := range []struct {
		name string
		of   func(pretext.Spec) []int
	}{
		{"LabelShape", func(s pretext.Spec) []int { return s.LabelShape }},
		{"TargetShape", func(s pretext.Spec) []int { return s.TargetShape }},
	} {
		if s := shape.of(other); len(s) > 0 {
			s[0]++
			if again := shape.of(c.task.Spec()); again[0] == s[0] {
				c.fault("all callers of Spec share one %s; return a new slice", shape.name)
				return
			}
		}
	}
	if err := c.spec.Validate(); err != nil {
		c.fault("the sizes are %+v: %w", c.spec, err)
	} else if c.spec.Classes == 1 {
		c.fault("the sizes are %+v; want 2 or more classes, or 0 if labels are not classes", c.spec)
	}
}

// unwritten is a label that no sample has: it marks memory that was not written.
const unwritten = math.MinInt32

var nan = float32(math.NaN())

// sample is the result of Sample.
type sample struct{ pretext.Sample }

// take makes a sample in memory filled with x and y.
func (c *checker) take(img *pretext.Image, train bool, seed uint64, x float32, y int32) (sample, error) {
	s := sample{c.spec.NewSample()}
	fill(s.Inputs, x)
	fill(s.Labels, y)
	fill(s.Targets, x)
	return s, c.task.Sample(s.Sample, img, train, stream(seed))
}

func fill[T any](all []T, x T) {
	for i := range all {
		all[i] = x
	}
}

func stream(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 3)) }

// differ describes the first difference in the bits of samples, or is empty.
func (s sample) differ(other sample) string {
	if d := unlike("number %d of the inputs", s.Inputs, other.Inputs); d != "" {
		return d
	}
	for i, v := range s.Labels {
		if v != other.Labels[i] {
			return fmt.Sprintf("label %d is %d and %d", i, v, other.Labels[i])
		}
	}
	return unlike("target %d", s.Targets, other.Targets)
}

// unlike describes the first difference in the bits of numbers, or is empty.
func unlike(what string, a, b []float32) string {
	for i, v := range a {
		if math.Float32bits(v) != math.Float32bits(b[i]) {
			return fmt.Sprintf(what+" is %v and %v", i, v, b[i])
		}
	}
	return ""
}

// mode describes an image and a mode for errors.
func mode(img *pretext.Image, train bool) string {
	if train {
		return fmt.Sprintf("image of %d×%d pixels in training", img.Width, img.Height)
	}
	return fmt.Sprintf("image of %d×%d pixels in evaluation", img.Width, img.Height)
}

// samples checks the samples of all images.
func (c *checker) samples() {
	for _, img := range c.images {
		pix, mask := slices.Clone(img.Pix), slices.Clone(img.Mask)
		for _, train := range []bool{true, false} {
			where := mode(img, train)
			c.guard(where+": ", func() {
				if err := c.one(img, train); err != nil {
					c.fault("%s: %w", where, err)
				}
			})
			if !bytes.Equal(pix, img.Pix) || !bytes.Equal(mask, img.Mask) {
				c.fault("%s: Sample modifies the image", where)
				return
			}
		}
	}
}

// one checks the samples of an image.
func (c *checker) one(img *pretext.Image, train bool) error {
	first, err := c.take(img, train, 1, nan, unwritten)
	if err != nil {
		return err
	}
	for i, v := range first.Inputs {
		if !finite(float64(v)) {
			return fmt.Errorf("number %d of the inputs is %v; want finite numbers everywhere", i, v)
		}
	}
	for i, v := range first.Labels {
		switch {
		case v == pretext.IgnoreIndex:
		case c.spec.Classes == 0 && v < 0:
			return fmt.Errorf("label %d is %d; want 0 or more or pretext.IgnoreIndex everywhere", i, v)
		case c.spec.Classes > 0 && (v < 0 || int(v) >= c.spec.Classes):
			return fmt.Errorf("label %d is %d; want 0 to %d or pretext.IgnoreIndex everywhere", i, v, c.spec.Classes-1)
		}
	}
	for i, v := range first.Targets {
		if !finite(float64(v)) {
			return fmt.Errorf("target %d is %v; want finite numbers or pretext.IgnoreValue everywhere", i, v)
		}
	}
	second, err := c.take(img, train, 1, 7, 0)
	if err != nil {
		return fmt.Errorf("the second sample: %w", err)
	}
	if d := first.differ(second); d != "" {
		return fmt.Errorf("two samples of the same stream differ: %s; only r may be random, and all memory must be written", d)
	}
	if train || c.compares() {
		return nil
	}
	return c.fixed(img)
}

// compares reports whether labels and targets are constant: the inputs of an image are then
// compared with each other, and may be random in evaluation.
func (c *checker) compares() bool {
	return c.spec.Inputs > 1 && c.spec.Classes == 0 && c.spec.TargetLen() == 0
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// The samples for what a stream draws in evaluation: at most mostDraws, until enough of them
// repeat earlier labels.
const (
	mostDraws = 64
	enough    = 4
)

// fixed checks that in evaluation the stream only draws labels, targets and the order of the
// inputs.
func (c *checker) fixed(img *pretext.Image) error {
	of := map[string]sample{} // first sample by labels
	for seed, again := uint64(1), 0; seed <= mostDraws && again < enough; seed++ {
		s, err := c.take(img, false, seed, 0, 0)
		if err != nil {
			return err
		}
		labels := fmt.Sprint(s.Labels, s.Targets)
		first, seen := of[labels]
		if !seen {
			of[labels] = c.sorted(s)
			continue
		}
		again++
		if d := first.differ(c.sorted(s)); d != "" {
			return fmt.Errorf("inputs with equal labels and targets depend on the stream; in evaluation it may only draw labels, targets and the order of the inputs: %s", d)
		}
	}
	return nil
}

// sorted returns the inputs of a sample in a canonical order.
func (c *checker) sorted(s sample) sample {
	inputs := slices.Collect(slices.Chunk(s.Inputs, len(s.Inputs)/c.spec.Inputs))
	slices.SortFunc(inputs, func(a, b []float32) int { return slices.CompareFunc(a, b, cmp.Compare[float32]) })
	return sample{pretext.Sample{Inputs: slices.Concat(inputs...)}}
}

// goroutines checks concurrent sampling.
func (c *checker) goroutines() {
	type job struct {
		img   *pretext.Image
		train bool
		want  sample
	}
	var jobs []job
	for i, img := range c.images {
		for _, train := range []bool{true, false} {
			want, err := c.take(img, train, uint64(i), nan, unwritten)
			if err != nil {
				c.fault("%s: %w", mode(img, train), err)
				return
			}
			jobs = append(jobs, job{img, train, want})
		}
	}
	found := make([]error, 4)
	var running sync.WaitGroup
	for g := range found {
		running.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					found[g] = fmt.Errorf("panic: %v", p)
				}
			}()
			for n := range 2 * len(jobs) {
				i := (n + g*len(jobs)/len(found)) % len(jobs)
				j := jobs[i]
				got, err := c.take(j.img, j.train, uint64(i/2), nan, unwritten)
				if err != nil {
					found[g] = err
					return
				}
				if d := j.want.differ(got); d != "" {
					found[g] = fmt.Errorf("%s: %s; a task must not have state", mode(j.img, j.train), d)
					return
				}
			}
		})
	}
	running.Wait()
	if err := errors.Join(found...); err != nil {
		c.fault("samples in several goroutines: %w", err)
	}
}

// badInput checks that invalid arguments give errors.
func (c *checker) badInput() {
	good := c.images[0]
	short := *good
	short.Pix = short.Pix[:len(short.Pix)-1]
	type sizes struct{ inputs, labels, targets int }
	right := sizes{c.spec.InputLen(), c.spec.LabelLen(), c.spec.TargetLen()}
	for _, k := range []struct {
		name string
		more sizes
		img  *pretext.Image
	}{
		{"an input too few", sizes{inputs: -1}, good},
		{"an input too many", sizes{inputs: 1}, good},
		{"no inputs", sizes{inputs: -right.inputs}, good},
		{"a label too few", sizes{labels: -1}, good},
		{"a label too many", sizes{labels: 1}, good},
		{"a target too few", sizes{targets: -1}, good},
		{"a target too many", sizes{targets: 1}, good},
		{"no image", sizes{}, nil},
		{"an empty image", sizes{}, &pretext.Image{}},
		{"an image with a byte too few", sizes{}, &short},
	} {
		if right.labels+k.more.labels < 0 || right.targets+k.more.targets < 0 {
			continue // the task has none
		}
		c.guard(k.name+": ", func() {
			dst := pretext.Sample{
				Inputs:  make([]float32, right.inputs+k.more.inputs),
				Labels:  make([]int32, right.labels+k.more.labels),
				Targets: make([]float32, right.targets+k.more.targets),
			}
			if c.task.Sample(dst, k.img, true, stream(1)) == nil {
				c.fault("%s: Sample returns no error", k.name)
			}
		})
	}
}
