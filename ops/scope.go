package ops

import (
	"fmt"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
)

// Scope is where the layers of one network in one graph are built: it names
// their parameters and holds the settings that they share.
//
// In a network every parameter has a name of its own. A network that shares the
// parameters of another one, in the same graph or in another, is built in a new
// Scope over the same Params, where the same names mean the same parameters.
type Scope struct {
	net    *net
	prefix string
}

// net is what all scopes of a network share.
type net struct {
	g      *gorgonia.ExprGraph
	params *Params
	norm   Norm
	nodes  gorgonia.Nodes
	owners map[*gorgonia.Node]*Param
	taken  map[string]bool // names of parameters and batch normalisations
	layers map[layer]*gorgonia.Node
	shared map[*gorgonia.Node]int // how many more layers an operation stands for
}

// layer is an operation without parameters on a map. Its kernel is comparable.
type layer struct {
	kernel graph.Kernel
	x      *gorgonia.Node
}

// Norm are the settings of batch normalisation (Ioffe and Szegedy, 2015,
// arXiv 1502.03167).
type Norm struct {
	Epsilon  float64 // added to the variance
	Momentum float64 // share of a batch in the running statistics
}

// check reports the first setting that no batch normalisation can have.
func (n Norm) check() error {
	if !(n.Epsilon > 0) {
		return fmt.Errorf("setting Epsilon is %v; it must be positive", n.Epsilon)
	}
	if !(n.Momentum >= 0 && n.Momentum <= 1) {
		return fmt.Errorf("setting Momentum is %v; it must be in [0, 1]", n.Momentum)
	}
	return nil
}

// DefaultNorm returns the settings of the published networks.
func DefaultNorm() Norm { return Norm{Epsilon: 1e-5, Momentum: 0.1} }

// NewScope returns the outermost scope of a network in g over the parameters p.
func NewScope(g *gorgonia.ExprGraph, p *Params) *Scope {
	return &Scope{net: &net{g: g, params: p, norm: DefaultNorm(),
		owners: map[*gorgonia.Node]*Param{}, taken: map[string]bool{},
		layers: map[layer]*gorgonia.Node{}, shared: map[*gorgonia.Node]int{}}}
}

// Sub returns the scope of a part: names in it begin with name and a dot.
func (s *Scope) Sub(name string) *Scope {
	return &Scope{net: s.net, prefix: s.prefix + name + "."}
}

// SetNorm changes the settings of the batch normalisations built from now on,
// in all scopes of the network.
func (s *Scope) SetNorm(n Norm) { s.net.norm = n }

// Graph returns the graph that the scope builds in.
func (s *Scope) Graph() *gorgonia.ExprGraph { return s.net.g }

// Params returns the parameters of the network.
func (s *Scope) Params() *Params { return s.net.params }

// Learnables returns the nodes of all parameters declared in this graph, alphas
// included, in order.
func (s *Scope) Learnables() gorgonia.Nodes { return append(gorgonia.Nodes(nil), s.net.nodes...) }

// Owner returns the parameter of a node that Learnables lists, or nil.
func (s *Scope) Owner(n *gorgonia.Node) *Param {
	return s.net.owners[n]
}

// Covers returns an error unless nodes of this graph stand for all parameters, but
// for those of an auxiliary head: the others are those of another network.
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
		return fmt.Errorf("ops: %d of the parameters have no place in the network, such as %s", n, first)
	}
	return nil
}

// Param returns the node of a new weight. Its shape is given as stored (see
// Kind).
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
	return n, s.net.params.bind(n, q)
}

// stats returns the running statistics of a new batch normalisation, those of
// same unless it is nil.
func (s *Scope) stats(name string, channels int, same *Stats) (*Stats, error) {
	stats, err := s.net.params.statistics(name, channels, same)
	if err != nil {
		return nil, err
	}
	return stats, s.take("batch normalisation", name)
}

