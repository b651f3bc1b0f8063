package pretexttest

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/ops"
	"unnas/pretext"
)

func good() pretext.Task {
	v := pretext.CIFAR10Transform()
	v.Height, v.Width = 7, 9
	return pretext.Classification{Transform: v, Classes: 2}
}

// plain is a good task with float targets.
func plain() pretext.Task {
	v := pretext.CIFAR10Transform()
	v.Height, v.Width = 4, 4
	return pretext.Reconstruction{Transform: v, Block: 4, Detail: 2}
}

// scoreless is a good task that is judged by its loss.
type scoreless struct{ pretext.Task }

func (s scoreless) Loss(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
	l, err := s.Task.Loss(logits, targets)
	l.Score, l.Metric = nil, ops.Metric{}
	return l, err
}

func TestRun(t *testing.T) {
	Run(t, good())
	Run(t, plain())
	Run(t, scoreless{good()})
	Run(t, &mirror{View: good().(pretext.Classification).Transform})
}

func TestRunTakesImages(t *testing.T) {
	img := &pretext.Image{Width: 3, Height: 2, Pix: make([]uint8, 18), Label: 1}
	Run(t, good(), img)
	other := *img
	other.Label = 2
	assert.NotEmpty(t, check(good(), []*pretext.Image{img, &other}))
}

// mirror is a custom task, passed by pointer: tell an image from
// its mirror image.
type mirror struct {
	View  pretext.Transform
	Note  string
	Plain struct{ Depths []int }
}

func (*mirror) Name() string { return "mirror" }

func (m *mirror) Validate() error { return m.View.Validate() }

func (m *mirror) Spec() pretext.Spec {
	return pretext.Spec{Height: m.View.Height, Width: m.View.Width, Channels: 3, Inputs: 2, LabelShape: []int{2}, Classes: 2}
}

func (m *mirror) Sample(dst pretext.Sample, img *pretext.Image, train bool, r *rand.Rand) error {
	if err := m.Spec().Check(dst); err != nil {
		return err
	}
	x, y := dst.Inputs, dst.Labels
	half := len(x) / 2
	if err := m.View.Apply(x[:half], img, train, r); err != nil {
		return err
	}
	row := 3 * m.View.Width
	for i := 0; i < half; i += 3 {
		copy(x[half+i:][:3], x[i-i%row+row-3-i%row:])
	}
	first := r.IntN(2)
	if first == 1 {
		swap := slices.Clone(x[:half])
		copy(x, x[half:])
		copy(x[half:], swap)
	}
	y[0], y[1] = int32(first), int32(1-first)
	return nil
}

func (*mirror) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	return pretext.PooledHead(s, features, 1, 2)
}

func (*mirror) Loss(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
	return ops.CrossEntropy(logits, targets.Labels, ops.LossConfig{IgnoreIndex: pretext.IgnoreIndex})
}

// jittering is a task that augments in evaluation, too.
type jittering struct{ pretext.RelativePatch }

func (j jittering) Sample(dst pretext.Sample, img *pretext.Image, _ bool, r *rand.Rand) error {
	return j.RelativePatch.Sample(dst, img, true, r)
}

// TestRunTakesInputsThatLabelsSay accepts a task whose stream draws in evaluation
// which part of the image is an input, and refuses it if it draws more.
func TestRunTakesInputsThatLabelsSay(t *testing.T) {
	task := pretext.RelativePatch{Transform: good().(pretext.Classification).Transform, Patch: 2, Gap: 2, Jitter: 1}
	task.Transform.Height, task.Transform.Width = 15, 12
	Run(t, task)
	assert.ErrorContains(t, errors.Join(check(jittering{task}, defaults())...), "inputs with equal labels and targets depend on the stream")
}

// faulty is a good task of which parts are replaced by wrong ones.
type faulty struct {
	pretext.Task
	name     func() string
	validate func() error
	spec     func(s pretext.Spec) pretext.Spec
	before   func(dst pretext.Sample, img *pretext.Image) bool // true: no more is done
	sample   func(dst pretext.Sample, img *pretext.Image, train bool, r *rand.Rand) error
	head     func(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error)
	loss     func(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error)
}

func (f faulty) Name() string {
	if f.name != nil {
		return f.name()
	}
	return f.Task.Name()
}

func (f faulty) Validate() error {
	if f.validate != nil {
		return f.validate()
	}
	return f.Task.Validate()
}

func (f faulty) Spec() pretext.Spec {
	if f.spec != nil {
		return f.spec(f.Task.Spec())
	}
	return f.Task.Spec()
}

