package ops

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/kernel"
	"unnas/internal/rng"
)

// Params holds the parameters of a network: the weights of its layers, the
// architecture parameters (alphas), and the running statistics of its batch
// normalisations. Scopes declare them; Init gives them memory and first values.
// Several graphs built over the same Params share all of it.
//
// All weights lie in one slice and all alphas in another, so an optimiser is
// one loop and a checkpoint one write.
type Params struct {
	list    []*Param
	byName  map[string]*Param
	stats   []*Stats
	byStats map[string]*Stats

	weights, alphas         []float32 // nil before Init
	weightGrads, alphaGrads []float32
	running                 []float32
	pending                 []bound
}

// bound is a node that waits for the memory of its parameter.
type bound struct {
	node  *gorgonia.Node
	param *Param
}

// Param is one parameter.
type Param struct {
	Name  string       // the published name, such as "stem.0.weight"
	Shape tensor.Shape // as stored: [rows, columns, in, out] for a convolution, [in, out] for a linear layer
	Alpha bool         // an architecture parameter rather than a weight

	kind Kind
	init Init
	at   int // offset in the slice of weights or alphas
}

// Stats are the running statistics of a batch normalisation, one value per
// channel: the averages over training of the mean and of the unbiased variance.
type Stats struct {
	Name      string // the name of the normalisation, such as "stem.1"
	Mean, Var []float32

	channels int
}

// Kind says how the stored form of a parameter relates to its published one,
// that of a PyTorch state dict.
type Kind int

// The kinds of parameters.
const (
	Vector       Kind = iota // stored as published: biases, scales, alphas
	ConvWeight               // stored [rows, columns, in, out], published [out, in, rows, columns]
	LinearWeight             // stored [in, out], published [out, in]
)

// Init draws the first value of one element of a parameter.
type Init func(r *rand.Rand) float64

// Constant returns an initialiser that draws nothing.
func Constant(v float64) Init { return func(*rand.Rand) float64 { return v } }

// KaimingUniform returns PyTorch's default for convolutions and linear layers:
// uniform between ±1/√fanIn (He et al., 2015, arXiv 1502.01852, with a = √5).
func KaimingUniform(fanIn int) Init {
	bound := 1 / math.Sqrt(float64(fanIn))
	return func(r *rand.Rand) float64 { return rng.Uniform(r, -bound, bound) }
}

// Normal returns an initialiser that draws from a normal distribution around
// zero.
func Normal(deviation float64) Init {
	return func(r *rand.Rand) float64 { return deviation * rng.Normal(r) }
}

// NewParams returns an empty set of parameters.
func NewParams() *Params {
	return &Params{byName: map[string]*Param{}, byStats: map[string]*Stats{}}
}

// declare returns the parameter of that name, new or known.
func (p *Params) declare(name string, kind Kind, shape tensor.Shape, alpha bool, init Init) (*Param, error) {
	if q, ok := p.byName[name]; ok {
		if !q.Shape.Eq(shape) || q.kind != kind || q.Alpha != alpha {
			return nil, fmt.Errorf("ops: parameter %s was declared with shape %v and is now asked for with %v; give the two names of their own", name, q.Shape, shape)
		}
		return q, nil
	}
	if p.Ready() {
		return nil, fmt.Errorf("ops: parameter %s is declared after Init; build the graph that declares all parameters first", name)
	}
	for _, d := range shape {
		if d <= 0 {
			return nil, fmt.Errorf("ops: parameter %s has shape %v; every dimension must be positive", name, shape)
		}
	}
	q := &Param{Name: name, Shape: shape, Alpha: alpha, kind: kind, init: init}
	for _, o := range p.list {
		if o.Alpha == alpha {
			q.at = max(q.at, o.at+o.Shape.TotalSize())
		}
	}
	p.list = append(p.list, q)
	p.byName[name] = q
	return q, nil
}

// statistics returns the running statistics of that name, new or known.
func (p *Params) statistics(name string, channels int) (*Stats, error) {
	if s, ok := p.byStats[name]; ok {
		if s.channels != channels {
			return nil, fmt.Errorf("ops: batch normalisation %s has %d channels and is now asked for with %d", name, s.channels, channels)
		}
		return s, nil
	}
	if p.Ready() {
		return nil, fmt.Errorf("ops: batch normalisation %s is declared after Init; build the graph that declares all parameters first", name)
	}
	s := &Stats{Name: name, channels: channels}
	p.stats = append(p.stats, s)
	p.byStats[name] = s
	return s, nil
}

// bind gives a node the memory of its parameter, now or at Init.
func (p *Params) bind(n *gorgonia.Node, q *Param) error {
	if !p.Ready() {
		p.pending = append(p.pending, bound{n, q})
		return nil
	}
	// Each graph has a header of its own: Gorgonia changes headers while it works.
	v := tensor.New(tensor.WithShape(q.Shape.Clone()...), tensor.WithBacking(p.Data(q)))
	if err := gorgonia.Let(n, v); err != nil {
		return fmt.Errorf("ops: parameter %s: %w", q.Name, err)
	}
	return nil
}

