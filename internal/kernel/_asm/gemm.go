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
// of one row of b, and, but for blocks of one vector with AVX-512, one element of
// a in all lanes: at least 8 accumulators, which hides the latency of the
// multiply-add, and few loads for each.
//
// Tail: the last vector of columns is incomplete; with AVX-512 it takes a YMM
// register if half of the lanes do. The last rows make blocks of 8 and 4, and those
// that do not exist repeat the last one: it is computed several times, with one
// result.
//
// Products of pairs of bfloat16 are the same with two multiply-adds in place of one.
// Without an instruction for both, each takes a pass over the row of b and the column of a
// that were read, and denormals have to be made zeros by the control register.
func product(v vectors, of elements) {
	name := of.product() + v.name
	TEXT(name, NOSPLIT,
		"func(m, n, k int, a *float32, row, depth int, b *float32, ldb int, c *float32, ldc int, acc bool)")
	Doc(name+" sets the m×n matrix c to a·b, or adds the product to it if acc. Element",
		"i, l of a is at a[i*row+l*depth]; b and c are stored by rows. m, n and k are positive.")

	finish := end
	if of == pairs {
		restore := zeroDenormals()
		finish = func() {
			restore()
			end()
		}
	}
	v.of = of
	t := v.tail(number("n"))
	left := local(number("n")) // columns to do
	b, c := local(number("b")), local(number("c"))

	columns, done := label("columns"), label("done")
	full := func(vecs int) {
		v.productBlock(v.columns(vecs, nil, false), b, c)
		for _, p := range []Mem{b, c} {
			ADDQ(imm(vecs*v.size()), p)
		}
		SUBQ(imm(vecs*v.lanes), left)
		JMP(LabelRef(columns))
	}
	part := func(vecs int) {
		if v.wide() {
			whole, n := label("whole"), fetch(left)
			ANDQ(imm(v.lanes-1), n)
			CMPQ(n, imm(v.lanes/2))
			JG(LabelRef(whole))
			v.productBlock(v.columns(vecs, t, true), b, c)
			JMP(LabelRef(done))
			Label(whole)
		}
		v.productBlock(v.columns(vecs, t, false), b, c)
		JMP(LabelRef(done))
	}
	// Most vectors at a time, but not so that one is left alone.
	var fulls, parts [4]string
	for i := 1; i < 4; i++ {
		fulls[i], parts[i] = label("full"), label("part")
	}
	Label(columns)
	n := fetch(left)
	CMPQ(n, imm(4*v.lanes))
	JG(LabelRef(fulls[v.mostColumns()]))
	CMPQ(n, imm(3*v.lanes))
	JE(LabelRef(fulls[3]))
	JG(LabelRef(fulls[2]))
	CMPQ(n, imm(2*v.lanes))
	JE(LabelRef(fulls[2]))
	JG(LabelRef(parts[3]))
	CMPQ(n, imm(v.lanes))
	JE(LabelRef(fulls[1]))
	JG(LabelRef(parts[2]))
	TESTQ(n, n)
	JNZ(LabelRef(parts[1]))
	Label(done)
	finish()
	for vecs := 1; vecs < 4; vecs++ {
		Label(fulls[vecs])
		full(vecs)
		Label(parts[vecs])
		part(vecs)
	}
}

// mostColumns and mostRows are the vectors of columns, and for as many the rows, of
// the largest blocks.
func (v vectors) mostColumns() int {
	if v.wide() {
		return 3
	}
	return 2
}

func (v vectors) mostRows(vecs int) int {
	if v.wide() {
		return [...]int{1: 16, 2: 8, 3: 8}[vecs]
	}
	return [...]int{1: 8, 2: 6, 3: 4}[vecs]
}

// columns are some vectors of columns, the last one incomplete if tail is given, and
// of half the width if half.
type columns []column

type column struct {
	vectors
	tail *tail
}

