package ops

import (
	"fmt"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/ir"
)

// Scope builds the layers of one network in one graph: it names their parameters and
// holds their common configuration.
//
// Every parameter of a network has a unique name. To share the parameters of a network
// with another one, in the same graph or not, build it in a new Scope over the same
// Params: equal names mean the same parameters.
type Scope struct {
	net    *net
	prefix string
}

// net is shared by all scopes of a network.
type net struct {
	g      *gorgonia.ExprGraph
	params *Params
	norm   Norm
	nodes  gorgonia.Nodes
	owners map[*gorgonia.Node]*Param
	taken  map[string]bool // names of parameters and batch normalisations
	layers map[layer]*gorgonia.Node
	stats  map[*gorgonia.Node]*RunningStats // of the batch normalisations in layers
	shared map[*gorgonia.Node]int           // number of further layers that an operation stands for
}

// layer is an operation without parameters on a map. Its operator is comparable.
type layer struct {
	op ir.Op
	x  *gorgonia.Node
}

// Norm configures batch normalisation (Ioffe and Szegedy, 2015, arXiv 1502.03167).
type Norm struct {
	Epsilon  float64 // added to the variance
	Momentum float64 // weight of a batch in the running statistics
}

// check reports the first invalid field.
func (n Norm) check() error {
	if !(n.Epsilon > 0) {
		return fmt.Errorf("Norm.Epsilon is %v; want a positive number", n.Epsilon)
	}
	if !(n.Momentum >= 0 && n.Momentum <= 1) {
		return fmt.Errorf("Norm.Momentum is %v; want 0 to 1", n.Momentum)
	}
	return nil
}

// DefaultNorm returns the configuration of the published networks.
func DefaultNorm() Norm { return Norm{Epsilon: 1e-5, Momentum: 0.1} }

// NewScope returns the root scope of a network in g over the parameters p.
func NewScope(g *gorgonia.ExprGraph, p *Params) *Scope {
	return &Scope{net: &net{g: g, params: p, norm: DefaultNorm(),
		owners: map[*gorgonia.Node]*Param{}, taken: map[string]bool{},
		layers: map[layer]*gorgonia.Node{}, stats: map[*gorgonia.Node]*RunningStats{}, shared: map[*gorgonia.Node]int{}}}
}

// Sub returns a nested scope: names in it start with name and a dot.
func (s *Scope) Sub(name string) *Scope {
	return &Scope{net: s.net, prefix: s.prefix + name + "."}
}

// SetNorm configures the batch normalisations built from now on, in all scopes of the
// network.
func (s *Scope) SetNorm(n Norm) { s.net.norm = n }

// Graph returns the graph that the scope builds in.
func (s *Scope) Graph() *gorgonia.ExprGraph { return s.net.g }

// Params returns the parameters of the network.
func (s *Scope) Params() *Params { return s.net.params }

// Learnables returns the nodes of all parameters declared in this graph, architecture
// parameters included, in order.
func (s *Scope) Learnables() gorgonia.Nodes { return append(gorgonia.Nodes(nil), s.net.nodes...) }

// Owner returns the parameter of a node of Learnables, or nil.
func (s *Scope) Owner(n *gorgonia.Node) *Param {
	return s.net.owners[n]
}

// Covers returns an error if a parameter has no node in this graph, other than those of an
// auxiliary head: it belongs to another network.
func (s *Scope) Covers() error {
	used := map[*Param]bool{}
	for _, q := range s.net.owners {
		used[q] = true
	}
	var first string
	n := 0
	for _, q := range s.net.params.list {
		if used[q] || strings.HasPrefix(q.Name, AuxiliaryHead+".") {
			continue
		}
		if n++; n == 1 {
			first = q.Name
		}
	}
	if n > 0 {
		return fmt.Errorf("ops: %d of the parameters are not in the network, such as %s", n, first)
	}
	return nil
}

// Param returns the node of a new weight. The shape is that in memory (see Kind).
func (s *Scope) Param(name string, kind Kind, shape tensor.Shape, init Init) (*gorgonia.Node, error) {
	return s.param(name, kind, shape, false, init)
}

// Alpha returns the node of a new architecture parameter.
func (s *Scope) Alpha(name string, shape tensor.Shape, init Init) (*gorgonia.Node, error) {
	return s.param(name, Vector, shape, true, init)
}

func (s *Scope) param(name string, kind Kind, shape tensor.Shape, alpha bool, init Init) (*gorgonia.Node, error) {
	q, err := s.net.params.declare(&Param{Name: s.prefix + name, Shape: shape.Clone(), Alpha: alpha, kind: kind, init: init})
	if err != nil {
		return nil, err
	}
	if err := s.take("parameter", q.Name); err != nil {
		return nil, err
	}
	n := newInput(s.net.g, tensor.Float32, q.Name, q.Shape)
	s.net.nodes = append(s.net.nodes, n)
	s.net.owners[n] = q
	return n, s.net.params.bind(n, func() []float32 { return s.net.params.Data(q) })
}

