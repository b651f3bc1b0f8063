package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// vectors is a register width.
type vectors struct {
	name  string // ends the names of its functions
	lanes int    // floats in a register

	of elements // of the matrices in products
}

// wide says whether the registers are those of AVX-512.
func (v vectors) wide() bool { return v.lanes == 16 }

// size returns the bytes in a register.
func (v vectors) size() int { return 4 * v.lanes }

// reg returns a new register.
func (v vectors) reg() VecVirtual {
	if v.wide() {
		return ZMM()
	}
	return YMM()
}

// regs returns n new registers.
func (v vectors) regs(n int) []VecVirtual {
	r := make([]VecVirtual, n)
	for i := range r {
		r[i] = v.reg()
	}
	return r
}

// zero clears a register.
func (v vectors) zero(r VecVirtual) { VXORPS(r, r, r) }

// tail describes the incomplete last vector of a row of floats. Its unused lanes
// read as zero and are never written.
type tail struct {
	bits  Mem     // AVX2: a vector whose signs mark the used lanes
	count Mem     // AVX2: the number of used lanes
	mask  Virtual // AVX-512: one bit for each used lane
}

// tail prepares to work on the last n mod lanes floats of a row. It destroys n.
func (v vectors) tail(n GPVirtual) *tail {
	ANDQ(imm(v.lanes-1), n)
	if v.wide() {
		bits, mask := GP32(), K()
		MOVL(I32(-1), bits)
		SHLXL(n.As32(), bits, bits)
		NOTL(bits)
		KMOVW(bits, mask)
		return &tail{mask: mask}
	}
	t := &tail{bits: AllocLocal(v.size()), count: local(n)}
	NEGQ(n)
	table, bits := GP64(), YMM()
	LEAQ(tailTable, table)
	VMOVUPS(Mem{Base: table, Index: n, Scale: 4, Disp: 32}, bits)
	VMOVUPS(bits, t.bits)
	return t
}

// load reads a vector, incomplete if t is given.
func (v vectors) load(m Mem, dst VecVirtual, t *tail) {
	switch {
	case t == nil:
		VMOVUPS(m, dst)
	case v.wide():
		VMOVUPS_Z(m, t.mask, dst)
	default:
		VMOVUPS(t.bits, dst)
		VMASKMOVPS(m, dst, dst)
	}
}

// store writes a vector, incomplete if t is given; then it destroys src. AVX2
// writes the tail in pieces of 4, 2 and 1: the masked store is three times
// slower than that on AMD processors.
func (v vectors) store(src VecVirtual, m Mem, t *tail) {
	switch {
	case t == nil:
		VMOVUPS(src, m)
		return
	case v.wide():
		VMOVUPS(src, t.mask, m)
		return
	}
	at, x := GP64(), src.AsX()
	LEAQ(m, at)
	two, one, end := label("two"), label("one"), label("end")
	TESTB(Imm(4), t.count)
	JZ(LabelRef(two))
	VMOVUPS(x, Mem{Base: at})
	VEXTRACTF128(Imm(1), src, x)
	ADDQ(Imm(16), at)
	Label(two)
	TESTB(Imm(2), t.count)
	JZ(LabelRef(one))
	VMOVLPS(x, Mem{Base: at})
	VMOVHLPS(x, x, x)
	ADDQ(Imm(8), at)
	Label(one)
	TESTB(Imm(1), t.count)
	JZ(LabelRef(end))
	VMOVSS(x, Mem{Base: at})
	Label(end)
}

// addProduct adds x times a vector of memory to acc. An incomplete vector is
// read through temp.
func (v vectors) addProduct(acc, x VecVirtual, m Mem, t *tail, temp VecVirtual) {
	if t == nil {
		VFMADD231PS(m, x, acc)
		return
	}
	v.load(m, temp, t)
	VFMADD231PS(temp, x, acc)
}

var (
	tailTable Mem // eight words of ones, eight of zeros, eight of ones
	one       Mem // 1.0
	halfOf    Mem // 0.5
	counting  Mem // the integer 1
	lowest    Mem // -Inf in all lanes
)

