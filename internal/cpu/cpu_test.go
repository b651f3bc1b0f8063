package cpu_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpu"
)

func TestSelect(t *testing.T) {
	level, err := cpu.Select("")
	require.NoError(t, err)
	assert.Equal(t, cpu.Best(), level)

	for _, want := range []cpu.Level{cpu.Generic, cpu.AVX2, cpu.AVX512} {
		level, err := cpu.Select(want.String())
		if want <= cpu.Best() {
			require.NoError(t, err)
			assert.Equal(t, want, level)
			continue
		}
		require.ErrorContains(t, err, "UNNAS_KERNEL="+want.String())
		assert.ErrorContains(t, err, cpu.Best().String()+" at most")
		assert.Equal(t, cpu.Generic, level)
	}
}

func TestSelectUnknown(t *testing.T) {
	for _, name := range []string{"AVX2", "sse", " generic"} {
		level, err := cpu.Select(name)
		require.ErrorContains(t, err, name)
		assert.ErrorContains(t, err, "generic, avx2, avx512")
		assert.Equal(t, cpu.Generic, level)
	}
}

func TestNames(t *testing.T) {
	for name, level := range map[string]cpu.Level{"generic": cpu.Generic, "avx2": cpu.AVX2, "avx512": cpu.AVX512} {
		assert.Equal(t, name, level.String())
	}
}

// What the environment asks for decides, unless it cannot be.
func TestActive(t *testing.T) {
	if cpu.Err != nil {
		assert.Equal(t, cpu.Generic, cpu.Active)
		return
	}
	assert.LessOrEqual(t, cpu.Active, cpu.Best())
}
