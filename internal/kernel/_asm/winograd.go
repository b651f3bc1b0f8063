package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// The matrices of Winograd's convolution, in halves. (Lavin and Gray, Fast Algorithms
// for Convolutional Neural Networks, 2016, with the sign of the last row of points
// turned.)
var (
	winogradInput      = [][]int{{2, 0, -2, 0}, {0, 2, 2, 0}, {0, -2, 2, 0}, {0, -2, 0, 2}}
	winogradWeight     = [][]int{{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}}
	winogradOutput     = [][]int{{2, 2, 2, 0}, {0, 2, -2, 2}}
	winogradOutputGrad = transposed(winogradOutput)
	winogradWeightGrad = transposed(winogradWeight)
)

func transposed(m [][]int) [][]int {
	t := make([][]int, len(m[0]))
	for j := range t {
		for _, row := range m {
			t[j] = append(t[j], row[j])
		}
	}
	return t
}

// transform generates the product l·x·lᵀ of tiles x whose elements are vectors of
// channels.
//
// Loop order: tiles, outermost; then vectors of channels; then, without a loop, the
// columns of the result.
//
// Registers: the column of x·lᵀ that belongs to a column of the result, the sum in
// work, and a half in all lanes. Elements of x are read again for each column, which
// costs less than to keep them all, as AVX2 could not.
//
// Tail: the last vector of channels is incomplete.
func transform(v vectors, name string, l [][]int) {
	rows, columns := len(l), len(l[0])
	TEXT(name+v.name, NOSPLIT,
		"func(dst *float32, dstRow, dstColumn, dstNext int, src *float32, srcRow, srcColumn, srcNext int, n, c int)")
	Doc(name+v.name+" sets each of n tiles of dst to l·x·lᵀ, where x is that of src and l a matrix of",
		"Winograd's convolution. Rows, columns and tiles are some floats apart; an element is c floats. n and",
		"c are positive.")

	t := v.tail(number("c"))
	toTile, fromTile, tiles := local(number("dst")), local(number("src")), local(number("n"))
	left := AllocLocal(8)
	next, vectors, tail, done := label("tile"), label("vectors"), label("tail"), label("done")

	half := v.reg()
	VBROADCASTSS(halfOf, half)
	toRow, fromRow := bytes("dstRow"), bytes("srcRow")
	to, from := multiplesOf(bytes("dstColumn"), 3), multiplesOf(bytes("srcColumn"), 3)
	x, y := make([]GPVirtual, columns), make([]GPVirtual, rows)
	for i := range x {
		x[i] = GP64()
	}
	for i := range y {
		y[i] = GP64()
	}

	Label(next)
	pointers := func(p []GPVirtual, first Mem, row GPVirtual) {
		MOVQ(first, p[0])
		for i := range p[1:] {
			LEAQ(Mem{Base: p[i], Index: row, Scale: 1}, p[i+1])
		}
	}
	pointers(x, fromTile, fromRow)
	pointers(y, toTile, toRow)
	MOVQ(number("c"), left)
	Label(vectors)
	CMPQ(left, imm(v.lanes))
	JLT(LabelRef(tail))
	v.transformVector(l, x, y, from, to, half, nil)
	for _, p := range append(x, y...) {
		ADDQ(imm(v.size()), p)
	}
	SUBQ(imm(v.lanes), left)
	JMP(LabelRef(vectors))
	Label(tail)
	CMPQ(left, imm(0))
	JE(LabelRef(done))
	v.transformVector(l, x, y, from, to, half, t)
	Label(done)
	ADDQ(bytes("dstNext"), toTile)
	ADDQ(bytes("srcNext"), fromTile)
	DECQ(tiles)
	JNZ(LabelRef(next))
	end()
}

// transformVector transforms one vector of channels.
func (v vectors) transformVector(l [][]int, x, y []GPVirtual, from, to multiples, half VecVirtual, t *tail) {
	column, sum, element := v.regs(len(x)), v.reg(), v.reg()
	for j := range l {
		for i := range x {
			v.combine(column[i], l[j], half, func(k int) Op {
				m := from.after(x[i], k)
				if t == nil {
					return m
				}
				v.load(m, element, t)
				return element
			})
		}
		for i := range y {
			v.combine(sum, l[i], half, func(k int) Op { return column[k] })
			v.store(sum, to.after(y[i], j), t)
		}
	}
}

// combine sets sum to a combination of elements by a row of halves: first those
// that count half are added, then the others. One of the first is positive.
func (v vectors) combine(sum VecVirtual, row []int, half VecVirtual, element func(k int) Op) {
	begun := false
	add := func(size int) {
		var order []int
		for k, f := range row {
			if f == size {
				order = append(order, k)
			}
		}
		for k, f := range row {
			if f == -size {
				order = append(order, k)
			}
		}
		for _, k := range order {
			switch {
			case !begun:
				VMOVUPS(element(k), sum)
			case row[k] > 0:
				VADDPS(element(k), sum, sum)
			default:
				VSUBPS(element(k), sum, sum)
			}
			begun = true
		}
	}
	add(1)
	if begun {
		VMULPS(half, sum, sum)
	}
	add(2)
}
