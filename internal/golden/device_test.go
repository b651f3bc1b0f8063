//go:build !static

package golden_test

// Programs that load plugins are not static. Emulators of other CPUs run static ones alone,
// which the tag leaves.

import (
	"testing"

	"unnas/internal/golden"
	"unnas/internal/xla"
	"unnas/internal/xla/xlatest"
)

// TestGoldenOnDevice runs the networks on a device.
func TestGoldenOnDevice(t *testing.T) {
	device := &xla.Device{Client: xlatest.Client(t), Options: xla.Options{Flags: xlatest.Quick}}
	for _, file := range golden.Files(t) {
		c := &testCase{Case: golden.Read(t, file), device: device}
		if c.Kind != "search" && c.Kind != "eval" && c.Kind != "nasbench" {
			continue
		}
		t.Run(golden.Name(file), func(t *testing.T) {
			if c.Kind != "nasbench" && device.Client.Platform() == "cpu" {
				t.Skip("XLA takes minutes to compile it for CPUs")
			}
			c.t = t
			c.network()
			t.Logf("largest error is %.3f of the allowed one", c.Worst)
		})
	}
}
