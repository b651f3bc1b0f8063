package onnx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/darts"
	"unnas/internal/atomicfile"
	"unnas/internal/engine"
	"unnas/internal/graph"
	"unnas/internal/ir"
	"unnas/internal/onnxpb"
	"unnas/ops"
	"unnas/pretext"
)

// Model is a network to write.
type Model struct {
	// Scope is where the network was built. Its parameters must have values.
	Scope *ops.Scope
	// Input is the node of the images [N, H, W, C]. Its number of images does not
	// matter to the model, unless a layer joins several (ops.Scope.Linear), as that
	// of a jigsaw does, which needs a multiple of these.
	Input *gorgonia.Node
	// Outputs are the nodes that are wanted, at least one.
	Outputs []Output
	// Transform says how an image becomes the input, for the metadata. It is zero where
	// the input is something else, such as tiles or lightness.
	Transform pretext.Transform
	// Classes are the names of the classes, for the metadata; nil for none.
	Classes []string
	// Doc describes the model to its users.
	Doc string
}

// Output is a node and the name that it has in the model.
type Output struct {
	Name string
	Node *gorgonia.Node
}

// NewModel returns a trained model with the logits as its output, with its transform and
// the names of its classes. It builds the network for one image of the task's size; for
// another size or other outputs, build the network and a Model of it yourself.
func NewModel(trained *darts.Model) (Model, error) {
	if trained == nil || engine.IsNil(trained.Architecture) || engine.IsNil(trained.Task) || trained.Params == nil {
		return Model{}, errors.New("onnx: the model, or its Architecture, Task or Params, is nil; give all of them")
	}
	m := Model{Classes: trained.Classes}
	if t, ok := trained.Task.(interface{ InputTransform() pretext.Transform }); ok {
		m.Transform = t.InputTransform()
	}
	err := errors.Join(trained.Architecture.Validate(), trained.Task.Validate())
	if err == nil {
		err = ops.Build(func() error { return m.build(trained.Architecture, trained.Task, trained.Params) })
	}
	if err != nil {
		return Model{}, fmt.Errorf("onnx: %w", err)
	}
	return m, nil
}

func (m *Model) build(a cell.Architecture, task pretext.Task, p *ops.Params) (err error) {
	g, spec := gorgonia.NewGraph(), task.Spec()
	m.Scope = ops.NewScope(g, p)
	if m.Input, err = ops.Images(g, "images", spec.Inputs, spec.Height, spec.Width, spec.Channels); err != nil {
		return err
	}
	net, err := a.Build(m.Scope, m.Input, nil)
	if err != nil {
		return err
	}
	if net == nil || net.Out == nil {
		return fmt.Errorf("the network of type %T has been built without a last map; its Build must return cell.Features with Out", a)
	}
	logits, err := task.Head(m.Scope.Sub("classifier"), net.Out) // as trainings name it
	m.Outputs = []Output{{Name: "logits", Node: logits}}
	return err
}

// Save writes a trained model to a file; see NewModel and Write.
func Save(path string, trained *darts.Model) error {
	m, err := NewModel(trained)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(path, func(w io.Writer) error { return Write(w, m) }); err != nil {
		return fmt.Errorf("onnx: %s: %w", path, err)
	}
	return nil
}

// Write writes the model, of version 8 of the format with version 17 of its
// operators (2022). The input has the name of its node. The metadata hold height,
// width and channels of the input, classes, the last dimension of the first
// output, of a Transform mean and std, each of red, green and blue, and crop, and the
// names of the classes as a JSON array, class_names.
//
// It fails, and names the node, where the network has an operation that it cannot
// write; and if the model takes 2 GiB or more, before anything is written.
func Write(w io.Writer, m Model) error {
	if err := m.check(); err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	names := []string{m.Input.Name()}
	for _, o := range m.Outputs {
		names = append(names, o.Name)
	}
	e := &exporter{scope: m.Scope, graph: onnxpb.NewGraph(names...), values: map[*gorgonia.Node]string{m.Input: m.Input.Name()}}
	file := onnxpb.Model{Graph: e.graph, Name: "network", Doc: m.doc(), Metadata: m.metadata()}
	file.Inputs = []onnxpb.Value{{Name: m.Input.Name(), Rows: "N", Rest: mapped(m.Input.Shape())[1:]}}
	for _, o := range m.Outputs {
		value := e.value(o.Node)
		if e.err != nil {
			return fmt.Errorf("onnx: output %s: %w", o.Name, e.err)
		}
		e.graph.Output(o.Name, value)
		file.Outputs = append(file.Outputs, onnxpb.Value{Name: o.Name, Rows: m.rows(o.Node), Rest: mapped(o.Node.Shape())[1:]})
	}
	if err := file.Write(w); err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	return nil
}

