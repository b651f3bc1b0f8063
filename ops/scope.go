package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
)

// Scope is where the layers of one network in one graph are built: it names
// their parameters and holds the settings that they share.
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
	byName map[string]*gorgonia.Node
}

// Norm are the settings of batch normalisation (Ioffe and Szegedy, 2015,
// arXiv 1502.03167).
type Norm struct {
	Epsilon  float64 // added to the variance
	Momentum float64 // share of a batch in the running statistics
}

// DefaultNorm are the settings of the published networks.
var DefaultNorm = Norm{Epsilon: 1e-5, Momentum: 0.1}

// NewScope returns the outermost scope of a network in g over the parameters p.
func NewScope(g *gorgonia.ExprGraph, p *Params) *Scope {
	return &Scope{net: &net{g: g, params: p, norm: DefaultNorm, owners: map[*gorgonia.Node]*Param{}, byName: map[string]*gorgonia.Node{}}}
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

// Param returns the node of the weight with that name. Its shape is given as
// stored (see Kind).
func (s *Scope) Param(name string, kind Kind, shape tensor.Shape, init Init) (*gorgonia.Node, error) {
	return s.param(name, kind, shape, false, init)
}

// Alpha returns the node of the architecture parameter with that name.
func (s *Scope) Alpha(name string, shape tensor.Shape, init Init) (*gorgonia.Node, error) {
	return s.param(name, Vector, shape, true, init)
}

func (s *Scope) param(name string, kind Kind, shape tensor.Shape, alpha bool, init Init) (*gorgonia.Node, error) {
	name = s.prefix + name
	q, err := s.net.params.declare(name, kind, shape, alpha, init)
	if err != nil {
		return nil, err
	}
	if n, ok := s.net.byName[name]; ok {
		return n, nil
	}
	n := newInput(s.net.g, tensor.Float32, name, shape)
	s.net.byName[name] = n
	s.net.nodes = append(s.net.nodes, n)
	s.net.owners[n] = q
	return n, s.net.params.bind(n, q)
}

// newInput creates an input node. Names are unique in a graph, because Gorgonia
// merges inputs of equal name, type and shape.
func newInput(g *gorgonia.ExprGraph, of tensor.Dtype, name string, shape tensor.Shape) *gorgonia.Node {
	return gorgonia.NewTensor(g, of, shape.Dims(), gorgonia.WithShape(shape.Clone()...), gorgonia.WithName(name))
}

// Images returns an input node for feature maps of shape [n, h, w, c].
func Images(g *gorgonia.ExprGraph, name string, n, h, w, c int) (*gorgonia.Node, error) {
	for _, d := range []int{n, h, w, c} {
		if d <= 0 {
			return nil, fmt.Errorf("ops: images %q of shape [%d, %d, %d, %d]; every dimension must be positive", name, n, h, w, c)
		}
	}
	return newInput(g, tensor.Float32, name, tensor.Shape{n, h, w, c}), nil
}

// Labels returns an input node for classes, whole numbers of type int32.
func Labels(g *gorgonia.ExprGraph, name string, shape ...int) (*gorgonia.Node, error) {
	for _, d := range shape {
		if d <= 0 {
			return nil, fmt.Errorf("ops: labels %q of shape %v; every dimension must be positive", name, shape)
		}
	}
	return newInput(g, tensor.Int32, name, tensor.Shape(shape)), nil
}

// apply adds a kernel to the graph and returns the node of its first output.
func apply(k graph.Kernel, in ...*gorgonia.Node) (*gorgonia.Node, error) {
	out, err := outputs(k, in...)
	if err != nil {
		return nil, err
	}
	return out(0), nil
}

func outputs(k graph.Kernel, in ...*gorgonia.Node) (func(i int) *gorgonia.Node, error) {
	out, err := graph.Apply(k, in...)
	if err != nil {
		return nil, fmt.Errorf("ops: %w", err)
	}
	return out, nil
}

// featureMap checks that a shape is that of a feature map.
func featureMap(s tensor.Shape) (n, h, w, c int, err error) {
	if s.Dims() != 4 {
		return 0, 0, 0, 0, fmt.Errorf("the input has shape %v; a feature map [N, H, W, C] is needed", s)
	}
	return s[0], s[1], s[2], s[3], nil
}
