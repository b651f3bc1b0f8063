package program

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/preset"
	"unnas/pretext"
)

// Published are the flags of a program that runs the searches that were published
// for a data set, and what they ask for.
type Published struct {
	*Flags
	Data string // folder of the data set

	// Task and Config, which Parse sets, are the published ones but for what the
	// flags change.
	Task   pretext.Task
	Config darts.SearchConfig

	task, subset  string
	epochs, batch int
	published     int // batch
}

// NewPublished returns the flags of a program for a data set of
// preset.Search, which has the labels of one task, classification or
// segmentation.
func NewPublished(dataset, labelled, usage string) *Published {
	p := &Published{Flags: NewFlags(dataset, usage)}
	p.StringVar(&p.Data, "data", "", "`folder` of the data set; must be given")
	p.StringVar(&p.task, "task", "rotation", "`task` that the network learns: "+labelled+", which needs labels, rotation, colorization or jigsaw; the paper's cls, seg, rot, col and jig will do")
	p.IntVar(&p.epochs, "epochs", 0, "passes over one half of the images, of which the alphas sit out the published share (default as published)")
	p.IntVar(&p.batch, "batch", 0, "images in a step; the learning rates of weights and alphas change in proportion (default as published)")
	p.StringVar(&p.subset, "subset", "", "`number` of images to draw and use, or share of all, such as 10%; empty: all")
	p.TextVar(&p.Config.Algorithm, "algorithm", darts.FirstOrder, "`rule` by which the alphas learn: first-order, second-order, gdas or drnas")
	p.Func("memory", "`amount` of memory that a run may take, such as 32GB; one that needs more is refused (default what the machine has)", func(s string) (err error) {
		p.Runtime.Memory, err = darts.ParseBytes(s)
		return err
	})
	p.BoolVar(&p.Runtime.AutoBatch, "auto-batch", false, "halve the batch of a search that needs more memory, and the learning rates with it, until it fits, as in the paper; the result then depends on the memory")
	p.BoolVar(&p.Runtime.Recompute, "recompute", false, "compute most maps twice instead of keeping them: a third of the memory, a fifth more time, the same result")
	return p
}

// Parse is that of Flags, and sets Task and Config. It refuses what no search can
// have before a large data set is opened.
func (p *Published) Parse(args []string, help io.Writer) error {
	if err := p.Flags.Parse(args, help); err != nil {
		return err
	}
	if p.Data == "" {
		return fmt.Errorf("-data is missing: give the folder of the data set, such as -data %s; see -help", p.Name())
	}
	task, c, err := preset.Search(p.Name(), preset.TaskName(p.task))
	if err != nil {
		return err
	}
	c.Algorithm = p.Config.Algorithm
	if p.Given("epochs") {
		c.ArchStartEpoch = c.ArchStartEpoch * p.epochs / c.Epochs
		c.Epochs = p.epochs
	}
	p.published = c.Batch
	if p.Given("batch") {
		if p.batch < 1 {
			return fmt.Errorf("-batch is %d; give 1 or more", p.batch)
		}
		c = c.WithBatch(p.batch)
	}
	p.Task, p.Config = task, c
	if _, err := size(p.subset, 1); err != nil {
		return err
	}
	return c.Validate()
}

// size returns how many images of n -subset asks for.
func size(subset string, n int) (int, error) {
	if subset == "" {
		return n, nil
	}
	if percent, ok := strings.CutSuffix(subset, "%"); ok {
		if x, err := strconv.ParseFloat(percent, 64); err == nil && x > 0 && x <= 100 {
			return max(1, int(math.Round(float64(n)*x/100))), nil
		}
	} else if x, err := strconv.Atoi(subset); err == nil && x > 0 {
		return x, nil
	}
	return 0, fmt.Errorf("-subset is %q; give a number of images, such as 5000, or a share above 0%% and up to 100%%, such as 10%%", subset)
}

// Labelled is a data set with classes.
type Labelled interface {
	darts.Source
	Classes() []string
}

// session returns where the run is kept.
func (p *Published) session() Session {
	return Session{Name: p.Name() + "-" + p.Task.Name(), Options: p.Options}
}

// Search runs the search on a data set; see [Search.Run]. It says where that
// departs from the published search.
func (p *Published) Search(ctx context.Context, src Labelled, out io.Writer) error {
	return p.search(ctx, src, p.session(), out)
}

func (p *Published) search(ctx context.Context, src Labelled, s Session, out io.Writer) error {
	c := p.Config
	if c.Batch != p.published {
		fmt.Fprintf(p.Talk(out), "batch %d, published %d: the learning rates change in proportion, of the weights to %.4g, of the alphas to %.4g\n", c.Batch, p.published, c.LR.Base, c.ArchLR)
	}
	task := p.withClasses(p.Task, src, out)
	images, err := p.sample(src)
	if err != nil {
		return err
	}
	return Search{Session: s, Source: images, Task: task, Config: c}.Run(ctx, out)
}

// withClasses returns the task for as many classes as the images have, and says so
// if they are not those published.
func (p *Published) withClasses(task pretext.Task, src Labelled, out io.Writer) pretext.Task {
	t, ok := task.(pretext.Classification)
	if !ok || t.Classes == len(src.Classes()) {
		return task
	}
	fmt.Fprintf(p.Talk(out), "%d classes, published %d\n", len(src.Classes()), t.Classes)
	t.Classes = len(src.Classes())
	return t
}

// sample returns the part of the images that -subset asks for.
func (p *Published) sample(src darts.Source) (darts.Source, error) {
	if p.subset == "" {
		return src, nil
	}
	n, err := size(p.subset, src.Len())
	if err != nil {
		return nil, err
	}
	images, err := dataset.RandomSubset(src, n, p.Seed)
	if err != nil {
		return nil, fmt.Errorf("-subset %s: %w", p.subset, err)
	}
	return images, nil
}

// sampleHeld is sample for the images to evaluate on, which may be fewer than asked
// for: then it returns all.
func (p *Published) sampleHeld(src darts.Source) (darts.Source, error) {
	if n, err := size(p.subset, src.Len()); err != nil || p.subset == "" || n >= src.Len() {
		return src, err
	}
	return p.sample(src)
}
