package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// elements are what the matrices of a product hold.
type elements int

const (
	floats      elements = iota
	pairs                // of bfloat16, multiplied one after the other
	nativePairs          // of bfloat16, multiplied by one instruction
)

func (e elements) product() string {
	if e == floats {
		return "product"
	}
	return "pairProduct"
}

// numbers returns what makes vectors of numbers of vectors of elements, in the order in
// which these add up. VDPBF16PS takes the high halves first.
func (e elements) numbers() []func(x VecVirtual) {
	if e != pairs {
		return []func(VecVirtual){func(VecVirtual) {}}
	}
	return []func(VecVirtual){
		func(x VecVirtual) { VANDPS(highHalves, x, x) },
		func(x VecVirtual) { VPSLLD(Imm(16), x, x) },
	}
}

func (e elements) multiplyAdd(x, y, sum Op) {
	if e == nativePairs {
		native("VDPBF16PS", x, y, sum, sum)
		return
	}
	VFMADD231PS(x, y, sum)
}

// zeroDenormals makes zeros of denormal operands and results, as VDPBF16PS does, and
// returns what ends that.
func zeroDenormals() (restore func()) {
	const zeros = 1<<15 | 1<<6
	old, new := AllocLocal(8), AllocLocal(8)
	STMXCSR(old)
	bits := GP32()
	MOVL(old, bits)
	ORL(I32(zeros), bits)
	MOVL(bits, new)
	LDMXCSR(new)
	return func() { LDMXCSR(old) }
}

var (
	highHalves Mem
	pairOrder  Mem    // of the words of two rows
	rounding   [5]Mem // the last bit, what is below half of it, the bit of a quiet NaN, the exponent, the sign
)

// bfloat16Constants writes what the functions for bfloat16 read.
func bfloat16Constants() {
	highHalves = everywhere("highHalves", 0xffff0000)
	pairOrder = GLOBL("pairOrder", RODATA|NOPTR)
	for i := range 32 {
		DATA(2*i, U16(i/2+i%2*16))
	}
	for i, bits := range []uint32{1, 0x7fff, 1 << 22, 0x7f800000, 1 << 31} {
		rounding[i] = everywhere(fmt.Sprintf("rounding%d", i), bits)
	}
}

// conversions generates the conversions of float32 to bfloat16, for rows of numbers and
// for pairs of rows. Numbers are rounded to the nearest, ties to even; denormal ones are
// zeros.
//
// Loop order: for pairs of rows vectors of a row, outside; rows.
//
// Registers: two vectors of numbers and, without an instruction, constants and what
// rounding takes.
//
// Tail: a row of numbers has none, it is whole blocks; a row of pairs as in affine.
func conversions(v vectors, together func(v vectors) (row, pair func(x, y VecVirtual) VecVirtual)) {
	name := "toBFloat16" + v.name
	TEXT(name, NOSPLIT, "func(dst *uint16, x *float32, blocks int)")
	Doc(name + " rounds two vectors of numbers for each block, one at least.")
	row, _ := together(v)
	to, from := number("dst"), number("x")
	repeat(number("blocks"), func() {
		x, y := v.reg(), v.reg()
		VMOVUPS(Mem{Base: from}, x)
		VMOVUPS(Mem{Base: from, Disp: v.size()}, y)
		VMOVUPS(row(x, y), Mem{Base: to})
		ADDQ(imm(2*v.size()), from)
		ADDQ(imm(v.size()), to)
	})
	end()

	name = "pairRows" + v.name
	TEXT(name, NOSPLIT, "func(dst, x *float32, ld, rows, c int)")
	Doc(name+" rounds 2·rows rows of c numbers, ld apart, and sets dst to rows·c pairs: of the",
		"numbers of two rows. rows and c are positive.")
	_, pair := together(v)
	t := v.tail(number("c"))
	v.channels([]int{1}, t, func(_ int, channel Mem, t *tail) {
		to, from := number("dst"), number("x")
		ADDQ(channel, to)
		ADDQ(channel, from)
		ld, c := bytes("ld"), bytes("c")
		repeat(number("rows"), func() {
			x, y := v.reg(), v.reg()
			v.load(Mem{Base: from}, x, t)
			v.load(at(from, ld, 0), y, t)
			v.store(pair(x, y), Mem{Base: to}, t)
			LEAQ(Mem{Base: from, Index: ld, Scale: 2}, from)
			ADDQ(c, to)
		})
	})
	end()
}

// nativelyRounded rounds with an instruction.
func nativelyRounded(v vectors) (row, pair func(x, y VecVirtual) VecVirtual) {
	row = func(x, y VecVirtual) VecVirtual {
		both := v.reg()
		native("VCVTNE2PS2BF16", x, y, both)
		return both
	}
	order := v.reg()
	VMOVUPS(pairOrder, order)
	return row, func(x, y VecVirtual) VecVirtual {
		both := row(x, y)
		VPERMW(both, order, both)
		return both
	}
}

// rounded rounds with integers.
func rounded(v vectors) (row, pair func(x, y VecVirtual) VecVirtual) {
	constants := v.regs(len(rounding))
	for i, m := range rounding {
		VMOVUPS(m, constants[i])
	}
	one, half, quiet, exponent, sign := constants[0], constants[1], constants[2], constants[3], constants[4]
	// The upper half of each number becomes the bfloat16.
	round := func(x VecVirtual) VecVirtual {
		sum, t := v.reg(), v.reg()
		VPSRLD(Imm(16), x, sum)
		VPAND(one, sum, sum)
		VPADDD(half, sum, sum)
		VPADDD(x, sum, sum)
		nan := v.reg()
		VCMPPS(Imm(3), x, x, nan) // unordered
		VPOR(quiet, x, t)
		VBLENDVPS(nan, t, sum, sum)
		small := nan
		VPAND(exponent, x, small)
		VPXOR(t, t, t)
		VPCMPEQD(t, small, small)
		VPAND(sign, x, t)
		VBLENDVPS(small, t, sum, sum)
		return sum
	}
	row = func(x, y VecVirtual) VecVirtual {
		low, high := round(x), round(y)
		VPSRLD(Imm(16), low, low)
		VPSRLD(Imm(16), high, high)
		VPACKUSDW(high, low, low)
		VPERMQ(Imm(0xd8), low, low)
		return low
	}
	return row, func(x, y VecVirtual) VecVirtual {
		low, high := round(x), round(y)
		VPSRLD(Imm(16), low, low)
		VPBLENDW(Imm(0xaa), high, low, low)
		return low
	}
}

// fromBFloat16 generates the conversion to float32. It waits for memory, so one width
// does, and blocks of 16 numbers.
func fromBFloat16() {
	const block = 16
	TEXT("fromBFloat16AVX2", NOSPLIT, "func(dst *float32, x *uint16, blocks int)")
	Doc("fromBFloat16AVX2 converts 16 numbers for each block, one at least.")
	to, from := number("dst"), number("x")
	repeat(number("blocks"), func() {
		for i := range 2 {
			v := YMM()
			VPMOVZXWD(Mem{Base: from, Disp: 16 * i}, v)
			VPSLLD(Imm(16), v, v)
			VMOVUPS(v, Mem{Base: to, Disp: 32 * i})
		}
		ADDQ(imm(2*block), from)
		ADDQ(imm(4*block), to)
	})
	end()
}
