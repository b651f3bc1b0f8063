package rng

import "slices"

// strata is the number of parts of a ranking that Stratified draws from.
const strata = 10

// Stratified draws each of the n places of a ranking at random from each tenth of it, and
// returns them in increasing order. each is at most PerStratum(n).
func Stratified(seed uint64, n, each int) []int {
	var drawn []int
	for k := range strata {
		from, to := k*n/strata, (k+1)*n/strata
		places := Perm(New(seed, "stratified", 0, k), to-from)[:each]
		slices.Sort(places)
		for _, p := range places {
			drawn = append(drawn, from+p)
		}
	}
	return drawn
}

// PerStratum is the largest number that Stratified can draw from each tenth of n places.
func PerStratum(n int) int { return n / strata }
