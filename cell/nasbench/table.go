package nasbench

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"

	"unnas/cell"
	"unnas/internal/rng"
)

// Entry is an architecture of the table with its measurements.
type Entry struct {
	// Hash is the key of the cell in the table; see cell.NASBenchCell.Hash.
	Hash string
	Cell cell.NASBenchCell
	// Params is the number of trainable values of its network, or 0 if unknown.
	Params int
	// Runs is the number of times it was trained.
	Runs int
	// Validation and Test are the accuracies after the last epoch, from 0 to 1, averaged
	// over the runs. Test is NaN if unknown.
	Validation, Test float64
}

// Table is a table of architectures in the order of their hashes. It takes 48 bytes of
// memory per architecture.
type Table struct {
	epochs  int
	rows    []row
	rebuilt error
}

// row is an Entry in compact form, in memory and in the index.
type row struct {
	Hash             [16]byte
	Cell             packed
	Params, Runs     uint32
	Validation, Test float64
}

// maxRows limits the size of a file; the table has 423,624 rows.
const maxRows = 1 << 20

// Len returns the number of architectures.
func (t *Table) Len() int { return len(t.rows) }

// Epochs returns the number of epochs of the runs.
func (t *Table) Epochs() int { return t.epochs }

// RebuildReason returns why an existing index could not be used, or nil.
func (t *Table) RebuildReason() error { return t.rebuilt }

// At returns architecture i, in the order of hashes. It panics if i is out of range.
func (t *Table) At(i int) Entry {
	r := t.rows[i]
	return Entry{
		Hash: hex.EncodeToString(r.Hash[:]), Cell: r.Cell.cell(), Params: int(r.Params),
		Runs: int(r.Runs), Validation: r.Validation, Test: r.Test,
	}
}

// Find returns the architecture with a hash, and whether the table has it.
func (t *Table) Find(hash string) (Entry, bool) {
	h, err := parseHash(hash)
	if err != nil {
		return Entry{}, false
	}
	i, ok := slices.BinarySearchFunc(t.rows, h, func(r row, h [16]byte) int { return bytes.Compare(r.Hash[:], h[:]) })
	if !ok {
		return Entry{}, false
	}
	return t.At(i), true
}

// Stratified ranks all architectures by accuracy, lowest first, equal ones by hash, and
// draws each architectures at random from each tenth of the ranking. It returns them in
// the order of the ranking. Equal seeds give equal draws from equal tables.
//
// It returns an error if a tenth has too few architectures, or if an accuracy is not
// a number.
func (t *Table) Stratified(each int, seed uint64, accuracy func(Entry) float64) ([]Entry, error) {
	n := len(t.rows)
	if most := rng.PerStratum(n); each < 0 || each > most {
		return nil, fmt.Errorf("nasbench: %d of each tenth of %d architectures; want 0 to %d", each, n, most)
	}
	type rank struct {
		row      int // rows are in the order of hashes
		accuracy float64
	}
	ranking := make([]rank, n)
	for i := range ranking {
		a := t.At(i)
		ranking[i] = rank{i, accuracy(a)}
		if math.IsNaN(ranking[i].accuracy) {
			return nil, fmt.Errorf("nasbench: the accuracy of architecture %s is not a number; rank by an accuracy that the table has", a.Hash)
		}
	}
	slices.SortFunc(ranking, func(a, b rank) int {
		return cmp.Or(cmp.Compare(a.accuracy, b.accuracy), cmp.Compare(a.row, b.row))
	})
	var drawn []Entry
	for _, place := range rng.Stratified(seed, n, each) {
		drawn = append(drawn, t.At(ranking[place].row))
	}
	return drawn, nil
}

// builder collects the runs of a table.
type builder struct {
	epochs int
	rows   []row
	places map[[16]byte]int
}

func newBuilder(epochs int) *builder { return &builder{epochs: epochs, places: map[[16]byte]int{}} }

func (b *builder) has(hash [16]byte) bool {
	_, ok := b.places[hash]
	return ok
}

