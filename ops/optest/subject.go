package optest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/graph"
	"unnas/internal/rng"
	"unnas/ops"
)

// subject is the subject of a check: a function that builds nodes.
type subject struct {
	build          func(s *ops.Scope, in gorgonia.Nodes) (gorgonia.Nodes, error)
	inputs         []ops.Array
	random         []int // inputs with random numbers
	differentiable bool  // the first output is differentiable
}

// check runs all checks on one graph.
func (s subject) check(o Options) (r result) {
	s.inputs = slices.Clone(s.inputs)
	random := rng.New(1, "optest", 0, 0)
	for i := range s.inputs {
		a := &s.inputs[i]
		size := a.Shape.TotalSize()
		switch {
		case a.Shape.Dims() == 0:
			r.fault("input %d is a scalar; want at least one dimension", i)
			return r
		case a.Labels != nil && len(a.Labels) == size:
		case a.Data != nil && len(a.Data) == size:
			a.Data = slices.Clone(a.Data)
		case a.Data == nil && a.Labels == nil:
			a.Data = normal(random, size)
			s.random = append(s.random, i)
		default:
			r.fault("input %d has shape %v, but %d values and %d labels", i, a.Shape, len(a.Data), len(a.Labels))
			return r
		}
	}
	params := ops.NewParams()
	n, err := s.net(params)
	if err == nil {
		err = params.Init(1)
	}
	if err != nil {
		r.fault("%w", err)
		return r
	}
	// Initial values such as 0 and 1 hide errors.
	for _, w := range [][]float32{params.Weights(), params.Alphas()} {
		for i := range w {
			w[i] += float32(0.2 * rng.Normal(random))
		}
	}
	for i, v := range normal(random, len(n.weights)) {
		n.weights[i] = v
	}
	for _, training := range []bool{true, false} {
		mode := "in evaluation"
		if training {
			mode = "in training"
		}
		r.add(n.repeat(training), mode)
		if len(r.faults) > 0 {
			return r // later parts would repeat the faults
		}
		if s.differentiable {
			r.add(n.differences(training, o.Tolerance, random), mode)
		}
		r.add(s.stock(n, training), "on gorgonia.TapeMachine, "+mode)
	}
	r.add(n.statistics(), "running statistics")
	return r
}

// net is a graph of the subject with its loss and gradients.
type net struct {
	scope   *ops.Scope
	params  *ops.Params
	inputs  []ops.Array
	random  []int
	outputs gorgonia.Nodes
	weights []float32 // r of the loss Σ r·y
	wrt     []variable
}

// variable is an input or parameter with a gradient.
type variable struct {
	name  string
	node  *gorgonia.Node
	param *ops.Param // nil for an input
	input int
}

// net builds the subject.
func (s subject) net(params *ops.Params) (*net, error) {
	n := &net{params: params, inputs: s.inputs, random: s.random}
	return n, ops.Build(func() error {
		g := gorgonia.NewGraph()
		n.scope = ops.NewScope(g, params)
		in := make(gorgonia.Nodes, len(s.inputs))
		for i, a := range s.inputs {
			name := fmt.Sprintf("input %d", i)
			of, backing := tensor.Float32, any(a.Data)
			if a.Labels != nil {
				of, backing = tensor.Int32, a.Labels
			}
			in[i] = gorgonia.NewTensor(g, of, a.Shape.Dims(), gorgonia.WithShape(a.Shape.Clone()...), gorgonia.WithName(name))
			if err := gorgonia.Let(in[i], tensor.New(tensor.WithShape(a.Shape.Clone()...), tensor.WithBacking(backing))); err != nil {
				return err
			}
			if a.Labels == nil {
				n.wrt = append(n.wrt, variable{name: name, node: in[i], input: i})
			}
		}
		var err error
		if n.outputs, err = s.build(n.scope, in); err != nil {
			return err
		}
		for _, y := range n.outputs {
			if y == nil {
				return errors.New("an output is a nil node")
			}
		}
		if !s.differentiable {
			n.wrt = nil
			return nil
		}
		for _, p := range n.scope.Learnables() {
			q := n.scope.Owner(p)
			n.wrt = append(n.wrt, variable{name: "parameter " + q.Name, node: p, param: q})
		}
		return n.differentiate()
	})
}

