package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/preset"
	"unnas/darts/record"
	"unnas/ops"
	"unnas/pretext"
)

// The phases of a Pipeline.
const (
	searchPhase = "search"
	trainPhase  = "train"
	allPhases   = "all"
)

// phaseFlags are the flags that one phase alone has.
var phaseFlags = []struct {
	phase string
	names []string
}{
	{searchPhase, []string{"task", "epochs", "batch", "algorithm", "auto-batch"}},
	{trainPhase, []string{"genotype", "width", "train-epochs", "train-batch", "micro-batch", "evaluate-every"}},
}

// Pipeline are the flags of a program that runs both phases that were published for
// a data set, the search of a cell and the training of a network of such cells, and
// what they ask for.
type Pipeline struct {
	*Published
	Phase string // search, train or all

	// TrainTask and TrainConfig, which Parse sets, are the published ones but for
	// what the flags change. The search of all phases sets the cells.
	TrainTask   pretext.Task
	TrainConfig darts.TrainConfig

	genotype                string
	width, microBatch       int
	trainEpochs, trainBatch int
	evaluateEvery           int
	publishedBatch          int
}

// Open opens a split of the data set in a folder, for a task.
type Open func(dir string, task pretext.Task, split dataset.Split, o dataset.Options) (Labelled, error)

// NewPipeline returns the flags of a program for a data set of
// preset.Search and preset.Training, which has the labels of one
// task, classification or segmentation.
func NewPipeline(dataset, labelled, usage string) *Pipeline {
	p := &Pipeline{Published: NewPublished(dataset, labelled, usage)}
	p.StringVar(&p.Phase, "phase", searchPhase, "`phase` to run: search for cells, train a network of those of -genotype, or all, to train a network of the cells that are found")
	p.StringVar(&p.genotype, "genotype", "", "`cells` to train: a published name, such as darts_v2 or unnas_imagenet_rot, a file, or the folder of a search")
	p.IntVar(&p.width, "width", 0, "channels of the first cell of the network that is trained (default as published; for other cells that of darts_v2)")
	p.IntVar(&p.trainEpochs, "train-epochs", 0, "passes of the training over the images (default as published)")
	p.IntVar(&p.trainBatch, "train-batch", 0, "images in a step of the training; the learning rate changes in proportion (default as published)")
	p.IntVar(&p.microBatch, "micro-batch", 0, "images of a step of the training that go through the network at once: fewer take less memory (default what each of the eight published processors had)")
	p.IntVar(&p.evaluateEvery, "evaluate-every", 1, "epochs of the training from one evaluation to the next; 0: only the last is evaluated")
	return p
}

// Parse is that of Published, and sets TrainTask and TrainConfig.
func (p *Pipeline) Parse(args []string, help io.Writer) error {
	if err := p.Published.Parse(args, help); err != nil {
		return err
	}
	if !slices.Contains([]string{searchPhase, trainPhase, allPhases}, p.Phase) {
		return fmt.Errorf("-phase is %q; give search, train or all", p.Phase)
	}
	for _, f := range phaseFlags {
		for _, name := range f.names {
			if p.Phase != allPhases && p.Phase != f.phase && p.Given(name) {
				return fmt.Errorf("-%s is a flag of phase %s, and -phase is %s; leave it out, or give -phase %s or all", name, f.phase, p.Phase, f.phase)
			}
		}
	}
	switch {
	case p.Phase == searchPhase:
		return nil
	case p.Phase == allPhases && p.Given("genotype"):
		return errors.New("-genotype is of cells to train, and -phase all trains those that it finds; leave it out, or give -phase train")
	case p.Phase == trainPhase && p.genotype == "":
		return errors.New("-genotype is missing: give the cells to train, such as -genotype unnas_imagenet_rot, or the folder of a search; see -help")
	}
	return p.parseTraining()
}

func (p *Pipeline) parseTraining() error {
	g, _ := cell.GenotypeByName("darts_v2") // until a search has found others
	if p.Phase == trainPhase {
		var err error
		if g, err = ReadGenotype(p.genotype); err != nil {
			return fmt.Errorf("-genotype %s: %w", p.genotype, err)
		}
	}
	task, c, err := preset.Training(p.Name(), g)
	if err != nil {
		return err
	}
	d := c.Network.(cell.Network)
	if p.Given("width") {
		d.Backbone.Width = p.width
	}
	c.Network = d
	if p.Given("train-epochs") {
		c.Epochs = p.trainEpochs
	}
	p.publishedBatch = c.Batch
	if p.Given("train-batch") {
		if p.trainBatch < 1 {
			return fmt.Errorf("-train-batch is %d; give 1 or more", p.trainBatch)
		}
		c = c.WithBatch(p.trainBatch)
	}
	if p.Given("micro-batch") {
		c.MicroBatch = p.microBatch
	} else if c.Batch%c.MicroBatch != 0 {
		return fmt.Errorf("-train-batch is %d, of which %d images, as published, cannot go through the network at once; give a -micro-batch that divides it, %d for example", c.Batch, c.MicroBatch, gcd(c.Batch, c.MicroBatch))
	}
	c.EvaluateEvery = p.evaluateEvery
	p.TrainTask, p.TrainConfig = task, c
	return c.Validate()
}