func (v vectors) columns(vecs int, t *tail, half bool) columns {
	all := make(columns, vecs)
	for j := range all {
		all[j].vectors = v
	}
	last := &all[vecs-1]
	last.tail = t
	if half {
		last.lanes /= 2
	}
	return all
}

// productBlock computes some columns in all rows.
func (v vectors) productBlock(all columns, b, c Mem) {
	left := local(number("m"))
	a, c := local(number("a")), local(fetch(c))
	finish := label("finish")
	tile := func(rows int) {
		v.productTile(rows, all, b, a, c, nil)
		advance := func(p Mem, stride GPVirtual) {
			IMUL3Q(imm(rows), stride, stride)
			ADDQ(stride, p)
		}
		advance(a, bytes("row"))
		advance(c, bytes("ldc"))
		SUBQ(imm(rows), left)
	}
	most := v.mostRows(len(all))
	sizes := []int{most}
	for _, rows := range []int{8, 4} {
		if rows < most {
			sizes = append(sizes, rows)
		}
	}
	for _, rows := range sizes {
		head, next := label("rows"), label("next")
		Label(head)
		CMPQ(left, imm(rows))
		JLT(LabelRef(next))
		if rows%4 != 0 { // one or two rows more make whole blocks of 4
			whole := label("whole")
			JE(LabelRef(whole))
			CMPQ(left, imm(rows+2))
			JLE(LabelRef(next))
			Label(whole)
		}
		tile(rows)
		JMP(LabelRef(head))
		Label(next)
	}
	m := fetch(left)
	TESTQ(m, m)
	JZ(LabelRef(finish))
	v.productTile(4, all, b, a, c, m)
	Label(finish)
}

// productTile computes some columns in some rows. Only left of these exist, unless
// it is nil.
func (v vectors) productTile(rows int, all columns, b, a, c Mem, left Register) {
	sum := make([]VecVirtual, 0, rows*len(all))
	for range rows {
		for _, col := range all {
			sum = append(sum, col.reg())
		}
	}
	eachElement := func(visit func(col column, sum VecVirtual, m Mem)) {
		to, _ := rowsFrom(rows, fetch(c), bytes("ldc"), left)
		for r, m := range to {
			for j, col := range all {
				visit(col, sum[r*len(all)+j], m.Offset(j*v.size()))
			}
		}
	}

	// The accumulators begin with c or zero.
	zeroed, ready := label("zeroed"), label("ready")
	CMPB(param("acc"), Imm(0))
	JE(LabelRef(zeroed))
	eachElement(func(col column, sum VecVirtual, m Mem) { v.load(m, sum, col.tail) })
	JMP(LabelRef(ready))
	Label(zeroed)
	for _, s := range sum {
		v.zero(s)
	}
	Label(ready)

	from, bases := rowsFrom(rows, fetch(a), bytes("row"), left)
	y, x := make([]VecVirtual, len(all)), v.reg()
	for j, col := range all {
		y[j] = col.reg()
	}
	depth, ldb, bAt := bytes("depth"), bytes("ldb"), fetch(b)
	repeat(number("k"), func() {
		for _, number := range v.of.numbers() {
			for j, col := range all {
				v.load(Mem{Base: bAt, Disp: j * v.size()}, y[j], col.tail)
				number(y[j])
			}
			for r := range rows {
				if v.of == floats && v.wide() && len(all) == 1 {
					VFMADD231PS_BCST(from[r], y[0], sum[r])
					continue
				}
				VBROADCASTSS(from[r], x)
				number(x)
				for j, col := range all {
					v.of.multiplyAdd(y[j], col.part(x), sum[r*len(all)+j])
				}
			}
		}
		ADDQ(ldb, bAt)
		for _, p := range bases {
			ADDQ(depth, p)
		}
	})
	eachElement(func(col column, sum VecVirtual, m Mem) { v.store(sum, m, col.tail) })
}

// part returns those lanes of a register that the column has.
func (c column) part(x VecVirtual) Register {
	if c.wide() {
		return x
	}
	return x.AsY()
}
