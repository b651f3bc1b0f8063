package xla_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/xla"
	"unnas/internal/xla/xlatest"
)

// replicated returns a device of replicas.
func replicated(t *testing.T, replicas int) *xla.Device {
	t.Helper()
	d := &xla.Device{Client: xlatest.Client(t)}
	if n := len(d.Client.Devices()); n < replicas {
		t.Skipf("the plugin has %d devices", n)
	}
	for i := range replicas {
		d.Devices = append(d.Devices, i)
	}
	return d
}

// TestReplicas runs replicas on inputs, a state and a batch of their own, with weights that
// the devices keep and gradients that they average.
func TestReplicas(t *testing.T) {
	for replicas := range 4 {
		replicas++
		t.Run(fmt.Sprint(replicas), func(t *testing.T) {
			d := replicated(t, replicas)
			w, running, mean := []float32{10, 20, 30}, []float32{1, 2, 3}, make([]float32, 3)
			p := irtest.NewProgram(1)
			x := p.Input("x", ir.Shape{1, 3})
			weights, state := p.Input("w", ir.Shape{1, 3}, w...), p.Input("running", ir.Shape{1, 3}, running...)
			count := p.Input("count", ir.Shape{2})
			g := p.Op(ir.Sum{}, x, weights)
			means := p.Outputs(ir.ReplicaMean{Whole: 4}, count, g, x)
			p.States = []ir.State{{In: state, Out: p.Op(ir.Sum{}, x, state)}}
			q := p.Build(means[0], means[1], g, count)
			q.Batch = []*ir.Value{x}
			plan, err := d.Compile(q)
			require.NoError(t, err)
			own, counted := make([]float32, 3), make([]float32, 2)
			e := plan.Bind([][]float32{mean, nil, own, counted})
			require.Equal(t, replicas, e.Replicas())
			d.Keep(w, mean)
			e.SetInput(1, cpuexec.Array{F: w})

			batch := func(k int) []float32 { return []float32{float32(k), 5, float32(-k * k)} }
			counts := []float32{4, 2, 0, 3}
			total, sum := float32(0), make([]float32, 3)
			up, _ := d.Moved()
			for k := range replicas {
				shared := batch(k)
				e.SetInput(0, cpuexec.Array{F: shared})
				clear(running)
				running[1] = float32(k)
				e.SetInput(2, cpuexec.Array{F: running})
				e.SetInput(3, cpuexec.Array{F: []float32{counts[k] - 1, 1}})
				require.NoError(t, e.Load(k))
				if replicas > 1 {
					shared[0] = 100 // what was loaded may change
				}
				total += counts[k]
				for i, v := range batch(k) {
					sum[i] += counts[k] * v
				}
			}
			require.NoError(t, e.RunLoaded(true))
			moved, _ := d.Moved()
			assert.EqualValues(t, 4*replicas*(3+3+3+3+2), moved-up, "batch, weights, means, state and count")
			for k := range replicas {
				e.Take(k)
				for i, v := range batch(k) {
					assert.Equal(t, w[i]+v, own[i])
					assert.InDelta(t, sum[i]/total, e.Result(1).F[i], 1e-5)
				}
				assert.Equal(t, []float32{float32(k), 5 + float32(k), float32(-k * k)}, running, "the state of replica %d", k)
			}
			assert.Equal(t, make([]float32, 3), mean, "it is kept")
			require.NoError(t, d.Host(mean))
			for i := range mean {
				assert.InDelta(t, w[i]+sum[i]/total, mean[i], 1e-5)
			}

			e.SetInput(3, cpuexec.Array{F: []float32{0, 0}}) // nothing counts
			require.NoError(t, e.Run(false))
			require.NoError(t, d.Host(mean))
			assert.Equal(t, make([]float32, 3), mean)
		})
	}
}

