package xlatest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/dlopen"
	"unnas/internal/pjrt"
)

func init() { pjrt.Use(dlopen.Library{}) }

// Quick are the flags with which XLA compiles fastest for CPUs.
var Quick = map[string]any{"xla_backend_optimization_level": 0}

// Client returns the devices of the plugin for CPUs. Without one, it skips the test.
func Client(t testing.TB) *pjrt.Client {
	t.Helper()
	found, _ := pjrt.Find("cpu")
	if len(found) == 0 {
		t.Skipf("no plugin for CPUs; %s, or set %s", pjrt.Install("cpu"), pjrt.PathVariable)
	}
	c, err := pjrt.OpenClient(found[0].Path)
	require.NoError(t, err)
	return c
}
