package pjrt

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"weak"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/dlopen"
)

func init() { Use(dlopen.Library{}) }

// load returns a plugin for CPUs.
func load(t *testing.T) *Plugin {
	t.Helper()
	found, _ := Find("cpu")
	if len(found) == 0 {
		t.Skipf("no plugin for CPUs; %s, or set %s", Install("cpu"), PathVariable)
	}
	p, err := Open(found[0].Path)
	require.NoError(t, err)
	return p
}

// newClient returns a client of two devices. All that the test opens must be closed.
func newClient(t *testing.T) *Client {
	t.Helper()
	c, err := load(t).NewClient(map[string]any{"cpu_device_count": 2})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	return c
}

func compile(t *testing.T, c *Client, text string, o CompileOptions) *Executable {
	t.Helper()
	e, err := c.Compile(text, o)
	require.NoError(t, err)
	t.Cleanup(e.Close)
	return e
}

func toDevice[T Element](t *testing.T, c *Client, device int, data []T, dims ...int) *Buffer {
	t.Helper()
	b, err := ToDevice(c, device, data, dims...)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

// run runs a program; its outputs are closed when the test ends.
func run(t *testing.T, e *Executable, arguments ...[]*Buffer) [][]*Buffer {
	t.Helper()
	out, err := e.Run(arguments)
	require.NoError(t, err)
	t.Cleanup(func() { closeAll(out) })
	return out
}

func toHost[T Element](t *testing.T, b *Buffer) []T {
	t.Helper()
	data := make([]T, b.shape.size())
	require.NoError(t, ToHost(b, data))
	return data
}

const (
	// add returns the sum and its transpose.
	add = `module @add {
  func.func public @main(%x: tensor<2x3xf32>, %y: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<3x2xf32>) {
    %0 = stablehlo.add %x, %y : tensor<2x3xf32>
    %1 = stablehlo.transpose %0, dims = [1, 0] : (tensor<2x3xf32>) -> tensor<3x2xf32>
    return %0, %1 : tensor<2x3xf32>, tensor<3x2xf32>
  }
}`
	// accumulate adds y to x in the memory of x.
	accumulate = `module @accumulate {
  func.func public @main(%x: tensor<65536xf32> {tf.aliasing_output = 0 : i32}, %y: tensor<65536xf32>) -> tensor<65536xf32> {
    %0 = stablehlo.add %x, %y : tensor<65536xf32>
    return %0 : tensor<65536xf32>
  }
}`
	// reduce sums over replicas.
	reduce = `module @reduce attributes {mhlo.num_replicas = 2 : i32, mhlo.num_partitions = 1 : i32} {
  func.func public @main(%x: tensor<3xf32>) -> tensor<3xf32> {
    %0 = "stablehlo.all_reduce"(%x) ({
    ^bb0(%a: tensor<f32>, %b: tensor<f32>):
      %1 = stablehlo.add %a, %b : tensor<f32>
      stablehlo.return %1 : tensor<f32>
    }) {replica_groups = dense<[[0, 1]]> : tensor<1x2xi64>} : (tensor<3xf32>) -> tensor<3xf32>
    return %0 : tensor<3xf32>
  }
}`
)

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.so")
	require.NoError(t, os.WriteFile(text, []byte("not a library"), 0o644))
	for _, c := range []struct{ name, path, want string }{
		{"absent", filepath.Join(dir, "absent.so"), "pjrt: no plugin "},
		{"folder", dir, "is not a file, want the shared library of a plugin"},
		{"text", text, "pjrt: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(c.path)
			assert.ErrorContains(t, err, c.want)
			assert.Equal(t, c.name == "absent", errors.Is(err, fs.ErrNotExist))
		})
	}
	t.Run("another library", func(t *testing.T) {
		libraries, _ := filepath.Glob("/lib/*/libm.so.6")
		if len(libraries) == 0 || runtime.GOOS != "linux" {
			t.Skip("no library to open")
		}
		_, err := Open(libraries[0])
		assert.ErrorContains(t, err, "is not a PJRT plugin: it does not export GetPjrtApi")
	})
}

