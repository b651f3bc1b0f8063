package engine_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/engine"
	"unnas/internal/ir"
	"unnas/internal/ranks"
)

// TestUpdate runs a step on two spans of a vector, and an average of the new values of one,
// with numbers that differ from run to run.
func TestUpdate(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("UNNAS_DUMP", dir)
	w, v, g := []float32{1, 2, 3, 4, 5}, make([]float32, 5), []float32{1, 1, 1, 1, 1}
	average, sum := []float32{8, 8}, make([]float32, 2)
	var u engine.Update
	all, rate := u.Vector("gradients", g), u.Numbers("learning rate", 1)
	factor := u.Apply(ir.ClipFactor{Limit: 100}, all)[0]
	for _, s := range [][2]int{{0, 1}, {3, 5}} {
		part := func(name string, of []float32) *ir.Value { return u.Vector(name, of[s[0]:s[1]]) }
		learned := u.Apply(ir.SGD{}, part("weights", w), part("velocity", v), part("gradients", g), rate, factor)[0]
		if s[0] == 3 {
			moved := u.Apply(ir.Average{Decay: 0.5}, u.Vector("average", average), learned)[0]
			u.Result(u.Apply(ir.Axpy{}, learned, moved, u.Numbers("factor", 1))[0], sum)
		}
	}
	require.NoError(t, u.Bind(engine.New(1, ranks.New(nil))))
	require.NoError(t, u.Run(2, -1))
	assert.Equal(t, []float32{-1, 2, 3, 2, 3}, w)
	assert.Equal(t, []float32{1, 0, 0, 1, 1}, v)
	assert.Equal(t, []float32{5, 5.5}, average)
	assert.Equal(t, []float32{-3, -2.5}, sum)
	require.NoError(t, u.Run(1, 1))
	assert.Equal(t, []float32{-2, 2, 3, 1, 2}, w)
	assert.Equal(t, []float32{3, 3.75}, average)
	assert.Equal(t, []float32{4, 5.75}, sum)
	assert.Zero(t, testing.AllocsPerRun(10, func() { _ = u.Run(0, 1) }))
	assert.Panics(t, func() { _ = u.Run(1) }, "a number is missing")

	files, err := filepath.Glob(filepath.Join(dir, "*", "0-program.txt"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	assert.Contains(t, string(text), "= SGD{momentum=0 decay=0}(%", "it is a program like others")
}