// constants writes what the functions read.
func constants() {
	tailTable = GLOBL("tailTable", RODATA|NOPTR)
	for i := range 24 {
		var bits uint32
		if i/8 != 1 {
			bits = math.MaxUint32
		}
		DATA(4*i, U32(bits))
	}
	one = GLOBL("one", RODATA|NOPTR)
	DATA(0, U32(math.Float32bits(1)))
	halfOf = GLOBL("half", RODATA|NOPTR)
	DATA(0, U32(math.Float32bits(0.5)))
	counting = GLOBL("counting", RODATA|NOPTR)
	DATA(0, U32(1))
	lowest = everywhere("lowest", math.Float32bits(float32(math.Inf(-1))))
}

// everywhere writes a constant of 32 bits in all lanes.
func everywhere(name string, bits uint32) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, U32(bits))
	}
	return m
}

var labels int

// label returns a label that nobody else uses.
func label(name string) string {
	labels++
	return fmt.Sprintf("%s%d", name, labels)
}

// repeat emits body as a loop that counts n down to zero; n must be positive.
func repeat(n Op, body func()) {
	head := label("loop")
	Label(head)
	body()
	DECQ(n)
	JNZ(LabelRef(head))
}

// several emits body as a loop that takes ahead of n things at a time, and then one
// at a time; n must be positive. It destroys n.
func several(n GPVirtual, ahead int, body func(count int)) {
	if ahead > 1 {
		head, rest, finish := label("several"), label("rest"), label("finish")
		defer Label(finish)
		SUBQ(imm(ahead), n)
		JLT(LabelRef(rest))
		Label(head)
		body(ahead)
		SUBQ(imm(ahead), n)
		JGE(LabelRef(head))
		Label(rest)
		ADDQ(imm(ahead), n)
		JZ(LabelRef(finish))
	}
	repeat(n, func() { body(1) })
}

// imm returns a small constant. (avo would take 16 bits for some, which most
// instructions do not have.)
func imm(n int) Op {
	if n < 128 {
		return I8(n)
	}
	return I32(n)
}

// param returns the address of a parameter.
func param(name string) Mem {
	p, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return p.Addr
}

// number loads a parameter.
func number(name string) GPVirtual { return fetch(param(name)) }

// bytes loads a parameter that counts floats, as bytes.
func bytes(name string) GPVirtual {
	r := number(name)
	SHLQ(Imm(2), r)
	return r
}

// at returns the address base plus offset plus disp.
func at(base, offset Register, disp int) Mem {
	return Mem{Base: base, Index: offset, Scale: 1, Disp: disp}
}

// local returns a new local variable that holds r.
func local(r GPVirtual) Mem {
	m := AllocLocal(8)
	MOVQ(r, m)
	return m
}

// fetch loads a local variable or a parameter.
func fetch(m Mem) GPVirtual {
	r := GP64()
	MOVQ(m, r)
	return r
}

// nought returns a register that holds zero.
func nought() GPVirtual {
	r := GP64()
	XORL(r.As32(), r.As32())
	return r
}

// channels cuts a row of c floats into blocks of vectors, of the given sizes in
// falling order, the last being 1, and an incomplete vector, and emits body for
// each. channel holds the offset of the block in bytes.
func (v vectors) channels(sizes []int, t *tail, body func(vecs int, channel Mem, t *tail)) {
	left, channel := local(number("c")), local(nought())
	head, done := label("channels"), label("done")
	Label(head)
	for _, vecs := range sizes {
		next := label("next")
		CMPQ(left, imm(vecs*v.lanes))
		JLT(LabelRef(next))
		body(vecs, channel, nil)
		ADDQ(imm(vecs*v.size()), channel)
		SUBQ(imm(vecs*v.lanes), left)
		JMP(LabelRef(head))
		Label(next)
	}
	CMPQ(left, imm(0))
	JLE(LabelRef(done))
	body(1, channel, t)
	Label(done)
}

// multiples holds a distance times 1, 3, 5 and 7.
type multiples [8]GPVirtual

// multiplesOf returns those multiples of a distance that after needs, up to most.
func multiplesOf(distance GPVirtual, most int) multiples {
	m := multiples{1: distance}
	for i := 3; i < 8 && i <= most; i += 2 {
		m[i] = GP64()
		LEAQ(Mem{Base: m[i-2], Index: distance, Scale: 2}, m[i])
	}
	return m
}