func TestCheck(t *testing.T) {
	with := func(size uintptr, major, minor int32) *table {
		a := &table{header: header{size: size}}
		a.version.major, a.version.minor = major, minor
		return a
	}
	for _, c := range []struct {
		name string
		api  *table
		want string
	}{
		{"equal", with(984, 0, 81), ""},
		{"newer", with(1144, 0, 115), ""},
		{"older", with(976, 0, 80), "has version 0.80 of the PJRT C API, want 0.81 or later: install a newer plugin"},
		{"another major version", with(984, 1, 0), "has version 1.0 of the PJRT C API, want major version 0"},
		{"none", nil, "is not a PJRT plugin: GetPjrtApi returns NULL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := check(c.api); c.want != "" {
				assert.EqualError(t, err, c.want)
			} else {
				assert.NoError(t, err)
			}
		})
	}
}

func TestPlugin(t *testing.T) {
	p := load(t)
	assert.Regexp(t, `^PJRT 0\.\d+, XLA \d+, StableHLO \d+\.\d+\.\d+$`, p.Version())
	assert.FileExists(t, p.Path())
	again, err := Open(p.Path())
	require.NoError(t, err)
	assert.Same(t, p, again)
	_, err = p.NewClient(map[string]any{"a": struct{}{}})
	assert.EqualError(t, err, "pjrt: option a has type struct {}, want string, int, []int64, float32 or bool")

	c := newClient(t)
	assert.Equal(t, "cpu", c.Platform())
	assert.NotEmpty(t, c.Version())
	require.Len(t, c.Devices(), 2)
	for i, d := range c.Devices() {
		assert.Equal(t, i, d.ID)
		assert.Equal(t, "cpu", d.Kind)
		_, err := d.Memory()
		assert.ErrorIs(t, err, errors.ErrUnsupported)
	}
}

func TestRun(t *testing.T) {
	c := newClient(t)
	for device := range 2 {
		e := compile(t, c, add, CompileOptions{Devices: []int{device}})
		assert.Equal(t, []int{device}, e.Devices())
		assert.Equal(t, 2, e.NumOutputs())
		x := toDevice(t, c, device, []float32{1, 2, 3, 4, 5, 6}, 2, 3)
		y := toDevice(t, c, device, []float32{10, 20, 30, 40, 50, 60}, 2, 3)
		out := run(t, e, []*Buffer{x, y})[0]
		assert.Equal(t, []float32{11, 22, 33, 44, 55, 66}, toHost[float32](t, out[0]))
		assert.Equal(t, []float32{11, 44, 22, 55, 33, 66}, toHost[float32](t, out[1]))
		assert.Equal(t, []int{3, 2}, out[1].Shape())
		assert.Equal(t, device, out[1].Device())
	}
}

// TestElements copies elements of each type, and of shapes without dimensions or elements.
func TestElements(t *testing.T) {
	c := newClient(t)
	assert.Equal(t, []float32{1.5, -2}, toHost[float32](t, toDevice(t, c, 0, []float32{1.5, -2}, 2)))
	assert.Equal(t, []int32{-7}, toHost[int32](t, toDevice(t, c, 0, []int32{-7})))
	assert.Equal(t, []uint8{0, 255}, toHost[uint8](t, toDevice(t, c, 0, []uint8{0, 255}, 1, 2)))
	assert.Equal(t, []uint32{1 << 31}, toHost[uint32](t, toDevice(t, c, 0, []uint32{1 << 31}, 1)))
	assert.Equal(t, []uint64{1 << 63}, toHost[uint64](t, toDevice(t, c, 0, []uint64{1 << 63}, 1)))
	assert.Equal(t, []float32{}, toHost[float32](t, toDevice(t, c, 0, []float32{}, 3, 0)))
}

