package pjrt

import (
	"errors"
	"path/filepath"
	"sync"
)

// shared holds the clients of OpenClient, by the path of their plugins.
var shared = struct {
	sync.Mutex
	clients map[string]*Client
}{clients: map[string]*Client{}}

// OpenClient loads a plugin and opens its devices. All callers share the client, which stays
// open: a device may have no memory for a second one.
func OpenClient(path string) (*Client, error) {
	shared.Lock()
	defer shared.Unlock()
	if c := shared.clients[path]; c != nil {
		return c, nil
	}
	options := map[string]any{}
	switch platformOf(path) {
	case "cuda":
		options["preallocate"] = false // other programs may need the memory
	case "tpu":
		if !hasTPU() {
			return nil, errors.New("pjrt: this machine has no TPU: /dev/accel* and /dev/vfio/* are missing")
		}
	}
	p, err := Open(path)
	if err != nil {
		return nil, err
	}
	c, err := p.NewClient(options)
	if err == nil {
		shared.clients[path] = c
	}
	return c, err
}

// hasTPU reports whether the machine has a TPU. Elsewhere the plugin looks for one in the
// network, for minutes.
func hasTPU() bool {
	for _, pattern := range []string{"/dev/accel*", "/dev/vfio/*"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return true
		}
	}
	return false
}
