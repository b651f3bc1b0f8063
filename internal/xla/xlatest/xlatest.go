package xlatest

import (
	"cmp"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/dlopen"
	"unnas/internal/pjrt"
)

func init() { pjrt.Use(dlopen.Library{}) }

// Quick are the flags with which XLA compiles fastest for CPUs.
var Quick = func() map[string]any {
	if os.Getenv("UNNAS_TEST_DEVICE") != "" {
		return nil
	}
	return map[string]any{"xla_backend_optimization_level": 0}
}()

// Client returns the devices of the plugin for CPUs, or of that which the variable
// UNNAS_TEST_DEVICE names. Without one, it skips the test.
func Client(t testing.TB) *pjrt.Client {
	t.Helper()
	name := cmp.Or(os.Getenv("UNNAS_TEST_DEVICE"), "cpu")
	found, _ := pjrt.Find(name)
	if len(found) == 0 {
		t.Skipf("no plugin for %s; %s, or set %s", name, pjrt.Install(name), pjrt.PathVariable)
	}
	c, err := pjrt.OpenClient(found[0].Path)
	require.NoError(t, err)
	return c
}
