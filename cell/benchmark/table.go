package benchmark

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"sort"
	"strings"

	"unnas/cell"
	"unnas/darts/rank"
	"unnas/internal/rng"
	"unnas/internal/text"
)

// A Table has scores of cells, of which higher ones are better.
type Table struct {
	scores *rank.Table
	cells  []cell.Genotype
	rows   map[string]int       // by the notation of the cell
	sorted map[string][]float64 // by metric, ascending
}

// The column of the cells, and the columns of the two cells of a genotype.
const (
	archColumn   = "arch"
	normalColumn = "normal"
	reduceColumn = "reduce"
)

// Open reads the table in the CSV file at path as [Read] does, or the results of
// NAS-Bench-201 in the file of its API, such as NAS-Bench-201-v1_1-096897.pth. Of that, the
// metrics are the accuracies after the last of 200 epochs, means over the seeds, named
// cifar10_test and so on; those after 12 epochs end in _12ep. Such a file is large; reading
// takes minutes, and memory of about half of its size.
func Open(path string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("benchmark: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("benchmark: %w", err)
	}
	var t *Table
	if isTorch(f) {
		t, err = readTorch(f, info.Size())
	} else {
		t, err = read(f)
	}
	if err != nil {
		return nil, fmt.Errorf("benchmark: %s: %w", path, err)
	}
	return t, nil
}

// Read reads a table of at most [rank.MaxTable] bytes from a CSV file: a header, then a row
// for each cell. Columns of numbers are metrics. The column arch has the cell, in a notation
// of [cell.ParseGenotype], or as six digits of operations of TransNAS-Bench-101. Instead,
// the columns normal and reduce may have the cells of DARTS, as edges like
// "sep_conv_3x3:0" in node order; all nodes are then concatenated.
//
// It returns an error with the line for cells that are malformed or occur twice, for numbers
// that are not finite, and for a table without metrics.
func Read(r io.Reader) (*Table, error) {
	t, err := read(r)
	if err != nil {
		return nil, fmt.Errorf("benchmark: %w", err)
	}
	return t, nil
}

func read(r io.Reader) (*Table, error) {
	data, err := io.ReadAll(io.LimitReader(text.NewReader(r), rank.MaxTable+1))
	if err != nil {
		return nil, err
	}
	if len(data) > rank.MaxTable {
		return nil, fmt.Errorf("a table of more than %d bytes; want at most as many", rank.MaxTable)
	}
	header, err := csv.NewReader(bytes.NewReader(data)).Read()
	if err != nil {
		return nil, fmt.Errorf("the header: %w", err)
	}
	if !slices.Contains(header, archColumn) {
		if data, err = join(data, header); err != nil {
			return nil, err
		}
	}
	scores, err := rank.Read(bytes.NewReader(data), archColumn)
	if err != nil {
		return nil, err
	}
	scores.Columns = slices.DeleteFunc(scores.Columns, func(c rank.Column) bool { return c.Name == "index" })
	return newTable(scores)
}

// join replaces the columns of the normal and the reduction cell by one of both.
func join(data []byte, header []string) ([]byte, error) {
	normal, reduce := slices.Index(header, normalColumn), slices.Index(header, reduceColumn)
	if normal < 0 || reduce < 0 {
		return nil, fmt.Errorf("the columns are %q; want %q, or %q and %q", header, archColumn, normalColumn, reduceColumn)
	}
	in := csv.NewReader(bytes.NewReader(data))
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	for line := 0; ; line++ {
		row, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		both := archColumn
		if line > 0 {
			g := cell.Genotype{Normal: nil}
			for i, column := range []int{normal, reduce} {
				edges, err := parseEdges(row[column])
				if err != nil {
					at, _ := in.FieldPos(column)
					return nil, fmt.Errorf("line %d: %w", at, err)
				}
				concat := make([]int, len(edges)/2)
				for k := range concat {
					concat[k] = 2 + k
				}
				if i == 0 {
					g.Normal, g.NormalConcat = edges, concat
				} else {
					g.Reduce, g.ReduceConcat = edges, concat
				}
			}
			both = g.Python() // one line
		}
		row[normal] = both
		if err := w.Write(slices.Delete(row, reduce, reduce+1)); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return out.Bytes(), w.Error()
}

// parseEdges reads edges like "sep_conv_3x3:0 skip_connect:1".
func parseEdges(list string) ([]cell.Edge, error) {
	var edges []cell.Edge
	for _, e := range strings.Fields(list) {
		var from int
		op, number, ok := strings.Cut(e, ":")
		if _, err := fmt.Sscanf(number, "%d", &from); !ok || err != nil {
			return nil, fmt.Errorf("edge %.60q; want an operation and a node, like sep_conv_3x3:0", e)
		}
		edges = append(edges, cell.Edge{Op: op, From: from})
	}
	return edges, nil
}

var digits = regexp.MustCompile(`^([0-3])([0-3]{2})([0-3]{3})$`)

func newTable(scores *rank.Table) (*Table, error) {
	t := &Table{scores: scores, rows: map[string]int{}, sorted: map[string][]float64{}}
	if len(scores.Columns) == 0 {
		return nil, errors.New("the table has no column of numbers")
	}
	for i, name := range scores.Archs {
		g, err := cell.ParseGenotype(digits.ReplaceAllString(name, "64-41414-${1}_${2}_${3}"))
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", i+1, err)
		}
		key := g.Canonical().String()
		if other, ok := t.rows[key]; ok {
			return nil, fmt.Errorf("rows %d and %d are the same cell, %s", other+1, i+1, name)
		}
		t.rows[key] = i
		t.cells = append(t.cells, g)
	}
	for _, c := range scores.Columns {
		t.sorted[c.Name] = slices.Sorted(slices.Values(c.Values))
	}
	return t, nil
}

