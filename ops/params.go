package ops

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/ir"
	"unnas/internal/kernel"
	"unnas/internal/memory"
	"unnas/internal/rng"
)

// Params holds the parameters of a network: the weights of its layers, the architecture
// parameters (alphas), and the running statistics of its batch normalisations. Scopes
// declare them; Init allocates and initialises them. Graphs built over the same Params
// share them.
//
// All weights lie in one slice and all alphas in another, so an optimiser is one loop and a
// checkpoint one write.
type Params struct {
	list    []*Param
	byName  map[string]*Param
	stats   []*RunningStats
	byStats map[string]*RunningStats

	weights, alphas slab
	running         []float32
	ready           bool    // Init has been called
	pending         []bound // the nodes to bind at Init
}

// slab is the memory of parameters and of their gradients; nil before Init.
type slab struct {
	size        int
	data, grads []float32
}

func (s *slab) init() { s.data, s.grads = kernel.Floats(s.size), kernel.Floats(s.size) }

// bound is a node that waits for its memory.
type bound struct {
	node *gorgonia.Node
	data func() []float32
}

// Param is one parameter.
type Param struct {
	Name  string       // the published name, such as "stem.0.weight"
	Shape tensor.Shape // as stored: [rows, columns, in, out] for a convolution, [in, out] for a linear layer
	Alpha bool         // an architecture parameter rather than a weight

	kind Kind
	init Init
	at   int // offset in its slab
}

// describe describes the parameter for errors.
func (q *Param) describe() string {
	what := "a weight"
	if q.Alpha {
		what = "an architecture parameter"
	}
	return fmt.Sprintf("%s of shape %v (%v)", what, q.Shape, q.kind)
}

// RunningStats are the running statistics of a batch normalisation, one value per
// channel: the moving averages of the mean and of the unbiased variance. Normalisations
// of one map without scale and shift share their values.
type RunningStats struct {
	Name      string // name of the normalisation, such as "stem.1"
	Mean, Var []float32

	channels int
	momentum float64
	same     *RunningStats // the first normalisation of the same map, which owns the values
}

// Kind determines the layout of a parameter in memory and in a PyTorch state dict.
type Kind int

// The kinds of parameters.
const (
	Vector       Kind = iota // same layout: biases, scales, alphas
	ConvWeight               // [rows, columns, in, out]; PyTorch: [out, in, rows, columns]
	LinearWeight             // [in, out]; PyTorch: [out, in]
)

