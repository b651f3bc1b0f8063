//go:build linux

package main

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// module is what a census needs of an xla.HloModuleProto.
type module struct {
	entry        int64
	computations map[int64]*computation
}

// computation is a list of instructions, in the order in which they run.
type computation struct {
	list []*instruction
	of   map[int64]*instruction
}

type instruction struct {
	id               int64
	name, opcode     string
	target           string // of a custom call
	bytes            int64  // of the result
	workspace        int64  // of the result, those parts that consist of bytes
	parameter        int64
	operands, called []int64
}

// fields calls f for each field of a protocol buffer, with its number or its bytes.
func fields(b []byte, f func(field protowire.Number, v uint64, b []byte) error) error {
	for len(b) > 0 {
		field, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		var v uint64
		var part []byte
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			part, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(field, typ, b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := f(field, v, part); err != nil {
			return err
		}
	}
	return nil
}

// numbers appends those of a repeated field, packed or not.
func numbers(list []int64, v uint64, packed []byte) []int64 {
	if packed == nil {
		return append(list, int64(v))
	}
	for len(packed) > 0 {
		v, n := protowire.ConsumeVarint(packed)
		if n < 0 {
			break
		}
		list, packed = append(list, int64(v)), packed[n:]
	}
	return list
}

// readModule reads the optimized program of a plugin. The numbers of fields are those of
// XLA's hlo.proto and xla_data.proto.
func readModule(code []byte, format string) (*module, error) {
	if format == "hlo_with_config" {
		var inner []byte
		err := fields(code, func(field protowire.Number, _ uint64, b []byte) error {
			if field == 1 {
				inner = b
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		code, format = inner, "hlo"
	}
	if format != "hlo" {
		return nil, fmt.Errorf("the optimized program has format %q; want hlo", format)
	}
	m := &module{computations: map[int64]*computation{}}
	order := map[int64][]int64{} // of the instructions of computations
	err := fields(code, func(field protowire.Number, v uint64, b []byte) error {
		switch field {
		case 3:
			return m.read(b)
		case 6:
			m.entry = int64(v)
		case 7:
			return fields(b, func(_ protowire.Number, _ uint64, b []byte) error { return readOrder(b, order) })
		}
		return nil
	})
	for id, list := range order {
		m.computations[id].reorder(list)
	}
	if err == nil && m.computations[m.entry] == nil {
		err = errors.New("the optimized program has no entry")
	}
	return m, err
}

// readOrder reads the order in which a computation runs its instructions.
func readOrder(b []byte, order map[int64][]int64) error {
	var id int64
	var list []int64
	err := fields(b, func(field protowire.Number, v uint64, b []byte) error {
		if field == 1 {
			id = int64(v)
			return nil
		}
		return fields(b, func(_ protowire.Number, v uint64, b []byte) error {
			list = numbers(list, v, b)
			return nil
		})
	})
	order[id] = list
	return err
}

// reorder puts the instructions into the order in which they run.
func (c *computation) reorder(order []int64) {
	if c == nil {
		return
	}
	c.list = nil
	for _, id := range order {
		if i := c.of[id]; i != nil {
			c.list = append(c.list, i)
		}
	}
}

func (m *module) read(b []byte) error {
	c := &computation{of: map[int64]*instruction{}}
	var id int64
	err := fields(b, func(field protowire.Number, v uint64, b []byte) error {
		switch field {
		case 2:
			i, err := readInstruction(b)
			if err != nil {
				return err
			}
			c.list, c.of[i.id] = append(c.list, i), i
		case 5:
			id = int64(v)
		}
		return nil
	})
	m.computations[id] = c
	return err
}

func readInstruction(b []byte) (*instruction, error) {
	i := &instruction{}
	var shape []byte
	err := fields(b, func(field protowire.Number, v uint64, b []byte) error {
		switch field {
		case 1:
			i.name = string(b)
		case 2:
			i.opcode = string(b)
		case 3:
			shape = b
		case 9:
			i.parameter = int64(v)
		case 28:
			i.target = string(b)
		case 35:
			i.id = int64(v)
		case 36:
			i.operands = numbers(i.operands, v, b)
		case 38:
			i.called = numbers(i.called, v, b)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	i.bytes, i.workspace, err = shapeBytes(shape)
	return i, err
}

// sizes are the bytes of an element of an xla.PrimitiveType.
var sizes = map[uint64]int64{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 2, 8: 4, 9: 8, 10: 2, 11: 4, 12: 8, 16: 2}

// shapeBytes returns the bytes of an xla.ShapeProto, all parts of a tuple, and of those
// whose elements are bytes.
func shapeBytes(b []byte) (total, bytes int64, err error) {
	var element uint64
	var dims []int64
	err = fields(b, func(field protowire.Number, v uint64, b []byte) error {
		switch field {
		case 2:
			element = v
		case 3:
			dims = numbers(dims, v, b)
		case 4:
			t, w, err := shapeBytes(b)
			total, bytes = total+t, bytes+w
			return err
		}
		return nil
	})
	size := sizes[element]
	for _, d := range dims {
		size *= d
	}
	if element == 2 || element == 6 { // S8 and U8
		bytes += size
	}
	return total + size, bytes, err
}
