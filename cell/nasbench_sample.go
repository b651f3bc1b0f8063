package cell

import (
	"crypto/md5" // the published hash; not used for security
	"fmt"
	"slices"
	"strings"

	"unnas/internal/rng"
)

// nasLabels are the numbers of the operations in the published hash.
var nasLabels = map[string]int{NASInput: -1, NASOutput: -2, NASConv3x3: 0, NASConv1x1: 1, NASMaxPool3x3: 2}

// Hash returns the key of the cell in the NAS-Bench-101 table, 32 hexadecimal digits.
// Cells that differ only in the order of their vertices, or in vertices on no path
// from input to output, have the same hash. It returns an error if the cell is not
// valid.
//
// Each vertex starts with a digest of its degrees and its operation, which is then
// hashed with the digests of its neighbours, once per vertex of the cell (Ying et al.,
// 2019, arXiv 1902.09635).
func (c NASBenchCell) Hash() (string, error) {
	if err := c.Validate(); err != nil {
		return "", err
	}
	return c.prune().hash(), nil
}

// hash is Hash of a valid and pruned cell.
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

// SampleNASBench draws n different cells of NAS-Bench-101 at random, in the order
// drawn: seven vertices with any operations, each of the 21 possible edges with
// probability ½, pruned of vertices on no path from input to output. Draws without a
// path, with more than nine edges, or with the Hash of an earlier draw are rejected.
// Equal seeds give equal cells, and a larger n only appends to them.
//
// There are 423,624 cells; some are drawn far more rarely than others. It returns an
// error if 200,000 draws in a row are rejected.
func SampleNASBench(n int, seed uint64) ([]NASBenchCell, error) {
	if n < 0 {
		return nil, fmt.Errorf("cell: %d samples; want 0 or more", n)
	}
	var all []NASBenchCell
	seen := map[string]bool{}
	for draw, last := 0, -1; len(all) < n; draw++ {
		if draw-last > maxRejected {
			return nil, fmt.Errorf("cell: %d of %d NAS-Bench cells after %d draws, and no new one in the last %d; ask for fewer", len(all), n, draw, maxRejected)
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

// randomNASBench returns a draw, which may be invalid.
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