// TestReplicaOrder adds in the order of the replicas.
func TestReplicaOrder(t *testing.T) {
	const replicas = 3
	d := replicated(t, replicas)
	p := irtest.NewProgram(1)
	x, one := p.Input("x", ir.Shape{4}), p.Input("one", ir.Shape{}, 1)
	plan, err := d.Compile(p.Build(p.Outputs(ir.ReplicaMean{Whole: 1}, one, x)...))
	require.NoError(t, err)
	e := plan.Bind(make([][]float32, 1))
	e.SetInput(1, p.Data[1])
	for k, v := range []float32{1 << 25, 1, -1 << 25} {
		e.SetInput(0, cpuexec.Array{F: slices.Repeat([]float32{v}, 4)})
		require.NoError(t, e.Load(k))
	}
	require.NoError(t, e.RunLoaded(false))
	assert.Equal(t, make([]float32, 4), e.Result(0).F, "another order gives a third")
}

// TestSend runs on copies that were sent before, and on others.
func TestSend(t *testing.T) {
	d := replicated(t, 1)
	p := irtest.NewProgram(1)
	x, y := p.Input("x", ir.Shape{1, 2}, 1, 2), p.Add("labels", ir.Int32, cpuexec.Array{Shape: ir.Shape{1}, I: []int32{1}})
	out := p.Outputs(ir.CrossEntropy{Ignore: -1}, x, y)
	q := p.Build(out[2], p.Op(ir.Scale{Weight: 3}, x))
	q.Batch = []*ir.Value{x, y}
	plan, err := d.Compile(q)
	require.NoError(t, err)
	score, tripled := make([]float32, 1), make([]float32, 2)
	e := plan.Bind([][]float32{score, tripled})
	e.SetInput(0, p.Data[0])
	e.SetInput(1, p.Data[1])

	sent := new(xla.Sent)
	require.NoError(t, d.Send(sent, 0, p.Data[0], p.Data[1]))
	up, _ := d.Moved()
	assert.EqualValues(t, 4*3, up)
	d.Use(sent)
	for range 2 {
		require.NoError(t, e.Run(false))
		assert.Equal(t, []float32{3, 6}, tripled)
	}
	again, _ := d.Moved()
	assert.Equal(t, up, again, "nothing else is sent")
	d.Use(nil)
	p.Data[0].F[0] = 5
	require.NoError(t, e.Run(false))
	assert.Equal(t, []float32{15, 6}, tripled)
	again, _ = d.Moved()
	assert.Equal(t, 2*up, again)
	require.NoError(t, sent.Close())
	d.Use(sent)
	require.NoError(t, e.Run(false), "what is closed holds nothing")
}

// TestOpen opens ranges of devices, and takes devices in turn.
func TestOpen(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	client := xlatest.Client(t)
	n, path := len(client.Devices()), client.Plugin().Path()
	if n != 4 {
		t.Skip("the numbers are for four devices")
	}
	for _, c := range []struct {
		name    string
		turn    int
		devices []int
		want    string
	}{
		{"", 0, []int{0}, ":0"}, {"", 6, []int{2}, ":2"}, {":3", 1, []int{3}, ":3"}, {":1-3", 2, []int{1, 2, 3}, ":1-3"}, {":2-2", 0, []int{2}, ":2"},
	} {
		d, err := xla.Open(path+c.name, c.turn, xla.Options{})
		require.NoError(t, err, c.name)
		assert.Equal(t, c.devices, d.Devices)
		assert.Equal(t, path+c.want, d.Name())
		assert.Equal(t, len(c.devices), d.Replicas())
		again, err := xla.Open(d.Name(), 0, xla.Options{})
		require.NoError(t, err)
		assert.Equal(t, d.Devices, again.Devices)
	}
	d, err := xla.Open(path+":1-2", 0, xla.Options{})
	require.NoError(t, err)
	assert.Contains(t, d.String(), "2 × ")
	_, err = xla.Open(path+":2-1", 0, xla.Options{})
	assert.ErrorContains(t, err, `:2-1": the range ends before it begins; write the lower number first`)
	_, err = xla.Open(path+":2-4", 0, xla.Options{})
	assert.ErrorContains(t, err, "this machine has 4 devices; count from "+path+":0")
	var none *xla.Device
	assert.Equal(t, 1, none.Replicas())
}
