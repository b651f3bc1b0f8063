package onnxpb

import (
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// The versions of the format and of its operators (2022) in which models are written:
// old enough for most programs.
const (
	irVersion = 8
	opset     = 17
)

// maxSize is the largest protocol buffer in bytes.
const maxSize = math.MaxInt32

// Model is a graph with its description.
type Model struct {
	Graph           *Graph
	Name, Doc       string
	Inputs, Outputs []Value
	Metadata        []Entry
}

// Value is an input or output of type float32.
type Value struct {
	Name string
	Rows string // symbol of the first dimension, of variable size
	Rest []int  // the other dimensions
}

// Entry is a metadata entry.
type Entry struct{ Key, Value string }

func (v Value) proto() []byte {
	shape := message(nil, shapeDim, text(nil, dimParam, v.Rows))
	for _, d := range v.Rest {
		shape = message(shape, shapeDim, number(nil, dimValue, uint64(d)))
	}
	tensor := message(number(nil, tensorElement, elementFloat), elementShape, shape)
	return message(text(nil, valueName, v.Name), valueType, message(nil, typeTensor, tensor))
}

// Write writes the model, fields in the order of their numbers, like the official
// library. It writes nothing if the model is too large.
func (m Model) Write(w io.Writer) error {
	name := text(nil, graphName, m.Name)
	var values []byte
	for _, v := range m.Inputs {
		values = message(values, graphInput, v.proto())
	}
	for _, v := range m.Outputs {
		values = message(values, graphOutput, v.proto())
	}
	// Lengths precede contents, so they are computed first.
	size := int64(len(m.Graph.nodes) + len(name) + len(values))
	for _, c := range m.Graph.constants {
		size += field(graphInitializer, c.length())
	}
	head := text(text(number(nil, modelIRVersion, irVersion), modelProducer, "unnas"), modelDoc, m.Doc)
	head = protowire.AppendVarint(protowire.AppendTag(head, modelGraph, protowire.BytesType), uint64(size))
	tail := message(nil, modelOpset, number(nil, opsetVersion, opset))
	for _, e := range m.Metadata {
		tail = message(tail, modelMetadata, text(text(nil, metadataKey, e.Key), metadataValue, e.Value))
	}
	if total := int64(len(head)+len(tail)) + size; total > maxSize {
		return fmt.Errorf("a model of %d bytes, and the format ends at %d; choose a network with fewer parameters", total, int64(maxSize))
	}
	if err := write(w, head, m.Graph.nodes, name); err != nil {
		return err
	}
	for _, c := range m.Graph.constants {
		if err := c.write(w); err != nil {
			return err
		}
	}
	return write(w, values, tail)
}

func write(w io.Writer, parts ...[]byte) error {
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// field is the size of a field with the given length of content.
func field(n protowire.Number, content int64) int64 {
	return int64(protowire.SizeTag(n)+protowire.SizeVarint(uint64(content))) + content
}

// length is the size of the message.
func (c *constant) length() int64 { return int64(len(c.head)) + field(tensorRaw, c.size) }

// write writes the constant as a field of a graph.
func (c *constant) write(w io.Writer) error {
	data, err := c.fill()
	if err != nil {
		return err
	}
	if int64(len(data)) != c.size {
		return fmt.Errorf("a constant of %d bytes, announced with %d", len(data), c.size)
	}
	b := protowire.AppendTag(nil, graphInitializer, protowire.BytesType)
	b = append(protowire.AppendVarint(b, uint64(c.length())), c.head...)
	b = protowire.AppendTag(b, tensorRaw, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(c.size))
	return write(w, b, data)
}
