package xla_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/xla"
	"unnas/internal/xla/xlatest"
)

// host is an operator of another library.
type host struct{}

func (host) String() string { return "Cosine" }

func (host) Infer(in []ir.Shape) ([]ir.Shape, error) { return in[:1], nil }

func (host) Call([]cpuexec.Array) (any, error) { return nil, errors.New("not called") }

func (host) Convert(any) (cpuexec.Array, error) { return cpuexec.Array{}, errors.New("not called") }

// TestRefusals names what cannot be lowered, and what to do, without a plugin.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		want  string
		build func(p *irtest.Program) *ir.Program
		o     xla.Options
	}{
		{want: "xla: Cosine: Cosine cannot run on this device; leave it out of the network, or run on the CPU", build: func(p *irtest.Program) *ir.Program {
			return p.Build(p.Op(ir.ReLU{}, p.Op(host{}, p.Normal("x", 1, 3))))
		}},
		{want: `xla: input "x" has type float64; want float32 or int32, or uint8 in a batch`, build: func(p *irtest.Program) *ir.Program {
			return p.Build(p.Op(ir.ReLU{}, p.Add("x", "float64", cpuexec.Array{Shape: ir.Shape{2}})))
		}},
		{want: "xla: a result of type bfloat16; want float32", build: func(p *irtest.Program) *ir.Program {
			y := p.Op(ir.ToBFloat16{}, p.Normal("x", 1, 3))
			y.Type = ir.BFloat16
			return p.Build(y)
		}},
		{want: "xla: BatchStatistics{ε=0.1 momentum=0.1 n=1}: a batch of one value per channel has no variance; use two or more images per micro-batch, or larger maps", build: func(p *irtest.Program) *ir.Program {
			return p.Build(p.Op(ir.BatchStatistics{Epsilon: 0.1, Momentum: 0.1, Count: 1}, p.Normal("x", 1, 3, 4), p.Normal("mean", 1, 4), p.Normal("variance", 1, 4)))
		}},
		{want: "xla: the program computes nothing", build: func(p *irtest.Program) *ir.Program { return p.Build(p.Normal("x", 1, 3)) }},
		{want: `xla: precision "float8"; want float32, tf32 or bfloat16`, o: xla.Options{Precision: "float8"}},
		{want: `xla: depthwise convolutions as "dots"; want convolutions or sums`, o: xla.Options{Depthwise: "dots"}},
	} {
		t.Run(c.want, func(t *testing.T) {
			p := &ir.Program{}
			if c.build != nil {
				p = c.build(irtest.NewProgram(1))
			}
			_, err := xla.Text(p, c.o)
			assert.EqualError(t, err, c.want)
		})
	}
}

var update = flag.Bool("update", false, "write the golden text")