func (f faulty) Sample(dst pretext.Sample, img *pretext.Image, train bool, r *rand.Rand) error {
	if f.before != nil && f.before(dst, img) {
		return nil
	}
	if err := f.Task.Sample(dst, img, train, r); err != nil {
		return err
	}
	if f.sample != nil {
		return f.sample(dst, img, train, r)
	}
	return nil
}

func (f faulty) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	if f.head != nil {
		return f.head(s, features)
	}
	return f.Task.Head(s, features)
}

func (f faulty) Loss(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
	if f.loss != nil {
		return f.loss(logits, targets)
	}
	return f.Task.Loss(logits, targets)
}

// changing is a good task whose settings can be bad.
type changing struct {
	faulty
	Depth  int
	Share  float64
	Rates  []int
	Colour bool
}

func (c changing) Validate() error {
	switch {
	case c.Depth < 0:
		return errors.New("negative") // does not say what
	case !(c.Share >= 0):
		return errors.New("the share is wrong")
	case len(c.Rates) == 0 || slices.Min(c.Rates) < 1:
		return errors.New("rates are wrong")
	}
	return nil
}

// unlabelled writes no labels.
type unlabelled struct{ pretext.Task }

func (u unlabelled) Sample(dst pretext.Sample, img *pretext.Image, train bool, r *rand.Rand) error {
	return u.Task.Sample(pretext.Sample{Inputs: dst.Inputs, Labels: make([]int32, len(dst.Labels))}, img, train, r)
}

// busy goes wrong when more than one goroutine uses it.
type busy struct {
	pretext.Task
	panics  bool
	running atomic.Int32
}

func (b *busy) Sample(dst pretext.Sample, img *pretext.Image, train bool, r *rand.Rand) error {
	b.running.Add(1)
	defer b.running.Add(-1)
	time.Sleep(200 * time.Microsecond) // for the others to come in
	others := b.running.Load() - 1
	if b.panics && others > 0 {
		panic("busy")
	}
	err := b.Task.Sample(dst, img, train, r)
	if err == nil {
		dst.Inputs[0] += float32(others)
	}
	return err
}

// colourless has a setting that it accepts and cannot do.
type colourless struct {
	pretext.Task
	Colour bool
	panics bool
}

func (c colourless) Sample(dst pretext.Sample, img *pretext.Image, train bool, r *rand.Rand) error {
	if c.Colour && c.panics {
		panic("colours")
	}
	if c.Colour {
		return errors.New("colours")
	}
	return c.Task.Sample(dst, img, train, r)
}

// scaled returns a loss that is multiplied by a number.
func scaled(by float32) func(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
	return func(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
		l, err := good().Loss(logits, targets)
		if err != nil {
			return l, err
		}
		l.Value, err = gorgonia.HadamardProd(l.Value, gorgonia.NewConstant(by))
		return l, err
	}
}

