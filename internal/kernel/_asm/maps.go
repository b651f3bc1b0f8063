package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// affine generates the linear maps of one or two arguments.
//
// Loop order: blocks of up to 4 vectors of channels, outside; pixels inside.
//
// Registers: the coefficients of the block, three for each vector, the floor
// under the result, and one value for each vector.
//
// Tail: the last vector of channels is incomplete.
func affine(v vectors) {
	TEXT("affine"+v.name, NOSPLIT, "func(dst, p, q, a, b, d *float32, n, c int, floor float32)")
	Doc("affine"+v.name+" forms n pixels of c channels: dst = max(a·p + b·q + d, floor). A nil a or b",
		"stands for ones, a nil q or d for zeros. dst may be p or q. n is positive.")
	t := v.tail(number("c"))
	v.channels([]int{4, 2, 1}, t, func(vecs int, channel Mem, t *tail) {
		a := v.coefficients("a", vecs, channel, t, func(r VecVirtual) { VBROADCASTSS(one, r) })
		b := v.coefficients("b", vecs, channel, t, func(r VecVirtual) { VBROADCASTSS(one, r) })
		d := v.coefficients("d", vecs, channel, t, v.zero)
		floor := v.reg()
		VBROADCASTSS(param("floor"), floor)

		c, n, offset := bytes("c"), number("n"), fetch(channel)
		dst, p, q := number("dst"), number("p"), number("q")
		pixel := func(second bool) func() {
			return func() {
				for j := range vecs {
					x := v.reg()
					v.load(at(p, offset, j*v.size()), x, t)
					VFMADD213PS(d[j], a[j], x)
					if second {
						v.addProduct(x, b[j], at(q, offset, j*v.size()), t, v.reg())
					}
					// In this order of operands the result is x where x is no number.
					VMAXPS(x, floor, x)
					v.store(x, at(dst, offset, j*v.size()), t)
				}
				ADDQ(c, offset)
			}
		}
		both, finish := label("both"), label("finish")
		TESTQ(q, q)
		JNZ(LabelRef(both))
		repeat(n, pixel(false))
		JMP(LabelRef(finish))
		Label(both)
		repeat(n, pixel(true))
		Label(finish)
	})
	end()
}

// coefficients loads the coefficients of a block of channels, or sets them if
// the parameter is nil.
func (v vectors) coefficients(name string, vecs int, channel Mem, t *tail, missing func(VecVirtual)) []VecVirtual {
	r := v.regs(vecs)
	given, finish := label("given"), label("finish")
	p, offset := number(name), fetch(channel)
	TESTQ(p, p)
	JNZ(LabelRef(given))
	for j := range r {
		missing(r[j])
	}
	JMP(LabelRef(finish))
	Label(given)
	for j := range r {
		v.load(at(p, offset, j*v.size()), r[j], t)
	}
	Label(finish)
	return r
}

// dots generates the sums over the pixels of a map.
//
// Loop order: blocks of up to 4 vectors of channels, outside; pixels inside, 4,
// 2 or 1 at a time so that there are always 8 sums on the way.
//
// Registers: two sums for each vector of the pixels that are taken together, and
// one value.
//
// Tail: the last vector of channels is incomplete; pixels that are left are
// added to the sums of the first.
func dots(v vectors) {
	TEXT("dots"+v.name, NOSPLIT, "func(s, sxy, x, y *float32, n, c int)")
	Doc("dots"+v.name+" adds, for each of c channels, the sum of x over n pixels to s and that of x·y",
		"to sxy. n is positive.")
	t := v.tail(number("c"))
	v.channels([]int{4, 2, 1}, t, func(vecs int, channel Mem, t *tail) {
		ahead := 4 / vecs
		s, sxy := v.regs(4), v.regs(4)
		for i := range s {
			v.zero(s[i])
			v.zero(sxy[i])
		}
		x, y, n, c, offset := number("x"), number("y"), number("n"), bytes("c"), fetch(channel)
		pixels := func(count int) {
			for i := range count {
				for j := range vecs {
					value := v.reg()
					v.load(at(x, offset, j*v.size()), value, t)
					VADDPS(value, s[i*vecs+j], s[i*vecs+j])
					v.addProduct(sxy[i*vecs+j], value, at(y, offset, j*v.size()), t, v.reg())
				}
				ADDQ(c, offset)
			}
		}
		several(n, ahead, pixels)
		for step := vecs; step < 4; step *= 2 {
			for i := 0; i+step < 4; i += 2 * step {
				for j := range vecs {
					VADDPS(s[i+step+j], s[i+j], s[i+j])
					VADDPS(sxy[i+step+j], sxy[i+j], sxy[i+j])
				}
			}
		}
		add := func(name string, sum []VecVirtual) {
			p, offset := number(name), fetch(channel)
			for j := range vecs {
				x, m := v.reg(), at(p, offset, j*v.size())
				v.load(m, x, t)
				VADDPS(x, sum[j], sum[j])
				v.store(sum[j], m, t)
			}
		}
		add("s", s)
		add("sxy", sxy)
	})
	end()
}

// mask generates the gradient of a ReLU.
//
// Loop order and registers: 4 vectors at a time, then 1, each with one value.
//
// Tail: the last vector is incomplete.
func mask(v vectors) {
	TEXT("mask"+v.name, NOSPLIT, "func(dst, grad, x *float32, n int)")
	Doc("mask" + v.name + " sets dst to grad where x is positive and to zero elsewhere.")
	t := v.tail(number("n"))
	dst, grad, x, n := number("dst"), number("grad"), number("x"), number("n")
	zero := v.reg()
	v.zero(zero)
	vector := func(j int, t *tail) {
		y := v.reg()
		v.load(Mem{Base: x, Disp: j * v.size()}, y, t)
		from := Mem{Base: grad, Disp: j * v.size()}
		if v.wide() {
			positive := K()
			VCMPPS(greater, zero, y, positive)
			VMOVUPS_Z(from, positive, y)
		} else {
			VCMPPS(greater, zero, y, y)
			if t != nil {
				value := v.reg()
				v.load(from, value, t)
				VANDPS(value, y, y)
			} else {
				VANDPS(from, y, y)
			}
		}
		v.store(y, Mem{Base: dst, Disp: j * v.size()}, t)
	}
	for _, vecs := range []int{4, 1} {
		head, next := label("vectors"), label("next")
		SUBQ(imm(vecs*v.lanes), n)
		JLT(LabelRef(next))
		Label(head)
		for j := range vecs {
			vector(j, nil)
		}
		for _, p := range []GPVirtual{dst, grad, x} {
			ADDQ(imm(vecs*v.size()), p)
		}
		SUBQ(imm(vecs*v.lanes), n)
		JGE(LabelRef(head))
		Label(next)
		ADDQ(imm(vecs*v.lanes), n)
	}
	done := label("done")
	TESTQ(n, n)
	JZ(LabelRef(done))
	vector(0, t)
	Label(done)
	end()
}

// greater is the comparison x > y, false where one is no number.
const greater = U8(0x1e)
