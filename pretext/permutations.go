package pretext

import (
	"math"
	"math/bits"
	"sync"
)

// The permutations of Jigsaw; the class is the index of one. They are computed on first
// use, a thousand in about half a second.
var (
	permutationsOf4 = sync.OnceValue(func() [][]uint8 {
		all := make([][]uint8, 24)
		for i := range all {
			all[i] = permutation(i, 4)
		}
		return all
	})
	distant1000 = sync.OnceValue(func() [][]uint8 { return distant(1000, 331514) })
	distant2000 = sync.OnceValue(func() [][]uint8 { return distant(2000, 137317) })
)

// permutation returns number i, from 0, of the permutations of the digits below n
// in lexicographic order.
func permutation(i, n int) []uint8 {
	rest := make([]uint8, n)
	count := 1 // of the permutations of rest
	for d := range rest {
		rest[d] = uint8(d)
		count *= d + 1
	}
	p := make([]uint8, 0, n)
	for len(rest) > 0 {
		count /= len(rest)
		k := i / count
		i %= count
		p = append(p, rest[k])
		rest = append(rest[:k], rest[k+1:]...)
	}
	return p
}

// distant returns n permutations of nine digits with large mutual Hamming distances, by the
// greedy rule of the published tables (Noroozi and Favaro, 2016, arXiv 1603.09246,
// algorithm 1): start with the lexicographic index first, then repeatedly add the
// permutation with the largest mean distance from those chosen, the first of several.
//
// Most permutations are equally far, and only the rounding of the means distinguishes them.
// A mean is therefore computed as the authors did: the float64 sum, in the order of choice,
// of distance·(1/9), divided by the number of permutations chosen. There are 9! such sums.
// They lie in blocks of 24 with equal first five digits, so that the distance of these is
// computed once per block, and that of the last four once per set of four digits.
//
// Under the race detector it would take ten times as long, for memory that no other
// goroutine sees.
//
//go:norace
func distant(n, first int) [][]uint8 {
	const (
		digits = 9
		head   = 5
		tail   = digits - head
		block  = 24    // permutations of the tail
		blocks = 15120 // 9!/24
	)
	heads := make([]uint64, blocks) // first digits of a block, packed
	tails := make([]int, blocks)    // the set of the remaining digits
	var sets [][tail]uint8          // four digits in ascending order
	known := map[[tail]uint8]int{}
	for b := range heads {
		p := permutation(block*b, digits)
		left := [tail]uint8(p[head:])
		k, ok := known[left]
		if !ok {
			k = len(sets)
			known[left] = k
			sets = append(sets, left)
		}
		heads[b], tails[b] = pack(p[:head]), k
	}
	var gain [16]float64 // summand of a distance
	for d := range digits + 1 {
		gain[d] = float64(d) * (1.0 / digits)
	}

	sums := make([]float64, blocks*block)
	distances := make([][block]uint8, len(sets))
	chosen := make([][]uint8, 0, n)
	for next := first; ; {
		p := permutation(next, digits)
		chosen = append(chosen, p)
		if len(chosen) == n {
			return chosen
		}
		sums[next] = math.Inf(-1) // never chosen again
		for k, set := range sets {
			for j, order := range permutationsOf4() {
				distances[k][j] = 0
				for i, o := range order {
					if set[o] != p[head+i] {
						distances[k][j]++
					}
				}
			}
		}
		start := pack(p[:head])
		top := math.Inf(-1)
		for b, packed := range heads {
			far := hamming(packed, start)
			sum, distance := (*[block]float64)(sums[block*b:]), &distances[tails[b]]
			for j := range sum {
				s := sum[j] + gain[(far+distance[j])&15]
				sum[j] = s
				if s > top {
					top = s
				}
			}
		}
		// Division rounds, so a slightly smaller sum may have the same mean.
		count := float64(len(chosen))
		least := top
		for below := top; below/count == top/count; below = math.Nextafter(below, 0) {
			least = below
		}
		for next = 0; sums[next] < least; next++ {
		}
	}
}

// pack packs digits into four bits each.
func pack(digits []uint8) (packed uint64) {
	for _, d := range digits {
		packed = packed<<4 | uint64(d)
	}
	return packed
}

// hamming counts the digits in which two packed sequences differ.
func hamming(a, b uint64) uint8 {
	x := a ^ b
	x |= x >> 2
	x |= x >> 1
	return uint8(bits.OnesCount64(x & 0x1111111111111111))
}