// differentiate adds the loss and its gradients.
func (n *net) differentiate() error {
	y := n.outputs[0]
	n.weights = make([]float32, max(1, y.Shape().TotalSize()))
	loss, err := ops.Apply(weightedSum{n.weights}, y)
	if err != nil {
		return err
	}
	wrt := make(gorgonia.Nodes, len(n.wrt))
	for i, v := range n.wrt {
		wrt[i] = v.node
	}
	if _, err = graph.Grad(loss[0], wrt); err != nil {
		return fmt.Errorf("the output must be differentiable: %w", err)
	}
	for _, v := range n.wrt {
		if v.node.Deriv() == nil {
			return fmt.Errorf("the output must depend differentiably on every input and parameter, but not on %s", v.name)
		}
	}
	return nil
}

// weightedSum is the loss Σ r·y.
type weightedSum struct{ r []float32 }

func (weightedSum) Name() string { return "weighted sum" }

func (weightedSum) Shapes([]tensor.Shape) ([]tensor.Shape, error) { return []tensor.Shape{{}}, nil }

func (k weightedSum) Forward(_ *ops.Run, out, in []ops.Array) error {
	out[0].Data[0] = float32(dot(k.r, in[0].Data))
	return nil
}

func (k weightedSum) Backward(_ *ops.Run, grads []ops.Array, gy ops.Array, _, _ []ops.Array) error {
	for i := range grads[0].Data {
		grads[0].Data[i] = gy.Data[0] * k.r[i]
	}
	return nil
}

// data returns the memory of a variable.
func (n *net) data(v variable) []float32 {
	if v.param != nil {
		return n.params.Data(v.param)
	}
	return n.inputs[v.input].Data
}

// machine plans the outputs and, if requested, the gradients.
func (n *net) machine(training, gradients bool) (ops.VM, error) {
	want := slices.Clone(n.outputs)
	if gradients {
		for _, v := range n.wrt {
			want = append(want, v.node.Deriv())
		}
	}
	return n.plan(training, want...)
}

func (n *net) plan(training bool, want ...*gorgonia.Node) (ops.VM, error) {
	m, err := ops.NewVM(n.scope.Graph(), want...)
	if err != nil {
		return nil, err
	}
	m.SetTraining(training)
	return m, nil
}

// results are copies of the outputs and gradients of a run, by name.
type results struct {
	names  []string
	values [][]float32
}

func (n *net) results() (r results) {
	add := func(name string, node *gorgonia.Node) {
		r.names = append(r.names, name)
		r.values = append(r.values, slices.Clone(floats(node)))
	}
	for i, y := range n.outputs {
		add(fmt.Sprintf("output %d", i), y)
	}
	for _, v := range n.wrt {
		add("the gradient of "+v.name, v.node.Deriv())
	}
	return r
}

// floats returns the value of a node.
func floats(n *gorgonia.Node) []float32 {
	switch v := n.Value().(type) {
	case *gorgonia.F32:
		return []float32{float32(*v)}
	case *tensor.Dense:
		if f, ok := v.Data().([]float32); ok {
			return f
		}
		return []float32{v.Data().(float32)}
	}
	return nil
}

// differ describes the first result with different bits, or is empty.
func (r results) differ(other results) string {
	for i, name := range r.names {
		for j, v := range r.values[i] {
			if math.Float32bits(v) != math.Float32bits(other.values[i][j]) {
				return fmt.Sprintf("%s: element %d is %v and %v", name, j, v, other.values[i][j])
			}
		}
	}
	return ""
}