// Init takes memory for all declared parameters and draws their first values.
// What a parameter draws depends on the seed and its name alone. Running
// statistics begin with mean 0 and variance 1.
func (p *Params) Init(seed uint64) error {
	if !p.Ready() {
		var weights, alphas, channels int
		for _, q := range p.list {
			if q.Alpha {
				alphas += q.Shape.TotalSize()
			} else {
				weights += q.Shape.TotalSize()
			}
		}
		for _, s := range p.stats {
			channels += s.channels
		}
		p.weights, p.weightGrads = kernel.Floats(weights), kernel.Floats(weights)
		p.alphas, p.alphaGrads = kernel.Floats(alphas), kernel.Floats(alphas)
		p.running = kernel.Floats(2 * channels)
		rest := p.running
		for _, s := range p.stats {
			s.Mean, rest = rest[:s.channels:s.channels], rest[s.channels:]
			s.Var, rest = rest[:s.channels:s.channels], rest[s.channels:]
		}
		for _, b := range p.pending {
			if err := p.bind(b.node, b.param); err != nil {
				return err
			}
		}
		p.pending = nil
	}
	for _, q := range p.list {
		r := rng.New(seed, "parameter "+q.Name, 0, 0)
		data := p.Data(q)
		for i := range data {
			data[i] = float32(q.init(r))
		}
	}
	for _, s := range p.stats {
		clear(s.Mean)
		for i := range s.Var {
			s.Var[i] = 1
		}
	}
	return nil
}

// Ready reports whether Init has been called.
func (p *Params) Ready() bool { return p.weights != nil }

// List returns the parameters in the order in which they were declared.
func (p *Params) List() []*Param { return slices.Clone(p.list) }

// Find returns the parameter of a name, or nil.
func (p *Params) Find(name string) *Param { return p.byName[name] }

// Stats returns the running statistics in the order in which they were declared.
func (p *Params) Stats() []*Stats { return slices.Clone(p.stats) }

// Count returns the number of weights, alphas not included. It needs no Init.
func (p *Params) Count() int {
	n := 0
	for _, q := range p.list {
		if !q.Alpha {
			n += q.Shape.TotalSize()
		}
	}
	return n
}

// Data returns the memory of a parameter; nil before Init.
func (p *Params) Data(q *Param) []float32 { return part(p.weights, p.alphas, q) }

// Grad returns the memory of a parameter's gradient; nil before Init.
func (p *Params) Grad(q *Param) []float32 { return part(p.weightGrads, p.alphaGrads, q) }

func part(weights, alphas []float32, q *Param) []float32 {
	all := weights
	if q.Alpha {
		all = alphas
	}
	if all == nil {
		return nil
	}
	end := q.at + q.Shape.TotalSize()
	return all[q.at:end:end]
}

// Weights returns the memory of all weights, in the order of List.
func (p *Params) Weights() []float32 { return p.weights }

// WeightGrads returns the memory of the gradients of all weights.
func (p *Params) WeightGrads() []float32 { return p.weightGrads }

// Alphas returns the memory of all architecture parameters, in the order of List.
func (p *Params) Alphas() []float32 { return p.alphas }

// AlphaGrads returns the memory of the gradients of all architecture parameters.
func (p *Params) AlphaGrads() []float32 { return p.alphaGrads }

// Running returns the memory of all running statistics.
func (p *Params) Running() []float32 { return p.running }

// PublishedShape returns the shape of the parameter in a PyTorch state dict.
func (q *Param) PublishedShape() []int {
	s := q.Shape
	switch q.kind {
	case ConvWeight:
		return []int{s[3], s[2], s[0], s[1]}
	case LinearWeight:
		return []int{s[1], s[0]}
	}
	return slices.Clone([]int(s))
}

// Publish copies data, the parameter or its gradient as stored, to dst in the
// published order.
func (q *Param) Publish(dst, data []float32) {
	q.reorder(func(stored, published int) { dst[published] = data[stored] })
}

// Adopt copies src, in the published order, to data, the memory of the
// parameter.
func (q *Param) Adopt(data, src []float32) {
	q.reorder(func(stored, published int) { data[stored] = src[published] })
}

// reorder calls f with the positions of each element in both orders.
func (q *Param) reorder(f func(stored, published int)) {
	spatial, in, out := 1, 1, q.Shape.TotalSize()
	switch s := q.Shape; q.kind {
	case ConvWeight:
		spatial, in, out = s[0]*s[1], s[2], s[3]
	case LinearWeight:
		in, out = s[0], s[1]
	}
	for x := range spatial {
		for i := range in {
			for o := range out {
				f((x*in+i)*out+o, (o*in+i)*spatial+x)
			}
		}
	}
}