// once applies a kernel without parameters to x. Layers that are alike in kernel
// and input, such as the poolings of all edges that leave one state of a
// supernet, are one operation.
func (s *Scope) once(k graph.Kernel, x *gorgonia.Node) (*gorgonia.Node, error) {
	if y := s.known(layer{k, x}); y != nil {
		return y, nil
	}
	y, err := apply(k, x)
	if err == nil {
		s.net.layers[layer{k, x}] = y
	}
	return y, err
}

// known returns the output of a layer if there is one like it, and counts it.
func (s *Scope) known(l layer) *gorgonia.Node {
	y := s.net.layers[l]
	if y != nil {
		s.net.shared[graph.Operation(y)]++
	}
	return y
}

// Layers returns how many layers of the network the operation of a node stands
// for. Layers without parameters that are alike and have the same input are one
// operation.
func (s *Scope) Layers(n *gorgonia.Node) int { return 1 + s.net.shared[n] }

// take gives a name to one part of the network.
func (s *Scope) take(what, name string) error {
	if s.net.taken[name] {
		return fmt.Errorf("ops: %s %q is declared twice in one network; build each layer in a scope of its own (Sub)", what, name)
	}
	s.net.taken[name] = true
	return nil
}

// newInput returns the input node of that name. Gorgonia merges inputs of equal
// name, type and shape, so two networks in a graph share the nodes of parameters.
func newInput(g *gorgonia.ExprGraph, of tensor.Dtype, name string, shape tensor.Shape) *gorgonia.Node {
	return gorgonia.NewTensor(g, of, shape.Dims(), gorgonia.WithShape(shape.Clone()...), gorgonia.WithName(name))
}

// Images returns a new input node for feature maps of shape [n, h, w, c].
func Images(g *gorgonia.ExprGraph, name string, n, h, w, c int) (*gorgonia.Node, error) {
	shape := tensor.Shape{n, h, w, c}
	if err := graph.CheckShape(shape); err != nil {
		return nil, fmt.Errorf("ops: images %q: %w", name, err)
	}
	return uniqueInput(g, tensor.Float32, name, shape)
}

// Labels returns a new input node for classes, whole numbers of type int32.
func Labels(g *gorgonia.ExprGraph, name string, shape ...int) (*gorgonia.Node, error) {
	if err := graph.CheckShape(shape); err != nil {
		return nil, fmt.Errorf("ops: labels %q: %w", name, err)
	}
	if len(shape) == 0 {
		return nil, fmt.Errorf("ops: labels %q without a shape; at least their number is needed", name)
	}
	return uniqueInput(g, tensor.Int32, name, tensor.Shape(shape))
}

// Values returns a new input node for float targets.
func Values(g *gorgonia.ExprGraph, name string, shape ...int) (*gorgonia.Node, error) {
	if err := graph.CheckShape(shape); err != nil {
		return nil, fmt.Errorf("ops: values %q: %w", name, err)
	}
	if len(shape) == 0 {
		return nil, fmt.Errorf("ops: values %q without a shape; at least their number is needed", name)
	}
	return uniqueInput(g, tensor.Float32, name, tensor.Shape(shape))
}

func uniqueInput(g *gorgonia.ExprGraph, of tensor.Dtype, name string, shape tensor.Shape) (*gorgonia.Node, error) {
	if g == nil {
		return nil, fmt.Errorf("ops: input %q in a nil graph; make one with gorgonia.NewGraph", name)
	}
	if len(g.ByName(name)) > 0 {
		return nil, fmt.Errorf("ops: the graph has a node named %q already; choose another name", name)
	}
	return newInput(g, of, name, shape), nil
}

// Bind gives an input node its values, []float32 or, for labels, []int32, in the
// order of its shape. The memory is not copied.
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
	default:
		return fmt.Errorf("ops: %s: values of type %T; []float32 or []int32 is needed", n.Name(), values)
	}
	if want := n.Shape().TotalSize(); have != want {
		return fmt.Errorf("ops: %s: %d values for shape %v, which holds %d", n.Name(), have, n.Shape(), want)
	}
	if err := gorgonia.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(values))); err != nil {
		return fmt.Errorf("ops: %s: %w", n.Name(), err)
	}
	return nil
}