// repeat checks that results are finite and independent of earlier runs and of the
// number of cores, and that a run modifies no input or parameter.
func (n *net) repeat(training bool) (r result) {
	m, err := n.machine(training, true)
	if err != nil {
		r.fault("%w", err)
		return r
	}
	run := func(m ops.VM) results {
		if err := m.RunAll(); err != nil && len(r.faults) == 0 {
			r.fault("%w", err)
		}
		return n.results()
	}
	before := n.snapshot()
	first := run(m)
	if len(r.faults) > 0 {
		return r
	}
	for i, name := range first.names {
		for j, v := range first.values[i] {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				r.fault("%s: element %d is %v; want a finite number", name, j, v)
				return r
			}
		}
	}
	if name := before.differ(n.snapshot()); name != "" {
		r.fault("a run modifies %s", name)
		return r
	}
	if d := first.differ(run(m)); d != "" {
		r.fault("two runs differ: %s", d)
		return r
	}
	// A run on other inputs leaves other values in memory.
	for _, a := range n.inputs {
		slices.Reverse(a.Data)
	}
	run(m)
	for _, a := range n.inputs {
		slices.Reverse(a.Data)
	}
	if d := first.differ(run(m)); d != "" {
		r.fault("a run depends on the run before it: %s", d)
		return r
	}
	for i, v := range n.wrt {
		m, err := n.plan(training, v.node.Deriv())
		if err == nil {
			err = m.RunAll()
		}
		name := first.names[len(n.outputs)+i]
		if err != nil {
			r.fault("%s cannot be computed without the others: %w", name, err)
			return r
		}
		alone := results{[]string{name}, [][]float32{floats(v.node.Deriv())}}
		if d := alone.differ(results{values: first.values[len(n.outputs)+i:]}); d != "" {
			r.fault("%s differs if it is computed without the others: %s", name, d)
			return r
		}
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for cores := 1; cores <= 3; cores++ {
		runtime.GOMAXPROCS(cores)
		m, err := n.machine(training, true)
		if err != nil {
			r.fault("%w", err)
			return r
		}
		if d := first.differ(run(m)); d != "" {
			r.fault("results depend on the number of cores, here %d: %s", cores, d)
			return r
		}
	}
	return r
}

// snapshot returns copies of inputs and parameters.
func (n *net) snapshot() (r results) {
	for i, a := range n.inputs {
		r.names = append(r.names, fmt.Sprintf("input %d", i))
		r.values = append(r.values, slices.Clone(a.Data))
	}
	for _, q := range n.params.List() {
		r.names = append(r.names, "parameter "+q.Name)
		r.values = append(r.values, slices.Clone(n.params.Data(q)))
	}
	return r
}

// trials is the number of estimates of a derivative, each at other random inputs and in
// another direction; steps are the steps of θ relative to its spread.
const trials = 5

var steps = []float64{4e-3, 1e-3, 2.5e-4}

// differences checks the gradients; see the package comment.
func (n *net) differences(training bool, tolerance float64, random *rand.Rand) (r result) {
	backward, err := n.machine(training, true)
	if err != nil {
		r.fault("%w", err)
		return r
	}
	forward, err := n.machine(training, false)
	if err != nil {
		r.fault("%w", err)
		return r
	}
	loss := func() float64 {
		if err := forward.RunAll(); err != nil {
			r.fault("%w", err)
		}
		return dot(n.weights, floats(n.outputs[0]))
	}
	errs := make([][trials]float64, len(n.wrt))
	for j := range trials {
		for _, i := range n.random {
			copy(n.inputs[i].Data, normal(random, len(n.inputs[i].Data)))
		}
		if err := backward.RunAll(); err != nil {
			r.fault("%w", err)
		}
		gradients := n.results().values[len(n.outputs):]
		size := spread(floats(n.outputs[0]))
		for i, v := range n.wrt {
			g, theta := gradients[i], n.data(v)
			// A gradient close to zero, such as that of a bias before a normalisation, is
			// measured by the sizes of L and θ instead.
			scale := max(norm(g), 0.1*norm(n.weights)*size/spread(theta))
			errs[i][j] = deviation(loss, theta, g, random) / scale
		}
		if len(r.faults) > 0 {
			return r
		}
	}
	for i, v := range n.wrt {
		slices.Sort(errs[i][:])
		off := errs[i][trials/2]
		r.worst = max(r.worst, off)
		if !(off <= tolerance) {
			r.fault("the gradient of %s is wrong: its error is %.2g of its norm; want at most %.2g", v.name, off, tolerance)
		}
	}
	return r
}