func TestDonate(t *testing.T) {
	c := newClient(t)
	e := compile(t, c, accumulate, CompileOptions{})
	ones := make([]float32, 65536)
	for i := range ones {
		ones[i] = 1
	}
	first, y := toDevice(t, c, 0, ones, 65536), toDevice(t, c, 0, ones, 65536)
	x := first
	for range 3 {
		x = run(t, e, []*Buffer{x, y})[0][0]
	}
	assert.Equal(t, float32(4), toHost[float32](t, x)[65535])

	_, err := e.Run([][]*Buffer{{first, y}})
	assert.EqualError(t, err, "pjrt: argument 0 of replica 0 was donated to a run and is gone")
	assert.EqualError(t, ToHost(first, ones), "pjrt: the buffer was donated to a run and is gone")
	_, err = e.Run([][]*Buffer{{x, x}})
	assert.Error(t, err)
}

func TestCompileErrors(t *testing.T) {
	c := newClient(t)
	for _, test := range []struct {
		name, text string
		options    CompileOptions
		want       string
	}{
		{"operation", "module { func.func @main() -> tensor<f32> { %0 = stablehlo.foo } }", CompileOptions{}, "custom op 'stablehlo.foo' is unknown"},
		{"type", strings.Replace(add, "stablehlo.add %x, %y : tensor<2x3xf32>", "stablehlo.add %x, %y : tensor<2x4xf32>", 1), CompileOptions{}, "pjrt: "},
		{"nothing", "", CompileOptions{}, "pjrt: "},
		{"flag", add, CompileOptions{Flags: map[string]any{"xla_no_such_flag": true}}, "pjrt: invalid argument: No such compile option: 'xla_no_such_flag'"},
		{"type of a flag", add, CompileOptions{Flags: map[string]any{"f": 'x'}}, "pjrt: flag f has type int32, want string, bool, int or float64"},
		{"device", add, CompileOptions{Devices: []int{2}}, "pjrt: no device 2, the client has 2"},
		{"number of devices", add, CompileOptions{Replicas: 2, Devices: []int{1}}, "pjrt: 1 devices for 2 replicas"},
		{"replicas", add, CompileOptions{Replicas: 3}, "pjrt: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := c.Compile(test.text, test.options)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestRunErrors(t *testing.T) {
	c := newClient(t)
	e := compile(t, c, reduce, CompileOptions{Replicas: 2})
	x0, x1 := toDevice(t, c, 0, []float32{1, 2, 3}, 3), toDevice(t, c, 1, []float32{1, 2, 3}, 3)
	closed := toDevice(t, c, 0, []float32{1, 2, 3}, 3)
	closed.Close()
	closed.Close()
	for _, test := range []struct {
		name      string
		arguments [][]*Buffer
		want      string
	}{
		{"replicas", [][]*Buffer{{x0}}, "pjrt: arguments of 1 replicas, want 2"},
		{"device", [][]*Buffer{{x0}, {x0}}, "pjrt: argument 0 of replica 1 is on device 0, want 1"},
		{"closed", [][]*Buffer{{closed}, {x1}}, "pjrt: argument 0 of replica 0 is closed"},
		{"number", [][]*Buffer{{x0}, {x1, x1}}, "pjrt: replica 1 has 2 arguments, replica 0 has 1"},
		{"too many", [][]*Buffer{{x0, x0}, {x1, x1}}, "pjrt: invalid argument: "},
		{"none", [][]*Buffer{{}, {}}, "pjrt: invalid argument: "},
		{"shape", [][]*Buffer{{x0}, {toDevice(t, c, 1, []float32{1, 2}, 2)}},
			"pjrt: argument 0 of replica 1 is tensor<2xf32>, that of replica 0 is tensor<3xf32>"},
		{"shape of all", [][]*Buffer{{toDevice(t, c, 0, []int32{1}, 1)}, {toDevice(t, c, 1, []int32{1}, 1)}}, "pjrt: invalid argument: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := e.Run(test.arguments)
			assert.ErrorContains(t, err, test.want)
		})
	}

	_, err := ToDevice(c, 2, []float32{1}, 1)
	assert.EqualError(t, err, "pjrt: no device 2, the client has 2")
	_, err = ToDevice(c, 0, []float32{1}, 2, 3)
	assert.EqualError(t, err, "pjrt: 1 elements for tensor<2x3xf32>")
	_, err = ToDevice(c, 0, []float32{1, 2}, -1, -2)
	assert.EqualError(t, err, "pjrt: 2 elements for tensor<-1x-2xf32>")
	assert.EqualError(t, ToHost(x0, make([]int32, 3)), "pjrt: cannot copy tensor<3xf32> to 3 elements of type int32")
	assert.EqualError(t, ToHost(x0, make([]float32, 4)), "pjrt: cannot copy tensor<3xf32> to 4 elements of type float32")
	e.Close()
	_, err = e.Run([][]*Buffer{{x0}, {x1}})
	assert.EqualError(t, err, "pjrt: the executable is closed")
	assert.EqualError(t, c.Close(), fmt.Sprintf("pjrt: cannot close a client with %d open buffers and executables", c.open.Load()))
}

func TestReplicas(t *testing.T) {
	c := newClient(t)
	for _, devices := range [][]int{nil, {1, 0}} {
		e := compile(t, c, reduce, CompileOptions{Replicas: 2, Devices: devices})
		if devices != nil {
			assert.Equal(t, devices, e.Devices())
		}
		arguments := make([][]*Buffer, 2)
		for r, d := range e.Devices() {
			arguments[r] = []*Buffer{toDevice(t, c, d, []float32{1, 20, float32(300 * r)}, 3)}
		}
		for r, out := range run(t, e, arguments...) {
			assert.Equal(t, []float32{2, 40, 300}, toHost[float32](t, out[0]), "replica %d", r)
		}
	}
}

func TestLoad(t *testing.T) {
	c := newClient(t)
	e := compile(t, c, reduce, CompileOptions{Replicas: 2, Devices: []int{1, 0}})
	code, err := e.Serialize()
	require.NoError(t, err)
	assert.NotEmpty(t, code)
	loaded, err := c.Load(code)
	require.NoError(t, err)
	defer loaded.Close()
	assert.Equal(t, e.Devices(), loaded.Devices())
	assert.Equal(t, e.NumOutputs(), loaded.NumOutputs())
	out := run(t, loaded, []*Buffer{toDevice(t, c, 1, []float32{1, 2, 3}, 3)}, []*Buffer{toDevice(t, c, 0, []float32{4, 5, 7}, 3)})
	assert.Equal(t, []float32{5, 7, 10}, toHost[float32](t, out[1][0]))

	_, err = c.Load([]byte("not a program"))
	assert.ErrorContains(t, err, "pjrt: ")
	_, err = c.Load(nil)
	assert.ErrorContains(t, err, "pjrt: ")
}

func TestMemory(t *testing.T) {
	c := newClient(t)
	m, err := compile(t, c, accumulate, CompileOptions{}).Memory()
	require.NoError(t, err)
	const n = 4 * 65536
	assert.Equal(t, []int64{2 * n, n, n}, []int64{m.Arguments, m.Outputs, m.Aliased})
	assert.GreaterOrEqual(t, m.Total(), int64(2*n))
}

func TestOptimized(t *testing.T) {
	c := newClient(t)
	code, format, err := compile(t, c, add, CompileOptions{}).Optimized()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	require.NoError(t, err)
	assert.Contains(t, format, "hlo")
	assert.Contains(t, string(code), "add", "the name of the module")
}

// TestCompileAbsentTPU skips unless TPU_SKIP_MDS_QUERY is set: without it, libtpu waits minutes
// for a server that hosts of TPUs have.
func TestCompileAbsentTPU(t *testing.T) {
	found, _ := Find("tpu")
	if len(found) == 0 || os.Getenv("TPU_SKIP_MDS_QUERY") == "" {
		t.Skipf("no plugin for TPUs, or TPU_SKIP_MDS_QUERY is not set; %s", Install("tpu"))
	}
	p, err := Open(found[0].Path)
	require.NoError(t, err)
	_, err = p.CompileAbsent(add, "no such topology", nil, CompileOptions{})
	assert.ErrorContains(t, err, "pjrt: ")
	compileAbsent(t, p, "v5e:1x1", nil)
}

func TestCompileAbsentGPU(t *testing.T) {
	found, _ := Find("cuda")
	if len(found) == 0 {
		t.Skipf("no plugin for GPUs; %s", Install("cuda"))
	}
	p, err := Open(found[0].Path)
	require.NoError(t, err)
	if _, missing := missingCUDA(p.Path()); slices.Contains(missing, "ptxas") || slices.Contains(missing, "libdevice.10.bc") {
		t.Skipf("the compiler of CUDA is missing; %s", Install("cuda"))
	}
	compileAbsent(t, p, "", H200())
}

func TestCompileAbsentCPU(t *testing.T) {
	_, err := load(t).CompileAbsent(add, "", nil, CompileOptions{})
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

func compileAbsent(t *testing.T, p *Plugin, topology string, options map[string]any) {
	t.Helper()
	program, err := p.CompileAbsent(add, topology, options, CompileOptions{})
	require.NoError(t, err)
	defer program.Close()
	assert.Equal(t, 2, program.NumOutputs())
	code, err := program.Serialize()
	require.NoError(t, err)
	assert.NotEmpty(t, code)
	optimized, format, err := program.Optimized()
	require.NoError(t, err)
	assert.Contains(t, format, "hlo")
	assert.Contains(t, string(optimized), "add", "the name of the module")
	m, err := program.Memory()
	t.Logf("%s: %d bytes of code, %d optimized, %+v, %v", p.Version(), len(code), len(optimized), m, err)
}

// TestStart copies and runs without waiting, while the collector is busy.
func TestStart(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	c := newClient(t)
	e := compile(t, c, accumulate, CompileOptions{})
	x := toDevice(t, c, 0, make([]float32, 65536), 65536)
	sum := make([]float32, 65536)
	var waits []func() error
	var sources []weak.Pointer[float32]
	for step := range 20 {
		data := make([]float32, 65536)
		for i := range data {
			data[i] = float32(i%7 + step)
			sum[i] += data[i]
		}
		sources = append(sources, weak.Make(&data[0]))
		y, wait, err := StartToDevice(c, 0, data, 65536)
		require.NoError(t, err)
		t.Cleanup(y.Close)
		out, ran, err := e.Start([][]*Buffer{{x, y}})
		require.NoError(t, err)
		t.Cleanup(func() { closeAll(out) })
		waits = append(waits, wait, ran)
		x = out[0][0]
	}
	runtime.GC()
	for _, source := range sources {
		assert.NotNil(t, source.Value(), "the copy has not been awaited")
	}
	for _, wait := range waits {
		require.NoError(t, wait())
	}
	clear(waits)
	runtime.GC()
	for _, source := range sources {
		assert.Nil(t, source.Value(), "the copy has been awaited")
	}
	assert.Equal(t, sum, toHost[float32](t, x))
}

// TestConcurrent runs a program from several goroutines.
func TestConcurrent(t *testing.T) {
	c := newClient(t)
	e := compile(t, c, add, CompileOptions{})
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			v := float32(g)
			for range 50 {
				x, err := ToDevice(c, 0, []float32{v, 1, 2, 3, 4, 5}, 2, 3)
				if !assert.NoError(t, err) {
					return
				}
				out, err := e.Run([][]*Buffer{{x, x}})
				if assert.NoError(t, err) {
					y := make([]float32, 6)
					assert.NoError(t, ToHost(out[0][1], y))
					assert.Equal(t, []float32{2 * v, 6, 2, 8, 4, 10}, y)
				}
				closeAll(out)
				x.Close()
			}
		})
	}
	all.Wait()
}

