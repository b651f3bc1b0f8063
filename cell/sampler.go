package cell

import (
	"cmp"
	"fmt"
	"slices"

	"gorgonia.org/gorgonia"

	"unnas/internal/rng"
	"unnas/ops"
)

// ArchSampler draws genotypes of a space at random: two edges into each node, each
// from any earlier node, possibly the same one, with any of the operations, "none"
// included. All nodes are concatenated. It rejects genotypes whose networks are too
// small or too large. It is plain data; [DARTSArchSampler] is that of UnNAS.
//
// Differs: the authors of UnNAS did not release their sampler. In their 500 samples
// both edges of node 2 come from the same input in half of the cases; the inputs are
// therefore drawn independently.
type ArchSampler struct {
	Space Space `json:"space"`
	// Image is the height and width of the images and Classes the number of outputs of
	// the linear classifier of the measured networks.
	Image   int `json:"image"`
	Classes int `json:"classes"`
	// Reference is the size of a network. Params and MACs of a sample lie between Low
	// and High times those of Reference, inclusive. THOP is not compared.
	Reference Complexity `json:"reference"`
	Low       float64    `json:"low"`
	High      float64    `json:"high"`
}

// SampledArch is a genotype drawn by an ArchSampler.
type SampledArch struct {
	Genotype Genotype   `json:"genotype"`
	Size     Complexity `json:"size"` // of the network with its classifier; see Measure
	// Index counts the draws before this one, rejected ones included. The acceptance
	// rate of n samples is n/(Index+1) of the last.
	Index int `json:"index"`
}

// DARTSArchSampler returns the architecture sampler of UnNAS (Liu et al., 2020, arXiv
// 2003.12056): the DARTS space, 16 channels and 20 cells on CIFAR-10, with 80 to 120 %
// of the parameters and multiply-adds of ResNet-56.
func DARTSArchSampler() (ArchSampler, error) {
	reference, err := ResNet56()
	return ArchSampler{
		Space: DARTS(CIFARStem, 16, 20), Image: 32, Classes: 10,
		Reference: reference, Low: 0.8, High: 1.2,
	}, err
}

// Validate reports the first invalid field.
func (s ArchSampler) Validate() error {
	if err := s.Space.Validate(); err != nil {
		return err
	}
	if s.Space.Backbone.Stem.dense() {
		return fmt.Errorf("cell: an ArchSampler of dense cells, Stem %q, whose sizes it does not know; use Space.Random", s.Space.Backbone.Stem)
	}
	if err := within(limit{"Image", s.Image, 1 << 14}, limit{"Classes", s.Classes, 1 << 20}); err != nil {
		return err
	}
	if s.Reference.Params < 1 || s.Reference.MACs < 1 {
		return fmt.Errorf("cell: Reference has %d parameters and %d multiply-adds; give the size of a network", s.Reference.Params, s.Reference.MACs)
	}
	if !(s.Low >= 0 && s.Low <= s.High) {
		return fmt.Errorf("cell: Low is %v and High %v; want fractions of Reference, 0 ≤ Low ≤ High", s.Low, s.High)
	}
	return nil
}

// maxRejected is the largest number of rejected draws in a row. At an acceptance
// rate of 1/20,000 it is exceeded once in 20,000 samples.
const maxRejected = 200_000

// Sample draws n genotypes, in the order drawn. No two have the same cells; the order
// of the edges into a node does not matter. Equal seeds give equal samples, and a
// larger n only appends to them. It returns an error if 200,000 draws in a row are
// rejected.
func (s ArchSampler) Sample(n int, seed uint64) ([]SampledArch, error) {
	if n < 0 {
		return nil, fmt.Errorf("cell: %d samples; want 0 or more", n)
	}
	costs, err := s.costs()
	if err != nil {
		return nil, err
	}
	var all []SampledArch
	seen := map[string]bool{}
	for draw, last := 0, -1; len(all) < n; draw++ {
		if draw-last > maxRejected {
			return nil, fmt.Errorf("cell: %d of %d samples after %d draws, and no new one in the last %d; ask for fewer, or move Low and High apart", len(all), n, draw, maxRejected)
		}
		g := s.Space.Random(seed, draw)
		size := costs.size(g)
		if !s.fits(size) {
			continue
		}
		if key := g.Canonical().String(); !seen[key] {
			seen[key] = true
			all = append(all, SampledArch{Genotype: g, Size: size, Index: draw})
			last = draw
		}
	}
	return all, nil
}

func (s ArchSampler) fits(c Complexity) bool {
	between := func(v, reference float64) bool { return s.Low*reference <= v && v <= s.High*reference }
	return between(float64(c.Params), float64(s.Reference.Params)) && between(float64(c.MACs), float64(s.Reference.MACs))
}

