package xla

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"unnas/internal/ir"
	"unnas/internal/panics"
	"unnas/internal/pass"
	"unnas/internal/stablehlo"
)

type value = stablehlo.Value

// Precision is how convolutions and products of matrices are computed.
type Precision string

// The precisions. Weights, statistics and losses are float32 in any of them.
const (
	Float32  Precision = "float32"
	TF32     Precision = "tf32"     // what the device prefers: TF32 on GPUs, bfloat16 on TPUs
	BFloat16 Precision = "bfloat16" // operands and results are rounded to bfloat16
)

// Depthwise is how depthwise convolutions are computed.
type Depthwise string

// The ways. On CPUs, XLA runs sums three to five times as fast as convolutions, but takes
// nine times as long to compile a network of them.
const (
	Convolutions Depthwise = "convolutions" // in groups of one channel
	Sums         Depthwise = "sums"         // of shifted maps times weights
)

// emitter writes the operations of steps.
type emitter struct {
	*stablehlo.Builder
	precision Precision
	shifts    bool             // depthwise convolutions are sums of shifted maps
	joined    map[string]value // values with the channels of several, by the names of these
	replicas  int              // of the program
	lanes     int              // the steps that are lowered as one, with a range of the channels each
}

// rule writes the operations of an operator and returns its outputs. XLA drops what
// nothing needs.
type rule func(e *emitter, op ir.Op, in []value) []value

// entry is a rule and the type of its operator.
type entry struct {
	operator reflect.Type
	rule     rule
}

// of returns the entry of a function for one type of operators.
func of[O ir.Op](f func(e *emitter, op O, in []value) []value) entry {
	return entry{reflect.TypeFor[O](), func(e *emitter, op ir.Op, in []value) []value { return f(e, op.(O), in) }}
}

// rules holds every operator of package ir.
var rules = func() map[reflect.Type]rule {
	table := map[reflect.Type]rule{}
	for _, e := range []entry{
		of(conv), of(convGrad), of(separableConv), of(separableConvGrad), of(factorizedReduce), of(factorizedReduceGrad),
		of(linear), of(linearGrad), of(upsample), of(upsampleGrad),
		of(moments), of(batchStatistics), of(runningStatistics), of(batchNorm), of(normSums), of(batchNormGrad),
		of(pool), of(maxPoolGrad), of(avgPoolGrad), of(globalAvgPool), of(globalAvgPoolGrad),
		of(relu), of(reluGrad), of(zeros), of(sum), of(concat), of(channels), of(channelsGrad),
		of(scaleImages), of(dropout), of(addScaled), of(scale), of(interleave), of(deinterleave),
		of(excite), of(exciteGrad), of(toBFloat16), of(fromBFloat16),
		of(mix), of(mixGrad), of(softmax), of(softmaxGrad), of(gumbelSoftmax), of(gumbelSoftmaxGrad),
		of(dirichlet), of(dirichletGrad), of(normaliseEdges), of(normaliseEdgesGrad),
		of(crossEntropy), of(crossEntropyGrad), of(squaredError), of(squaredErrorGrad), of(contrast), of(contrastGrad),
		of(norm), of(clipFactor), of(sgd), of(adam), of(average), of(axpy), of(replicaMean),
		of(normaliseCrops), of(quarterTurns), of(tiles), of(lab),
	} {
		table[e.operator] = e.rule
	}
	return table
}()

// pure says that equal steps can be merged, and that moments need no map.
func pure(*ir.Step) pass.Traits { return pass.Traits{Pure: true} }

// span is the place of a value in an argument or the result.
type span struct {
	value *ir.Value
	at    int
}

// lowered is a program in StableHLO.
type lowered struct {
	program      *ir.Program
	text         string
	inputs       []span // of the argument of their type; below zero in none
	floats, ints int    // elements of the two arguments; none without elements
	batch        []int  // the numbers of the inputs that are arguments by themselves, which follow
	outputs      []span // of the result: the results of the program and new states that steps compute
	size         int    // elements of the result
}

