package cell_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
)

func TestPublishedIsValid(t *testing.T) {
	names := cell.GenotypeNames()
	require.Len(t, names, 20)
	sum := sha256.New()
	for _, name := range names {
		g, ok := cell.GenotypeByName(name)
		require.True(t, ok, name)
		require.NoError(t, g.Validate(nil), name)
		reparse(t, g)
		fmt.Fprintf(sum, "%s\n%s\n", name, g.Python())
	}
	// Of the names and the genotypes in the authors' notation.
	assert.Equal(t, "abb094e6d33b1e91c86a833ad8df0cc5c9018d3e96b4b2362fa280bc75675121", fmt.Sprintf("%x", sum.Sum(nil)))
}

func TestPublishedAgreesWithRelease(t *testing.T) {
	shared := os.Getenv("UNNAS_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "shared")
	}
	data, err := os.ReadFile(filepath.Join(shared, "genotypes.json"))
	if os.IsNotExist(err) {
		t.Skip("no genotypes.json in ../shared or UNNAS_SHARED")
	}
	require.NoError(t, err)
	var want map[string]cell.Genotype
	require.NoError(t, json.Unmarshal(data, &want))
	require.Len(t, want, len(cell.GenotypeNames()))
	for name, w := range want {
		g, ok := cell.GenotypeByName(name)
		require.True(t, ok, name)
		assert.Equal(t, w, g, name)
	}
}

func TestPublishedOfUnknownName(t *testing.T) {
	g, ok := cell.GenotypeByName("darts_v3")
	assert.False(t, ok)
	assert.Zero(t, g)
}

func TestPublishedBelongsToTheCaller(t *testing.T) {
	g, _ := cell.GenotypeByName("darts_v2")
	g.Normal[0], g.NormalConcat[0], g.Reduce[0], g.ReduceConcat[0] = cell.Edge{}, 0, cell.Edge{}, 0
	again, _ := cell.GenotypeByName("darts_v2")
	assert.NoError(t, again.Validate(nil))
}

// TestReadGenotype reads the same cells by name, from a file and from a run directory.
func TestReadGenotype(t *testing.T) {
	want, _ := cell.GenotypeByName("darts_v2")
	dir := t.TempDir()
	text, err := json.Marshal(want)
	require.NoError(t, err)
	file, python := filepath.Join(dir, "genotype.json"), filepath.Join(dir, "cells.txt")
	require.NoError(t, os.WriteFile(file, text, 0o644))
	require.NoError(t, os.WriteFile(python, []byte("DARTS_V2 = "+want.Python()), 0o644))
	for _, name := range []string{"darts_v2", file, python, dir} {
		g, err := cell.ReadGenotype(name)
		require.NoError(t, err, name)
		assert.Equal(t, want, g, name)
	}

	_, err = cell.ReadGenotype("darts_v3")
	require.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, `"darts_v3"`)
	assert.ErrorContains(t, err, "a published name: nas, ")
	_, err = cell.ReadGenotype(t.TempDir())
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.WriteFile(python, []byte("Genotype("), 0o644))
	_, err = cell.ReadGenotype(python)
	assert.ErrorContains(t, err, python+": cell: genotype, line 1")
	require.NoError(t, os.WriteFile(python, make([]byte, 1<<20+1), 0o644))
	_, err = cell.ReadGenotype(python)
	assert.ErrorContains(t, err, "want at most 1048576")
}