// after returns the address n distances after base, for n up to 8.
func (m multiples) after(base GPVirtual, n int) Mem {
	if n == 0 {
		return Mem{Base: base}
	}
	scale := n & -n
	return Mem{Base: base, Index: m[n/scale], Scale: uint8(scale)}
}

// rowsFrom returns the addresses of n rows, and the registers that move them. If
// left is given, only as many exist; the others repeat the last one. It destroys
// row and stride.
func rowsFrom(n int, row, stride GPVirtual, left Register) (rows []Mem, bases []GPVirtual) {
	if left == nil {
		m := multiplesOf(stride, n-1)
		for i := range n {
			if i > 0 && i%8 == 0 {
				last := row
				row = GP64()
				LEAQ(Mem{Base: last, Index: stride, Scale: 8}, row)
			}
			if i%8 == 0 {
				bases = append(bases, row)
			}
			rows = append(rows, m.after(row, i%8))
		}
		return rows, bases
	}
	eachRow(n, row, stride, left, func(_ int, row GPVirtual) {
		base := GP64()
		MOVQ(row, base)
		rows, bases = append(rows, Mem{Base: base}), append(bases, base)
	})
	return rows, bases
}

// whole is a loop over vectors of channels of which the last one begins early
// enough to be whole; there must be one at least. Its new lanes are marked.
type whole struct {
	vectors
	channel Mem     // offset of the vector in bytes
	left    Mem     // channels to do
	bits    Mem     // AVX2: a vector whose signs mark the new lanes
	mask    Virtual // AVX-512: one bit for each new lane
}

// wholeVectors reserves what such loops need.
func (v vectors) wholeVectors() whole {
	w := whole{vectors: v, channel: AllocLocal(8), left: AllocLocal(8)}
	if v.wide() {
		w.mask = K()
	} else {
		w.bits = AllocLocal(v.size())
	}
	return w
}

// each emits body as the loop over all channels.
func (w whole) each(body func()) {
	head, done := label("channels"), label("done")
	MOVQ(nought(), w.channel)
	MOVQ(number("c"), w.left)
	if w.wide() {
		KXNORW(w.mask, w.mask, w.mask)
	} else {
		all := YMM()
		VPCMPEQD(all, all, all)
		VMOVUPS(all, w.bits)
	}
	Label(head)
	body()
	ADDQ(imm(w.size()), w.channel)
	SUBQ(imm(w.lanes), w.left)
	JLE(LabelRef(done))
	n := fetch(w.left)
	CMPQ(n, imm(w.lanes))
	JGE(LabelRef(head))
	// The last vector takes old lanes, so that it is whole.
	MOVQ(I32(w.lanes), w.left)
	if !w.wide() {
		table, bits := GP64(), YMM()
		LEAQ(tailTable, table)
		VMOVUPS(Mem{Base: table, Index: n, Scale: 4, Disp: 32}, bits)
		VMOVUPS(bits, w.bits)
	}
	old := GP64()
	MOVQ(I32(w.lanes), old)
	SUBQ(n, old)
	if w.wide() {
		bits := GP32()
		MOVL(I32(-1), bits)
		SHLXL(old.As32(), bits, bits)
		KMOVW(bits, w.mask)
	}
	SHLQ(Imm(2), old)
	SUBQ(old, w.channel)
	JMP(LabelRef(head))
	Label(done)
}

// storeNew writes the new lanes of src.
func (w whole) storeNew(src VecVirtual, m Mem) {
	if w.wide() {
		VMOVUPS(src, w.mask, m)
		return
	}
	bits, x := YMM(), YMM()
	VMOVUPS(w.bits, bits)
	VMOVUPS(m, x)
	VBLENDVPS(bits, src, x, x)
	VMOVUPS(x, m)
}

// eachRow visits the addresses of n rows. Only left of them exist; the others
// repeat the last one. It destroys row and stride.
func eachRow(n int, row, stride GPVirtual, left Register, visit func(i int, row GPVirtual)) {
	none := nought()
	for i := range n {
		if i > 0 {
			CMPQ(left, imm(i))
			CMOVQLE(none, stride)
			ADDQ(stride, row)
		}
		visit(i, row)
	}
}

// end emits the end of a function.
func end() {
	VZEROUPPER()
	RET()
}
