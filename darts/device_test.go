package darts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/darts/record"
	_ "unnas/darts/xla"
	"unnas/internal/pjrt"
	"unnas/ops"
)

// plugin returns the path of XLA's plugin for CPUs.
func plugin(t *testing.T) string {
	t.Helper()
	found, looked := pjrt.Find("cpu")
	if len(found) == 0 {
		t.Skipf("no PJRT plugin for CPUs in %s; %s", strings.Join(looked, ", "), pjrt.Install("cpu"))
	}
	t.Setenv("XDG_CACHE_HOME", cache()) // of compiled programs
	return found[0].Path
}

// cache is a directory for all tests of a process.
var cache = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "unnas-xla")
	if err != nil {
		panic(err)
	}
	return dir
})

// tiny is a search that XLA compiles in seconds.
func tiny(a Algorithm) SearchConfig {
	c := resumable()
	c.Algorithms, c.Epochs, c.ArchStartEpoch = Algorithms{a}, 2, 0
	c.Space.Ops, c.Space.Nodes = ops.Set{ops.None(), ops.MaxPool(3), ops.Skip(), ops.SepConv(3), ops.DilConv(3)}, 1
	c.Space.Backbone.Cells, c.Space.Backbone.Reductions = 2, []int{1}
	return c
}

// losses returns a recorder and the losses of steps that it will have recorded.
func losses() (record.Recorder, *[]float64) {
	all := new([]float64)
	return record.Func(func(e record.Event) error {
		switch e := e.(type) {
		case record.Step:
			*all = append(*all, e.TrainLoss)
			if e.ValLoss == e.ValLoss {
				*all = append(*all, e.ValLoss)
			}
		case record.Epoch:
			if e.ValLoss == e.ValLoss {
				*all = append(*all, e.ValLoss)
			}
		}
		return nil
	}), all
}

// TestSearchOnDevice compares searches on a device and on the CPU.
func TestSearchOnDevice(t *testing.T) {
	device := plugin(t)
	for _, a := range everyAlgorithm() {
		t.Run(a.Name(), func(t *testing.T) {
			if testing.Short() && a != (FirstOrder{}) {
				t.Skip("compiling takes seconds")
			}
			c := tiny(a)
			if a == (GDAS{}) {
				c.SkipDropout, c.Space.PartialChannels, c.MicroBatch = 0.5, 2, 3
			}
			var runs [2][]float64
			var results [2]*SearchResult
			for i, name := range []string{OwnDevice, device} {
				recorder, all := losses()
				var err error
				results[i], err = Search(t.Context(), resumableSource, smallTask(), c, Runtime{Device: name, Recorder: recorder})
				if a == (ReinMax{1}) || a == (FairDARTS{10}) { // have kernels for CPUs
					require.Equal(t, name == device, err != nil)
					continue
				}
				require.NoError(t, err)
				runs[i] = *all
			}
			require.Len(t, runs[1], len(runs[0]))
			for i, want := range runs[0] {
				assert.InEpsilon(t, want, runs[1][i], 1e-3, "loss %d", i)
			}
			assert.InDeltaSlice(t, results[0].Params.Alphas(), results[1].Params.Alphas(), 2e-3)
		})
	}
}

// TestTrainOnDevice compares a training, with what its configuration can have.
func TestTrainOnDevice(t *testing.T) {
	device := plugin(t)
	c := smallTraining()
	g, _ := cell.GenotypeByName("darts_v2")
	c.Network = cell.Network{Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 2, Cells: 2, Reductions: []int{1}}, Genotype: g, Ops: ops.All()}
	c.Epochs, c.DropPath, c.EMADecay, c.PreciseBN, c.EvaluateEvery = 2, 0.3, 0.5, 6, 1
	var runs [2][]float64
	var model *Model
	for i, name := range []string{OwnDevice, device} {
		recorder, all := losses()
		r, err := Train(t.Context(), stripes{n: 12, fail: -1}, stripes{n: 11, fail: -1}, smallTask(), c, Runtime{Device: name, Recorder: recorder})
		require.NoError(t, err)
		runs[i], model = *all, r.Model()
	}
	require.Len(t, runs[1], len(runs[0]))
	for i, want := range runs[0] {
		assert.InEpsilon(t, want, runs[1][i], 1e-3, "loss %d", i)
	}
	var scores [2]*Evaluation
	for i, name := range []string{OwnDevice, device} {
		var err error
		scores[i], err = model.Evaluate(t.Context(), stripes{n: 11, fail: -1}, Runtime{Device: name})
		require.NoError(t, err)
	}
	assert.InEpsilon(t, scores[0].Loss, scores[1].Loss, 1e-5)
	assert.Equal(t, scores[0].Score, scores[1].Score)
}