// gcd returns the greatest common divisor of two positive numbers.
func gcd(a, b int) int {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// ReadGenotype returns the cells of a published name, a file, or the folder of a
// search.
func ReadGenotype(name string) (cell.Genotype, error) {
	if g, ok := cell.GenotypeByName(name); ok {
		return g, nil
	}
	path := name
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		path = filepath.Join(name, "genotype.json")
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cell.Genotype{}, fmt.Errorf("%w; give a file, the folder of a search, or a published name: %s", err, strings.Join(cell.GenotypeNames(), ", "))
	}
	if err != nil {
		return cell.Genotype{}, err
	}
	g, err := cell.ParseGenotype(string(text))
	if err != nil {
		return cell.Genotype{}, err
	}
	return g, g.Validate(ops.All().Has)
}

// Run runs the phases that are asked for. Of all phases, each has a folder in that of
// the run, search and train; a run that goes on does so in the phase it was in.
func (p *Pipeline) Run(ctx context.Context, open Open, out io.Writer) error {
	session := p.session()
	switch p.Phase {
	case searchPhase:
		session.Out = p.dir(session.Name)
		if err := p.runSearch(ctx, open, session, out); err != nil {
			return err
		}
		_, err := fmt.Fprintf(p.Talk(out), "To train a network of these cells, give -phase train -genotype %s\n", session.Out)
		return err
	case trainPhase:
		session.Name = p.Name() + "-train"
		return p.runTraining(ctx, open, session, out)
	}
	root := p.dir(session.Name)
	session.Again = func(string) string { return fmt.Sprintf("-out %s -resume", root) }
	first, second := session, session
	first.Out, second.Out = filepath.Join(root, searchPhase), filepath.Join(root, trainPhase)
	second.Resume = p.Resume && Exists(filepath.Join(second.Out, record.File))
	if !second.Resume { // else the search has ended
		// A week of search should not end with images that are not there.
		if _, err := open(p.Data, p.TrainTask, dataset.Val, dataset.Options{}); err != nil {
			return err
		}
		if err := p.runSearch(ctx, open, first, out); err != nil {
			_ = os.Remove(root) // which is empty if nothing was found, and else stays
			return err
		}
		fmt.Fprintln(p.Talk(out))
	}
	d := p.TrainConfig.Network.(cell.Network)
	var err error
	if d.Genotype, err = ReadGenotype(first.Out); err != nil {
		return fmt.Errorf("the cells of the search: %w", err)
	}
	p.TrainConfig.Network = d
	return p.runTraining(ctx, open, second, out)
}

func (p *Pipeline) runSearch(ctx context.Context, open Open, s Session, out io.Writer) error {
	decoder, err := s.Decoder()
	if err != nil {
		return err
	}
	src, err := open(p.Data, p.Task, dataset.Train, dataset.Options{Decoder: decoder})
	if err != nil {
		return err
	}
	return p.search(ctx, src, s, out)
}

// runTraining runs the training, and says where it departs from the published one.
func (p *Pipeline) runTraining(ctx context.Context, open Open, s Session, out io.Writer) error {
	task, c := p.TrainTask, p.TrainConfig
	decoder, err := s.Decoder()
	if err != nil {
		return err
	}
	o := dataset.Options{Decoder: decoder}
	src, err := open(p.Data, task, dataset.Train, o)
	if err != nil {
		return err
	}
	held, err := open(p.Data, task, dataset.Val, o)
	if err != nil {
		return err
	}
	if c.Batch != p.publishedBatch {
		fmt.Fprintf(p.Talk(out), "batch %d, published %d: the learning rate changes in proportion, to %.4g\n", c.Batch, p.publishedBatch, c.LR.Base)
	}
	task = p.withClasses(task, src, out)
	t := Training{Session: s, Task: task, Config: c}
	if t.Source, err = p.sample(src); err != nil {
		return err
	}
	if t.Held, err = p.sampleHeld(held); err != nil {
		return err
	}
	return t.Run(ctx, out)
}
