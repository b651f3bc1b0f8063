package baseline

import (
	"slices"

	"unnas/cell"
	"unnas/internal/rng"
)

// Genotypes draws and changes genotypes of a search space.
type Genotypes struct {
	Space cell.Space
	Seed  uint64
}

// Sample returns the genotype of a draw, from 0: see cell.Space.Random. The space must be
// valid.
func (g Genotypes) Sample(i int) cell.Genotype { return g.Space.Random(g.Seed, i) }

// maxDraws limits the draws that leave a genotype as it is, half of them at most in spaces
// with two candidates for an edge.
const maxDraws = 1000

// Mutate returns child number i of a genotype, in which one edge of one cell is drawn anew,
// and differs.
//
// Differs: Real et al. (2019, arXiv 1802.01548) change either the operation or the input of
// an edge, and sometimes nothing.
func (g Genotypes) Mutate(parent cell.Genotype, i int) cell.Genotype {
	r := rng.New(g.Seed, "mutation", 0, i)
	n := len(parent.Normal) + len(parent.Reduce)
	child := parent
	child.Normal, child.Reduce = slices.Clone(parent.Normal), slices.Clone(parent.Reduce)
	was := parent.Canonical().String()
	for draw := range maxDraws {
		at := rng.IntN(r, n)
		other := g.Space.Random(r.Uint64(), draw)
		edges, others := child.Normal, other.Normal
		if at >= len(edges) {
			at, edges, others = at-len(edges), child.Reduce, other.Reduce
		}
		before := edges[at]
		if edges[at] = others[at]; child.Canonical().String() != was {
			return child
		}
		edges[at] = before
	}
	return child
}
