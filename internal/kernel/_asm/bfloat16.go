package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// block is how many numbers the conversions take at a time.
const block = 16

// bfloat16 generates the conversions between float32 and bfloat16. They wait for memory, so
// one width does.
//
// Registers: two halves of a block, and what rounding adds. The length is a multiple of a
// block, so there is no tail.
func bfloat16() {
	one := everywhere("bfloat16One", 1)
	half := everywhere("bfloat16Half", 0x7fff)
	quiet := everywhere("bfloat16Quiet", 1<<6)

	TEXT("toBFloat16AVX2", NOSPLIT, "func(dst *uint16, x *float32, blocks int)")
	Doc("toBFloat16AVX2 rounds 16 numbers for each block, one at least.")
	dst, x, n := number("dst"), number("x"), number("blocks")
	ones, halves, quiets := YMM(), YMM(), YMM()
	VMOVDQU(one, ones)
	VMOVDQU(half, halves)
	VMOVDQU(quiet, quiets)
	repeat(n, func() {
		var rounded [2]reg.VecVirtual
		for i := range rounded {
			v, odd, nan, kept := YMM(), YMM(), YMM(), YMM()
			VMOVUPS(Mem{Base: x, Disp: 32 * i}, v)
			VPSRLD(Imm(16), v, kept)
			VPAND(ones, kept, odd)
			VPADDD(halves, odd, odd)
			VPADDD(v, odd, odd)
			VPSRLD(Imm(16), odd, odd)
			VCMPPS(Imm(3), v, v, nan) // unordered
			VPOR(quiets, kept, kept)
			VBLENDVPS(nan, kept, odd, odd)
			rounded[i] = odd
		}
		packed := YMM()
		VPACKUSDW(rounded[1], rounded[0], packed)
		VPERMQ(Imm(0xd8), packed, packed)
		VMOVDQU(packed, Mem{Base: dst})
		ADDQ(imm(4*block), x)
		ADDQ(imm(2*block), dst)
	})
	end()

	TEXT("fromBFloat16AVX2", NOSPLIT, "func(dst *float32, x *uint16, blocks int)")
	Doc("fromBFloat16AVX2 converts 16 numbers for each block, one at least.")
	to, from, n := number("dst"), number("x"), number("blocks")
	repeat(n, func() {
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