// reads reports whether the program reads input number i.
func (l *lowered) reads(i int) bool { return l.inputs[i].at >= 0 || slices.Contains(l.batch, i) }

// remedy ends the message about an operator without a rule.
const remedy = "leave it out of the network, or run on the CPU"

// lower writes a program.
func lower(p *ir.Program, e *emitter) (*lowered, error) {
	for _, s := range p.Steps {
		if rules[reflect.TypeOf(s.Op)] == nil {
			return nil, fmt.Errorf("xla: %s: %v cannot run on this device; %s", s.Name, s.Op, remedy)
		}
	}
	l := &lowered{program: pass.Prune(pass.Merge(p, pure), pure)}
	bundles := join(l.program.Steps)
	values, err := l.arguments(e, bundles)
	if err != nil {
		return nil, err
	}
	for _, b := range bundles {
		if err := e.bundle(b, values); err != nil {
			return nil, fmt.Errorf("xla: %s: %w", b[0].Name, err)
		}
	}
	for _, v := range l.program.Results {
		if v.Source != ir.External && v.Type != ir.Float32 {
			return nil, fmt.Errorf("xla: a result of type %s; want float32", v.Type)
		}
	}
	flat := l.results(e, bundles, values)
	if len(flat) == 0 {
		return nil, errors.New("xla: the program computes nothing")
	}
	l.text = e.Text("step", nil, nil, e.Concat(0, flat...))
	return l, nil
}

// rows calls f for inputs, or outputs, that the steps of a bundle have in the same place.
func rows(bundles [][]*ir.Step, of func(s *ir.Step) []*ir.Value, f func(row []*ir.Value)) {
	for _, b := range bundles {
		for i := range of(b[0]) {
			row := make([]*ir.Value, len(b))
			for k, s := range b {
				row[k] = of(s)[i]
			}
			f(row)
		}
	}
}

// results returns the results and new states, flat, and places them. Those of one bundle lie
// side by side.
func (l *lowered) results(e *emitter, bundles [][]*ir.Step, values map[*ir.Value]value) (flat []value) {
	wanted := map[*ir.Value]bool{}
	var list []*ir.Value
	want := func(v *ir.Value) {
		if v.Source != ir.External && !wanted[v] {
			wanted[v] = true
			list = append(list, v)
		}
	}
	for _, v := range l.program.Results {
		want(v)
	}
	for _, s := range l.program.States {
		want(s.Out)
	}
	place := func(v *ir.Value) {
		l.outputs = append(l.outputs, span{v, l.size})
		l.size += v.Shape.Size()
		delete(wanted, v)
	}
	rows(bundles, func(s *ir.Step) []*ir.Value { return s.Out }, func(row []*ir.Value) {
		if len(row) == 1 || !all(row, func(v *ir.Value) bool { return wanted[v] }) {
			return
		}
		parts := make([]value, len(row))
		for k, v := range row {
			place(v)
			parts[k] = values[v]
		}
		x := e.wide(parts)
		c := row[0].Shape.Channels()
		x = e.Transpose(e.Reshape(x, row[0].Shape.Size()/c, len(row), c), 1, 0, 2)
		flat = append(flat, e.Reshape(x, x.Size()))
	})
	for _, v := range list {
		if wanted[v] {
			place(v)
			flat = append(flat, e.Reshape(values[v], v.Shape.Size()))
		}
	}
	return flat
}

// all reports whether a condition holds for all values, which are different.
func all(row []*ir.Value, condition func(v *ir.Value) bool) bool {
	seen := map[*ir.Value]bool{}
	for _, v := range row {
		if v == nil || seen[v] || !condition(v) {
			return false
		}
		seen[v] = true
	}
	return true
}

// elements are the types of inputs.
var elements = map[ir.Type]stablehlo.Type{ir.Float32: stablehlo.F32, ir.Int32: stablehlo.I32, ir.Uint8: stablehlo.UI8}

