package darts

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/record"
	"unnas/internal/atomicfile"
	"unnas/internal/checkpoint"
	"unnas/internal/pjrt"
	"unnas/ops"
	"unnas/pretext"
)

// These variables make this program a run in a folder that is killed at the n-th change of
// the disk.
const (
	crashFolder = "UNNAS_TEST_CRASH_FOLDER"
	crashAt     = "UNNAS_TEST_CRASH_AT"
	crashKind   = "UNNAS_TEST_CRASH_KIND"
)

// TestMain turns syncing off, which is slow: no test but TestFolderSyncs is about
// power cuts. Nor are many about cores.
func TestMain(m *testing.M) {
	atomicfile.Unsynced = true
	dir := os.Getenv(crashFolder)
	if dir == "" {
		flag.Parse()
		if flag.Lookup("test.bench").Value.String() == "" { // benchmarks take all cores
			runtime.GOMAXPROCS(1)
		}
		code := m.Run()
		if err := os.RemoveAll(compiled); err != nil {
			log.Fatal(err)
		}
		os.Exit(code)
	}
	at, err := strconv.Atoi(os.Getenv(crashAt))
	if err == nil {
		atomicfile.Fault = func(string, string) error {
			if at--; at > 0 {
				return nil
			}
			p, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = p.Kill()
			}
			for err == nil { // until the signal comes
				time.Sleep(time.Hour)
			}
			return err
		}
		err = crashRuns[os.Getenv(crashKind)](dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(failed)
	}
}

// failed is the status of a run that ends with an error. One that is killed has -1, or 1 on
// Windows.
const failed = 2

// crashRuns are a small training, a search, and both on a device.
var crashRuns = map[string]func(dir string) error{
	"training":      func(dir string) error { return trivial(context.Background(), dir, nil) },
	"search":        func(dir string) error { return crashSearch(dir, resumable(), OwnDevice) },
	"device search": func(dir string) error { return crashSearch(dir, tiny(FirstOrder{}), crashDevice()) },
	"device training": func(dir string) error {
		folder, err := OpenRunDir(dir)
		if err != nil {
			return err
		}
		folder.Interval = 0
		c := smallTraining()
		c.Network, c.Epochs, c.DropPath, c.EMADecay, c.EvaluateEvery = tinyNetwork(), 2, 0.3, 0.5, 1
		_, err = Train(context.Background(), stripes{n: 12, fail: -1}, stripes{n: 7, fail: -1}, smallTask(), c, Runtime{Dir: folder, Device: crashDevice()})
		return errors.Join(err, folder.Close())
	},
}

// crashSearch does a search in a folder, with a checkpoint after every step.
func crashSearch(dir string, c SearchConfig, device string) error {
	_, err := keepRun(context.Background(), dir, resumableSource, c, Runtime{Dir: &RunDir{Keep: 2}, Device: device})
	return err
}

// crashDevice is the path of XLA's plugin for CPUs.
func crashDevice() string {
	found, _ := pjrt.Find("cpu")
	return found[0].Path
}

// swinging is a task by whose scores some epochs are better than those before and some
// are not, depending on the weights.
type swinging struct{ pretext.Task }

func (swinging) Metric() (string, bool) { return "swing", false }

func (swinging) Evaluate(_ context.Context, _ cell.Architecture, p *ops.Params, _ pretext.Source, _ string) (func(context.Context, []int) ([]float64, error), int64, error) {
	return func(context.Context, []int) ([]float64, error) {
		return []float64{math.Sin(1e4 * float64(p.Weights()[0]))}, nil
	}, 0, nil
}

func (swinging) Scores(counts []float64) map[string]float64 {
	return map[string]float64{"swing": counts[0], "none": math.NaN()}
}

// trivial does a training of one layer in a folder, or what is left of it.
func trivial(ctx context.Context, dir string, recorder record.Recorder) error {
	folder, err := OpenRunDir(dir)
	if err != nil {
		return err
	}
	folder.Interval = 0
	c := TrainConfig{
		Network: passing{}, Epochs: 4, Batch: 3, SGD: SGD{LR: Schedule{Kind: Constant, Base: 0.1}, Momentum: 0.9},
		EvaluateEvery: 1, Seed: 8,
	}
	_, err = Train(ctx, stripes{n: 7, fail: -1}, stripes{n: 2, fail: -1}, swinging{smallTask()}, c, Runtime{Dir: folder, Recorder: recorder})
	return errors.Join(err, folder.Close())
}

// newest returns after how many steps the newest checkpoint in a folder is.
func newest(t *testing.T, dir string) int {
	t.Helper()
	all, err := checkpoint.Store{Dir: dir}.Steps()
	if errors.Is(err, os.ErrNotExist) || len(all) == 0 {
		return 0
	}
	require.NoError(t, err)
	return all[len(all)-1]
}