func TestFaults(t *testing.T) {
	calls, shape, targets := 0, []int{1}, []int{1, 1, 12}
	var turns atomic.Int64
	cases := []struct {
		name, want string
		task       pretext.Task
	}{
		{"no name", `the name is ""`, faulty{name: func() string { return "" }}},
		{"another name at each call", "want a constant name", faulty{name: func() string { calls++; return string(rune('a' + calls%26)) }}},
		{"not valid", "Validate refuses the task", faulty{validate: func() error { return errors.New("too small") }}},
		{"other sizes at each call", "the sizes change", faulty{spec: func(s pretext.Spec) pretext.Spec { calls++; s.Height += calls; return s }}},
		{"shape shared", "return a new slice", faulty{spec: func(s pretext.Spec) pretext.Spec { s.LabelShape = shape; return s }}},
		{"no inputs", "the sizes are", faulty{spec: func(s pretext.Spec) pretext.Spec { s.Inputs = 0; return s }}},
		{"classes without labels", "Spec.Classes = 2 for labels of shape []", faulty{spec: func(s pretext.Spec) pretext.Spec { s.LabelShape, s.TargetShape = nil, []int{2}; return s }}},
		{"one class", "want 2 or more classes", faulty{spec: func(s pretext.Spec) pretext.Spec { s.Classes = 1; return s }}},
		{"no labels", "the sizes are", faulty{spec: func(s pretext.Spec) pretext.Spec { s.LabelShape = nil; return s }}},
		{"target shape shared", "share one TargetShape", faulty{Task: plain(), spec: func(s pretext.Spec) pretext.Spec { s.TargetShape = targets; return s }}},
		{"target not finite", "target 2 is NaN; want finite numbers or pretext.IgnoreValue everywhere", faulty{Task: plain(), sample: func(dst pretext.Sample, _ *pretext.Image, _ bool, _ *rand.Rand) error {
			dst.Targets[2] = nan
			return nil
		}}},
		{"target of memory", "two samples of the same stream differ: target 1", faulty{Task: plain(), sample: func(dst pretext.Sample, _ *pretext.Image, _ bool, _ *rand.Rand) error {
			turns.Add(1)
			dst.Targets[1] = float32(turns.Load())
			return nil
		}}},
		{"takes few targets", "a target too few: Sample returns no error", faulty{Task: plain(), before: func(dst pretext.Sample, _ *pretext.Image) bool { return len(dst.Targets) == 11 }}},
		{"ignores no targets", "but all labels are pretext.IgnoreIndex and all targets pretext.IgnoreValue", faulty{Task: plain(), loss: func(out *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
			l, err := ops.MeanSquaredError(out, targets.Values, pretext.IgnoreValue)
			if err != nil {
				return l, err
			}
			l.Count, err = gorgonia.Add(l.Count, gorgonia.NewConstant(float32(1)))
			return l, err
		}}},
		{"negative labels", "label 0 is -5; want 0 or more or pretext.IgnoreIndex", faulty{spec: func(s pretext.Spec) pretext.Spec { s.Classes = 0; return s }, sample: func(dst pretext.Sample, _ *pretext.Image, _ bool, _ *rand.Rand) error {
			dst.Labels[0] = -5
			return nil
		}}},
		{"score without a name", `the name of the score is ""`, faulty{loss: func(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
			l, err := good().Loss(logits, targets)
			l.Metric = ops.Metric{}
			return l, err
		}}},
		{"name without a score", `the name of the score is "top1"`, faulty{loss: func(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
			l, err := good().Loss(logits, targets)
			l.Score = nil
			return l, err
		}}},
		{"score of nothing", "the score is 1 for a count of 0", faulty{Task: plain(), loss: func(out *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
			l, err := plain().Loss(out, targets)
			if err != nil {
				return l, err
			}
			l.Score, err = gorgonia.Add(l.Count, gorgonia.NewConstant(float32(1)))
			return l, err
		}}},
		{"nothing counts", "nothing counts in the loss", faulty{spec: func(s pretext.Spec) pretext.Spec { s.Classes = 0; return s }, loss: func(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
			l, err := scaled(0)(logits, targets)
			if err != nil {
				return l, err
			}
			l.Score, l.Metric = nil, ops.Metric{}
			l.Count, err = gorgonia.HadamardProd(l.Count, gorgonia.NewConstant(float32(0)))
			return l, err
		}}},
		{"fails", "image of 1×1 pixels in training: too small", faulty{sample: func(_ pretext.Sample, img *pretext.Image, _ bool, _ *rand.Rand) error {
			if img.Width == 1 {
				return errors.New("too small")
			}
			return nil
		}}},
		{"fails in evaluation", "in evaluation: no", faulty{sample: func(_ pretext.Sample, _ *pretext.Image, train bool, _ *rand.Rand) error {
			if !train {
				return errors.New("no")
			}
			return nil
		}}},
		{"panics", "in training: panic: runtime error", faulty{sample: func(dst pretext.Sample, _ *pretext.Image, _ bool, _ *rand.Rand) error {
			dst.Inputs[len(dst.Inputs)] = 1
			return nil
		}}},
		{"not finite", "number 5 of the inputs is +Inf", faulty{sample: func(dst pretext.Sample, _ *pretext.Image, _ bool, _ *rand.Rand) error {
			dst.Inputs[5] = float32(math.Inf(1))
			return nil
		}}},
		{"input not written", "is NaN; want finite numbers everywhere", faulty{before: func(dst pretext.Sample, _ *pretext.Image) bool { return len(dst.Inputs) == 189 && len(dst.Labels) == 1 }}},
		{"label not written", "label 0 is -2147483648", unlabelled{good()}},
		{"label too large", "label 0 is 2; want 0 to 1 or pretext.IgnoreIndex", faulty{sample: func(dst pretext.Sample, _ *pretext.Image, _ bool, _ *rand.Rand) error {
			dst.Labels[0] = 2
			return nil
		}}},
		{"draws elsewhere", "two samples of the same stream differ", faulty{sample: func(dst pretext.Sample, _ *pretext.Image, _ bool, _ *rand.Rand) error {
			turns.Add(1)
			dst.Inputs[7] = float32(turns.Load())
			return nil
		}}},
		{"adds to memory", "two samples of the same stream differ", faulty{before: func(dst pretext.Sample, _ *pretext.Image) bool {
			if len(dst.Inputs) == 189 && len(dst.Labels) == 1 && dst.Inputs[3] == 7 {
				clear(dst.Inputs)
				dst.Labels[0] = 1
				return true
			}
			return false
		}}},
		{"augments in evaluation", "inputs with equal labels and targets depend on the stream", faulty{sample: func(dst pretext.Sample, _ *pretext.Image, _ bool, r *rand.Rand) error {
			dst.Inputs[0] = r.Float32()
			return nil
		}}},
		{"writes to the image", "Sample modifies the image", faulty{sample: func(_ pretext.Sample, img *pretext.Image, _ bool, _ *rand.Rand) error {
			img.Pix[0]++
			return nil
		}}},
		{"writes to the mask", "Sample modifies the image", faulty{sample: func(_ pretext.Sample, img *pretext.Image, _ bool, _ *rand.Rand) error {
			img.Mask[0]++
			return nil
		}}},
		{"holds state", "a task must not have state", &busy{Task: good()}},
		{"panics when busy", "samples in several goroutines: panic", &busy{Task: good(), panics: true}},
		{"takes any memory", "an input too many: Sample returns no error", faulty{before: func(dst pretext.Sample, _ *pretext.Image) bool { return len(dst.Inputs) == 190 }}},
		{"takes few labels", "a label too few: Sample returns no error", faulty{before: func(dst pretext.Sample, _ *pretext.Image) bool { return len(dst.Inputs) == 189 && len(dst.Labels) == 0 }}},
		{"panics without an image", "no image: panic", faulty{before: func(_ pretext.Sample, img *pretext.Image) bool { return img.Width < 0 }}},
		{"takes an empty image", "an empty image: Sample returns no error", faulty{before: func(_ pretext.Sample, img *pretext.Image) bool { return img != nil && img.Width == 0 }}},
		{"setting without a name", "with Depth = -1: the error of Validate does not name Depth: negative", changing{faulty: faulty{Task: good()}, Rates: []int{1}, Share: 1}},
		{"setting accepted", "with Colour = true: Validate accepts it, but not Sample: colours", colourless{Task: good()}},
		{"setting that panics", "with Colour = true: panic: colours", colourless{Task: good(), panics: true}},
		{"head fails", "head: too many", faulty{head: func(*ops.Scope, *gorgonia.Node) (*gorgonia.Node, error) { return nil, errors.New("too many") }}},
		{"no head", "neither a node nor an error", faulty{head: func(*ops.Scope, *gorgonia.Node) (*gorgonia.Node, error) { return nil, nil }}},
		{"one logit too many", "the head returns the shape (1, 3) for 1 images, want [1, 2]", faulty{head: func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return pretext.PooledHead(s, x, 1, 3)
		}}},
		{"for a batch of one", "a batch of 3: pretext: the head returns the shape (1, 2) for 3 images, want [3, 2]", faulty{head: func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return pretext.PooledHead(s, x, x.Shape()[0], 2)
		}}},
		{"loss fails", "loss: no", faulty{loss: func(*gorgonia.Node, pretext.Targets) (ops.Loss, error) { return ops.Loss{}, errors.New("no") }}},
		{"no count", "Loss.Count is nil", faulty{loss: func(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
			l, err := good().Loss(logits, targets)
			l.Count = nil
			return l, err
		}}},
		{"features without effect", "must depend on the features", faulty{head: func(s *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			y, err := ops.Images(s.Graph(), "other", x.Shape()[0], 2, 3, 4)
			if err != nil {
				return nil, err
			}
			return pretext.PooledHead(s, y, 1, 2)
		}}},
		{"ignores no labels", "labels and targets from image 0 on ignored: ", faulty{loss: func(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
			return ops.CrossEntropy(logits, targets.Labels, ops.LossConfig{IgnoreIndex: ops.NoIgnoreIndex})
		}}},
		{"counts one too many", "the loss counts 2 of 1 labels, of which 1 are not pretext.IgnoreIndex", faulty{loss: func(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
			l, err := good().Loss(logits, targets)
			if err != nil {
				return l, err
			}
			l.Count, err = gorgonia.Add(l.Count, gorgonia.NewConstant(float32(1)))
			return l, err
		}}},
		{"counts too many right", "of 1 labels are correct", faulty{loss: func(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
			l, err := good().Loss(logits, targets)
			if err != nil {
				return l, err
			}
			l.Score, err = gorgonia.Add(l.Score, gorgonia.NewConstant(float32(5)))
			return l, err
		}}},
		{"loss not finite", "the loss is ", faulty{loss: scaled(float32(math.Inf(1)))}},
		{"gradient zero", "the network learns nothing", faulty{loss: scaled(0)}},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			if f, ok := k.task.(faulty); ok && f.Task == nil {
				f.Task = good()
				k.task = f
			}
			faults := check(k.task, defaults())
			require.NotEmpty(t, faults)
			require.ErrorContains(t, errors.Join(faults...), k.want)
		})
	}
}
