//go:build linux

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// message is a protocol buffer.
type message []byte

func (m message) number(field protowire.Number, v int) message {
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), uint64(v))
}

func (m message) bytes(field protowire.Number, b []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), b)
}

// floats is the shape of a vector.
func floats(n int) message { return message{}.number(2, 11).number(3, n) }

// add adds an instruction to a computation.
func (m message) add(id int, name, opcode string, shape message, operands, called []int, more message) message {
	i := message{}.bytes(1, []byte(name)).bytes(2, []byte(opcode)).bytes(3, shape).number(35, id)
	for _, o := range operands {
		i = i.number(36, o)
	}
	for _, c := range called {
		i = i.number(38, c)
	}
	return m.bytes(2, append(i, more...))
}

// TestCount counts a program of seven kernels, with a convolution after the sixth in the
// order in which they run.
func TestCount(t *testing.T) {
	sliced := message{}.number(5, 1).
		add(11, "p", "parameter", floats(1000), nil, nil, message{}.number(9, 0)).
		add(12, "s", "slice", floats(10), []int{11}, nil, nil)
	entry := message{}.number(5, 2).
		add(1, "x", "parameter", floats(1000), nil, nil, nil).
		add(2, "loop_fusion.1", "fusion", floats(10), []int{1}, []int{1}, nil).
		add(9, "conv", "custom-call", message{}.number(2, 13).bytes(4, floats(10)).bytes(4, message{}.number(2, 6).number(3, 4096)), []int{2}, nil, message{}.bytes(28, []byte("__cudnn$convForward")))
	order := message{}.number(1, 1).number(1, 2)
	for i := range 5 {
		entry = entry.add(3+i, "copy", "copy", floats(10), []int{2}, nil, nil)
		order = order.number(1, 3+i)
	}
	order = order.number(1, 9)
	code := message{}.bytes(3, sliced).bytes(3, entry).number(6, 2).
		bytes(7, message{}.bytes(1, message{}.number(1, 2).bytes(2, order)))
	for _, format := range []string{"hlo", "hlo_with_config"} {
		b := code
		if format != "hlo" {
			b = message{}.bytes(1, code)
		}
		m, err := readModule(b, format)
		require.NoError(t, err)
		all := m.census()
		assert.Equal(t, map[string]count{
			"fusion: loop":        {1, 4 * 20},
			"copy":                {5, 5 * 4 * 20},
			"__cudnn$convForward": {1, 4 * 20},
		}, all.kernels)
		assert.Equal(t, 1, all.graphs)
		assert.Equal(t, 6, all.inGraphs)
	}
	_, err := readModule(code, "bitcode")
	assert.EqualError(t, err, `the optimized program has format "bitcode"; want hlo`)
	_, err = readModule(nil, "hlo")
	assert.EqualError(t, err, "the optimized program has no entry")
}

func TestNoPlugin(t *testing.T) {
	assert.ErrorContains(t, config{plugin: "none.so"}.run(), "no plugin for CUDA in none.so; install one: pip install")
}
