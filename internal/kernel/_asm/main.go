// Command asm writes the vector variants of the primitives of package kernel.
//
// One generator per primitive emits both widths: YMM registers (AVX2 and FMA)
// and ZMM registers (AVX-512). The generators differ by width only through the
// type vectors: number of lanes, number of registers, and how the last,
// incomplete vector of a row is read and written. No kernel touches memory
// outside its rows and none assumes any alignment.
//
// The comment at the head of each generator gives its loop order, its register
// plan and its tail rule.
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	ConstraintExpr("amd64,!purego")
	constants()
	expConstants()
	bfloat16Constants()
	for _, v := range []vectors{{name: "AVX2", lanes: 8}, {name: "AVX512", lanes: 16}} {
		product(v, floats)
		product(v, pairs)
		transform(v, "winogradInput", winogradInput)
		transform(v, "winogradWeight", winogradWeight)
		transform(v, "winogradOutput", winogradOutput)
		transform(v, "winogradOutputGrad", winogradOutputGrad)
		transform(v, "winogradWeightGrad", winogradWeightGrad)
		affine(v)
		dots(v)
		dots4(v)
		combine(v)
		mask(v)
		depthwise(v)
		depthwiseGrad(v)
		maxRow(v)
		maxGrad(v)
		expSum(v)
	}
	product(vectors{name: "AVX512BF16", lanes: 16}, nativePairs)
	conversions(vectors{name: "AVX2", lanes: 8}, rounded)
	conversions(vectors{name: "AVX512BF16", lanes: 16}, nativelyRounded)
	fromBFloat16()
	pause()
	Generate()
	encode(flag.Lookup("out").Value.String())
}

// pause waits in the way that a spinning processor should: a few instructions,
// so that the spinning loop does not flood the memory system with reads.
func pause() {
	TEXT("pause", NOSPLIT, "func()")
	Doc("pause passes the time of a few instructions.")
	for range 4 {
		PAUSE()
	}
	RET()
}
