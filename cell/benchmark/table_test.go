package benchmark_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/cell/benchmark"
	"unnas/darts/rank"
)

// small has four cells of one node, of which two are equally good.
const small = `index,arch,a_test,note,b
0,|none~0|,10,x,1
1,|skip_connect~0|,30,y,2
2,|nor_conv_1x1~0|,30,z,4
3,|nor_conv_3x3~0|,50,x,3
`

func genotype(t *testing.T, notation string) cell.Genotype {
	t.Helper()
	g, err := cell.ParseGenotype(notation)
	require.NoError(t, err)
	return g
}

func TestLookUp(t *testing.T) {
	table, err := benchmark.Read(strings.NewReader(small))
	require.NoError(t, err)
	assert.Equal(t, []string{"a_test", "b"}, table.Metrics())
	assert.Equal(t, 4, table.Len())
	assert.Equal(t, genotype(t, "|skip_connect~0|"), table.Cell(1))
	for arch, want := range map[string]benchmark.Score{
		"|none~0|":         {Value: 10, Rank: 4, Percentile: 0.125},
		"|skip_connect~0|": {Value: 30, Rank: 2, Percentile: 0.5},
		"|nor_conv_1x1~0|": {Value: 30, Rank: 2, Percentile: 0.5},
		"|nor_conv_3x3~0|": {Value: 50, Rank: 1, Percentile: 0.875},
	} {
		got, err := table.Score(genotype(t, arch), "a_test")
		require.NoError(t, err)
		assert.Equal(t, want, got, arch)
	}
	_, err = table.Score(genotype(t, "|nor_conv_3x3~0|"), "c")
	assert.EqualError(t, err, `benchmark: no metric "c"; the table has ["a_test" "b"]`)
	_, err = table.Score(genotype(t, "|sep_conv_3x3~0|"), "b")
	assert.EqualError(t, err, "benchmark: the table has no cell |sep_conv_3x3~0|; is it of this search space?")
}

func TestSummary(t *testing.T) {
	table, err := benchmark.Read(strings.NewReader(small))
	require.NoError(t, err)
	got, err := table.Summary("b")
	require.NoError(t, err)
	assert.Equal(t, benchmark.Summary{Best: genotype(t, "|nor_conv_1x1~0|"), Max: 4, Mean: 2.5, Deviation: math.Sqrt(1.25), Median: 2.5}, got)
	_, err = table.Summary("c")
	assert.ErrorContains(t, err, `no metric "c"`)
}

// TestRandomSearch compares with the mean over all draws.
func TestRandomSearch(t *testing.T) {
	table, err := benchmark.Read(strings.NewReader(small))
	require.NoError(t, err)
	values := []float64{10, 30, 30, 50}
	var two float64
	for _, x := range values {
		for _, y := range values {
			two += max(x, y) / 16
		}
	}
	for n, want := range map[int]float64{1: 30, 2: two, 10_000: 50} {
		got, err := table.RandomSearch("a_test", n)
		require.NoError(t, err)
		assert.InDelta(t, want, got, 1e-9, n)
	}
	_, err = table.RandomSearch("a_test", 0)
	assert.ErrorContains(t, err, "a random search of 0 cells")
	_, err = table.RandomSearch("c", 1)
	assert.ErrorContains(t, err, `no metric "c"`)
}

func TestStratified(t *testing.T) {
	var rows strings.Builder
	rows.WriteString("arch,x\n")
	for i := range 57 {
		fmt.Fprintf(&rows, "|op_%d~0|,%d\n", i, (i*13)%57)
	}
	table, err := benchmark.Read(strings.NewReader(rows.String()))
	require.NoError(t, err)
	drawn, err := table.Stratified("x", 2, 3)
	require.NoError(t, err)
	values, err := table.Values("x")
	require.NoError(t, err)
	require.Len(t, drawn, 20)
	for i, row := range drawn {
		k := i / 2
		assert.True(t, k*57/10 <= int(values[row]) && int(values[row]) < (k+1)*57/10, "%v in tenth %d", values[row], k)
		assert.True(t, i == 0 || values[drawn[i-1]] < values[row], "in the order of the ranking, without repetition")
	}
	again, err := table.Stratified("x", 2, 3)
	require.NoError(t, err)
	assert.Equal(t, drawn, again)
	other, err := table.Stratified("x", 2, 4)
	require.NoError(t, err)
	assert.NotEqual(t, drawn, other)
	_, err = table.Stratified("x", 6, 3)
	assert.ErrorContains(t, err, "6 of each tenth of 57 cells; want 0 to 5")
	_, err = table.Stratified("y", 1, 3)
	assert.ErrorContains(t, err, `no metric "y"`)
}

