// Package rng derives independent streams of random numbers from one seed.
//
// A stream belongs to a purpose, an epoch and an index, so what an image or a
// weight draws depends on neither the order of the work nor the number of
// workers. The generator is PCG; the functions that shape its output are here,
// because math/rand/v2 does not promise to keep its own.
package rng