// add adds a row of one run. Among runs with the same hash the first gives the cell and
// the parameters.
func (b *builder) add(r row) error {
	i, ok := b.places[r.Hash]
	if !ok {
		if len(b.rows) == maxRows {
			return fmt.Errorf("more than %d architectures; NAS-Bench-101 has 423,624", maxRows)
		}
		b.places[r.Hash] = len(b.rows)
		b.rows = append(b.rows, r)
		return nil
	}
	sum := &b.rows[i]
	sum.Runs += r.Runs
	sum.Validation += r.Validation
	sum.Test += r.Test
	return nil
}

// table turns the sums into means.
func (b *builder) table() *Table {
	for i := range b.rows {
		r := &b.rows[i]
		r.Validation /= float64(r.Runs)
		r.Test /= float64(r.Runs)
	}
	slices.SortFunc(b.rows, func(a, b row) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
	return &Table{epochs: b.epochs, rows: b.rows}
}

func parseHash(s string) (h [16]byte, err error) {
	if len(s) != hex.EncodedLen(len(h)) {
		return h, fmt.Errorf("hash %.60q is not 32 hexadecimal digits", s)
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return h, fmt.Errorf("hash %q is not 32 hexadecimal digits", s)
	}
	return h, nil
}

// packed is a cell in 34 bits: from the lowest, the number of vertices in three bits,
// the operations of the five vertices between input and output in two bits each, and the
// 21 entries of the matrix above the diagonal, row by row. Unused bits are zero.
type packed uint64

const (
	maxVertices = 7
	matrixShift = 3 + 2*(maxVertices-2)
	packedBits  = matrixShift + maxVertices*(maxVertices-1)/2
)

var operations = [...]string{cell.NASConv3x3, cell.NASConv1x1, cell.NASMaxPool3x3}

// pack packs a cell from its matrix, row by row as digits, and its operations. It
// returns an error if the cell is invalid.
func pack(matrix string, ops []string) (packed, error) {
	v := len(ops)
	if v > maxVertices || len(matrix) != v*v {
		return 0, fmt.Errorf("matrix of %d entries for %d operations; want at most %d, and a row and a column per operation", len(matrix), v, maxVertices)
	}
	c := cell.NASBenchCell{Ops: ops, Matrix: make([][]int, v)}
	for i := range c.Matrix {
		c.Matrix[i] = make([]int, v)
		for j := range c.Matrix[i] {
			c.Matrix[i][j] = int(matrix[i*v+j]) - '0'
		}
	}
	if err := c.Validate(); err != nil {
		return 0, err
	}
	p := packed(v)
	for i := 1; i < v-1; i++ {
		p |= packed(slices.Index(operations[:], ops[i])) << (1 + 2*i)
	}
	shift := matrixShift
	for i, row := range c.Matrix {
		for _, e := range row[i+1:] {
			p |= packed(e) << shift
			shift++
		}
	}
	return p, nil
}

// check returns an error if p is not a packed cell.
func (p packed) check() error {
	v := int(p & 7)
	if v < 2 || p>>packedBits != 0 {
		return errors.New("a cell with fewer than two or more than seven vertices")
	}
	for i := 1; i < maxVertices-1; i++ {
		if int(p>>(1+2*i)&3) >= len(operations) {
			return errors.New("a cell with an unknown operation")
		}
	}
	return nil
}

// cell unpacks a cell that passes check.
func (p packed) cell() cell.NASBenchCell {
	v := int(p & 7)
	c := cell.NASBenchCell{Ops: make([]string, v), Matrix: make([][]int, v)}
	shift := matrixShift
	c.Ops[0], c.Ops[v-1] = cell.NASInput, cell.NASOutput
	for i := 1; i < v-1; i++ {
		c.Ops[i] = operations[p>>(1+2*i)&3]
	}
	for i := range v {
		c.Matrix[i] = make([]int, v)
		for j := i + 1; j < v; j++ {
			c.Matrix[i][j] = int(p >> shift & 1)
			shift++
		}
	}
	return c
}
