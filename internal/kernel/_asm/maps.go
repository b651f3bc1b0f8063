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
// Loop order: blocks of vectors of channels, outside; pixels inside, in threes.
//
// Registers: two sums for each of the pixels that are taken together and each
// vector, and one value. The number of sums of a channel is the same for all widths
// of vectors, and so is the result.
//
// Tail: the last vector of channels is incomplete; pixels that are left are
// added to the sums of the first.
func dots(v vectors) {
	TEXT("dots"+v.name, NOSPLIT, "func(s, sxy, x, y *float32, n, c int)")
	Doc("dots"+v.name+" adds, for each of c channels, the sum of x over n pixels to s and that of x·y",
		"to sxy. n is positive.")
	t := v.tail(number("c"))
	v.sums(3, []string{"y"}, t)
}

// dots4 generates the sums over the pixels of a map and of its products with up to
// four others.
//
// Loop order: blocks of vectors of channels, outside; pixels inside, in pairs.
//
// Registers: a sum for each of two pixels and each of the maps, and one value. So the
// sums of one map do not depend on the number of others.
//
// Tail: as in dots.
func dots4(v vectors) {
	TEXT("dots4"+v.name, NOSPLIT, "func(s, sxy, x, y0, y1, y2, y3 *float32, n, c int)")
	Doc("dots4"+v.name+" adds, for each of c channels, the sum of x over n pixels to s, unless nil, and those",
		"of x·y0 to x·y3 to sxy, which has c elements for each. Those from the first nil on do not exist. n",
		"is positive.")
	t := v.tail(number("c"))
	v.eachCount("y", func(y []string) { v.sums(2, y, t) })
}

// eachCount emits body, which returns, for the parameters name0 to name3, those to
// name2 and so on: the ones before the first nil.
func (v vectors) eachCount(name string, body func(maps []string)) {
	maps := []string{name + "0", name + "1", name + "2", name + "3"}
	for ; len(maps) > 0; maps = maps[:len(maps)-1] {
		fewer := label("fewer")
		if len(maps) > 1 {
			CMPQ(param(maps[len(maps)-1]), imm(0))
			JEQ(LabelRef(fewer))
		}
		body(maps)
		Label(fewer)
	}
}

// sums emits the body of dots, or of dots4 for the maps of the given names, and the
// return: for some pixels at a time and as many vectors as there are registers for.
func (v vectors) sums(ahead int, maps []string, t *tail) {
	registers := 12
	if v.wide() {
		registers = 24
	}
	sizes := []int{1}
	for size := 2; size*ahead*(1+len(maps)) <= registers; size *= 2 {
		sizes = append([]int{size}, sizes...)
	}
	v.channels(sizes, t, func(vecs int, channel Mem, t *tail) {
		s, sxy := v.regs(ahead*vecs), make([][]VecVirtual, len(maps))
		for _, r := range s {
			v.zero(r)
		}
		y := make([]GPVirtual, len(maps))
		for k, name := range maps {
			y[k] = number(name)
			sxy[k] = v.regs(ahead * vecs)
			for _, r := range sxy[k] {
				v.zero(r)
			}
		}
		x, n, c, offset := number("x"), number("n"), bytes("c"), fetch(channel)
		several(n, ahead, func(count int) {
			for i := range count {
				for j := range vecs {
					value := v.reg()
					v.load(at(x, offset, j*v.size()), value, t)
					VADDPS(value, s[i*vecs+j], s[i*vecs+j])
					for k := range maps {
						v.addProduct(sxy[k][i*vecs+j], value, at(y[k], offset, j*v.size()), t, v.reg())
					}
				}
				ADDQ(c, offset)
			}
		})
		// Adds the sums of all pixels to those in memory, and moves to the next ones.
		add := func(to GPVirtual, sum []VecVirtual) {
			for j := range vecs {
				for i := vecs + j; i < len(sum); i += vecs {
					VADDPS(sum[i], sum[j], sum[j])
				}
				x, m := v.reg(), Mem{Base: to, Disp: j * v.size()}
				v.load(m, x, t)
				VADDPS(x, sum[j], sum[j])
				v.store(sum[j], m, t)
			}
		}
		skip, to := label("skip"), number("s")
		TESTQ(to, to)
		JZ(LabelRef(skip))
		ADDQ(channel, to)
		add(to, s)
		Label(skip)
		to = number("sxy")
		ADDQ(channel, to)
		for k := range maps {
			if k > 0 {
				ADDQ(c, to)
			}
			add(to, sxy[k])
		}
	})
	end()
}

