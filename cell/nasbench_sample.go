package cell

import (
	"crypto/md5" // as published: equality with the table is all that it is for
	"fmt"
	"slices"
	"strings"

	"unnas/internal/rng"
)

// nasLabels are the numbers by which the published hash knows the operations.
var nasLabels = map[string]int{NASInput: -1, NASOutput: -2, NASConv3x3: 0, NASConv1x1: 1, NASMaxPool3x3: 2}

// Hash returns the name of the cell in the table of NAS-Bench-101: 32 hexadecimal
// digits that all cells share which differ in the order of their vertices alone, or
// in vertices that lie on no path from input to output. It returns an error if the
// cell is not valid.
//
// Each vertex has a digest, at first of its degrees and its operation; as many times
// as there are vertices, it becomes that of the digests around it (Ying et al., 2019,
// arXiv 1902.09635).
func (c NASBenchCell) Hash() (string, error) {
	if err := c.Validate(); err != nil {
		return "", err
	}
	return c.prune().hash(), nil
}

// hash is Hash of a cell that is valid and pruned.
func (c NASBenchCell) hash() string {
	digest := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
	in, out := make([][]int, len(c.Ops)), make([][]int, len(c.Ops)) // neighbours
	for i, row := range c.Matrix {
		for j, e := range row {
			if e == 1 {
				out[i], in[j] = append(out[i], j), append(in[j], i)
			}
		}
	}
	digests := make([]string, len(c.Ops))
	for v, op := range c.Ops {
		digests[v] = digest(fmt.Sprintf("(%d, %d, %d)", len(out[v]), len(in[v]), nasLabels[op]))
	}
	around := func(vertices []int) string {
		all := make([]string, len(vertices))
		for i, v := range vertices {
			all[i] = digests[v]
		}
		slices.Sort(all)
		return strings.Join(all, "")
	}
	for range c.Ops {
		next := make([]string, len(digests))
		for v := range next {
			next[v] = digest(around(in[v]) + "|" + around(out[v]) + "|" + digests[v])
		}
		digests = next
	}
	slices.Sort(digests)
	return digest("['" + strings.Join(digests, "', '") + "']") // as Python writes a list
}

// SampleNASBench draws n different cells of NAS-Bench-101, in the order of their
// draws: seven vertices with any operations, each of the 21 possible edges with
// probability ½, without the vertices that lie on no path from input to output. Draws
// without a path, with more than nine edges, and with the Hash of an earlier one are
// left out. Equal seeds give equal cells, of which the first do not depend on n.
//
// There are 423,624 cells, and some are drawn far more rarely than others. It returns
// an error if 200,000 draws in a row give no new one.
func SampleNASBench(n int, seed uint64) ([]NASBenchCell, error) {
	if n < 0 {
		return nil, fmt.Errorf("cell: %d samples; give a number that is not negative", n)
	}
	var all []NASBenchCell
	seen := map[string]bool{}
	for draw, last := 0, -1; len(all) < n; draw++ {
		if draw-last > maxRejected {
			return nil, fmt.Errorf("cell: %d of %d NAS-Bench cells after %d draws, and none more in the last %d; ask for fewer", len(all), n, draw, maxRejected)
		}
		c := randomNASBench(seed, draw).prune()
		if c.Validate() != nil {
			continue
		}
		if h := c.hash(); !seen[h] {
			seen[h] = true
			all = append(all, c)
			last = draw
		}
	}
	return all, nil
}

// randomNASBench returns a draw, which may not be valid.
func randomNASBench(seed uint64, draw int) NASBenchCell {
	r := rng.New(seed, "nasbench", 0, draw)
	c := NASBenchCell{Ops: slices.Repeat([]string{NASInput}, nasMaxVertices)}
	for i := range nasMaxVertices {
		row := make([]int, nasMaxVertices)
		for j := i + 1; j < nasMaxVertices; j++ {
			row[j] = rng.IntN(r, 2)
		}
		c.Matrix = append(c.Matrix, row)
	}
	for v := 1; v < nasMaxVertices-1; v++ {
		c.Ops[v] = [...]string{NASConv3x3, NASConv1x1, NASMaxPool3x3}[rng.IntN(r, 3)]
	}
	c.Ops[nasMaxVertices-1] = NASOutput
	return c
}
