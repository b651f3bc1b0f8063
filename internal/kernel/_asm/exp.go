package main

import (
	"math"
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// expSum generates the exponential function and the sum of its values. The
// definition gives the method; here multiplication and addition are fused.
//
// Registers: the sums, two halves of a vector in float64, and the steps from one
// argument to its result. Constants come from memory.
//
// Tail: the last vector is incomplete; its unused lanes become zero.
func expSum(v vectors) {
	TEXT("expSum"+v.name, NOSPLIT, "func(dst, x *float32, n int, shift float32) float64")
	Doc("expSum"+v.name+" sets dst to exp(x - shift), where nothing in x is larger than shift, and returns the",
		"sum of its elements. n is positive.")
	t := v.tail(number("n"))
	dst, x, n, shift := number("dst"), number("x"), number("n"), v.reg()
	VBROADCASTSS(param("shift"), shift)
	// Sixteen sums, whatever the width, so that the result is the same.
	const lanes = 16
	sums := v.regs(2 * lanes / v.lanes)
	for _, s := range sums {
		v.zero(s)
	}
	// vector works on a vector of each lanes elements.
	vector := func(number int, t *tail) {
		y := v.exp(shift, Mem{Base: x}, t)
		for half := range 2 {
			part, s := v.reg(), sums[2*number+half]
			v.widen(y, half, part)
			VADDPD(part, s, s)
		}
		v.store(y, Mem{Base: dst}, t)
	}
	whole := func(number int) {
		vector(number, nil)
		ADDQ(imm(v.size()), x)
		ADDQ(imm(v.size()), dst)
	}
	rest, done := label("rest"), label("done")
	SHRQ(imm(bits.TrailingZeros(lanes)), n)
	JZ(LabelRef(rest))
	repeat(n, func() {
		for i := range lanes / v.lanes {
			whole(i)
		}
	})
	Label(rest)
	n = number("n")
	if !v.wide() { // perhaps a whole vector and an incomplete one
		one := label("one")
		TESTQ(I32(v.lanes), n)
		JZ(LabelRef(one))
		whole(0)
		TESTQ(I32(v.lanes-1), n)
		JZ(LabelRef(done))
		vector(1, t)
		JMP(LabelRef(done))
		Label(one)
	}
	TESTQ(I32(v.lanes-1), n)
	JZ(LabelRef(done))
	vector(0, t)
	Label(done)

	// Each step adds the upper half of the sums to the lower one.
	for half := len(sums) / 2; half > 0; half /= 2 {
		for i := range half {
			VADDPD(sums[half+i], sums[i], sums[i])
		}
	}
	sum := sums[0]
	if v.wide() {
		half := YMM()
		VEXTRACTF64X4(Imm(1), sum, half)
		VADDPD(half, sum.AsY(), sum.AsY())
	}
	half := XMM()
	VEXTRACTF128(Imm(1), sum.AsY(), half)
	VADDPD(half, sum.AsX(), sum.AsX())
	VUNPCKHPD(sum.AsX(), sum.AsX(), half)
	VADDSD(half, sum.AsX(), sum.AsX())
	Store(sum.AsX(), ReturnIndex(0))
	end()
}

// exp returns exp(x - shift) for a vector of memory.
func (v vectors) exp(shift VecVirtual, x Mem, t *tail) VecVirtual {
	const less, notLess = U8(0x11), U8(0x15) // false and true where one is no number
	arg, shifted, n, r, y := v.reg(), v.reg(), v.reg(), v.reg(), v.reg()
	v.load(x, arg, t)
	VSUBPS(shift, arg, arg)
	VMOVUPS(expMagic, shifted)
	VFMADD231PS(expLog2E, arg, shifted)
	VSUBPS(expMagic, shifted, n)
	VMOVAPS(arg, r)
	VFNMADD231PS(expLn2Hi, n, r)
	VFNMADD231PS(expLn2Lo, n, r)
	VMOVUPS(expSeries[len(expSeries)-1], y)
	for i := len(expSeries) - 2; i >= 0; i-- {
		VFMADD213PS(expSeries[i], r, y)
	}
	VPSUBD(expBits, shifted, shifted)
	VPSLLD(Imm(23), shifted, shifted)
	VMULPS(shifted, y, y)
	if v.wide() {
		keep := K()
		if t == nil {
			VCMPPS(notLess, expLowest, arg, keep)
		} else {
			VCMPPS(notLess, expLowest, arg, t.mask, keep)
		}
		VMOVAPS_Z(y, keep, y)
		return y
	}
	VCMPPS(less, expLowest, arg, arg)
	VANDNPS(y, arg, y)
	if t != nil {
		VANDPS(t.bits, y, y)
	}
	return y
}

// widen converts half of x to float64.
func (v vectors) widen(x VecVirtual, half int, dst VecVirtual) {
	switch {
	case v.wide() && half == 0:
		VCVTPS2PD(x.AsY(), dst)
	case v.wide():
		part := YMM()
		VEXTRACTF64X4(Imm(1), x, part)
		VCVTPS2PD(part, dst)
	case half == 0:
		VCVTPS2PD(x.AsX(), dst)
	default:
		part := XMM()
		VEXTRACTF128(Imm(1), x, part)
		VCVTPS2PD(part, dst)
	}
}

// The constants of exp, each in all lanes.
var (
	expLowest, expMagic, expBits, expLog2E, expLn2Hi, expLn2Lo Mem
	expSeries                                                  [8]Mem // 1/i!
)

func expConstants() {
	const magic, ln2Hi = 3 << 22, 0x162p-9
	float := func(name string, x float64) Mem { return everywhere(name, math.Float32bits(float32(x))) }
	expLowest, expMagic = float("expLowest", -87), float("expMagic", magic)
	expBits = everywhere("expBits", math.Float32bits(magic)-127)
	expLog2E = float("expLog2E", math.Log2E)
	expLn2Hi, expLn2Lo = float("expLn2Hi", ln2Hi), float("expLn2Lo", math.Ln2-ln2Hi)
	factorial := 1.0
	for i := range expSeries {
		factorial *= float64(max(1, i))
		expSeries[i] = float("expSeries"+string(rune('0'+i)), 1/factorial)
	}
}
