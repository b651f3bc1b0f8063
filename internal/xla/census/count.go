//go:build linux

package main

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"unnas/internal/xla"
)

// counts is what a device runs for a program.
type counts struct {
	kernels  map[string]count // by kind
	graphs   int              // CUDA graphs
	inGraphs int              // kernels and calls of libraries in them
	row      int              // kernels since the last one that cannot be in a graph
}

// cut ends a row of kernels that can be in a CUDA graph.
func (c *counts) cut() {
	if c.row >= xla.LeastGraph {
		c.graphs++
		c.inGraphs += c.row
	}
	c.row = 0
}

type count struct {
	n     int
	bytes int64
}

// free are operations that run nothing.
var free = map[string]bool{
	"parameter": true, "constant": true, "tuple": true, "get-tuple-element": true, "bitcast": true,
	"after-all": true, "partition-id": true, "replica-id": true, "opt-barrier": true,
}

// census counts what a device runs for a module.
func (m *module) census() *counts {
	c := &counts{kernels: map[string]count{}}
	m.count(c, m.entry)
	c.cut()
	return c
}

// count adds a computation that a device runs.
func (m *module) count(c *counts, id int64) {
	of := m.computations[id]
	for _, i := range of.list {
		switch {
		case free[i.opcode] || strings.HasSuffix(i.opcode, "-done"):
			continue
		case i.opcode == "call":
			for _, called := range i.called {
				m.count(c, called)
			}
			continue
		case i.opcode == "while" || i.opcode == "conditional":
			c.cut()
			for _, called := range i.called {
				m.count(c, called)
				c.cut()
			}
			continue
		}
		k := m.kind(i)
		if strings.HasPrefix(k, "__cudnn$conv") || i.opcode == "fusion" && k[0] == '_' { // XLA calls these by themselves
			c.cut()
		} else {
			c.row++
		}
		n := c.kernels[k]
		c.kernels[k] = count{n.n + 1, n.bytes + m.traffic(of, i)}
	}
}

// kind returns a name for equal kinds of kernels: what a library computes, or what a fusion
// consists of, in the words of XLA.
func (m *module) kind(i *instruction) string {
	switch i.opcode {
	case "custom-call":
		return i.target
	case "fusion":
		// A call of a library with slices as operands is a fusion, too.
		for _, part := range m.computations[i.called[0]].list {
			if part.opcode == "custom-call" {
				return part.target
			}
		}
		name := strings.TrimRight(i.name, ".0123456789")
		for _, word := range []string{"reduce", "transpose", "concatenate", "convert", "copy", "slice", "pad"} {
			if strings.Contains(name, word) {
				return "fusion: " + word
			}
		}
		return "fusion: loop"
	}
	return i.opcode
}

// traffic returns the bytes of the result and of the operands of a kernel; of an operand of
// which a fusion reads slices, those of the slices.
func (m *module) traffic(c *computation, i *instruction) int64 {
	total := i.bytes - i.workspace // of libraries, which may not touch it
	for n, id := range i.operands {
		x := c.of[id]
		bytes := x.bytes
		if i.opcode == "fusion" {
			bytes = m.reads(i.called[0], int64(n), bytes)
		}
		total += bytes
	}
	if i.opcode == "slice" {
		total = 2 * i.bytes
	}
	return total
}

// reads returns the bytes that a fusion reads of a parameter, of which bytes is the size.
func (m *module) reads(id, parameter, bytes int64) int64 {
	f := m.computations[id]
	views := map[int64]bool{}
	var sliced int64
	for _, i := range f.list {
		if i.opcode == "parameter" && i.parameter == parameter {
			views[i.id] = true
		}
		for n, operand := range i.operands {
			switch {
			case !views[operand]:
			case i.opcode == "bitcast" || i.opcode == "reshape":
				views[i.id] = true
			case i.opcode == "slice" || i.opcode == "dynamic-slice" && n == 0:
				sliced += i.bytes
			default:
				return bytes
			}
		}
	}
	return min(sliced, bytes)
}

// total returns the sum of kernels whose kind has a prefix.
func (c *counts) total(prefix string) (t count) {
	for k, n := range c.kernels {
		if strings.HasPrefix(k, prefix) {
			t.n += n.n
			t.bytes += n.bytes
		}
	}
	return t
}

// kinds returns the kinds of kernels, the most frequent first.
func (c *counts) kinds() []string {
	return slices.SortedFunc(maps.Keys(c.kernels), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.kernels[b].n, c.kernels[a].n), cmp.Compare(a, b))
	})
}