// String names the kind.
func (k Kind) String() string {
	switch k {
	case Vector:
		return "vector"
	case ConvWeight:
		return "convolution weight"
	case LinearWeight:
		return "linear weight"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Init draws the initial value of one element of a parameter.
type Init func(r *rand.Rand) float64

// Constant returns an initialiser of constant values.
func Constant(v float64) Init { return func(*rand.Rand) float64 { return v } }

// KaimingUniform returns PyTorch's default for convolutions and linear layers: uniform
// between ±1/√fanIn (He et al., 2015, arXiv 1502.01852, with a = √5).
func KaimingUniform(fanIn int) Init {
	bound := 1 / math.Sqrt(float64(fanIn))
	return func(r *rand.Rand) float64 { return rng.Uniform(r, -bound, bound) }
}

// Normal returns an initialiser with a normal distribution of mean zero.
func Normal(deviation float64) Init {
	return func(r *rand.Rand) float64 { return deviation * rng.Normal(r) }
}

// NewParams returns an empty set of parameters.
func NewParams() *Params {
	return &Params{byName: map[string]*Param{}, byStats: map[string]*RunningStats{}}
}

// declare adds a parameter, or returns the existing one of that name.
func (p *Params) declare(q *Param) (*Param, error) {
	if known, ok := p.byName[q.Name]; ok {
		if !known.Shape.Eq(q.Shape) || known.kind != q.kind || known.Alpha != q.Alpha {
			return nil, fmt.Errorf("ops: parameter %s is %s and is declared again as %s; use different names", q.Name, known.describe(), q.describe())
		}
		return known, nil
	}
	if p.ready {
		return nil, fmt.Errorf("ops: parameter %s is declared after Init; build the graph that declares all parameters first", q.Name)
	}
	if err := q.check(); err != nil {
		return nil, fmt.Errorf("ops: parameter %s: %w", q.Name, err)
	}
	s := p.slab(q)
	q.at = s.size
	s.size += q.Shape.TotalSize()
	p.list = append(p.list, q)
	p.byName[q.Name] = q
	return q, nil
}

// check returns an error if the parameter cannot be stored.
func (q *Param) check() error {
	want := map[Kind]int{Vector: q.Shape.Dims(), ConvWeight: 4, LinearWeight: 2}
	if d, ok := want[q.kind]; !ok || d != q.Shape.Dims() {
		return fmt.Errorf("shape %v is not that of a %v; see Kind", q.Shape, q.kind)
	}
	if err := ir.Shape(q.Shape).Check(); err != nil {
		return err
	}
	if q.init == nil {
		return errors.New("no initialiser; want one such as Constant(0)")
	}
	return nil
}

// slab returns the slab of a parameter.
func (p *Params) slab(q *Param) *slab {
	if q.Alpha {
		return &p.alphas
	}
	return &p.weights
}

// statistics returns the running statistics of that name, new or existing; new ones
// share the values of same unless it is nil.
func (p *Params) statistics(name string, channels int, momentum float64, same *RunningStats) (*RunningStats, error) {
	if s, ok := p.byStats[name]; ok {
		if s.channels != channels {
			return nil, fmt.Errorf("ops: batch normalisation %s has %d channels and is declared again with %d; use different names", name, s.channels, channels)
		}
		return s, nil
	}
	if p.ready {
		return nil, fmt.Errorf("ops: batch normalisation %s is declared after Init; build the graph that declares all parameters first", name)
	}
	s := &RunningStats{Name: name, channels: channels, momentum: momentum, same: same}
	p.stats = append(p.stats, s)
	p.byStats[name] = s
	return s, nil
}

// bind gives the node of a parameter or a running statistic its memory, now or at Init.
func (p *Params) bind(n *gorgonia.Node, data func() []float32) error {
	if !p.ready {
		p.pending = append(p.pending, bound{n, data})
		return nil
	}
	// Each graph has its own tensor header: Gorgonia modifies headers.
	v := tensor.New(tensor.WithShape(n.Shape().Clone()...), tensor.WithBacking(data()))
	if err := gorgonia.Let(n, v); err != nil {
		return fmt.Errorf("ops: parameter %s: %w", n.Name(), err)
	}
	return nil
}

// Init allocates all declared parameters and draws their initial values. The values of a
// parameter depend only on the seed and its name. Running statistics start with mean 0 and
// variance 1. It returns an error if the machine has too little memory.
func (p *Params) Init(seed uint64) error {
	if !p.ready {
		// Values and gradients are of four bytes.
		if need, total := 8*int64(p.weights.size+p.alphas.size), memory.Total(); total > 0 && need > total {
			return fmt.Errorf("ops: parameters and gradients need %.1f GiB of memory, this machine has %.1f; choose a smaller network", float64(need)/(1<<30), float64(total)/(1<<30))
		}
		p.ready = true
		p.weights.init()
		p.alphas.init()
		channels := 0
		for _, s := range p.stats {
			if s.same == nil {
				channels += s.channels
			}
		}
		p.running = kernel.Floats(2 * channels)
		p.divideRunning()
		for _, b := range p.pending {
			if err := p.bind(b.node, b.data); err != nil {
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

// divideRunning assigns each normalisation its part of the running statistics.
func (p *Params) divideRunning() {
	rest := p.running
	for _, s := range p.stats {
		if s.same != nil {
			s.Mean, s.Var = s.same.Mean, s.same.Var
			continue
		}
		s.Mean, rest = rest[:s.channels:s.channels], rest[s.channels:]
		s.Var, rest = rest[:s.channels:s.channels], rest[s.channels:]
	}
}

// CopyScopes sets the parameters and running statistics below some scopes to those of
// from, which are of the same network, and returns their names in the order of the
// state dict.
func (p *Params) CopyScopes(from *Params, scopes ...string) (names []string, err error) {
	ours, all, err := p.published()
	if err != nil {
		return nil, fmt.Errorf("ops: %w", err)
	}
	theirs, _, err := from.published()
	if err != nil {
		return nil, fmt.Errorf("ops: %w", err)
	}
	for _, name := range all {
		if !below(name, scopes) {
			continue
		}
		other, ok := theirs[name]
		if !ok {
			return nil, fmt.Errorf("ops: the other parameters lack %s; give those of the same network", name)
		}
		values := make([]float32, other.len())
		if err := other.get(values); err != nil {
			return nil, err
		}
		if err := ours[name].set(values); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// Clone returns parameters of the same names with copies of the values and running
// statistics, without gradients. Call it after Init.
func (p *Params) Clone() *Params {
	c := NewParams()
	c.list, c.byName = slices.Clone(p.list), maps.Clone(p.byName)
	of := map[*RunningStats]*RunningStats{} // owners precede those that share their values
	for _, s := range p.stats {
		of[s] = &RunningStats{Name: s.Name, channels: s.channels, momentum: s.momentum, same: of[s.same]}
		c.stats = append(c.stats, of[s])
		c.byStats[s.Name] = of[s]
	}
	c.weights = slab{size: p.weights.size, data: slices.Clone(p.weights.data)}
	c.alphas = slab{size: p.alphas.size, data: slices.Clone(p.alphas.data)}
	c.running = slices.Clone(p.running)
	c.divideRunning()
	c.ready = p.ready
	return c
}

// Ready reports whether Init has been called.
func (p *Params) Ready() bool { return p.ready }

// List returns the parameters in the order of declaration.
func (p *Params) List() []*Param { return slices.Clone(p.list) }

// Find returns the parameter with a name, or nil.
func (p *Params) Find(name string) *Param { return p.byName[name] }

// Stats returns the running statistics in the order of declaration.
func (p *Params) Stats() []*RunningStats { return slices.Clone(p.stats) }

// Count returns the number of weights, without architecture parameters. It needs no Init.
func (p *Params) Count() int { return p.weights.size }

// Data returns the memory of a parameter; nil before Init.
func (p *Params) Data(q *Param) []float32 { return q.part(p.slab(q).data) }

// Grad returns the memory of a parameter's gradient; nil before Init.
func (p *Params) Grad(q *Param) []float32 { return q.part(p.slab(q).grads) }

// part returns the part of a slab that belongs to the parameter.
func (q *Param) part(all []float32) []float32 {
	if all == nil {
		return nil
	}
	end := q.at + q.Shape.TotalSize()
	return all[q.at:end:end]
}

// Weights returns the memory of all weights, in the order of List.
func (p *Params) Weights() []float32 { return p.weights.data }

// WeightGrads returns the memory of the gradients of all weights.
func (p *Params) WeightGrads() []float32 { return p.weights.grads }

// Alphas returns the memory of all architecture parameters, in the order of List.
func (p *Params) Alphas() []float32 { return p.alphas.data }

// AlphaGrads returns the memory of the gradients of all architecture parameters.
func (p *Params) AlphaGrads() []float32 { return p.alphas.grads }

// Running returns the memory of all running statistics.
func (p *Params) Running() []float32 { return p.running }

// UpdateRunning takes a step of the running statistics r with the share of a batch, which
// is what a pass makes of running statistics that are zero:
//
//	r = (1-momentum)·r + share
//
// with the Norm.Momentum of the network that declared the normalisation first. The result
// equals that of a pass, to the bit.
func (p *Params) UpdateRunning(share []float32) {
	rest := p.running
	for _, s := range p.stats {
		if s.same != nil {
			continue
		}
		n := 2 * s.channels
		for i, r := range rest[:n] {
			rest[i] = float32(float64((1-s.momentum)*float64(r)) + float64(share[i]))
		}
		rest, share = rest[n:], share[n:]
	}
}

// PyTorchShape returns the shape of the parameter in a PyTorch state dict.
func (q *Param) PyTorchShape() []int {
	s := q.Shape
	switch q.kind {
	case ConvWeight:
		return []int{s[3], s[2], s[0], s[1]}
	case LinearWeight:
		return []int{s[1], s[0]}
	}
	return slices.Clone([]int(s))
}

// ToPyTorch copies data, the parameter or its gradient, to dst in the layout of PyTorch.
func (q *Param) ToPyTorch(dst, data []float32) error {
	return q.reorder(dst, data, func(stored, torch int) { dst[torch] = data[stored] })
}

// FromPyTorch copies src, in the layout of PyTorch, to data, the memory of the parameter.
func (q *Param) FromPyTorch(data, src []float32) error {
	return q.reorder(data, src, func(stored, torch int) { data[stored] = src[torch] })
}

// reorder calls f with the positions of each element in both orders.
func (q *Param) reorder(to, from []float32, f func(stored, torch int)) error {
	if n := q.Shape.TotalSize(); len(to) != n || len(from) != n {
		return fmt.Errorf("ops: parameter %s: %d values copied to %d; its shape %v has %d", q.Name, len(from), len(to), q.Shape, n)
	}
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
	return nil
}
