//go:build unix

package mpi

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset/scenes"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

var _ darts.Communicator = (*Comm)(nil)

// runsDir is the variable with the directory of runs, of which rank 0 makes one for each
// kind of run.
const runsDir = "UNNAS_TEST_MPI_RUNS"

// runs does a run of each kind, of twelve micro-batches.
func runs(c *Comm) error {
	task := pretext.Rotation{Transform: pretext.ScenesTransform(16)}
	src, err := scenes.New(50, 20, 20, 1)
	if err != nil {
		return err
	}
	val, err := scenes.New(13, 20, 20, 2)
	if err != nil {
		return err
	}
	type kind struct {
		name string
		run  func(rt darts.Runtime) error
	}
	var kinds []kind
	add := func(name string, run func(rt darts.Runtime) error) { kinds = append(kinds, kind{name, run}) }
	for _, search := range []struct {
		name   string
		change func(c *darts.SearchConfig)
	}{
		{"first order", func(*darts.SearchConfig) {}},
		{"second order", func(c *darts.SearchConfig) { c.Algorithms = darts.Algorithms{darts.SecondOrder{}} }},
		{"GDAS", func(c *darts.SearchConfig) { c.Algorithms = darts.Algorithms{darts.GDAS{}} }},
		{"DrNAS", func(c *darts.SearchConfig) { c.Algorithms, c.StopEigenvalue = darts.Algorithms{darts.DrNAS{}}, 0.75 }},
		{"PC-DARTS", func(c *darts.SearchConfig) { c.Space.PartialChannels, c.SkipDropout = 2, 0.5 }},
	} {
		config := darts.DARTS()
		config.Space = cell.DARTS(cell.CIFARStem, 4, 3)
		config.Space.Ops, config.Space.Nodes = ops.Set{ops.None(), ops.MaxPool(3), ops.Skip(), ops.DilConv(3)}, 2
		config.Epochs, config.Batch, config.MicroBatch = 2, 12, 1
		search.change(&config)
		add(search.name, func(rt darts.Runtime) error {
			_, err := darts.Search(context.Background(), src, task, config, rt)
			return err
		})
	}
	g, _ := cell.GenotypeByName("darts_v2")
	train := darts.Training(g)
	train.Network = cell.Network{Backbone: cell.DARTS(cell.CIFARStem, 4, 3).Backbone, Genotype: g, Ops: ops.All()}
	train.Epochs, train.Batch, train.MicroBatch, train.Auxiliary, train.EvaluateEvery = 2, 12, 1, 0, 1
	train.DropPath, train.EMADecay, train.PreciseBN = 0.3, 0.5, 7
	add("training", func(rt darts.Runtime) error {
		_, err := darts.Train(context.Background(), src, val, task, train, rt)
		return err
	})
	pixels := segmentation.Task{Transform: pretext.ScenesTransform(33), ASPP: segmentation.SearchASPP(19)}
	segment := train
	segment.Batch, segment.MicroBatch, segment.DropPath = 24, 2, 0
	segment.Network = cell.Network{Backbone: cell.Backbone{Stem: cell.ImageNetStem, Width: 4, Cells: 3, Reductions: []int{1}}, Genotype: g, Ops: ops.All()}
	add("segmentation", func(rt darts.Runtime) error {
		_, err := darts.Train(context.Background(), src, val, pixels, segment, rt)
		return err
	})
	for _, k := range kinds {
		rt := darts.Runtime{Communicator: c, Workers: 1}
		if c.Rank() == 0 {
			if rt.Dir, err = darts.OpenRunDir(filepath.Join(os.Getenv(runsDir), k.name)); err != nil {
				return err
			}
		}
		if err := errors.Join(k.run(rt), rt.Dir.Close()); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return nil
}

// TestRunsGiveEqualBytes compares the run directories of one process with those of jobs.
func TestRunsGiveEqualBytes(t *testing.T) {
	all := installations(t)
	if len(all) == 0 || testing.Short() {
		t.Skip("no MPI is installed, or the test should be short; install openmpi-bin or mpich to run ranks")
	}
	one := t.TempDir()
	t.Setenv(runsDir, one)
	require.NoError(t, runs(&Comm{size: 1}))
	want := written(t, one)
	for _, in := range all {
		for _, ranks := range []int{2, 3, 4} {
			dir := t.TempDir()
			_, _, err := launch(t, in, ranks, "runs", runsDir+"="+dir).end()
			require.NoError(t, err, "%s, %d ranks", in.project, ranks)
			got := written(t, dir)
			assert.Len(t, got, len(want))
			for name := range want {
				assert.True(t, want[name] == got[name], "%s, %d ranks: %s differs", in.project, ranks, name)
			}
		}
	}
}

// written returns the contents of the files below a directory, but for checkpoints, which hold
// times.
func written(t *testing.T, dir string) map[string]string {
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "checkpoint-") {
			return err
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, dir)] = string(text)
		return err
	}))
	require.NotEmpty(t, all)
	return all
}
