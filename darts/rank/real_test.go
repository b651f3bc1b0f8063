package rank_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/rank"
)

// tables returns the folder of benchmark tables beside the repository, or in the
// folder that UNNAS_SHARED names. The test is skipped where there is none.
func tables(t *testing.T) string {
	t.Helper()
	shared := os.Getenv("UNNAS_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	dir := filepath.Join(shared, "data", "arch_tables")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no benchmark tables in %s", dir)
	}
	return dir
}

// correlations are those that a reference has.
type correlations struct {
	Spearman, Pearson *float64
	Kendall           *float64 `json:"kendall_tau_b"`
}

// TestRealTables compares with the correlations that lie with the tables, which
// SciPy computed.
func TestRealTables(t *testing.T) {
	dir := tables(t)
	reference := func(name string, v any) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, v))
	}
	var nasbench struct{ Pairs map[string]correlations }
	var transnas struct{ Micro, Macro map[string]correlations }
	reference("nasbench201_rank_reference.public.json", &nasbench)
	reference("transnas_rank_reference.public.json", &transnas)
	for _, c := range []struct {
		file  string
		archs int
		pairs map[string]correlations
		want  int
	}{
		{"nasbench201_accuracy.csv", 15625, nasbench.Pairs, 2},
		{"transnasbench101_micro.csv", 4096, transnas.Micro, 2},
		{"transnasbench101_macro_subset.csv", 662, transnas.Macro, 1},
	} {
		require.Len(t, c.pairs, c.want)
		for pair, want := range c.pairs {
			t.Run(c.file+" "+pair, func(t *testing.T) {
				x, y, found := strings.Cut(pair, " ~ ")
				require.True(t, found)
				table, err := rank.Open(filepath.Join(dir, c.file), "arch", x, y)
				require.NoError(t, err)
				require.Len(t, table.Archs, c.archs)
				for name, want := range map[string]*float64{"Spearman's ρ": want.Spearman, "Kendall's τ": want.Kendall, "Pearson's r": want.Pearson} {
					got, err := statistics[name](table.Columns[0].Values, table.Columns[1].Values)
					require.NoError(t, err)
					t.Logf("%s = %.12f", name, got)
					if want != nil {
						assert.InDelta(t, *want, got, 1e-12, name)
					}
				}
			})
		}
	}
}

// TestRealFigures draws a benchmark.
func TestRealFigures(t *testing.T) {
	table, err := rank.Open(filepath.Join(tables(t), "transnasbench101_macro_subset.csv"), "arch")
	require.NoError(t, err)
	object, err := table.Column("class_object")
	require.NoError(t, err)
	jigsaw, err := table.Column("jigsaw")
	require.NoError(t, err)
	f := rank.Figure{{
		rank.Scatter{Title: "jigsaw", XLabel: "jigsaw (%)", YLabel: "objects (%)", X: jigsaw, Y: object},
		rank.Searches{YLabel: "objects (%)", Supervised: object, Tasks: []rank.Column{{Name: "jigsaw", Values: jigsaw}}, Most: len(object)},
	}}
	assert.NoError(t, f.WriteSVG(io.Discard))
}