// crash starts a run in another process that is killed at change n of the disk. It returns
// whether it got that far.
func crash(t *testing.T, kind, dir string, n int) bool {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	p := exec.Command(program)
	p.Env = append(os.Environ(), crashFolder+"="+dir, crashAt+"="+strconv.Itoa(n), crashKind+"="+kind)
	var messages bytes.Buffer
	p.Stderr = &messages
	err = p.Run()
	if code := p.ProcessState.ExitCode(); code == -1 || code == 1 {
		return true
	}
	require.NoError(t, err, "%d: %s", n, &messages)
	return false
}

// TestResumeAfterCrash kills a training at every change of the disk: before each
// write, sync, rename, link and removal. What resumes ends with the same bytes.
func TestResumeAfterCrash(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "run")
	require.NoError(t, trivial(t.Context(), whole, nil))
	want := outcome(t, whole)
	require.NotEqual(t, want[modelFile], want[bestFile], "the last epoch is not the best, or this shows less")
	before := 0
	for n := 1; ; n++ {
		dir := filepath.Join(t.TempDir(), "run")
		if !crash(t, "training", dir, n) {
			require.Greater(t, n, 60)
			break
		}
		kept := newest(t, dir)
		require.GreaterOrEqual(t, kept, before, "%d: what has been kept stays", n)
		before = kept
		if _, err := os.Stat(filepath.Join(dir, record.File)); err != nil {
			require.Equal(t, 1, n, "before there is a folder")
			continue
		}
		require.NoError(t, trivial(t.Context(), dir, nil), "%d", n)
		assertSame(t, want, outcome(t, dir))
	}
}

// TestResumeAfterCrashes kills a search again and again, further each time.
func TestResumeAfterCrashes(t *testing.T) {
	whole, dir := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	require.NoError(t, crashRuns["search"](whole))
	for _, n := range []int{20, 33, 40} {
		kept := newest(t, dir)
		require.True(t, crash(t, "search", dir, n))
		require.Greater(t, newest(t, dir), kept, "each part gets somewhere")
	}
	require.NoError(t, crashRuns["search"](dir))
	assertSame(t, outcome(t, whole), outcome(t, dir))
}

// TestResumeAfterCrashesOnDevice kills runs on a device.
func TestResumeAfterCrashesOnDevice(t *testing.T) {
	plugin(t)
	for kind, changes := range map[string][]int{"device search": {20, 33}, "device training": {30, 45}} {
		t.Run(kind, func(t *testing.T) {
			whole, dir := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
			require.NoError(t, crashRuns[kind](whole))
			for _, n := range changes {
				kept := newest(t, dir)
				require.True(t, crash(t, kind, dir, n))
				require.Greater(t, newest(t, dir), kept, "each part gets somewhere")
			}
			require.NoError(t, crashRuns[kind](dir))
			assertSame(t, outcome(t, whole), outcome(t, dir))
		})
	}
}

// TestResumeAfterFullDisk lets every change of the disk fail in turn, once or from
// then on. The run reports it, or could do without, and resumes once there is room.
func TestResumeAfterFullDisk(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "run")
	require.NoError(t, trivial(t.Context(), whole, nil))
	want := outcome(t, whole)
	t.Cleanup(func() { atomicfile.Fault = nil })
	for _, forGood := range []bool{false, true} {
		for n, done := 1, false; !done; n++ {
			dir := filepath.Join(t.TempDir(), "run")
			left, operation := n, ""
			atomicfile.Fault = func(what, path string) error {
				if left--; left == 0 || left < 0 && forGood {
					operation = what
					return &os.PathError{Op: what, Path: path, Err: syscall.ENOSPC}
				}
				return nil
			}
			err := trivial(t.Context(), dir, nil)
			atomicfile.Fault = nil
			done = operation == ""
			if done {
				require.NoError(t, err)
				require.Greater(t, n, 60)
			} else if operation != "remove" { // of a temporary file
				require.ErrorIs(t, err, syscall.ENOSPC, "%s %d", operation, n)
				require.ErrorContains(t, err, dir, "it says where")
			}
			require.NoError(t, trivial(t.Context(), dir, nil), "%s %d", operation, n)
			assertSame(t, want, outcome(t, dir))
		}
	}
}

// TestFolderSyncs holds that a checkpoint is on the disk, and the lines of
// metrics.jsonl that it counts before it.
func TestFolderSyncs(t *testing.T) {
	t.Cleanup(func() { atomicfile.Fault, atomicfile.Unsynced = nil, true })
	atomicfile.Unsynced = false
	dir := filepath.Join(t.TempDir(), "run")
	var changes []string
	atomicfile.Fault = func(what, path string) error {
		changes = append(changes, what+" "+filepath.Base(path))
		return nil
	}
	require.NoError(t, trivial(t.Context(), dir, nil))
	assert.Contains(t, fmt.Sprint(changes), "sync metrics.jsonl create .checkpoint-1.")
	assert.Regexp(t, `write \.checkpoint-2\.\w+\.tmp sync \.checkpoint-2\.\w+\.tmp rename checkpoint-2 sync run( remove \S+)* create \.best\.safetensors\.`, fmt.Sprint(changes))
}
