package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts"
)

func TestPrintDevices(t *testing.T) {
	var out strings.Builder
	require.NoError(t, printDevices(&out, []darts.Device{
		{Name: "cuda", Plugin: "/lib/cuda.so", Version: "PJRT 0.115", Kinds: []string{"H200", "H200", "A100"}, Memory: 80 << 30},
		{Name: "tpu", Looked: []string{"/a", "/b"}, Err: errors.New("no plugin was found"), Install: "pip install libtpu"},
		{Name: "other", Plugin: "/lib/other.so", Err: errors.New("libcuda.so.1 is missing")},
		{Name: "/one.so", Plugin: "/one.so", Version: "PJRT 0.90", Kinds: []string{"cpu"}},
	}))
	assert.Equal(t, `cpu: the library's own kernels (the default)
cuda: 2 × H200, A100
  plugin /lib/cuda.so, PJRT 0.115
  cuda:0 is the first, cuda:0-2 are all, on a micro-batch each
  80 GiB of memory each
tpu: no plugin was found
  looked in /a
    /b
  to install one: pip install libtpu
other: libcuda.so.1 is missing
  plugin /lib/other.so
/one.so: cpu
  plugin /one.so, PJRT 0.90
`, out.String())
}