// check reports the first thing that no model can have.
func (m Model) check() error {
	switch {
	case m.Scope == nil:
		return errors.New("a model without Scope; give that in which the network was built")
	case !m.Scope.Params().Ready():
		return errors.New("the parameters have no values yet; call Params.Init, or read some")
	case m.Input == nil || m.Input.Dims() != 4 || m.Input.Op() != nil || m.Input.Dtype() != tensor.Float32:
		return errors.New("Model.Input must be the node of the images [N, H, W, C], as ops.Images makes it")
	case m.Input.Name() == "":
		return errors.New("Model.Input has no name; give it one")
	case len(m.Outputs) == 0:
		return errors.New("a model without Outputs; at least one is needed")
	}
	seen := map[string]bool{m.Input.Name(): true}
	for i, o := range m.Outputs {
		switch {
		case o.Name == "" || seen[o.Name]:
			return fmt.Errorf("Outputs[%d] is named %q; each needs a name that neither the input nor another output has", i, o.Name)
		case o.Node == nil || o.Node.Graph() != m.Input.Graph():
			return fmt.Errorf("output %s is no node of the graph of the input", o.Name)
		case o.Node.Dims() == 0:
			return fmt.Errorf("output %s is a single number; a node with rows, of the images, is needed", o.Name)
		}
		seen[o.Name] = true
	}
	if m.Transform == (pretext.Transform{}) {
		return nil
	}
	if err := m.Transform.Validate(); err != nil {
		return err
	}
	if s := m.Input.Shape(); s[1] != m.Transform.Height || s[2] != m.Transform.Width || s[3] != 3 {
		return fmt.Errorf("input %s has shape %v, and the Transform has %d by %d pixels of 3 channels; give the Transform that makes the input, or none", m.Input.Name(), s, m.Transform.Height, m.Transform.Width)
	}
	return nil
}

// rows names the first dimension of an output.
func (m Model) rows(n *gorgonia.Node) string {
	switch in, out := m.Input.Shape()[0], n.Shape()[0]; {
	case in == out:
		return "N"
	case in%out == 0:
		return fmt.Sprintf("N/%d", in/out)
	default:
		return "rows"
	}
}

// doc is what the model says of itself.
func (m Model) doc() string {
	s := m.Input.Shape()
	lines := []string{fmt.Sprintf("The input %s is float32 [N, %d, %d, %d]: images, channels, rows, columns.", m.Input.Name(), s[3], s[1], s[2])}
	if m.Transform != (pretext.Transform{}) {
		lines = append(lines, fmt.Sprintf("Its channels are red, green and blue, from 0 to 1, minus (%s), divided by (%s).", triple(m.Transform.Mean), triple(m.Transform.Std)))
	}
	if m.Doc != "" {
		lines = append(lines, m.Doc)
	}
	return strings.Join(lines, "\n")
}

func (m Model) metadata() []onnxpb.Entry {
	s, out := m.Input.Shape(), m.Outputs[0].Node.Shape()
	list := []onnxpb.Entry{
		{Key: "height", Value: strconv.Itoa(s[1])},
		{Key: "width", Value: strconv.Itoa(s[2])},
		{Key: "channels", Value: strconv.Itoa(s[3])},
		{Key: "classes", Value: strconv.Itoa(out[len(out)-1])},
	}
	if v := m.Transform; v != (pretext.Transform{}) {
		list = append(list, onnxpb.Entry{Key: "mean", Value: triple(v.Mean)}, onnxpb.Entry{Key: "std", Value: triple(v.Std)}, onnxpb.Entry{Key: "crop", Value: string(v.Crop)})
	}
	if m.Classes != nil {
		names, _ := json.Marshal(m.Classes) // texts always have a JSON form
		list = append(list, onnxpb.Entry{Key: "class_names", Value: string(names)})
	}
	return list
}

func triple(v [3]float64) string { return fmt.Sprintf("%g, %g, %g", v[0], v[1], v[2]) }

