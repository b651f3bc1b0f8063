package cpu_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpu"
)

func TestSelect(t *testing.T) {
	level, err := cpu.Select("")
	require.NoError(t, err)
	assert.Equal(t, cpu.Best(), level)

	for _, want := range []cpu.Level{cpu.Generic, cpu.AVX2, cpu.AVX512, cpu.AVX512BF16} {
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
		assert.ErrorContains(t, err, "generic, avx2, avx512, avx512_bf16")
		assert.Equal(t, cpu.Generic, level)
	}
}

func TestNames(t *testing.T) {
	for name, level := range map[string]cpu.Level{"generic": cpu.Generic, "avx2": cpu.AVX2, "avx512": cpu.AVX512, "avx512_bf16": cpu.AVX512BF16} {
		assert.Equal(t, name, level.String())
	}
}

// TestActive starts programs, since the environment decides at the start. The
// program is this test, which prints what was chosen.
func TestActive(t *testing.T) {
	const child = "UNNAS_TEST_OF_ACTIVE"
	if os.Getenv(child) != "" {
		fmt.Printf("active: %v %v\n", cpu.Active, cpu.Err)
		return
	}
	for _, c := range []struct{ variable, want string }{
		{"", cpu.Best().String() + " <nil>"},
		{"generic", "generic <nil>"},
		{cpu.Best().String(), cpu.Best().String() + " <nil>"},
		{"sse", `generic cpu: UNNAS_KERNEL="sse" is not one of generic, avx2, avx512, avx512_bf16`},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestActive$")
		cmd.Env = append(os.Environ(), child+"=1", cpu.Variable+"="+c.variable)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Contains(t, string(out), "active: "+c.want+"\n", c.variable)
	}
}