// deviation returns the difference between the derivative of loss in a random direction
// and the prediction of the gradient g at theta.
func deviation(loss func() float64, theta, g []float32, random *rand.Rand) float64 {
	from := slices.Clone(theta)
	defer copy(theta, from)
	direction := normal(random, len(theta))
	best := math.Inf(1)
	plus := make([]float32, len(theta))
	for _, h := range steps {
		move := func(h float64) float64 {
			for i := range theta {
				theta[i] = float32(float64(from[i]) + float64(h*float64(direction[i])))
			}
			return loss()
		}
		h *= spread(from)
		up := move(h)
		copy(plus, theta)
		down := move(-h)
		want := 0.0 // with the rounded steps
		for i := range theta {
			want += float64(float64(g[i]) * (float64(plus[i]) - float64(theta[i])))
		}
		if d := math.Abs(up-down-want) / (2 * h); !(d >= best) {
			best = d
		}
	}
	return best
}

// stock checks that Gorgonia's own machine gives the same results.
func (s subject) stock(n *net, training bool) (r result) {
	ours, err := n.machine(training, true)
	if err == nil {
		err = ours.RunAll()
	}
	if err != nil {
		r.fault("%w", err)
		return r
	}
	want := n.results()
	other, err := s.net(n.params)
	if err != nil {
		r.fault("the graph cannot be built again over the same parameters: %w", err)
		return r
	}
	if names := other.results().names; !slices.Equal(names, want.names) {
		r.fault("the graph cannot be built again over the same parameters: %q, then %q", names, want.names)
		return r
	}
	copy(other.weights, n.weights)
	err = ops.Build(func() error { // recovers from panics
		var o []gorgonia.VMOpt
		if !training {
			o = append(o, gorgonia.EvalMode())
		}
		m := gorgonia.NewTapeMachine(other.scope.Graph(), o...)
		defer m.Close()
		return m.RunAll()
	})
	if err != nil {
		r.fault("%w", err)
		return r
	}
	got := other.results()
	for i, name := range want.names {
		w, g := want.values[i], got.values[i]
		if len(w) != len(g) {
			r.fault("%s has %d elements, not %d", name, len(g), len(w))
			continue
		}
		diff := make([]float32, len(w))
		for j := range w {
			diff[j] = g[j] - w[j]
		}
		// Sums of gradients may be rounded in another order.
		if d := norm(diff); !(d <= 1e-5*(norm(w)+1e-3)) {
			r.fault("%s differs by %.2g of norm %.2g", name, d, norm(w))
		}
	}
	return r
}

// statistics checks that running statistics change only in training and are used only
// in evaluation.
func (n *net) statistics() (r result) {
	stats := n.params.Running()
	if len(stats) == 0 {
		return r
	}
	run := func(training bool) []float32 {
		m, err := n.machine(training, false)
		if err == nil {
			err = m.RunAll()
		}
		if err != nil {
			r.fault("%w", err)
		}
		return slices.Clone(floats(n.outputs[0]))
	}
	for i := range stats { // far from the result of earlier runs
		stats[i] = 2
	}
	kept := map[string][]float32{}
	for _, s := range n.params.Stats() {
		kept[s.Name] = slices.Concat(s.Mean, s.Var)
	}
	trained := run(true)
	for _, s := range n.params.Stats() {
		if slices.Equal(kept[s.Name], slices.Concat(s.Mean, s.Var)) {
			r.fault("training does not change those of %s", s.Name)
		}
	}
	before := slices.Clone(stats)
	evaluated := run(false)
	if !slices.Equal(before, stats) {
		r.fault("evaluation changes them")
	}
	for i := range stats {
		stats[i] = float32(1.5*stats[i]) + 0.5
	}
	if slices.Equal(evaluated, run(false)) {
		r.fault("evaluation does not use them")
	}
	if !slices.Equal(trained, run(true)) {
		r.fault("training uses them")
	}
	return r
}

func normal(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.Normal(r))
	}
	return x
}

func dot(a, b []float32) (sum float64) {
	for i, v := range a {
		sum += float64(float64(v) * float64(b[i]))
	}
	return sum
}

func norm(a []float32) float64 { return math.Sqrt(dot(a, a)) }

// spread is the typical size of an element of a.
func spread(a []float32) float64 { return max(0.1, norm(a)/math.Sqrt(float64(len(a)))) }