// mapped returns the shape in a model of a value of a graph.
func mapped(s tensor.Shape) []int {
	if s.Dims() == 4 {
		return []int{s[0], s[3], s[1], s[2]}
	}
	return s
}

// exporter adds nodes of a graph to a model, each after what it is computed from.
type exporter struct {
	scope  *ops.Scope
	graph  *onnxpb.Graph
	values map[*gorgonia.Node]string // of the nodes that were added
	err    error                     // the first one
}

// value returns the name of the value of a node, which it adds to the model first.
func (e *exporter) value(n *gorgonia.Node) string {
	name, ok := e.values[n]
	if !ok && e.err == nil {
		name, e.err = e.add(n)
		e.values[n] = name
	}
	return name
}

// add adds a node.
func (e *exporter) add(n *gorgonia.Node) (string, error) {
	op, i := graph.Of(n)
	switch {
	case op != nil:
		return e.operator(n, op, i)
	case n.IsVar():
		return "", fmt.Errorf("node %s of shape %v is an input, and not that of the model; a model has one, for images", n.Name(), n.Shape())
	case n.Op() == nil || len(graph.Children(n)) == 0:
		return e.constant(n)
	}
	return e.elementwise(n)
}

var errNoCounterpart = errors.New("has no counterpart; a model holds layers of package ops, in a network of cells that were chosen")

// operator adds an output of an operator.
func (e *exporter) operator(n *gorgonia.Node, op ir.Op, output int) (name string, err error) {
	operation := graph.Operation(n)
	_, shapes, _ := graph.Inputs(operation)
	l := &lowering{Graph: e.graph, e: e, inputs: graph.Children(operation), shapes: shapes}
	if err = errNoCounterpart; output == 0 {
		name, err = l.lower(op)
	}
	switch {
	case e.err != nil: // of an input
		return "", e.err
	case err != nil:
		return "", fmt.Errorf("node %s: the operation %v %w", n.Name(), op, err)
	}
	return name, nil
}

// weight adds a parameter as published.
func (e *exporter) weight(n *gorgonia.Node) string {
	q := e.scope.Owner(n)
	if q == nil {
		if e.err == nil {
			e.err = fmt.Errorf("parameter %s is not of the scope; give that in which the network was built", n.Name())
		}
		return ""
	}
	return e.graph.Parameter(q.Name, q.PyTorchShape(), func() ([]float32, error) {
		data := e.scope.Params().Data(q)
		published := make([]float32, len(data))
		return published, q.ToPyTorch(published, data)
	})
}

// constant adds a number.
func (e *exporter) constant(n *gorgonia.Node) (string, error) {
	v, err := graph.ArrayOf(n.Value())
	if err == nil && (n.Dims() > 0 || len(v.F) != 1) {
		err = fmt.Errorf("it has the shape %v; a model holds parameters and single numbers", n.Shape())
	}
	if err != nil {
		return "", fmt.Errorf("constant %s: %w", n.Name(), err)
	}
	return e.graph.Floats(nil, v.F), nil
}

// operators are Gorgonia's elementwise operations and what ONNX calls them.
var operators = map[string]string{
	"abs": "Abs", "sign": "Sign", "ceil": "Ceil", "floor": "Floor", "sin": "Sin", "cos": "Cos", "exp": "Exp", "ln": "Log",
	"neg": "Neg", "sqrt": "Sqrt", "inv": "Reciprocal", "tanh": "Tanh", "sigmoid": "Sigmoid", "softplus": "Softplus",
	"+ false": "Add", "- false": "Sub", "⊙ false": "Mul", "÷ false": "Div", "^ false": "Pow",
}

// elementwise adds an operation of Gorgonia's.
func (e *exporter) elementwise(n *gorgonia.Node) (string, error) {
	operator, ok := operators[fmt.Sprint(n.Op())]
	if kind := reflect.TypeOf(n.Op()).String(); !ok || kind != "gorgonia.elemUnaryOp" && kind != "gorgonia.elemBinOp" {
		return "", fmt.Errorf("node %s: the operation %s has no counterpart; a model holds layers of package ops and elementwise operations of Gorgonia's", n.Name(), n.Op())
	}
	var inputs []string
	for _, child := range graph.Children(n) {
		inputs = append(inputs, e.value(child))
	}
	if e.err != nil {
		return "", e.err
	}
	return e.graph.Node(operator, inputs), nil
}