// TestResumeOnAnotherDevice warns, and resumes.
func TestResumeOnAnotherDevice(t *testing.T) {
	device := plugin(t)
	dir := filepath.Join(t.TempDir(), "run")
	ctx, stop := stopAfter(t, 2)
	_, err := keepRun(ctx, dir, resumableSource, tiny(FirstOrder{}), Runtime{Recorder: stop})
	require.ErrorIs(t, err, context.Canceled)
	var warnings []string
	var start record.Start
	_, err = keepRun(t.Context(), dir, resumableSource, tiny(FirstOrder{}), Runtime{Device: device, Recorder: record.Func(func(e record.Event) error {
		switch e := e.(type) {
		case record.Warning:
			warnings = append(warnings, e.Text)
		case record.Start:
			start = e
		}
		return nil
	})})
	require.NoError(t, err)
	assert.Contains(t, start.Device, "PJRT")
	require.NotEmpty(t, warnings)
	assert.Contains(t, warnings[0], `the run resumes with device `)
	assert.Contains(t, warnings[0], `rather than "cpu"`)
}

// TestRanksOnDevice gives equal bytes on one rank and on two.
func TestRanksOnDevice(t *testing.T) {
	device := plugin(t)
	c := tiny(FirstOrder{})
	c.MicroBatch = 3
	var want map[string]string
	for _, size := range []int{1, 2} {
		dir := filepath.Join(t.TempDir(), "run")
		require.NoError(t, errors.Join(onRanks(t, size, dir, func(_ int, rt Runtime) error {
			rt.Device = device
			_, err := Search(t.Context(), resumableSource, smallTask(), c, rt)
			return err
		})...))
		files := outcome(t, dir)
		if size == 1 {
			want = files
			continue
		}
		assertSame(t, want, files)
	}
}

// ownKernel is an operation with a kernel in Go.
type ownKernel struct{}

func (ownKernel) Name() string { return "own_kernel" }

func (ownKernel) Build(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	y, err := ops.Skip().Build(s, x, c)
	if err != nil {
		return nil, err
	}
	return gorgonia.Tanh(y)
}

func TestDeviceRefuses(t *testing.T) {
	search := func(c SearchConfig, rt Runtime) error {
		_, err := Search(t.Context(), resumableSource, smallTask(), c, rt)
		return err
	}
	assert.ErrorContains(t, search(tiny(FirstOrder{}), Runtime{Device: "gpu"}), `darts: no plugin for device "gpu" was found in `)
	assert.ErrorContains(t, search(tiny(FirstOrder{}), Runtime{Device: filepath.Join(t.TempDir(), "plugin.so")}), "plugin.so")
	c := tiny(FirstOrder{})
	c.Precision = TF32
	assert.ErrorContains(t, search(c, Runtime{}), `darts: Precision "tf32" is of devices, and Device is the CPU`)

	device := plugin(t)
	c = tiny(FirstOrder{})
	c.Space.Ops = append(c.Space.Ops, ownKernel{})
	err := search(c, Runtime{Device: device})
	require.ErrorContains(t, err, "cannot run on this device")
	assert.ErrorContains(t, err, "tanh")
}

// TestDevices finds what the plugin of TestSearchOnDevice drives.
func TestDevices(t *testing.T) {
	path := plugin(t)
	for _, d := range Devices() {
		if d.Plugin != path {
			continue
		}
		assert.Equal(t, path, d.Name)
		assert.NoError(t, d.Err)
		assert.NotEmpty(t, d.Kinds)
		assert.Contains(t, d.Version, "PJRT")
		return
	}
	assert.Fail(t, fmt.Sprintf("%s is not listed", path))
}
