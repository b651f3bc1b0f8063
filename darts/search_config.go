package darts

import (
	"fmt"
	"math"
	"strconv"

	"unnas/cell"
)

// SearchConfig has the hyperparameters of a search. It is data, and fields are used
// literally: zero is zero. Start from a preset, DARTS, PCDARTS or preset.Search, and
// change fields of the copy.
type SearchConfig struct {
	Space          cell.Space `json:"space"`            // the search space
	Algorithms     Algorithms `json:"algorithms"`       // how it learns
	Epochs         int        `json:"epochs"`           // passes over the images that the weights learn from
	ArchStartEpoch int        `json:"arch_start_epoch"` // the epoch, from 0, in which the alphas begin to learn
	Batch          int        `json:"batch"`            // images in a step; a task may make several inputs of each
	TrainFraction  float64    `json:"train_fraction"`   // share of the images that the weights learn from; the alphas learn from the rest

	SGD // of the weights

	ArchLR          float64 `json:"arch_lr"`           // learning rate of the alphas' Adam
	ArchBeta1       float64 `json:"arch_beta1"`        // its decay rate of the mean gradient
	ArchBeta2       float64 `json:"arch_beta2"`        // its decay rate of the mean squared gradient
	ArchWeightDecay float64 `json:"arch_weight_decay"` // weight decay of the alphas

	// StopSkips ends the search after an epoch in which the alphas have learned if
	// the normal cell has at least this many skip connections, 2 in DARTS+ (Liang et
	// al., 2019, arXiv 1909.06035, criterion 1); 0 does not. Space.MaxSkips, of
	// P-DARTS, limits what is derived instead. With neither, a Warning says
	// once of 2 skip connections.
	StopSkips int `json:"stop_skips"`

	// StopEigenvalue ends the search when the validation loss has become sharp in the
	// alphas (DARTS-ES of Zela et al., 2020, arXiv 1909.09656, section 4.3): if the
	// dominant eigenvalue of its Hessian, as a mean over five epochs, is less than
	// this share of what it is five epochs later, 0.75 in the paper. The cells are
	// then those of the middle one of the first five epochs, seven before the end.
	// The eigenvalue is computed after each epoch in which the alphas have learned,
	// on its last batch for them, which takes the time of up to 48 passes; ten such
	// epochs are needed to compare. 0 does nothing of this, and is what samplers of single
	// operations take, such as GDAS, whose loss jumps.
	//
	// As in the authors' code, dominant is the largest, not the largest in
	// magnitude. Differs: it comes from products with the matrix, differences of
	// gradients, rather than from the whole of it, and without the weight decay of
	// the alphas; the authors' code takes every second epoch, other numbers, and no
	// epoch before the eleventh to go back to. The weights of DrNAS are, meanwhile,
	// shares of the medians of Gamma numbers rather than drawn. Differences feel the
	// ReLUs that open and close between them: in small networks the eigenvalue is 0.86
	// to 1.28 times the exact one. So the criterion compares means, and their ratio.
	StopEigenvalue float64 `json:"stop_eigenvalue"`

	// SkipDropout is the rate at which elements of the skip connections of stride 1
	// are dropped in the epoch in which the alphas begin to learn; 0 drops none. It
	// falls by a factor of exp(-0.2) in each epoch from then on. Before, it falls in
	// proportion to the epochs that are left (Chen et al., 2019, arXiv 1904.12760,
	// section 3.4, and the code of its authors). In passes of second order that
	// compare losses the same elements are dropped. The authors' code also clips the
	// gradient of the alphas to a norm of 5, which is not done here.
	SkipDropout float64 `json:"skip_dropout,omitempty"`

	// Init is the path of the weights that the supernet starts with, "" for weights
	// that are drawn: a run directory of a search in the same space, or its
	// supernet.safetensors. The alphas come with them. It is otherwise as in a
	// TrainConfig.
	Init string `json:"init,omitempty"`

	Seed uint64 `json:"seed"` // of everything that is drawn

	// Precision is how maps are stored, Float32 by default; BFloat16 takes less memory.
	Precision Precision `json:"precision,omitempty"`

	// MicroBatch is gradient accumulation: how many images of a batch go through the
	// network at once, a divisor of Batch, or 0 for all of it. The parts of a batch
	// follow each other in the memory of one. Losses and gradients are the means over
	// the batch.
	//
	// Differs: batch normalisation sees one part at a time, so its statistics are of
	// fewer images, and the running ones learn from every part. Results are those of
	// the whole batch only for a network without it.
	MicroBatch int `json:"micro_batch"`
}

// SGD has the hyperparameters of stochastic gradient descent with momentum.
type SGD struct {
	LR          Schedule `json:"lr"`           // learning rate
	Momentum    float64  `json:"momentum"`     // from 0 to below 1
	Nesterov    bool     `json:"nesterov"`     // whether the momentum is Nesterov's (Sutskever et al., 2013)
	WeightDecay float64  `json:"weight_decay"` // added to the gradient, times the weights
	GradClip    float64  `json:"grad_clip"`    // maximum norm of the gradient; 0 does not clip
}

// scaled returns them with the learning rate times ratio.
func (s SGD) scaled(ratio float64) SGD {
	s.LR.Base *= ratio
	s.LR.Min *= ratio
	return s
}

// validate returns an error that names the first field that is out of range.
func (s SGD) validate() error {
	if err := s.LR.Validate(); err != nil {
		return fmt.Errorf("darts: LR: %w", err)
	}
	if err := within([]setting{
		{"Momentum", s.Momentum, 0, 1, false},
		{"WeightDecay", s.WeightDecay, 0, 1, false},
		{"GradClip", s.GradClip, 0, math.MaxFloat32, false},
	}); err != nil {
		return err
	}
	return belowOne([]share{{"Momentum", s.Momentum}})
}