// TestOtherNotations reads cells of TransNAS-Bench-101 and of DARTS; the order of the edges
// into a node does not matter.
func TestOtherNotations(t *testing.T) {
	table, err := benchmark.Read(strings.NewReader("arch,jigsaw\n000000,1\n312301,2\n"))
	require.NoError(t, err)
	s, err := table.Score(genotype(t, "64-41414-3_12_301"), "jigsaw")
	require.NoError(t, err)
	assert.Equal(t, 2.0, s.Value)

	table, err = benchmark.Read(strings.NewReader("normal,reduce,accuracy\nsep_conv_3x3:0 skip_connect:1,max_pool_3x3:1 max_pool_3x3:0,93\n"))
	require.NoError(t, err)
	s, err = table.Score(genotype(t, "normal: skip_connect(1) sep_conv_3x3(0); concat 2\nreduce: max_pool_3x3(0) max_pool_3x3(1); concat 2"), "accuracy")
	require.NoError(t, err)
	assert.Equal(t, benchmark.Score{Value: 93, Rank: 1, Percentile: 0.5}, s)
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "benchmark: the header: EOF",
		"cell,x\na,1\n":                    `the columns are ["cell" "x"]; want "arch", or "normal" and "reduce"`,
		"arch,x\nsep,1\n":                  "row 1: cell: genotype",
		"arch,x\n|a~0|,one\n|b~0|,zero\n":  "the table has no column of numbers",
		"arch,x\n|a~0|,1\n|b~0|,NaN\n":     "line 3",
		"arch,x\n|a~0|,1\n000000,3\n":      "",
		"arch,x\n|a~0|,1\n|a~0|,3\n":       "|a~0|",
		"arch,x\n|a~0|,1\n'|a~0|',3\n":     "rows 1 and 2 are the same cell, '|a~0|'",
		"normal,reduce,x\na:0 b:1,c,1\n":   `line 2: edge "c"; want an operation and a node`,
		"normal,reduce,x\na:0 b:9,c:0,1\n": "row 1: cell: normal node 2, second edge: input 9",
		"arch,x\n" + strings.Repeat("|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa~0|,1\n", rank.MaxTable/34): "a table of more than",
	} {
		_, err := benchmark.Read(strings.NewReader(text))
		if want == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, want, text[:min(len(text), 60)])
		}
	}
	_, err := benchmark.Open("missing.csv")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// TestPublishedTables reads the tables of ../shared, which users have from their sources.
func TestPublishedTables(t *testing.T) {
	open := func(name string) *benchmark.Table {
		table, err := benchmark.Open(filepath.Join("..", "..", "..", "shared", "data", "arch_tables", name))
		if os.IsNotExist(err) || err != nil && strings.Contains(err.Error(), "no such file") {
			t.Skip("no tables: ", err)
		}
		require.NoError(t, err)
		return table
	}
	// The accuracies after 12 epochs, of one seed; those after 200 have a maximum of 94.37.
	table := open("nasbench201_accuracy.csv")
	assert.Equal(t, 15_625, table.Len())
	for metric, want := range map[string]struct{ max, mean float64 }{
		"cifar10_test": {89.160, 75.984}, "cifar100_test": {61.180, 40.404}, "imagenet16_120_test": {38.267, 21.801},
	} {
		s, err := table.Summary(metric)
		require.NoError(t, err)
		assert.InDelta(t, want.max, s.Max, 5e-4)
		assert.InDelta(t, want.mean, s.Mean, 5e-4)
		score, err := table.Score(s.Best, metric)
		require.NoError(t, err)
		assert.Equal(t, 1, score.Rank)
		one, err := table.RandomSearch(metric, 1)
		require.NoError(t, err)
		assert.InDelta(t, s.Mean, one, 1e-9)
	}
	s, err := table.Score(genotype(t, "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"), "cifar10_test")
	require.NoError(t, err)
	assert.Equal(t, 69.55, s.Value, "the first line of the file")

	assert.Equal(t, 4096, open("transnasbench101_micro.csv").Len())
	assert.Equal(t, 725, open("nasbench301_surrogate_725.csv").Len())
}

func FuzzRead(f *testing.F) {
	f.Add(small)
	f.Add("arch,jigsaw\n000000,1\n312301,2\n")
	f.Add("normal,reduce,accuracy\nsep_conv_3x3:0 skip_connect:1,max_pool_3x3:1 max_pool_3x3:0,93\n")
	f.Fuzz(func(t *testing.T, text string) {
		table, err := benchmark.Read(strings.NewReader(text))
		if err != nil {
			return
		}
		for i := range table.Len() {
			for _, metric := range table.Metrics() {
				s, err := table.Score(table.Cell(i), metric)
				require.NoError(t, err)
				values, err := table.Values(metric)
				require.NoError(t, err)
				require.Equal(t, values[i], s.Value)
				require.True(t, s.Percentile > 0 && s.Percentile < 1 && s.Rank >= 1 && s.Rank <= table.Len())
			}
		}
	})
}

func ExampleRead() {
	table, err := benchmark.Read(strings.NewReader("arch,cifar10_test\n|skip_connect~0|,83.2\n|nor_conv_1x1~0|,85.1\n|nor_conv_3x3~0|,91.4\n|none~0|,10\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	g, err := cell.ParseGenotype("|nor_conv_1x1~0|")
	if err != nil {
		fmt.Println(err)
		return
	}
	score, err := table.Score(g, "cifar10_test")
	fmt.Println(score.Value, score.Rank, score.Percentile, err)
	// Output: 85.1 2 0.625 <nil>
}
