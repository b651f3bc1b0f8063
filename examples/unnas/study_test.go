package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/ops"
)

// truth writes a table of all cells of NAS-Bench-201: the share of convolutions.
func truth(t *testing.T) string {
	t.Helper()
	names := ops.NASBench201().Names()
	var b strings.Builder
	b.WriteString("arch,cifar10_test\n")
	for i := range 15_625 {
		g := cell.Genotype{Normal: make([]cell.Edge, 6)}
		score := 0
		at := i
		for e, from := range []int{0, 0, 1, 0, 1, 2} {
			g.Normal[e] = cell.Edge{Op: names[at%5], From: from}
			if strings.HasPrefix(names[at%5], "nor_conv") {
				score++
			}
			at /= 5
		}
		fmt.Fprintf(&b, "%s,%d\n", g, score)
	}
	path := filepath.Join(t.TempDir(), "truth.csv")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
	return path
}

// TestStudy searches, stops at what is done, and compares.
func TestStudy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "study")
	var out bytes.Buffer
	args := []string{
		"study", "-data", cifar(t), "-benchmark", truth(t), "-tasks", "rot,cls", "-algorithms", "pc-darts,drnas+beta-darts", "-seeds", "1",
		"-width", "4", "-epochs", "1", "-batch", "2", "-subset", "8", "-out", dir,
	}
	require.NoError(t, run(t.Context(), args, &out))
	for _, text := range []string{
		"4 searches in", "4 of 4 searches are done", "| | rotation | classification |", "| pc-darts | ", "| drnas+beta-darts | ",
		"cifar10_test of all cells: mean 2.40 ± 1.20, best 6.00",
	} {
		assert.Contains(t, out.String(), text)
	}
	f, err := os.Open(filepath.Join(dir, "searches.csv"))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 5)
	assert.Equal(t, []string{"search", "cifar10_test", "percentile_cifar10_test", "entropy", "skips", "warned", "seconds"}, rows[0])
	for _, row := range rows[1:] {
		_, notation, _ := strings.Cut(row[0], " ")
		g, err := cell.ParseGenotype(notation)
		require.NoError(t, err)
		convolutions := 0
		for _, e := range g.Normal {
			if strings.HasPrefix(e.Op, "nor_conv") {
				convolutions++
			}
		}
		assert.Equal(t, fmt.Sprint(convolutions), row[1], notation)
	}
	for _, name := range []string{"searches.svg", "searches.png"} {
		assert.FileExists(t, filepath.Join(dir, name))
	}
	again := out.String()
	out.Reset()
	require.NoError(t, run(t.Context(), []string{"study", "-analyse", "-out", dir}, &out))
	assert.Contains(t, again, out.String(), "the same comparison")
}

func TestStudyBadInput(t *testing.T) {
	table := truth(t)
	other := filepath.Join(t.TempDir(), "other.csv")
	require.NoError(t, os.WriteFile(other, []byte("arch,x\n000000,1\n"), 0o644))
	for want, args := range map[string][]string{
		"-benchmark is missing":                   {},
		"-benchmark: benchmark: open missing.csv": {"-benchmark", "missing.csv"},
		"-space darts has no table of all cells":  {"-benchmark", table, "-space", "darts"},
		`no algorithm is named "swish"`:           {"-benchmark", table, "-algorithms", "swish"},
		"-algorithms has gdas twice":              {"-benchmark", table, "-algorithms", "gdas,gdas"},
		"-tasks has rotation twice":               {"-benchmark", table, "-tasks", "rot,rotation"},
		`unknown task "swish"`:                    {"-benchmark", table, "-tasks", "swish"},
		"PartialChannels is 4 and Width 6":        {"-benchmark", table, "-algorithms", "pc-darts", "-width", "6"},
		"lacks cells of -space nasbench201":       {"-benchmark", other},
	} {
		var out bytes.Buffer
		err := run(t.Context(), append([]string{"study", "-out", filepath.Join(t.TempDir(), "s")}, args...), &out)
		assert.ErrorContains(t, err, want)
	}
	var out bytes.Buffer
	assert.ErrorContains(t, run(t.Context(), []string{"study", "-analyse", "-out", t.TempDir()}, &out), "manifest")
}
