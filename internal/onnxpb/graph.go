package onnxpb

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Graph collects the nodes and constants of a model. Nodes are added after their
// inputs. Equal nodes with equal inputs are merged.
type Graph struct {
	nodes     []byte // fields of GraphProto
	constants []constant

	names  map[string]bool   // of all values
	known  map[string]string // the values of existing nodes and constants
	counts map[string]int    // of nodes, by operator
}

// constant is a TensorProto: all fields except the data, and a function that writes the
// data.
type constant struct {
	head []byte
	size int64 // of the data in bytes
	fill func() ([]byte, error)
}

// NewGraph returns a graph whose inputs and outputs have these reserved names.
func NewGraph(reserved ...string) *Graph {
	g := &Graph{names: map[string]bool{}, known: map[string]string{}, counts: map[string]int{}}
	for _, name := range reserved {
		g.names[name] = true
	}
	return g
}

// unique returns the name, with underscores appended if another value has it.
func (g *Graph) unique(name string) string {
	for g.names[name] {
		name += "_"
	}
	g.names[name] = true
	return name
}

// The fields of the messages of onnx.proto, and the numbers of its enumerations.
const (
	modelIRVersion protowire.Number = 1
	modelProducer  protowire.Number = 2
	modelDoc       protowire.Number = 6
	modelGraph     protowire.Number = 7
	modelOpset     protowire.Number = 8
	modelMetadata  protowire.Number = 14

	opsetVersion  protowire.Number = 2
	metadataKey   protowire.Number = 1
	metadataValue protowire.Number = 2

	graphNode        protowire.Number = 1
	graphName        protowire.Number = 2
	graphInitializer protowire.Number = 5
	graphInput       protowire.Number = 11
	graphOutput      protowire.Number = 12

	nodeInput     protowire.Number = 1
	nodeOutput    protowire.Number = 2
	nodeName      protowire.Number = 3
	nodeOp        protowire.Number = 4
	nodeAttribute protowire.Number = 5

	attributeName   protowire.Number = 1
	attributeFloat  protowire.Number = 2
	attributeInt    protowire.Number = 3
	attributeString protowire.Number = 4
	attributeInts   protowire.Number = 8
	attributeType   protowire.Number = 20
	typeFloat       uint64           = 1
	typeInt         uint64           = 2
	typeString      uint64           = 3
	typeInts        uint64           = 7

	tensorDims protowire.Number = 1
	tensorType protowire.Number = 2
	tensorName protowire.Number = 8
	tensorRaw  protowire.Number = 9

	valueName     protowire.Number = 1
	valueType     protowire.Number = 2
	typeTensor    protowire.Number = 1
	tensorElement protowire.Number = 1
	elementShape  protowire.Number = 2
	shapeDim      protowire.Number = 1
	dimValue      protowire.Number = 1
	dimParam      protowire.Number = 2

	elementFloat uint64 = 1
	elementInt64 uint64 = 7
)

func number(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

func text(b []byte, field protowire.Number, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func message(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

// Attribute is an attribute of a node.
type Attribute []byte // an AttributeProto

// Int returns an integer attribute.
func Int(name string, v int) Attribute {
	return number(number(text(nil, attributeName, name), attributeInt, uint64(v)), attributeType, typeInt)
}

// Ints returns an attribute with a list of integers.
func Ints(name string, vs ...int) Attribute {
	b := text(nil, attributeName, name)
	for _, v := range vs {
		b = number(b, attributeInts, uint64(v))
	}
	return number(b, attributeType, typeInts)
}

// Float returns a floating-point attribute.
func Float(name string, v float64) Attribute {
	b := protowire.AppendTag(text(nil, attributeName, name), attributeFloat, protowire.Fixed32Type)
	return number(protowire.AppendFixed32(b, math.Float32bits(float32(v))), attributeType, typeFloat)
}

// String returns a string attribute.
func String(name, v string) Attribute {
	return number(text(text(nil, attributeName, name), attributeString, v), attributeType, typeString)
}

// Node adds a node with an operator and returns the name of its first output. An empty
// input name omits an optional input.
func (g *Graph) Node(op string, inputs []string, attributes ...Attribute) string {
	key := fmt.Sprintf("node %s %q %q", op, inputs, attributes)
	if name, ok := g.known[key]; ok {
		return name
	}
	name := g.unique(fmt.Sprintf("%s_%d", op, g.counts[op]))
	g.counts[op]++
	g.known[key] = name
	g.node(op, inputs, name, attributes)
	return name
}

// Output makes a value an output of the model.
func (g *Graph) Output(name, value string) { g.node("Identity", []string{value}, name, nil) }

func (g *Graph) node(op string, inputs []string, name string, attributes []Attribute) {
	var b []byte
	for _, in := range inputs {
		b = text(b, nodeInput, in)
	}
	b = text(text(text(b, nodeOutput, name), nodeName, name), nodeOp, op)
	for _, a := range attributes {
		b = message(b, nodeAttribute, a)
	}
	g.nodes = message(g.nodes, graphNode, b)
}

// Parameter adds a constant of float32 values, unless one of that name exists, and
// returns the name of its value. The values are requested when the model is written.
func (g *Graph) Parameter(name string, shape []int, values func() ([]float32, error)) string {
	return g.constant("parameter "+name, name, elementFloat, 4, shape, func() ([]byte, error) {
		vs, err := values()
		return floats(vs), err
	})
}

// Floats adds a constant of float32 values and returns the name of its value.
func (g *Graph) Floats(shape []int, values []float32) string {
	data := floats(values)
	key := fmt.Sprintf("floats %v %s", shape, data)
	return g.constant(key, "floats", elementFloat, 4, shape, func() ([]byte, error) { return data, nil })
}

// Numbers adds a constant list of integers, such as a shape, and returns the name of
// its value.
func (g *Graph) Numbers(vs ...int) string {
	var data []byte
	for _, v := range vs {
		data = binary.LittleEndian.AppendUint64(data, uint64(v))
	}
	return g.constant("numbers "+string(data), "numbers", elementInt64, 8, []int{len(vs)}, func() ([]byte, error) { return data, nil })
}

func floats(vs []float32) []byte {
	data := make([]byte, 0, 4*len(vs))
	for _, v := range vs {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}

func (g *Graph) constant(key, name string, element uint64, size int64, shape []int, fill func() ([]byte, error)) string {
	if known, ok := g.known[key]; ok {
		return known
	}
	name = g.unique(name)
	g.known[key] = name
	var head []byte
	for _, d := range shape {
		head = number(head, tensorDims, uint64(d))
		size *= int64(d)
	}
	head = text(number(head, tensorType, element), tensorName, name)
	g.constants = append(g.constants, constant{head, size, fill})
	return name
}