// Len returns the number of cells.
func (t *Table) Len() int { return len(t.cells) }

// Cell returns a cell of the table, from 0, in the order of the file. It panics if i is out
// of range.
func (t *Table) Cell(i int) cell.Genotype { return t.cells[i] }

// Metrics returns the names of the metrics in the order of the file.
func (t *Table) Metrics() []string {
	names := make([]string, len(t.scores.Columns))
	for i, c := range t.scores.Columns {
		names[i] = c.Name
	}
	return names
}

// Values returns the scores of all cells by a metric, in their order. They are not copied.
func (t *Table) Values(metric string) ([]float64, error) {
	values, err := t.scores.Column(metric)
	if err != nil {
		return nil, fmt.Errorf("benchmark: no metric %.60q; the table has %q", metric, t.Metrics())
	}
	return values, nil
}

// Find returns the row of a cell, and whether the table has it. The order of the edges into
// a node does not matter.
func (t *Table) Find(g cell.Genotype) (i int, ok bool) {
	i, ok = t.rows[g.Canonical().String()]
	return i, ok
}

// A Score is a score of a cell beside those of all cells of a table.
type Score struct {
	Value float64
	// Rank is 1 for the best; cells of equal scores share the best rank of theirs.
	Rank int
	// Percentile is the share of cells with lower scores, those with equal ones counted as
	// half.
	Percentile float64
}

// Score looks a cell up. It returns an error if the table does not have the cell or the
// metric.
func (t *Table) Score(g cell.Genotype, metric string) (Score, error) {
	values, err := t.Values(metric)
	if err != nil {
		return Score{}, err
	}
	i, ok := t.Find(g)
	if !ok {
		return Score{}, fmt.Errorf("benchmark: the table has no cell %s; is it of this search space?", strings.ReplaceAll(g.String(), "\n", ", "))
	}
	v, all := values[i], t.sorted[metric]
	below := sort.SearchFloat64s(all, v)
	above := sort.Search(len(all), func(k int) bool { return all[k] > v })
	return Score{
		Value: v, Rank: 1 + len(all) - above,
		Percentile: (float64(below) + float64(above)) / 2 / float64(len(all)),
	}, nil
}

// A Summary describes the scores of all cells by a metric.
type Summary struct {
	Best      cell.Genotype // the first with the highest score
	Max       float64
	Mean      float64
	Deviation float64 // standard deviation over all cells
	Median    float64
}

// Summary summarises the scores of a metric.
func (t *Table) Summary(metric string) (Summary, error) {
	values, err := t.Values(metric)
	if err != nil {
		return Summary{}, err
	}
	var s Summary
	best := 0
	for i, v := range values {
		s.Mean += v / float64(len(values))
		if v > values[best] {
			best = i
		}
	}
	for _, v := range values {
		s.Deviation += float64((v-s.Mean)*(v-s.Mean)) / float64(len(values))
	}
	s.Deviation = math.Sqrt(s.Deviation)
	s.Best, s.Max = t.cells[best], values[best]
	all, n := t.sorted[metric], len(values)
	s.Median = (all[(n-1)/2] + all[n/2]) / 2
	return s, nil
}

// Stratified ranks all cells by a metric, lowest first, equal ones by their rows, and draws
// each cells at random from each tenth of the ranking. It returns their rows in the order of
// the ranking. Equal seeds give equal draws from equal tables. It returns an error if a tenth
// has too few cells.
func (t *Table) Stratified(metric string, each int, seed uint64) ([]int, error) {
	values, err := t.Values(metric)
	if err != nil {
		return nil, err
	}
	n := len(values)
	if most := rng.PerStratum(n); each < 0 || each > most {
		return nil, fmt.Errorf("benchmark: %d of each tenth of %d cells; want 0 to %d", each, n, most)
	}
	ranking := make([]int, n)
	for i := range ranking {
		ranking[i] = i
	}
	slices.SortFunc(ranking, func(a, b int) int { return cmp.Or(cmp.Compare(values[a], values[b]), cmp.Compare(a, b)) })
	drawn := rng.Stratified(seed, n, each)
	for i, place := range drawn {
		drawn[i] = ranking[place]
	}
	return drawn, nil
}

// RandomSearch returns the expected score of the best of n cells that are drawn with equal
// probability, with replacement: what a random search reaches that knows the truth. n is at
// least 1.
func (t *Table) RandomSearch(metric string, n int) (float64, error) {
	if n < 1 {
		return 0, fmt.Errorf("benchmark: a random search of %d cells; want 1 or more", n)
	}
	if _, err := t.Values(metric); err != nil {
		return 0, err
	}
	all := t.sorted[metric]
	var mean, before float64
	for i, v := range all {
		upTo := math.Pow(float64(i+1)/float64(len(all)), float64(n)) // the probability that none is above
		mean += float64(v * (upTo - before))
		before = upTo
	}
	return mean, nil
}
