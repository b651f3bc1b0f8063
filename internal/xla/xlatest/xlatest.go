package xlatest

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"unnas/internal/pjrt"
)

// Quick are the flags with which XLA compiles fastest for CPUs.
var Quick = map[string]any{"xla_backend_optimization_level": 0}

// Client returns the devices of the plugin for CPUs. Without one, it skips the test.
func Client(t testing.TB) *pjrt.Client {
	t.Helper()
	found, _ := pjrt.Find("cpu")
	if len(found) == 0 {
		t.Skipf("no plugin for CPUs; %s, or set %s", pjrt.Install("cpu"), pjrt.PathVariable)
	}
	c, err := open(found[0].Path)
	require.NoError(t, err)
	return c
}

// clients are open until the process ends.
var clients = struct {
	sync.Mutex
	of map[string]*pjrt.Client
}{of: map[string]*pjrt.Client{}}

func open(path string) (*pjrt.Client, error) {
	clients.Lock()
	defer clients.Unlock()
	if c := clients.of[path]; c != nil {
		return c, nil
	}
	p, err := pjrt.Open(path)
	if err != nil {
		return nil, err
	}
	c, err := p.NewClient(nil)
	if err != nil {
		return nil, err
	}
	clients.of[path] = c
	return c, nil
}