// TestLeaks demands that the memory of the process does not grow while programs run with fresh
// input and errors come.
func TestLeaks(t *testing.T) {
	c := newClient(t)
	accumulator := func(n int) (step, done func()) {
		e := compile(t, c, strings.ReplaceAll(accumulate, "65536", strconv.Itoa(n)), CompileOptions{})
		data := make([]float32, n)
		x, err := ToDevice(c, 0, data, n)
		require.NoError(t, err)
		return func() {
			y, err := ToDevice(c, 0, data, n)
			require.NoError(t, err)
			out, err := e.Run([][]*Buffer{{x, y}})
			require.NoError(t, err)
			x.Close()
			y.Close()
			x = out[0][0]
			require.NoError(t, ToHost(x, data))
		}, func() { x.Close() }
	}
	for _, test := range []struct {
		name  string
		runs  int
		limit int // bytes
		make  func() (step, done func())
	}{
		{"buffers", 1000, 16 << 20, func() (step, done func()) { return accumulator(65536) }},
		{"runs", 10000, 4 << 20, func() (step, done func()) { return accumulator(2) }},
		{"errors", 50000, 2 << 20, func() (step, done func()) {
			return func() {
				if _, err := c.devices[0].Memory(); err == nil {
					t.Fatal("no error")
				}
			}, func() {}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			step, done := test.make()
			for range test.runs / 4 {
				step()
			}
			before := resident(t)
			for range test.runs {
				step()
			}
			grown := resident(t) - before
			done()
			t.Logf("grown by %d KiB", grown>>10)
			assert.Less(t, grown, test.limit)
		})
	}
}

