package darts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/cell/benchmark"
	"unnas/darts/record"
	"unnas/ops"
	"unnas/pretext"
)

// spaces are the search spaces besides that of DARTS, small.
func spaces(t *testing.T) map[string]cell.Space {
	all := map[string]cell.Space{"NAS-Bench-201": cell.NASBench201(4, 1), "TransNAS-Bench-101": cell.TransNASBench101(2)}
	partial := cell.NASBench201(4, 1)
	partial.PartialChannels = 2
	all["partial channels"] = partial
	for number := 1; number <= 4; number++ {
		space, err := cell.RobustDARTS(number, cell.CIFARStem, 2, 3)
		require.NoError(t, err)
		all[fmt.Sprint("S", number)] = space
	}
	return all
}

// squareTask has images of an even size.
func squareTask() pretext.Task {
	view := pretext.Transform{Height: 8, Width: 8, Mean: [3]float64{0.4, 0.4, 0.4}, Std: [3]float64{0.3, 0.3, 0.3}, Crop: pretext.CropPadded, Flip: true}
	return pretext.Classification{Transform: view, Classes: 3}
}

// TestSpaces searches in each space, stops and resumes, trains what was found, and looks
// at the run directory.
func TestSpaces(t *testing.T) {
	for name, space := range spaces(t) {
		t.Run(name, func(t *testing.T) {
			c := smallConfig()
			c.Space, c.Algorithms = space, Algorithms{DrNAS{}}
			if name == "S4" {
				c.SkipDropout = 0.1 // beside noise
			}
			whole, err := Search(t.Context(), stripes{n: 24, fail: -1}, squareTask(), c, Runtime{Workers: 1})
			require.NoError(t, err)
			require.NoError(t, whole.Genotype.Validate(space.Ops.Has))

			path := filepath.Join(t.TempDir(), "run")
			var rt Runtime
			rt.Dir, err = OpenRunDir(path)
			require.NoError(t, err)
			stop := c
			ctx, cancel := stopAfter(t, 3)
			rt.Recorder = cancel
			_, err = Search(ctx, stripes{n: 24, fail: -1}, squareTask(), stop, rt)
			require.Error(t, err)
			require.NoError(t, rt.Dir.Close())
			rt.Recorder = nil
			rt.Dir, err = OpenRunDir(path)
			require.NoError(t, err)
			r, err := Search(t.Context(), stripes{n: 24, fail: -1}, squareTask(), c, rt)
			require.NoError(t, err)
			require.NoError(t, rt.Dir.Close())
			assert.Equal(t, whole.Params.Weights(), r.Params.Weights())
			assert.Equal(t, whole.Normal, r.Normal)
			assert.Equal(t, whole.Genotype, r.Genotype)

			g, err := cell.ReadGenotype(path)
			require.NoError(t, err)
			assert.Equal(t, r.Genotype, g)
			_, missing := os.Stat(filepath.Join(path, reduceFile))
			assert.Equal(t, r.Genotype.Dense(), os.IsNotExist(missing), "a dense genotype has no reduction cell")

			train := smallTraining()
			train.Epochs = 1
			train.DropPath = 0.2
			train.Network = cell.Network{Backbone: space.Backbone, Genotype: r.Genotype, Ops: append(ops.All(), ops.Noise())}
			trained, err := Train(t.Context(), stripes{n: 24, fail: -1}, stripes{n: 12, fail: -1}, squareTask(), train, Runtime{})
			require.NoError(t, err)
			assert.NotZero(t, trained.Params.Count())
		})
	}
}

// TestTruth records the true scores of cells, and refuses the table of another space.
func TestTruth(t *testing.T) {
	c := smallConfig()
	c.Space = cell.NASBench201(4, 1)
	var rows strings.Builder
	rows.WriteString("arch,cifar10_test\n")
	names := c.Space.Ops.Names()
	cells := map[string]int{}
	for i := range 15_625 {
		g := cell.Genotype{Normal: make([]cell.Edge, 6)}
		for e, k := range []int{0, 0, 1, 0, 1, 2} {
			at := i
			for range e {
				at /= 5
			}
			g.Normal[e] = cell.Edge{Op: names[at%5], From: k}
		}
		cells[g.String()] = i
		fmt.Fprintf(&rows, "%s,%d\n", g, i)
	}
	table, err := benchmark.Read(strings.NewReader(rows.String()))
	require.NoError(t, err)
	var epochs []record.Epoch
	rt := Runtime{Benchmark: table, Recorder: record.Func(func(e record.Event) error {
		if e, ok := e.(record.Epoch); ok {
			epochs = append(epochs, e)
		}
		return nil
	})}
	_, err = Search(t.Context(), stripes{n: 24, fail: -1}, squareTask(), c, rt)
	require.NoError(t, err)
	require.Len(t, epochs, 2)
	for _, e := range epochs {
		i := float64(cells[e.Genotype])
		assert.Equal(t, map[string]float64{"cifar10_test": i}, e.Truth)
		assert.InDelta(t, (i+0.5)/15_625, e.Percentiles["cifar10_test"], 1e-12)
	}

	c.Space = smallConfig().Space
	_, err = Search(t.Context(), stripes{n: 24, fail: -1}, squareTask(), c, rt)
	assert.ErrorContains(t, err, "Benchmark has cells such as |none~0|+|none~0|none~1|+|none~0|none~1|none~2|, and none of the search space")
	c.Space = cell.Space{}
	_, err = Search(t.Context(), stripes{n: 24, fail: -1}, squareTask(), c, rt)
	assert.ErrorContains(t, err, "a space of 0 operations")
}