// arguments adds one argument for the inputs of each type that steps read, and cuts it into
// these. Inputs that a bundle reads in the same place lie side by side. Those of a batch are
// arguments by themselves.
func (l *lowered) arguments(e *emitter, bundles [][]*ir.Step) (map[*ir.Value]value, error) {
	read := map[*ir.Value]bool{}
	for _, s := range l.program.Steps {
		for _, v := range s.In {
			read[v] = true
		}
	}
	at := map[*ir.Value]int{}
	whole := map[*ir.Value]bool{}
	for _, v := range l.program.Batch {
		whole[v], at[v] = read[v], -1
	}
	place := func(v *ir.Value, count *int) {
		at[v] = *count
		*count += v.Shape.Size()
	}
	var joined [][]*ir.Value
	rows(bundles, func(s *ir.Step) []*ir.Value { return s.In }, func(row []*ir.Value) {
		unplaced := func(v *ir.Value) bool {
			_, placed := at[v]
			return v.Source == ir.External && v.Type == ir.Float32 && !placed
		}
		if len(row) > 1 && all(row, unplaced) {
			for _, v := range row {
				place(v, &l.floats)
			}
			joined = append(joined, row)
		}
	})
	for i, v := range l.program.Inputs {
		_, placed := at[v]
		switch {
		case whole[v]:
			if elements[v.Type] == "" {
				return nil, fmt.Errorf("xla: input %q has type %s; want float32, int32 or uint8", v.Name, v.Type)
			}
			l.batch = append(l.batch, i)
		case placed:
		case !read[v]:
			at[v] = -1
		case v.Type == ir.Float32:
			place(v, &l.floats)
		case v.Type == ir.Int32:
			place(v, &l.ints)
		default:
			return nil, fmt.Errorf("xla: input %q has type %s; want float32 or int32, or uint8 in a batch", v.Name, v.Type)
		}
		l.inputs = append(l.inputs, span{v, at[v]})
	}
	var floats, ints value
	if l.floats > 0 {
		floats = e.Arg(stablehlo.F32, l.floats)
	}
	if l.ints > 0 {
		ints = e.Arg(stablehlo.I32, l.ints)
	}
	values := map[*ir.Value]value{}
	for _, i := range l.batch {
		v := l.inputs[i].value
		values[v] = e.Arg(elements[v.Type], v.Shape...)
	}
	for _, s := range l.inputs {
		if s.at < 0 {
			continue
		}
		from := floats
		if s.value.Type == ir.Int32 {
			from = ints
		}
		values[s.value] = e.Reshape(e.Range(from, 0, s.at, s.at+s.value.Shape.Size()), s.value.Shape...)
	}
	for _, row := range joined {
		first, n := row[0], len(row)
		shape, c := first.Shape, first.Shape.Channels()
		x := e.Range(floats, 0, at[first], at[first]+n*shape.Size())
		x = e.Transpose(e.Reshape(x, n, shape.Size()/c, c), 1, 0, 2)
		parts := make([]value, n)
		for k, v := range row {
			parts[k] = values[v]
		}
		e.remember(e.Reshape(x, shape.WithChannels(n*c)...), parts)
	}
	return values, nil
}

// bundle writes steps as one, on values that have the channels of the values of all.
func (e *emitter) bundle(steps []*ir.Step, values map[*ir.Value]value) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = panics.Recovered(r)
		}
	}()
	first := steps[0]
	in := make([]value, len(first.In))
	for i := range in {
		parts := make([]value, len(steps))
		for k, s := range steps {
			x, ok := values[s.In[i]]
			if !ok {
				return fmt.Errorf("input %d is not computed before", i)
			}
			parts[k] = x
		}
		in[i] = e.wide(parts)
	}
	e.lanes = len(steps)
	out := rules[reflect.TypeOf(first.Op)](e, first.Op, in)
	e.lanes = 1
	for i := range first.Out {
		for k, s := range steps {
			v := s.Out[i]
			if v == nil {
				continue
			}
			x := out[i]
			if len(steps) > 1 {
				last, c := len(v.Shape)-1, v.Shape.Channels()
				x = e.Range(x, last, k*c, (k+1)*c)
			}
			if !slices.Equal(x.Shape, v.Shape) {
				return fmt.Errorf("output %d has shape %v; want %v", i, x.Shape, v.Shape)
			}
			values[v] = x
		}
		if len(steps) > 1 && first.Out[i] != nil {
			parts := make([]value, len(steps))
			for k, s := range steps {
				parts[k] = values[s.Out[i]]
			}
			e.remember(out[i], parts)
		}
	}
	return nil
}

