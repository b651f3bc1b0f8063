package irtest

import (
	"fmt"
	"slices"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
)

// A Network is a random network on maps [N, H, W, C], with a loss.
type Network struct {
	*Program
	maps    []*ir.Value
	weights []*ir.Value
}

// The sizes of networks.
const (
	Batch    = 2
	Height   = 6
	Width    = 5
	Channels = 4
	Classes  = 3
)

// NewNetwork returns the training program of a seed: its results are the loss, a map, and
// the gradients of all weights.
func NewNetwork(seed uint64, layers int) (*Network, *ir.Program) {
	n := &Network{Program: NewProgram(seed)}
	for i := range 2 {
		n.maps = append(n.maps, n.Normal(fmt.Sprint("image", i), 1, Batch, Height, Width, Channels))
	}
	for range layers {
		n.maps = append(n.maps, n.layer())
	}
	// What few layers read is idle for long.
	y := n.Op(ir.Sum{}, n.maps[2], n.maps[len(n.maps)/2], n.maps[len(n.maps)-1])
	head := n.Op(ir.Linear{}, n.Op(ir.GlobalAvgPool{}, n.norm(y, false)), n.weight(Channels, Classes), n.weight(Classes))
	labels := n.Add("labels", ir.Int32, cpuexec.Array{Shape: ir.Shape{Batch}, I: []int32{1, 2}})
	loss := n.Op(ir.CrossEntropy{Ignore: -1, Smoothing: 0.125}, head, labels)
	var used []*ir.Value
	for _, w := range n.weights {
		if slices.ContainsFunc(n.Steps, func(s *ir.Step) bool { return slices.Contains(s.In, w) }) {
			used = append(used, w)
		}
	}
	reached := n.reached(loss, used)
	results := append([]*ir.Value{loss, n.maps[len(n.maps)/2+1]}, n.Gradients(loss, reached...)...)
	n.dropStates(results)
	return n, n.Build(results...)
}

// dropStates leaves out the states of normalisations that no result depends on.
func (n *Network) dropStates(results []*ir.Value) {
	needed := map[*ir.Value]bool{}
	for _, v := range results {
		needed[v] = true
	}
	for _, s := range slices.Backward(n.Steps) {
		if !slices.ContainsFunc(s.Out, func(v *ir.Value) bool { return needed[v] }) {
			if _, ok := s.Op.(ir.BatchStatistics); ok {
				n.States = slices.DeleteFunc(n.States, func(t ir.State) bool { return t.Out == s.Out[1] || t.Out == s.Out[2] })
			}
			continue
		}
		for _, v := range s.In {
			needed[v] = true
		}
	}
}

// reached returns the values that a loss depends on.
func (n *Network) reached(loss *ir.Value, of []*ir.Value) (values []*ir.Value) {
	depends := map[*ir.Value]bool{loss: true}
	for _, s := range slices.Backward(n.Steps) {
		if d, ok := s.Op.(ir.Differentiable); ok && depends[s.Out[0]] {
			for i, needs := range d.NeedsGrad(len(s.In)) {
				depends[s.In[i]] = depends[s.In[i]] || needs
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(of), func(v *ir.Value) bool { return !depends[v] })
}

func (n *Network) weight(shape ...int) *ir.Value {
	w := n.Normal(fmt.Sprint("weight", len(n.weights)), 0.5, shape...)
	n.weights = append(n.weights, w)
	return w
}

// some returns a map, rather a late one.
func (n *Network) some() *ir.Value {
	k := len(n.maps)
	return n.maps[max(n.Random.IntN(k), n.Random.IntN(k))]
}

// norm normalises a map.
func (n *Network) norm(x *ir.Value, affine bool) *ir.Value {
	mean, variance := n.Input("mean", ir.Shape{Channels}, 1, 2, 3, 4), n.Input("variance", ir.Shape{Channels}, 1, 2, 1, 2)
	s := n.Outputs(ir.BatchStatistics{Epsilon: 1e-3, Momentum: 0.1, Count: x.Shape.Size() / Channels}, n.Op(ir.Moments{}, x), mean, variance)
	n.States = append(n.States, ir.State{In: mean, Out: s[1]}, ir.State{In: variance, Out: s[2]})
	if affine {
		return n.Op(ir.BatchNorm{Affine: true}, x, s[0], n.weight(Channels), n.weight(Channels))
	}
	return n.Op(ir.BatchNorm{}, x, s[0])
}

// separable returns a separable convolution of one of several windows.
func (n *Network) separable(x *ir.Value) *ir.Value {
	w := []ir.Window{ir.Square(3, 1, 1, 1), ir.Square(5, 1, 2, 1), ir.Square(3, 1, 2, 2)}[n.Random.IntN(3)]
	return n.Op(ir.SeparableConv{Windows: []ir.Window{w}}, x, n.weight(w.Rows, w.Rows, 1, Channels), n.weight(1, 1, Channels, Channels))
}

// layer adds a layer.
func (n *Network) layer() *ir.Value {
	x := n.some()
	square := ir.Square(3, 1, 1, 1)
	switch n.Random.IntN(12) {
	case 0, 1:
		y := n.Op(ir.Conv{Out: Channels, Window: square, ReLU: n.Random.IntN(2) == 0}, x, n.weight(3, 3, Channels, Channels))
		return n.norm(y, n.Random.IntN(2) == 0)
	case 2, 3:
		return n.norm(n.separable(n.norm(n.separable(x), false)), n.Random.IntN(2) == 0)
	case 4: // siblings
		sum := []*ir.Value{}
		for range 2 + n.Random.IntN(3) {
			sum = append(sum, n.norm(n.separable(x), false))
		}
		return n.Op(ir.Sum{}, sum...)
	case 5, 6: // a mixed operation
		maps := []*ir.Value{n.norm(n.Op(ir.Pool{Window: square, Max: true}, x), false), x, n.norm(n.Op(ir.Pool{Window: square}, x), false), n.norm(n.separable(x), false)}
		weights := n.Op(ir.Softmax{}, n.weight(2, 4))
		return n.Op(ir.Mix{Index: []int{4, 1, 6, 3}}, append([]*ir.Value{weights}, maps...)...)
	case 7:
		return n.Op(ir.Sum{}, x, n.some(), n.some())
	case 8:
		half := n.Op(ir.Channels{From: 2, Count: 2}, x)
		return n.Op(ir.Interleave{}, half, n.some())
	case 9:
		a, b := n.Op(ir.Channels{From: 1, Count: 3}, x), n.Op(ir.Channels{From: 0, Count: 1}, n.some())
		return n.Op(ir.Concat{}, a, b)
	case 10:
		key := n.Add("key", ir.Int32, cpuexec.Array{Shape: ir.Shape{2}, I: []int32{3, 4}})
		return n.Op(ir.Dropout{Layer: n.Random.Uint64()}, n.Op(ir.ReLU{}, x), n.Input("rate", ir.Shape{1}, 0.25), key)
	default:
		small := n.Op(ir.FactorizedReduce{Out: Channels}, x, n.weight(1, 1, Channels, Channels/2), n.weight(1, 1, Channels, Channels/2))
		scaled := n.Op(ir.ScaleImages{}, n.norm(small, false), n.Input("factors", ir.Shape{Batch}, 0, 2))
		return n.Op(ir.Upsample{Height: Height, Width: Width}, scaled)
	}
}
