package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMutantsApply holds the table to the code: the text of each mutant occurs once.
func TestMutantsApply(t *testing.T) {
	t.Chdir("../..")
	assert.GreaterOrEqual(t, len(mutants), 60)
	for _, m := range mutants {
		source, err := m.apply()
		require.NoError(t, err)
		assert.Contains(t, string(source), m.to)
		assert.NotEqual(t, m.from, m.to, m)
		assert.NotEmpty(t, m.tests, m)
	}
}