// combine generates the weighted sum of up to four maps.
//
// Loop order: blocks of up to 2 vectors of channels, outside; pixels inside.
//
// Registers: the factors of the block, one for each map and vector, the shifts and what
// rounding took from them, and the sum.
//
// Tail: the last vector of channels is incomplete.
func combine(v vectors) {
	TEXT("combine"+v.name, NOSPLIT, "func(dst, p0, p1, p2, p3, a, d, e *float32, n, c int)")
	Doc("combine"+v.name+" sets n pixels of c channels to (e + a0·p0) + d + a1·p1 + a2·p2 + a3·p3, or if d is nil to",
		"dst + a0·p0 + a1·p1 + a2·p2 + a3·p3, added from left to right. a has c factors for each map, ones if",
		"nil. The maps from the first nil on do not exist. n is positive.")
	t := v.tail(number("c"))
	v.eachCount("p", func(maps []string) {
		v.channels([]int{2, 1}, t, func(vecs int, channel Mem, t *tail) {
			a, d, e := v.factors(len(maps), vecs, channel, t), v.regs(vecs), v.regs(vecs)
			dst, n, c, offset := number("dst"), number("n"), bytes("c"), fetch(channel)
			p := make([]GPVirtual, len(maps))
			for k, name := range maps {
				p[k] = number(name)
			}
			pixel := func(begun bool) func() {
				return func() {
					for j := range vecs {
						sum, m := v.reg(), at(dst, offset, j*v.size())
						if begun {
							v.load(m, sum, t)
						} else {
							VMOVAPS(e[j], sum)
						}
						for k := range maps {
							v.addProduct(sum, a[k][j], at(p[k], offset, j*v.size()), t, v.reg())
							if k == 0 && !begun {
								VADDPS(d[j], sum, sum)
							}
						}
						v.store(sum, m, t)
					}
					ADDQ(c, offset)
				}
			}
			begun, finish := label("begun"), label("finish")
			from := number("d")
			TESTQ(from, from)
			JZ(LabelRef(begun))
			for j := range vecs {
				v.load(at(from, offset, j*v.size()), d[j], t)
			}
			from = number("e")
			for j := range vecs {
				v.load(at(from, offset, j*v.size()), e[j], t)
			}
			repeat(n, pixel(false))
			JMP(LabelRef(finish))
			Label(begun)
			repeat(n, pixel(true))
			Label(finish)
		})
		end()
	})
}

// factors loads the coefficients a of a block of channels of some maps, or sets them
// to one if the parameter is nil.
func (v vectors) factors(maps, vecs int, channel Mem, t *tail) [][]VecVirtual {
	r := make([][]VecVirtual, maps)
	given, finish := label("given"), label("finish")
	from, c := number("a"), bytes("c")
	for k := range r {
		r[k] = v.regs(vecs)
	}
	TESTQ(from, from)
	JNZ(LabelRef(given))
	for _, a := range r {
		for _, x := range a {
			VBROADCASTSS(one, x)
		}
	}
	JMP(LabelRef(finish))
	Label(given)
	ADDQ(channel, from)
	for k, a := range r {
		if k > 0 {
			ADDQ(c, from)
		}
		for j, x := range a {
			v.load(Mem{Base: from, Disp: j * v.size()}, x, t)
		}
	}
	Label(finish)
	return r
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