// stats returns the running statistics of a new batch normalisation, those of same
// unless it is nil.
func (s *Scope) stats(name string, channels int, same *RunningStats) (*RunningStats, error) {
	stats, err := s.net.params.statistics(name, channels, s.net.norm.Momentum, same)
	if err != nil {
		return nil, err
	}
	return stats, s.take("batch normalisation", name)
}

// once applies an operator without parameters to x. Layers with equal operator and input,
// such as the poolings of all edges from one node of a supernet, are one operation.
func (s *Scope) once(op ir.Op, x *gorgonia.Node) (*gorgonia.Node, error) {
	if y := s.known(layer{op, x}); y != nil {
		return y, nil
	}
	y, err := apply(op, x)
	if err == nil {
		s.net.layers[layer{op, x}] = y
	}
	return y, err
}

// known returns the output of an equal layer, if there is one, and counts it.
func (s *Scope) known(l layer) *gorgonia.Node {
	y := s.net.layers[l]
	if y != nil {
		s.net.shared[graph.Operation(y)]++
	}
	return y
}

// Layers returns how many layers of the network the operation of a node stands for.
// Layers without parameters and with equal input are one operation.
func (s *Scope) Layers(n *gorgonia.Node) int { return 1 + s.net.shared[n] }

// take reserves a name in the network.
func (s *Scope) take(what, name string) error {
	if s.net.taken[name] {
		return fmt.Errorf("ops: %s %q is declared twice in one network; build each layer in its own scope (Sub)", what, name)
	}
	s.net.taken[name] = true
	return nil
}

// newInput returns the input node of that name. Gorgonia merges inputs of equal name,
// type and shape, so two networks in a graph share the nodes of parameters.
func newInput(g *gorgonia.ExprGraph, of tensor.Dtype, name string, shape tensor.Shape) *gorgonia.Node {
	return gorgonia.NewTensor(g, of, shape.Dims(), gorgonia.WithShape(shape.Clone()...), gorgonia.WithName(name))
}

// Images returns a new input node for feature maps of shape [n, h, w, c].
func Images(g *gorgonia.ExprGraph, name string, n, h, w, c int) (*gorgonia.Node, error) {
	shape := tensor.Shape{n, h, w, c}
	if err := ir.Shape(shape).Check(); err != nil {
		return nil, fmt.Errorf("ops: images %q: %w", name, err)
	}
	return uniqueInput(g, tensor.Float32, name, shape)
}

// Labels returns a new input node for class labels, integers of type int32.
func Labels(g *gorgonia.ExprGraph, name string, shape ...int) (*gorgonia.Node, error) {
	if err := ir.Shape(shape).Check(); err != nil {
		return nil, fmt.Errorf("ops: labels %q: %w", name, err)
	}
	if len(shape) == 0 {
		return nil, fmt.Errorf("ops: labels %q without a shape; want at least one dimension", name)
	}
	return uniqueInput(g, tensor.Int32, name, tensor.Shape(shape))
}

// Values returns a new input node for float targets.
func Values(g *gorgonia.ExprGraph, name string, shape ...int) (*gorgonia.Node, error) {
	if err := ir.Shape(shape).Check(); err != nil {
		return nil, fmt.Errorf("ops: values %q: %w", name, err)
	}
	if len(shape) == 0 {
		return nil, fmt.Errorf("ops: values %q without a shape; want at least one dimension", name)
	}
	return uniqueInput(g, tensor.Float32, name, tensor.Shape(shape))
}

func uniqueInput(g *gorgonia.ExprGraph, of tensor.Dtype, name string, shape tensor.Shape) (*gorgonia.Node, error) {
	if g == nil {
		return nil, fmt.Errorf("ops: input %q in a nil graph; want one of gorgonia.NewGraph", name)
	}
	if len(g.ByName(name)) > 0 {
		return nil, fmt.Errorf("ops: the graph already has a node named %q; use another name", name)
	}
	return newInput(g, of, name, shape), nil
}

// Bind binds values to an input node, []float32, for labels []int32 or for crops []uint8, in
// row-major order. The memory is not copied.
func Bind(n *gorgonia.Node, values any) error {
	if n == nil {
		return fmt.Errorf("ops: binding values: %w", errNilNode)
	}
	var have int
	switch v := values.(type) {
	case []float32:
		have = len(v)
	case []int32:
		have = len(v)
	case []uint8:
		have = len(v)
	default:
		return fmt.Errorf("ops: %s: values of type %T; want []float32, []int32 or []uint8", n.Name(), values)
	}
	if want := n.Shape().TotalSize(); have != want {
		return fmt.Errorf("ops: %s: %d values for shape %v, want %d", n.Name(), have, n.Shape(), want)
	}
	if err := gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(values))); err != nil {
		return fmt.Errorf("ops: %s: %w", n.Name(), err)
	}
	return nil
}
