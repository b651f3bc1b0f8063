// Package rng derives independent random streams from one seed.
//
// A stream belongs to a purpose, an epoch and an index, so the random numbers of an
// image or a weight do not depend on the order of the work or the number of workers.
// The generator is PCG; the distributions are implemented here, because math/rand/v2
// does not guarantee to keep its own.
package rng