// TestText compares the text of a small program with testdata/step.mlir.
func TestText(t *testing.T) {
	p := irtest.NewProgram(1)
	x := p.Normal("images", 1, 2, 5, 4, 3)
	w := p.Normal("weight", 1, 3, 3, 3, 6)
	mean, variance := p.Normal("mean", 1, 6), p.Normal("variance", 1, 6)
	y := p.Op(ir.Conv{Out: 6, Window: ir.Square(3, 2, 1, 1), ReLU: true}, x, w)
	s := p.Outputs(ir.BatchStatistics{Epsilon: 1e-5, Momentum: 0.1, Count: 12}, p.Op(ir.Moments{}, y), mean, variance)
	p.States = []ir.State{{In: mean, Out: s[1]}, {In: variance, Out: s[2]}}
	labels := p.Add("labels", ir.Int32, cpuexec.Array{Shape: ir.Shape{2}, I: []int32{0, 5}})
	loss := p.Op(ir.CrossEntropy{Ignore: -1}, p.Op(ir.GlobalAvgPool{}, p.Op(ir.BatchNorm{}, y, s[0])), labels)
	got, err := xla.Text(p.Build(loss), xla.Options{})
	require.NoError(t, err)
	const path = "testdata/step.mlir"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

// TestStates moves states in a run with update, and in no other.
func TestStates(t *testing.T) {
	p := irtest.NewProgram(1)
	w, v := p.Input("w", ir.Shape{2}, 1, 2), p.Input("v", ir.Shape{2}, 10, 20)
	g, rate := p.Input("g", ir.Shape{2}, 1, -1), p.Input("rate", ir.Shape{1}, 0.5)
	out := p.Outputs(ir.SGD{Momentum: 0.5}, w, v, g, rate)
	p.States = []ir.State{{In: w, Out: out[0]}, {In: v, Out: out[1]}}
	e, results := executable(t, p.Build(out[0]), xla.Options{})
	for i, a := range p.Data {
		e.SetInput(i, a)
	}
	require.NoError(t, e.Run(false))
	assert.Equal(t, []float32{1, 2}, p.Data[0].F)
	assert.Equal(t, []float32{-2, -2.5}, results[0])
	require.NoError(t, e.Run(true))
	assert.Equal(t, []float32{-2, -2.5}, p.Data[0].F)
	assert.Equal(t, []float32{6, 9}, p.Data[1].F)
	require.NoError(t, e.Run(true))
	assert.Equal(t, []float32{4, 3.5}, p.Data[1].F)
}

// TestResults gives values that are inputs, that are results twice, and that have no memory.
func TestResults(t *testing.T) {
	p := irtest.NewProgram(1)
	x, idle := p.Input("x", ir.Shape{2}, 1, -2), p.Input("idle", ir.Shape{}, 7)
	y := p.Op(ir.ReLU{}, x)
	plan, err := xla.Compile(xlatest.Client(t), p.Build(y, x, y, idle, y), xla.Options{})
	require.NoError(t, err)
	defer plan.Close()
	results := [][]float32{make([]float32, 2), make([]float32, 2), nil, nil, make([]float32, 2)}
	e := plan.Bind(results)
	assert.True(t, e.Native(0))
	assert.False(t, e.Native(1))
	e.SetInput(0, p.Data[0])
	e.SetInput(1, cpuexec.Array{Foreign: "idle"})
	require.NoError(t, e.Run(true))
	assert.Equal(t, [][]float32{{1, 0}, {1, -2}, nil, nil, {1, 0}}, results)
	assert.Equal(t, []float32{1, 0}, e.Result(2).F)
	assert.Equal(t, "idle", e.Result(3).Foreign)
	assert.Positive(t, e.Bytes())
}

// TestBadInputs refuses values that the CPU refuses, and missing ones.
func TestBadInputs(t *testing.T) {
	p := irtest.NewProgram(1)
	x, rate := p.Normal("x", 1, 1, 2, 3, 4), p.Input("rate", ir.Shape{1}, 0.5)
	key := p.Add("key", ir.Int32, cpuexec.Array{Shape: ir.Shape{2}, I: []int32{1, 2}})
	labels := p.Add("labels", ir.Int32, cpuexec.Array{Shape: ir.Shape{1}, I: []int32{3}})
	y := p.Op(ir.GlobalAvgPool{}, p.Op(ir.Dropout{}, x, rate, key))
	e, _ := executable(t, p.Build(p.Op(ir.CrossEntropy{Ignore: -1}, y, labels)), xla.Options{})
	for i, a := range p.Data[:3] {
		e.SetInput(i, a)
	}
	assert.EqualError(t, e.Run(false), `xla: input "labels" has 0 elements; want (1)`)
	e.SetInput(3, p.Data[3])
	assert.NoError(t, e.Run(false))
	p.Data[3].I[0] = 4
	assert.EqualError(t, e.Run(false), "CrossEntropy{ignore=-1 smoothing=0}: label 4 at position 0 is not one of 4 classes; check the labels or the number of classes")
	p.Data[3].I[0] = 3
	p.Data[1].F[0] = 1
	assert.EqualError(t, e.Run(false), "Dropout{0}: the dropout rate is 1; want 0 to below 1")
}

// TestCache loads what it compiled before, and compiles again what is damaged or of another
// version.
func TestCache(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	run := func(weight float64) float32 {
		p := irtest.NewProgram(1)
		q := p.Build(p.Op(ir.Scale{Weight: weight}, p.Input("x", ir.Shape{}, 5)))
		return onDevice(t, q, p.Data, xla.Options{Cache: dir})[0][0]
	}
	files := func() []string {
		list, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		return list
	}
	assert.EqualValues(t, 10, run(2))
	require.Len(t, files(), 1)
	two := files()[0]
	first, err := os.ReadFile(two)
	require.NoError(t, err)
	assert.EqualValues(t, 15, run(3))
	require.Len(t, files(), 2)
	three := files()[0]
	if three == two {
		three = files()[1]
	}
	require.NoError(t, os.WriteFile(three, first, 0o644))
	assert.EqualValues(t, 10, run(3), "the program in the cache")
	damaged := bytes.Clone(first)
	damaged[len(damaged)-1]++
	other := []byte("another version")
	sum := sha256.Sum256(other)
	for _, bad := range [][]byte{nil, first[:100], damaged, append(sum[:], other...)} {
		require.NoError(t, os.WriteFile(three, bad, 0o644))
		assert.EqualValues(t, 15, run(3))
		again, err := os.ReadFile(three)
		require.NoError(t, err)
		assert.Greater(t, len(again), 1000)
	}
	require.NoError(t, os.RemoveAll(dir))
	require.NoError(t, os.WriteFile(dir, nil, 0o644)) // where nothing can be stored
	assert.EqualValues(t, 15, run(3))
	path, err := xla.CacheDir()
	require.NoError(t, err)
	assert.Equal(t, "xla", filepath.Base(path))
}

// TestCacheIsBounded removes the programs that were not used for longest, and marks one that
// is loaded as used.
func TestCacheIsBounded(t *testing.T) {
	dir := t.TempDir()
	begin := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, size := range []int{300, 50, 200, 100, 7} { // from the newest to the oldest
		path := filepath.Join(dir, fmt.Sprint(size))
		require.NoError(t, os.WriteFile(path, make([]byte, size), 0o644))
		used := begin.Add(-time.Duration(i) * time.Hour)
		require.NoError(t, os.Chtimes(path, used, used))
	}
	files := func() (names []string) {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	xla.Prune(dir, 657, "7")
	assert.Len(t, files(), 5, "they fit")
	xla.Prune(dir, 656, "7")
	assert.Equal(t, []string{"200", "300", "50", "7"}, files(), "the oldest is kept")
	xla.Prune(dir, 300, "none")
	assert.Equal(t, []string{"300"}, files())
	xla.Prune(dir, 0, "300")
	assert.Equal(t, []string{"300"}, files())
	xla.Prune(filepath.Join(dir, "missing"), 0, "")

	cache := filepath.Join(dir, "cache")
	p := irtest.NewProgram(1)
	q := p.Build(p.Op(ir.Scale{Weight: 3}, p.Input("x", ir.Shape{}, 5)))
	used := func() time.Time {
		onDevice(t, q, p.Data, xla.Options{Cache: cache})
		list, err := filepath.Glob(filepath.Join(cache, "*"))
		require.NoError(t, err)
		require.Len(t, list, 1)
		info, err := os.Stat(list[0])
		require.NoError(t, err)
		require.NoError(t, os.Chtimes(list[0], begin, begin))
		return info.ModTime()
	}
	used()
	assert.True(t, used().After(begin))
}

// TestDroppedPlans frees the program of a plan that nothing refers to: a client with programs
// cannot be closed.
func TestDroppedPlans(t *testing.T) {
	c, err := xlatest.Client(t).Plugin().NewClient(nil)
	require.NoError(t, err)
	p := irtest.NewProgram(1)
	plan, err := xla.Compile(c, p.Build(p.Op(ir.ReLU{}, p.Input("x", ir.Shape{2}, 1, -2))), xla.Options{})
	require.NoError(t, err)
	require.ErrorContains(t, c.Close(), "1 open buffers and executables")
	runtime.KeepAlive(plan)
	require.Eventually(t, func() bool {
		runtime.GC()
		return c.Close() == nil
	}, 10*time.Second, time.Millisecond)
}