// remember keeps a value that has the channels of all parts.
func (e *emitter) remember(whole value, parts []value) { e.joined[fmt.Sprint(parts)] = whole }

// wide joins values along their channels.
func (e *emitter) wide(parts []value) value {
	x, n := parts[0], len(parts)
	if n == 1 {
		return x
	}
	last := len(x.Shape) - 1
	c := x.Shape[last]
	same := true
	for _, p := range parts[1:] {
		same = same && p.String() == x.String()
	}
	if same {
		lanes := append(append(slices.Clone(x.Shape[:last]), n), c)
		dims := append(axes(last), last+1)
		return e.Reshape(e.Broadcast(x, lanes, dims...), append(slices.Clone(x.Shape[:last]), n*c)...)
	}
	if whole, ok := e.joined[fmt.Sprint(parts)]; ok {
		return whole
	}
	return e.Concat(last, parts...)
}

// narrow returns an operand of a product in the type in which it is computed.
func (e *emitter) narrow(x value) value {
	if e.precision == BFloat16 {
		return e.Convert(x, stablehlo.BF16)
	}
	return x
}

// dot is the product of x and y along an axis of each.
func (e *emitter) dot(x, y value, ofX, ofY int) value {
	return e.Convert(e.Dot(e.narrow(x), e.narrow(y), ofX, ofY), stablehlo.F32)
}

// like returns a value of equal numbers of the shape and type of x.
func (e *emitter) like(x value, f float64) value { return e.Fill(x.Type, f, x.Shape...) }

// times returns x multiplied by a number.
func (e *emitter) times(x value, f float64) value { return e.Mul(x, e.like(x, f)) }

// plus returns x and a number.
func (e *emitter) plus(x value, f float64) value { return e.Add(x, e.like(x, f)) }

// over repeats a value for each channel to the shape of x.
func (e *emitter) over(v, x value) value { return e.Broadcast(v, x.Shape, len(x.Shape)-1) }

// each repeats a value for each row to the shape of a matrix x.
func (e *emitter) each(v, x value) value { return e.Broadcast(v, x.Shape, 0) }

// number repeats the only element of v to the shape of x.
func (e *emitter) number(v, x value) value { return e.Broadcast(e.Reshape(v), x.Shape) }

// row returns row i of a matrix.
func (e *emitter) row(m value, i int) value { return e.Reshape(e.Range(m, 0, i, i+1), m.Shape[1:]...) }

// stack makes a matrix of rows.
func (e *emitter) stack(rows ...value) value {
	list := make([]value, len(rows))
	for i, r := range rows {
		list[i] = e.Reshape(r, append([]int{1}, r.Shape...)...)
	}
	return e.Concat(0, list...)
}

// total returns the sum of all elements.
func (e *emitter) total(x value) value { return e.Reduce(stablehlo.Sum, x, axes(len(x.Shape))...) }

// perChannel returns the sums over the pixels of each channel.
func (e *emitter) perChannel(x value) value {
	return e.Reduce(stablehlo.Sum, x, axes(len(x.Shape)-1)...)
}

// axes returns the first n axes.
func axes(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// positive returns where x is above zero.
func (e *emitter) positive(x value) value { return e.Compare("GT", x, e.like(x, 0)) }

// where returns x where a condition holds and zero elsewhere.
func (e *emitter) where(condition, x value) value { return e.Select(condition, x, e.like(x, 0)) }
