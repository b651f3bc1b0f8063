package pjrt

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func client(t *testing.T) *Client {
	p, err := Open(os.Getenv("PJRT_PLUGIN_PATH"))
	require.NoError(t, err)
	t.Log(p.Version())
	c, err := p.NewClient(map[string]any{"cpu_device_count": 2})
	require.NoError(t, err)
	t.Log(c.Platform(), c.Version(), c.Devices())
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

const add = `module @add {
  func.func public @main(%x: tensor<2x3xf32>, %y: tensor<2x3xf32>) -> tensor<2x3xf32> {
    %0 = stablehlo.add %x, %y : tensor<2x3xf32>
    return %0 : tensor<2x3xf32>
  }
}`

func TestAdd(t *testing.T) {
	c := client(t)
	e, err := c.Compile(add, CompileOptions{Devices: []int{1}})
	require.NoError(t, err)
	defer e.Close()
	t.Log(e.Devices(), e.results)
	x, err := ToDevice(c, 1, []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	require.NoError(t, err)
	defer x.Close()
	out, err := e.Run([][]*Buffer{{x, x}})
	require.NoError(t, err)
	defer closeAll(out)
	y := make([]float32, 6)
	require.NoError(t, ToHost(out[0][0], y))
	assert.Equal(t, []float32{2, 4, 6, 8, 10, 12}, y)
	t.Log(e.Memory())
	t.Log(c.Devices()[0].Memory())
	code, err := e.Serialize()
	require.NoError(t, err)
	f, err := c.Load(code)
	require.NoError(t, err)
	defer f.Close()
	t.Log(len(code), f.Devices(), f.results)
	_, err = e.Run([][]*Buffer{{x}})
	t.Log(err)
	_, err = c.Compile("module { func.func @main() -> tensor<f32> { %0 = stablehlo.foo } }", CompileOptions{})
	t.Log(err)
	_, err = c.Compile(add, CompileOptions{Flags: map[string]any{"xla_no_such": true}})
	t.Log(err)
}