// Random returns the genotype of a draw, from 0, without regard to its size: equal seeds
// give equal genotypes. Every edge has any of its candidates, "none" included, and comes
// from any earlier node, unless the cells are dense. The space must be valid.
func (sp Space) Random(seed uint64, draw int) Genotype {
	r := rng.New(seed, "genotype", 0, draw)
	if sp.Backbone.Stem.dense() {
		edges := make([]Edge, sp.Edges())
		for i := range edges {
			names := sp.Names(false, i)
			edges[i] = Edge{From: i - dense.first(dense.target(i)), Op: names[rng.IntN(r, len(names))]}
		}
		return Genotype{Normal: edges}
	}
	edges := func(reduction bool) []Edge {
		all := make([]Edge, edgesPerNode*sp.Nodes)
		for i := range all {
			node := darts.target(i)
			from := rng.IntN(r, node)
			names := sp.Names(reduction, sp.wiring().first(node)+from)
			all[i] = Edge{From: from, Op: names[rng.IntN(r, len(names))]}
		}
		return all
	}
	return sp.genotype(edges(false), edges(true))
}

// genotype returns the genotype whose cells concatenate all nodes of the space.
func (sp Space) genotype(normal, reduce []Edge) Genotype {
	concat := make([]int, sp.Nodes)
	for i := range concat {
		concat[i] = inputs + i
	}
	return Genotype{Normal: normal, NormalConcat: concat, Reduce: reduce, ReduceConcat: slices.Clone(concat)}
}

// Canonical returns g with the edges into each node in an order that depends on nothing but
// the edges: equal cells then have equal texts. A dense genotype is returned as it is.
func (g Genotype) Canonical() Genotype {
	if g.Dense() {
		return g
	}
	sorted := func(edges []Edge) []Edge {
		edges = slices.Clone(edges)
		for pair := range slices.Chunk(edges, edgesPerNode) {
			slices.SortFunc(pair, func(a, b Edge) int {
				return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Op, b.Op))
			})
		}
		return edges
	}
	g.Normal, g.Reduce = sorted(g.Normal), sorted(g.Reduce)
	return g
}

// edgeKind determines the cost of an edge.
type edgeKind struct {
	reduces bool // of a reduction cell
	inner   bool // from an intermediate node, not from an input of the cell
	op      string
}

// costs computes the sizes of networks without building them: the cost of an edge
// does not depend on other edges.
type costs struct {
	plain Complexity              // of the network with equal edges everywhere
	extra map[edgeKind]Complexity // difference from one edge of another kind in each cell
}

// costs measures the plain network, and one of each kind of edge.
func (s ArchSampler) costs() (*costs, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	sp, names := s.Space, s.Space.Ops.Names()
	plain := slices.Repeat([]Edge{{Op: names[0], From: 0}}, edgesPerNode*sp.Nodes)
	last := len(plain) - 1
	from := []int{0}
	if darts.target(last) > inputs {
		from = append(from, inputs)
	}
	c := &costs{extra: map[edgeKind]Complexity{}}
	var err error
	if c.plain, err = s.measure(sp.genotype(plain, plain)); err != nil {
		return nil, err
	}
	for _, from := range from {
		for _, op := range names {
			changed := slices.Clone(plain)
			changed[last] = Edge{Op: op, From: from}
			for _, reduces := range []bool{false, true} {
				g := sp.genotype(changed, plain)
				if reduces {
					g = sp.genotype(plain, changed)
				}
				size, err := s.measure(g)
				if err != nil {
					return nil, err
				}
				c.extra[edgeKind{reduces, from >= inputs, op}] = size.plus(c.plain, -1)
			}
		}
	}
	return c, nil
}

// measure builds the network of a genotype and counts it.
func (s ArchSampler) measure(g Genotype) (Complexity, error) {
	return measureClassifier(s.Image, s.Classes, func(scope *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
		net, err := s.Space.Backbone.Network(scope, x, g, s.Space.Ops)
		if err != nil {
			return nil, err
		}
		return net.Out, nil
	})
}

func (c *costs) size(g Genotype) Complexity {
	total := c.plain
	for _, e := range g.Normal {
		total = total.plus(c.extra[edgeKind{false, e.From >= inputs, e.Op}], 1)
	}
	for _, e := range g.Reduce {
		total = total.plus(c.extra[edgeKind{true, e.From >= inputs, e.Op}], 1)
	}
	return total
}

// plus returns the sum of c and sign·d.
func (c Complexity) plus(d Complexity, sign int) Complexity {
	return Complexity{
		Params: c.Params + sign*d.Params,
		MACs:   c.MACs + int64(sign)*d.MACs,
		THOP:   c.THOP + int64(sign)*d.THOP,
	}
}
