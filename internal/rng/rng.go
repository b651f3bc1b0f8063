package rng

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// New returns the stream of (seed, purpose, epoch, index).
func New(seed uint64, purpose string, epoch, index int) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(purpose)) // a hash never fails
	a := mix(seed ^ h.Sum64())
	b := mix(a ^ uint64(epoch))
	return rand.New(rand.NewPCG(a, mix(b^uint64(index)<<1|1)^b))
}

// golden is the increment of SplitMix64.
const golden = 0x9e3779b97f4a7c15

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x += golden
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// At returns element i of the SplitMix64 stream of a key directly: for many numbers in
// any order, or repeatedly.
func At(key uint64, i int) uint64 { return mix(key + uint64(i)*golden) }

// Float returns a number in [0, 1).
func Float(r *rand.Rand) float64 { return float64(float64(r.Uint64()>>11) / (1 << 53)) }

// Uniform returns a number from lo to hi. Rounding may give hi itself.
func Uniform(r *rand.Rand, lo, hi float64) float64 { return lo + float64((hi-lo)*Float(r)) }

// IntN returns an integer in [0, n). It panics if n is not positive.
func IntN(r *rand.Rand, n int) int {
	if n <= 0 {
		panic("rng: IntN of a number that is not positive")
	}
	limit := math.MaxUint64 - math.MaxUint64%uint64(n)
	for {
		if x := r.Uint64(); x < limit {
			return int(x % uint64(n))
		}
	}
}

// Bool returns true with probability p.
func Bool(r *rand.Rand, p float64) bool { return Float(r) < p }

// Normal returns a number of the standard normal distribution (Box and Muller).
func Normal(r *rand.Rand) float64 {
	u := 1 - Float(r) // in (0, 1]: its logarithm is finite
	return math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*Float(r))
}

// Gumbel returns a number with the standard Gumbel distribution: the index k of the
// largest x[k] + Gumbel has probability softmax(x)[k].
func Gumbel(r *rand.Rand) float64 {
	u := Float(r)
	for u == 0 { // its logarithm is not finite
		u = Float(r)
	}
	return -math.Log(-math.Log(u))
}

// Perm returns a random permutation of the integers below n.
func Perm(r *rand.Rand, n int) []int {
	p := make([]int, n)
	for i := range p {
		j := IntN(r, i+1)
		p[i] = p[j]
		p[j] = i
	}
	return p
}
