package nasbench_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/cell/nasbench"
)

// The cell of oneHash, whose vertices are in two orders, and one with more than nine
// edges, of which some lie on no path.
const (
	oneHash    = "043721b9c7fe8c5fad811d47d83132ec"
	oneOrder   = "0000101000010000011100000111000000000000010000000,input|maxpool3x3|maxpool3x3|maxpool3x3|conv1x1-bn-relu|conv3x3-bn-relu|output"
	otherOrder = "0000111000111000010010000010000000000000000000000,input|conv1x1-bn-relu|conv3x3-bn-relu|maxpool3x3|maxpool3x3|maxpool3x3|output"
	twelveHash = "907802d27f786475545b76371b5b5da9"
	twelve     = "0001010001111100010100000100000001000000010000000,input|conv1x1-bn-relu|conv1x1-bn-relu|conv3x3-bn-relu|maxpool3x3|conv1x1-bn-relu|output"
)

func csvFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "table.csv")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func openCSV(t *testing.T, path string) (*nasbench.Table, error) {
	t.Helper()
	return nasbench.OpenCSV(t.Context(), path, nasbench.Options{})
}

// TestOpenCSVTellsOfReading and ends with a context.
func TestOpenCSVTellsOfReading(t *testing.T) {
	text := "hash,matrix_7x7_rowmajor,ops,val_accuracy_108ep\n" + oneHash + "," + oneOrder + ",83.5\n"
	path := csvFile(t, text)
	var reported [][2]int64
	_, err := nasbench.OpenCSV(t.Context(), path, nasbench.Options{Progress: func(done, total int64) { reported = append(reported, [2]int64{done, total}) }})
	require.NoError(t, err)
	assert.Equal(t, [][2]int64{{48, int64(len(text))}, {int64(len(text)), int64(len(text))}}, reported)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = nasbench.OpenCSV(ctx, path, nasbench.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestOpenCSV(t *testing.T) {
	table, err := openCSV(t, csvFile(t, "\ufeffhash,matrix_7x7_rowmajor,ops,val_accuracy_108ep,params\n"+ // as spreadsheets begin
		twelveHash+","+twelve+",92.908657,12088970\n"+
		oneHash+","+otherOrder+",83.5,882570\n"+
		oneHash+","+oneOrder+",83.25,882571\n"))
	require.NoError(t, err)
	require.Equal(t, 2, table.Len())
	assert.Equal(t, 108, table.Epochs())
	valid(t, table)
	a := table.At(0)
	assert.True(t, math.IsNaN(a.Test))
	a.Test = 0
	assert.Equal(t, nasbench.Entry{
		Hash: oneHash, Params: 882570, Runs: 2, Validation: 0.83375, Cell: a.Cell,
	}, a)
	assert.Equal(t, "conv1x1-bn-relu", a.Cell.Ops[1], "the first line gives the cell")
	assert.Equal(t, []int{0, 0, 1, 1, 1, 1, 1}, table.At(1).Cell.Matrix[1], "as it was written, with what lies on no path")
	assert.Equal(t, twelveHash, hashOf(t, table.At(1).Cell))

	// Other columns in another order, a smaller cell.
	small := cell.NASBenchCell{Matrix: [][]int{{0, 1}, {0, 0}}, Ops: []string{"input", "output"}}
	table, err = openCSV(t, csvFile(t, "id,test_accuracy_36ep,ops,hash,val_accuracy_36ep,matrix_7x7_rowmajor\n"+
		"7,80.5,input|output,"+hashOf(t, small)+",81.25,0100\n"))
	require.NoError(t, err)
	assert.Equal(t, 36, table.Epochs())
	assert.Equal(t, nasbench.Entry{Hash: hashOf(t, small), Cell: small, Runs: 1, Validation: 0.8125, Test: 0.805}, table.At(0))
}

func TestOpenCSVRefuses(t *testing.T) {
	const head = "hash,matrix_7x7_rowmajor,ops,val_accuracy_108ep\n"
	const good = oneHash + "," + oneOrder + ",83.5\n"
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "the file is empty; want column names in the first line"},
		{"a head alone", head, "no architectures after the column names"},
		{"no head", good, "no column hash"},
		{"no matrix", "hash,ops,val_accuracy_108ep\n", `no column matrix_7x7_rowmajor in the first line, "hash,ops,val_accuracy_108ep"`},
		{"no operations", "hash,matrix_7x7_rowmajor,val_accuracy_108ep\n", "no column ops"},
		{"no accuracy", "hash,matrix_7x7_rowmajor,ops,test_accuracy_108ep\n", "no column val_accuracy_108ep"},
		{"two lengths of training", strings.TrimSpace(head) + ",val_accuracy_4ep\n", "accuracies after 108 and after 4 epochs; want one number of epochs"},
		{"a line that is too short", head + good + "x\n", "line 3: wrong number of fields"},
		{"a quote", head + "\"" + good, "quote"},
		{"a hash of something else", head + good + "z" + good[1:], `line 3: hash "z43721b9c7fe8c5fad811d47d83132ec" is not 32`},
		{"a hash of another cell", head + "1" + good[1:], "line 2: hash 143721b9c7fe8c5fad811d47d83132ec does not match the cell, whose hash is " + oneHash},
		{"a short matrix", head + strings.Replace(good, ",0", ",", 1), "line 2: matrix of 48 entries for 7 operations"},
		{"many vertices", head + oneHash + "," + strings.Repeat("0", 64) + ",a|b|c|d|e|f|g|h,1\n", "matrix of 64 entries for 8 operations"},
		{"an unknown operation", head + strings.Replace(good, "conv1x1", "conv5x5", 1), `operation 4 is "conv5x5-bn-relu"`},
		{"an accuracy of more than all", head + strings.Replace(good, "83.5", "101", 1), `accuracy "101" is not a percentage`},
		{"no number", head + strings.Replace(good, "83.5", "NaN", 1), `accuracy "NaN" is not`},
		{"parameters", strings.TrimSpace(head) + ",params\n" + strings.TrimSpace(good) + ",-1\n", `params "-1" is not a non-negative integer`},
		{"a test accuracy", strings.TrimSpace(head) + ",test_accuracy_108ep\n" + strings.TrimSpace(good) + ",\n", `accuracy "" is not`},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := csvFile(t, c.text)
			_, err := openCSV(t, path)
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, "nasbench: "+path+": ")
		})
	}
	_, err := openCSV(t, filepath.Join(t.TempDir(), "none.csv"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "nasbench: ")
}

func FuzzOpenCSV(f *testing.F) {
	f.Add("hash,matrix_7x7_rowmajor,ops,val_accuracy_108ep,params\n" + oneHash + "," + oneOrder + ",83.5,7\n")
	f.Add("val_accuracy_4ep,test_accuracy_4ep,hash,matrix_7x7_rowmajor,ops\n1,2," + twelveHash + "," + twelve + "\n")
	f.Add("hash\n")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		table, err := openCSV(t, csvFile(t, text))
		if err != nil {
			require.ErrorContains(t, err, "nasbench: ")
			return
		}
		valid(t, table)
		for _, a := range all(table) {
			require.Equal(t, a.Hash, hashOf(t, a.Cell))
		}
	})
}