// resident returns the bytes of memory that the process has.
func resident(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	var size, pages int
	_, err = fmt.Sscan(string(text), &size, &pages)
	require.NoError(t, err)
	return pages * os.Getpagesize()
}

func BenchmarkRun(b *testing.B) {
	found, _ := Find("cpu")
	if len(found) == 0 {
		b.Skip("no plugin for CPUs")
	}
	p, err := Open(found[0].Path)
	require.NoError(b, err)
	c, err := p.NewClient(nil)
	require.NoError(b, err)
	e, err := c.Compile(add, CompileOptions{})
	require.NoError(b, err)
	x, err := ToDevice(c, 0, []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		out, err := e.Run([][]*Buffer{{x, x}})
		require.NoError(b, err)
		closeAll(out)
	}
}

func TestError(t *testing.T) {
	assert.EqualError(t, &Error{8, "too large"}, "pjrt: resource exhausted: too large")
	assert.EqualError(t, &Error{99, "new"}, "pjrt: code 99: new")
	assert.ErrorIs(t, &Error{12, ""}, errors.ErrUnsupported)
	assert.NotErrorIs(t, &Error{13, ""}, errors.ErrUnsupported)
}

// TestRandomShapes copies buffers of random shapes to a device and back. The device does not
// see later changes of the memory that was copied.
func TestRandomShapes(t *testing.T) {
	c := newClient(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		dims, n := make([]int, r.IntN(5)), 1
		for i := range dims {
			dims[i] = r.IntN(20) + 1
			n *= dims[i]
		}
		data := make([]float32, n)
		for i := range data {
			data[i] = r.Float32()
		}
		want := slices.Clone(data)
		b := toDevice(t, c, 0, data, dims...)
		clear(data)
		assert.True(t, slices.Equal(want, toHost[float32](t, b)), "shape %v", dims)
	}
}
