package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// product generates both matrix products: a is read through two strides, one
// from row to row of the result and one along the sum, so that its transpose is
// a matter of exchanging them.
//
// Loop order: blocks of 1 to 3 vectors of columns, outermost, so that a block of
// b stays in the first-level cache; then blocks of rows; innermost the sum
// (Goto and van de Geijn, ACM TOMS 34(3), 2008, without packing: the caller cuts
// the sum into pieces that fit).
//
// Registers: one accumulator for each row and vector of the block, the vectors
// of one row of b, and one element of a in all lanes. With YMM 4 rows x 3 or 2
// vectors or 8 x 1, with ZMM 8 rows x 3, 2 or 1: at least 8 accumulators, which
// hides the latency of the multiply-add.
//
// Tail: the last vector of columns is incomplete. The last rows make blocks of 4,
// and those that do not exist repeat the last one: it is computed several times,
// with one result.
func product(v vectors) {
	TEXT("product"+v.name, NOSPLIT,
		"func(m, n, k int, a *float32, row, depth int, b *float32, ldb int, c *float32, ldc int, acc bool)")
	Doc("product"+v.name+" sets the m×n matrix c to a·b, or adds the product to it if acc. Element",
		"i, l of a is at a[i*row+l*depth]; b and c are stored by rows. m, n and k are positive.")

	t := v.tail(number("n"))
	left := local(number("n")) // columns to do
	b, c := local(number("b")), local(number("c"))

	columns, done := label("columns"), label("done")
	block := func(vecs int, t *tail) {
		v.productBlock(vecs, t, b, c)
		if t != nil {
			JMP(LabelRef(done))
			return
		}
		for _, p := range []Mem{b, c} {
			ADDQ(imm(vecs*v.size()), p)
		}
		SUBQ(imm(vecs*v.lanes), left)
		JMP(LabelRef(columns))
	}
	// Three vectors at a time, but not so that one is left alone.
	var full, part [4]string
	for i := 1; i < 4; i++ {
		full[i], part[i] = label("full"), label("part")
	}
	Label(columns)
	n := fetch(left)
	CMPQ(n, imm(4*v.lanes))
	JG(LabelRef(full[3]))
	CMPQ(n, imm(3*v.lanes))
	JE(LabelRef(full[3]))
	JG(LabelRef(full[2]))
	CMPQ(n, imm(2*v.lanes))
	JE(LabelRef(full[2]))
	JG(LabelRef(part[3]))
	CMPQ(n, imm(v.lanes))
	JE(LabelRef(full[1]))
	JG(LabelRef(part[2]))
	TESTQ(n, n)
	JNZ(LabelRef(part[1]))
	Label(done)
	end()
	for vecs := 1; vecs < 4; vecs++ {
		Label(full[vecs])
		block(vecs, nil)
		Label(part[vecs])
		block(vecs, t)
	}
}

// productBlock computes vecs vectors of columns in all rows.
func (v vectors) productBlock(vecs int, t *tail, b, c Mem) {
	left := local(number("m"))
	a, c := local(number("a")), local(fetch(c))
	head, rest, finish := label("rows"), label("rest"), label("finish")
	tile := func(rows int) {
		v.productTile(rows, vecs, t, b, a, c, nil)
		advance := func(p Mem, stride GPVirtual) {
			IMUL3Q(imm(rows), stride, stride)
			ADDQ(stride, p)
		}
		advance(a, bytes("row"))
		advance(c, bytes("ldc"))
		SUBQ(imm(rows), left)
		JG(LabelRef(head))
		JMP(LabelRef(finish))
	}

	Label(head)
	m := fetch(left)
	if v.wide() || vecs == 1 {
		four := label("four")
		CMPQ(m, imm(8))
		JLT(LabelRef(four))
		tile(8)
		Label(four)
	}
	CMPQ(m, imm(4))
	JLT(LabelRef(rest))
	tile(4)
	Label(rest)
	v.productTile(4, vecs, t, b, a, c, m)
	Label(finish)
}

// productTile computes vecs vectors of columns in some rows. Only left of them
// exist, unless it is nil.
func (v vectors) productTile(rows, vecs int, t *tail, b, a, c Mem, left Register) {
	last := func(j int) *tail {
		if j == vecs-1 {
			return t
		}
		return nil
	}
	sum := v.regs(rows * vecs)
	eachElement := func(visit func(sum VecVirtual, m Mem, t *tail)) {
		to, _ := rowsFrom(rows, fetch(c), bytes("ldc"), left)
		for r, m := range to {
			for j := range vecs {
				visit(sum[r*vecs+j], m.Offset(j*v.size()), last(j))
			}
		}
	}

	// The accumulators begin with c or zero.
	zeroed, ready := label("zeroed"), label("ready")
	CMPB(param("acc"), Imm(0))
	JE(LabelRef(zeroed))
	eachElement(func(sum VecVirtual, m Mem, t *tail) { v.load(m, sum, t) })
	JMP(LabelRef(ready))
	Label(zeroed)
	for _, s := range sum {
		v.zero(s)
	}
	Label(ready)

	from, bases := rowsFrom(rows, fetch(a), bytes("row"), left)
	y, x := v.regs(vecs), v.reg()
	depth, ldb, bAt := bytes("depth"), bytes("ldb"), fetch(b)
	repeat(number("k"), func() {
		for j := range vecs {
			v.load(Mem{Base: bAt, Disp: j * v.size()}, y[j], last(j))
		}
		ADDQ(ldb, bAt)
		for r := range rows {
			VBROADCASTSS(from[r], x)
			for j := range vecs {
				VFMADD231PS(y[j], x, sum[r*vecs+j])
			}
		}
		for _, p := range bases {
			ADDQ(depth, p)
		}
	})
	eachElement(func(sum VecVirtual, m Mem, t *tail) { v.store(sum, m, t) })
}