// DARTS returns the published hyperparameters of a search on CIFAR-10: 50 epochs of
// batches of 64 with 16 channels and 8 cells (Liu et al., 2019, arXiv
// 1806.09055, appendix A.1).
func DARTS() SearchConfig {
	return SearchConfig{
		Space:      cell.DARTS(cell.CIFARStem, 16, 8),
		Algorithms: Algorithms{FirstOrder{}},
		Epochs:     50, ArchStartEpoch: 0, Batch: 64, TrainFraction: 0.5,
		SGD:    SGD{LR: Schedule{Kind: Cosine, Base: 0.025, Min: 0.001}, Momentum: 0.9, WeightDecay: 3e-4, GradClip: 5},
		ArchLR: 3e-4, ArchBeta1: 0.5, ArchBeta2: 0.999, ArchWeightDecay: 1e-3,
	}
}

// WithBatch returns the hyperparameters for batches of another size: the learning
// rates of weights and alphas change in proportion (Goyal et al., 2017, arXiv
// 1706.02677), as those of Liu et al. (2020, arXiv 2003.12056, supplement B.1) do.
// MicroBatch stays, and Validate refuses one that does not divide the batch.
func (c SearchConfig) WithBatch(images int) SearchConfig {
	ratio := float64(images) / float64(c.Batch)
	c.SGD = c.scaled(ratio)
	c.ArchLR *= ratio
	c.Batch = images
	return c
}

// PCDARTS returns the published hyperparameters of a search on CIFAR-10 with a quarter of
// the channels in mixed operations: 50 epochs of batches of 256, the alphas and betas
// learning from the sixteenth on (Xu et al., 2020, arXiv 1907.05737, section 4.2).
func PCDARTS() SearchConfig {
	c := DARTS()
	c.Space.PartialChannels = 4
	c.ArchStartEpoch, c.Batch = 15, 256
	c.LR.Base, c.LR.Min, c.ArchLR = 0.1, 0, 6e-4
	return c
}

// plain writes a number without an exponent where that is short.
func plain(x float64) string {
	if math.Abs(x) < 1e15 {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// Validate returns an error that names the first field that is out of range, its
// value and the range.
func (c SearchConfig) Validate() error {
	if err := c.Space.Validate(); err != nil {
		return fmt.Errorf("darts: Space: %w", err)
	}
	backbone := c.Space.Backbone
	if n := len(backbone.Reductions); n == 0 || n == backbone.Cells {
		return fmt.Errorf("darts: Space: %d of %d cells reduce; a search needs cells of both kinds: use 3 cells or more, and cell.Reductions", n, backbone.Cells)
	}
	if err := c.Precision.validate(); err != nil {
		return err
	}
	if err := c.SGD.validate(); err != nil {
		return err
	}
	if limit := c.Space.MaxSkips; limit > 0 && c.StopSkips > limit {
		return fmt.Errorf("darts: StopSkips is %d, but Space.MaxSkips lets no cell have more than %d skip connections: lower StopSkips or set MaxSkips to 0", c.StopSkips, limit)
	}
	if err := within([]setting{
		{"Epochs", float64(c.Epochs), 1, 1e6, false},
		{"ArchStartEpoch", float64(c.ArchStartEpoch), 0, float64(c.Epochs), false},
		{"Batch", float64(c.Batch), 1, 1e6, false},
		{"MicroBatch", float64(c.MicroBatch), 0, float64(c.Batch), false},
		{"TrainFraction", c.TrainFraction, 0, 1, true},
		{"Momentum", c.Momentum, 0, 1, false},
		{"WeightDecay", c.WeightDecay, 0, 1, false},
		{"ArchLR", c.ArchLR, 0, math.MaxFloat32, false},
		{"ArchBeta1", c.ArchBeta1, 0, 1, false},
		{"ArchBeta2", c.ArchBeta2, 0, 1, false},
		{"ArchWeightDecay", c.ArchWeightDecay, 0, 1, false},
		{"StopSkips", float64(c.StopSkips), 0, 1e6, false},
		{"StopEigenvalue", c.StopEigenvalue, 0, 1, false},
		{"SkipDropout", c.SkipDropout, 0, 1, false},
	}); err != nil {
		return err
	}
	if err := belowOne([]share{{"ArchBeta1", c.ArchBeta1}, {"ArchBeta2", c.ArchBeta2}, {"TrainFraction", c.TrainFraction}, {"StopEigenvalue", c.StopEigenvalue}, {"SkipDropout", c.SkipDropout}}); err != nil {
		return err
	}
	if err := validateMicroBatch(c.Batch, c.MicroBatch); err != nil {
		return err
	}
	return c.Algorithms.validate(c)
}

// setting is a field and the range of its value.
type setting struct {
	name      string
	value     float64
	low, high float64
	open      bool // open: low itself is out of range
}

// within returns an error that names the first field that is out of its range.
func within(all []setting) error {
	for _, f := range all {
		if f.value >= f.low && f.value <= f.high && !(f.open && f.value == f.low) {
			continue // a NaN is out of every range
		}
		from := "from"
		if f.open {
			from = "above"
		}
		return fmt.Errorf("darts: %s is %s, must be %s %s to %s", f.name, plain(f.value), from, plain(f.low), plain(f.high))
	}
	return nil
}

// share is a field whose value is 0 to 1.
type share struct {
	name  string
	value float64
}

// belowOne returns an error that names the first field that is 1.
func belowOne(all []share) error {
	for _, f := range all {
		if f.value == 1 {
			return fmt.Errorf("darts: %s is 1, must be below 1", f.name)
		}
	}
	return nil
}
