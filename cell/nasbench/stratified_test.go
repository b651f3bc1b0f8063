package nasbench_test

import (
	"cmp"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"pgregory.net/rapid"

	"unnas/cell"
	"unnas/cell/nasbench"
	"unnas/ops"
)

func byTest(a nasbench.Entry) float64 { return a.Test }

// measured returns a table of n cells with few different accuracies.
func measured(t testing.TB, n int) *nasbench.Table {
	t.Helper()
	drawn, err := cell.SampleNASBench(n, 4)
	require.NoError(t, err)
	var records [][]byte
	for i, c := range drawn {
		records = append(records, trained{c, 108, 0.5, float64(i*i%17) / 32, 1}.record(t))
	}
	table, err := nasbench.Open(t.Context(), file(t, records...), nasbench.Options{})
	require.NoError(t, err)
	return table
}

func TestStratified(t *testing.T) {
	const n = 103 // tenths of ten, and three of eleven
	table := measured(t, n)
	ranking := all(table)
	slices.SortStableFunc(ranking, func(a, b nasbench.Entry) int {
		return cmp.Or(cmp.Compare(a.Test, b.Test), cmp.Compare(a.Hash, b.Hash))
	})
	place := map[string]int{}
	for i, a := range ranking {
		place[a.Hash] = i
	}
	limits := []int{0, 10, 20, 30, 41, 51, 61, 72, 82, 92, 103}
	hit := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		each := rapid.IntRange(0, 10).Draw(t, "each")
		drawn, err := table.Stratified(each, seed, byTest)
		require.NoError(t, err)
		require.Len(t, drawn, 10*each)
		last := -1
		for i, a := range drawn {
			p, ok := place[a.Hash]
			require.True(t, ok)
			require.Equal(t, ranking[p], a)
			require.Greater(t, p, last, "in the order of the ranking, none twice")
			tenth := i / each
			require.True(t, limits[tenth] <= p && p < limits[tenth+1], "place %d in tenth %d", p, tenth)
			last = p
			hit[a.Hash] = true
		}
		again, err := table.Stratified(each, seed, byTest)
		require.NoError(t, err)
		require.Equal(t, drawn, again)
	})
	assert.Len(t, hit, n, "each is drawn now and then")

	one, err := table.Stratified(5, 1, byTest)
	require.NoError(t, err)
	two, err := table.Stratified(5, 2, byTest)
	require.NoError(t, err)
	assert.NotEqual(t, one, two)
}

func TestStratifiedRefuses(t *testing.T) {
	table := measured(t, 39)
	for _, each := range []int{-1, 4, math.MaxInt} {
		_, err := table.Stratified(each, 1, byTest)
		assert.ErrorContains(t, err, "of each tenth of 39 architectures; want 0 to 3")
		assert.ErrorContains(t, err, "nasbench: ")
	}
	_, err := table.Stratified(3, 1, func(nasbench.Entry) float64 { return math.NaN() })
	assert.ErrorContains(t, err, "nasbench: the accuracy of architecture "+table.At(0).Hash+" is not a number")
}

// shared returns a file of real data beside the repository, or in the folder that
// UNNAS_SHARED names. The test is skipped where there is none.
func shared(t *testing.T, name ...string) string {
	t.Helper()
	root := os.Getenv("UNNAS_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(append([]string{root, "data"}, name...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no real data in %s", path)
	}
	return path
}

// TestRealCSV reads runs of the released table, whose hashes are held against the
// cells, and whose parameters against their networks.
func TestRealCSV(t *testing.T) {
	table, err := nasbench.OpenCSV(t.Context(), shared(t, "arch_tables", "nasbench101_250.public.csv"), nasbench.Options{})
	require.NoError(t, err)
	require.Equal(t, 157, table.Len())
	valid(t, table)
	runs := 0
	for i, a := range all(table) {
		runs += a.Runs
		if i%10 == 0 {
			assert.Equal(t, a.Params, params(t, a.Cell), a.Hash)
		}
	}
	assert.Equal(t, 250, runs)

	drawn, err := table.Stratified(5, 1, func(a nasbench.Entry) float64 { return a.Validation })
	require.NoError(t, err)
	require.Len(t, drawn, 50)
	for tenth := range 10 {
		t.Logf("tenth %d: %.4f to %.4f", tenth, drawn[5*tenth].Validation, drawn[5*tenth+4].Validation)
	}
	assert.Less(t, drawn[4].Validation, drawn[45].Validation-0.05)
}

// TestRealTFRecord reads the released table.
func TestRealTFRecord(t *testing.T) {
	table, err := nasbench.Open(t.Context(), shared(t, "nasbench_only108.tfrecord"), nasbench.Options{Index: filepath.Join(t.TempDir(), "index")})
	require.NoError(t, err)
	assert.Equal(t, 423_624, table.Len())
	for i := 0; i < table.Len(); i += 100 {
		a := table.At(i)
		assert.Equal(t, a.Hash, hashOf(t, a.Cell))
		assert.Equal(t, 3, a.Runs)
	}
	drawn, err := table.Stratified(50, 1, byTest)
	require.NoError(t, err)
	assert.Len(t, drawn, 500)
}

// params counts the trainable values of the network of the table.
func params(t *testing.T, c cell.NASBenchCell) int {
	t.Helper()
	s := ops.NewScope(gorgonia.NewGraph(), ops.NewParams())
	x, err := ops.Images(s.Graph(), "images", 1, 32, 32, 3)
	require.NoError(t, err)
	y, err := cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: 128, Stacks: 3, Modules: 3}.Network(s, x, c)
	require.NoError(t, err)
	y, err = ops.GlobalAvgPool(y)
	require.NoError(t, err)
	_, err = s.Sub("classifier").Linear(y, 1, 10)
	require.NoError(t, err)
	return cell.Measure(s).Params
}
