package ops_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/internal/memory"
	"unnas/ops"
)

// TestParamsThatNoMachineHolds are refused before memory is taken: by what one has,
// and by what they have together.
func TestParamsThatNoMachineHolds(t *testing.T) {
	if memory.Total() == 0 {
		t.Skip("the memory of this machine is not known")
	}
	g := gorgonia.NewGraph()
	p := ops.NewParams()
	s := ops.NewScope(g, p)
	x, err := ops.Images(g, "x", 1, 1, 1, 1)
	require.NoError(t, err)
	x, err = s.Sub("wide").Conv(x, ops.ConvConfig{Out: 1 << 19, Window: ops.Square(1, 1, 0, 1)})
	require.NoError(t, err)
	for _, name := range []string{"a", "b"} {
		_, err = s.Sub(name).Conv(x, ops.ConvConfig{Out: 1 << 20, Window: ops.Square(1, 1, 0, 1)})
		require.NoError(t, err)
	}
	assert.ErrorContains(t, p.Init(1), "ops: parameters and gradients need 8192.0 GiB of memory, this machine has ")
	assert.False(t, p.Ready())
	_, err = s.Sub("c").Conv(x, ops.ConvConfig{Out: 1 << 62, Window: ops.Square(1, 1, 0, 1)})
	assert.ErrorContains(t, err, "more than 1099511627776 elements")
}
