package darts

import (
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/rng"
	"unnas/ops"
)

// dropper drops elements of skip connections for a pass, as P-DARTS does (see
// SearchConfig.SkipDropout), and draws the numbers of ops.Noise. They depend on inputs of the
// graph alone, so the graph stays pure.
type dropper struct {
	rate []float32 // of one element
	key  []int32   // of two
	base uint64    // what the keys of a pass come from

	rateNode, keyNode *gorgonia.Node
}

func newDropper() *dropper { return &dropper{rate: make([]float32, 1), key: make([]int32, 2)} }

// over returns the operations with noise that d draws, and skip connections that are dropped
// from if skips says so.
func (d *dropper) over(set ops.Set, skips bool) ops.Set {
	all := make(ops.Set, len(set))
	for i, op := range set {
		switch all[i] = op; {
		case op == ops.Skip() && skips:
			all[i] = leaky{op, d}
		case op == ops.Noise():
			all[i] = noisy{op, d}
		}
	}
	return all
}

// noisy is ops.Noise with numbers that are new in every pass.
type noisy struct {
	ops.Op
	by *dropper
}

// Dilates returns true, as for the noise; embedding Op hides its method.
func (noisy) Dilates() bool { return true }

func (o noisy) Build(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	if err := o.by.join(s.Graph()); err != nil {
		return nil, err
	}
	return s.Noise(x, c.Stride, o.by.keyNode)
}

// leaky is a skip connection with dropout, unless it strides: the authors' code
// drops from identities alone.
type leaky struct {
	ops.Op
	by *dropper
}

// Dilates returns true, as for the skip connection; embedding Op hides its method.
func (leaky) Dilates() bool { return true }

func (o leaky) Build(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	y, err := o.Op.Build(s, x, c)
	if err != nil || c.Stride != 1 {
		return y, err
	}
	if err := o.by.join(s.Graph()); err != nil {
		return nil, err
	}
	return s.Dropout(y, o.by.rateNode, o.by.keyNode)
}

// join adds the inputs to the graph, once.
func (d *dropper) join(g *gorgonia.ExprGraph) error {
	if d.rateNode != nil {
		return nil
	}
	d.rateNode = gorgonia.NewTensor(g, tensor.Float32, 1, gorgonia.WithShape(1), gorgonia.WithName("skip dropout rate"))
	d.keyNode = gorgonia.NewTensor(g, tensor.Int32, 1, gorgonia.WithShape(2), gorgonia.WithName("skip dropout key"))
	if err := ops.Bind(d.rateNode, d.rate); err != nil {
		return err
	}
	return ops.Bind(d.keyNode, d.key)
}

// draw sets the inputs for the next pass.
func (d *dropper) draw(c SearchConfig, purpose string, epoch, step int) {
	d.rate[0] = float32(skipRate(c, epoch))
	d.base = rng.New(c.Seed, "dropout "+purpose, epoch, step).Uint64()
	d.part(0)
}

// part sets the key for a part of the batch of the pass.
func (d *dropper) part(i int) {
	key := rng.At(d.base, i)
	d.key[0], d.key[1] = int32(uint32(key>>32)), int32(uint32(key))
}

// skipDecay is how fast the rate falls, for each epoch, once the alphas learn.
const skipDecay = 0.2

// skipRate returns the rate of an epoch, from 0.
func skipRate(c SearchConfig, epoch int) float64 {
	if epoch < c.ArchStartEpoch {
		return c.SkipDropout * float64(c.Epochs-epoch-1) / float64(c.Epochs)
	}
	return c.SkipDropout * math.Exp(-skipDecay*float64(epoch-c.ArchStartEpoch))
}
