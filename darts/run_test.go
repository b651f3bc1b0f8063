package darts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
	"unnas/darts/record"
	"unnas/internal/checkpoint"
	"unnas/internal/cpu"
	"unnas/internal/filelock"
	"unnas/internal/loader"
	"unnas/pretext"
)

// measured is a search that measures eigenvalues after every epoch.
func measured() SearchConfig {
	c := resumable()
	c.Algorithms, c.ArchStartEpoch, c.StopEigenvalue = Algorithms{DrNAS{}}, 0, 0.75
	return c
}

// TestResumeAfterFailedMeasurement stops a search while it measures the eigenvalue
// of an epoch whose steps are done, at once: the measurement is made anew, on the
// batch that it needs.
func TestResumeAfterFailedMeasurement(t *testing.T) {
	whole, dir := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	_, err := keepRun(t.Context(), whole, resumableSource, measured(), Runtime{})
	require.NoError(t, err)
	for epoch := range 2 {
		ctx, cancel := context.WithCancel(t.Context())
		c := measured()
		var rt Runtime
		after := 0
		rt.Recorder = record.Func(func(e record.Event) error {
			if p, ok := e.(record.Progress); ok && p.Work == "measuring sharpness" {
				after++
				cancel()
			}
			return nil
		})
		r, err := keepRun(ctx, dir, resumableSource, c, rt)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, 1, after, "it ends after the pass under way")
		assert.Equal(t, []int{3, 0}, []int{r.Steps, r.Epochs}, "%d", epoch)
	}
	_, err = keepRun(t.Context(), dir, resumableSource, measured(), Runtime{})
	require.NoError(t, err)
	assertSame(t, outcome(t, whole), outcome(t, dir))
}

// TestFailingRecorder ends a training by a recorder that fails, at each event in turn,
// progress within an evaluation included. No step that was done is lost, nor is an
// evaluation, and the run resumes with the same bytes.
func TestFailingRecorder(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "run")
	var events []record.Event
	require.NoError(t, trivial(t.Context(), whole, record.Func(func(e record.Event) error {
		events = append(events, e)
		return nil
	})))
	require.Greater(t, len(events), 12)
	full := errors.New("report: no space left on device")
	for n, at := range events {
		t.Run(fmt.Sprintf("%d %T", n, at), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			left, done := n, 0
			err := trivial(t.Context(), dir, record.Func(func(e record.Event) error {
				if _, ok := e.(record.Step); ok {
					done++
				}
				if left--; left < 0 {
					return full
				}
				return nil
			}))
			require.ErrorIs(t, err, full)
			assert.Equal(t, done, newest(t, dir), "what was done is kept")
			if e, ok := at.(record.Epoch); ok {
				h := contents(t, dir)[fmt.Sprintf(checkpointFile, done)]
				assert.Contains(t, h, fmt.Sprintf(`"complete":%d`, e.Epoch), "an evaluation is not made again")
			}
			require.NoError(t, trivial(t.Context(), dir, nil))
			assertSame(t, outcome(t, whole), outcome(t, dir))
		})
	}
}

// TestFolderServesOneRun begins a search in the folder of another one.
func TestFolderServesOneRun(t *testing.T) {
	folder, err := OpenRunDir(filepath.Join(t.TempDir(), "run"))
	require.NoError(t, err)
	defer folder.Close()
	c := resumable()
	var rt Runtime
	rt.Dir = folder
	began := false
	rt.Recorder = record.Func(func(e record.Event) error {
		if _, ok := e.(record.Step); ok && !began {
			began = true
			other := resumable()
			var rt Runtime
			rt.Dir = folder
			_, err := Search(t.Context(), resumableSource, smallTask(), other, rt)
			require.ErrorIs(t, err, ErrInUse)
			assert.ErrorContains(t, err, "give each run its own directory")
			_, err = Train(t.Context(), resumableSource, nil, smallTask(), smallTraining(), Runtime{Dir: folder})
			require.ErrorIs(t, err, ErrInUse)
		}
		return nil
	})
	_, err = Search(t.Context(), resumableSource, smallTask(), c, rt)
	require.NoError(t, err)
	require.True(t, began)
	rt.Recorder = nil
	_, err = Search(t.Context(), resumableSource, smallTask(), c, rt)
	require.NoError(t, err, "one run after the other may use it")
	c.Seed++
	for range 2 {
		_, err = Search(t.Context(), resumableSource, smallTask(), c, rt)
		require.ErrorContains(t, err, "config.seed", "one that is refused leaves the folder")
	}
}

// rewrite changes the header of the checkpoints of a folder.
func rewrite(t *testing.T, dir, old, new string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "checkpoint-*"))
	require.NoError(t, err)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, replaced(old, new)(b), 0o644))
	}
}

// TestCheckpointOfOtherKernels refuses to resume a run with kernels that round in
// another way, and says how to.
func TestCheckpointOfOtherKernels(t *testing.T) {
	level, arch, _ := strings.Cut(kernels(), " ")
	wants := map[string]string{
		"avx9 " + arch:  "this CPU or build lacks avx9, resume where it is available",
		level + " vax9": `resume on a machine of architecture "vax9"`,
	}
	if level != "generic" {
		wants["generic "+arch] = "set UNNAS_KERNEL=generic to resume with those of the run"
	}
	for saved, want := range wants {
		dir := stopped(t)
		rewrite(t, dir, fmt.Sprintf(`"kernel":%q`, kernels()), fmt.Sprintf(`"kernel":%q`, saved))
		_, err := keepRun(t.Context(), dir, resumableSource, resumable(), Runtime{})
		require.ErrorContains(t, err, fmt.Sprintf("\nkernel: %q → %q\n", saved, kernels()))
		assert.ErrorContains(t, err, want)
	}
}

// TestCheckpointOfAnotherProgram resumes a run with another version or revision of
// the program: it warns, in metrics.jsonl too.
func TestCheckpointOfAnotherProgram(t *testing.T) {
	before := thisProgram
	t.Cleanup(func() { thisProgram = before })
	thisProgram = program{Version: "v1.0.0", Revision: "aaa"}
	dir := stopped(t)
	thisProgram = program{Version: "v1.0.0", Revision: "bbb+modified"}
	const want = `the run resumes with revision "bbb+modified" rather than "aaa": it may end with other bits than with one program on one device throughout`
	for _, warnings := range [][]string{{want}, nil} {
		c := resumable()
		var rt Runtime
		recorder, _, got := announced()
		ctx, stop := stopAfter(t, 1)
		rt.Recorder = record.Recorders(recorder, stop)
		_, err := keepRun(ctx, dir, resumableSource, c, rt)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, warnings, *got, "once for a change")
	}
	metrics := contents(t, dir)[record.File]
	assert.Equal(t, 1, strings.Count(metrics, `{"event":"warning","text":"the run resumes with revision`))
	assert.Contains(t, metrics, `"version":"v1.0.0","revision":"aaa"`, "it began so")
	assert.Contains(t, metrics, fmt.Sprintf(`"kernel":%q`, kernels()))
	assert.Equal(t, `the run resumes with version "v2" rather than "v1.0.0" and revision "" rather than "aaa": it may end with other bits than with one program on one device throughout`,
		program{Version: "v2"}.unlike(program{Version: "v1.0.0", Revision: "aaa"}))
}

func TestReadProgram(t *testing.T) {
	ours := debug.Module{Path: "unnas", Version: "v1.2.3"}
	settings := []debug.BuildSetting{{Key: "vcs.revision", Value: "0ab1"}, {Key: "vcs.modified", Value: "true"}}
	for name, test := range map[string]struct {
		info debug.BuildInfo
		want program
	}{
		"this module":  {debug.BuildInfo{Main: ours, Settings: settings}, program{Version: "v1.2.3", Revision: "0ab1+modified"}},
		"a dependency": {debug.BuildInfo{Main: debug.Module{Path: "other", Version: "v9"}, Deps: []*debug.Module{{Path: "x", Version: "v8"}, &ours}, Settings: settings[:1]}, program{Version: "v1.2.3", Revision: "0ab1"}},
		"replaced":     {debug.BuildInfo{Main: debug.Module{Path: "other"}, Deps: []*debug.Module{{Path: "unnas", Version: "v1", Replace: &debug.Module{Path: "fork", Version: "v7"}}}}, program{Version: "v7", Revision: ""}},
		"unknown":      {debug.BuildInfo{}, program{}},
	} {
		assert.Equal(t, test.want, readProgram(&test.info, true), name)
	}
	assert.Zero(t, readProgram(nil, false))
}

// numbered are stripes with a fingerprint.
type numbered struct {
	stripes
	number string
}

func (n numbered) Fingerprint() string { return n.number }

// TestCheckpointOfOtherImages resumes runs with as many images as they began with, but
// other ones, and with a part of them.
func TestCheckpointOfOtherImages(t *testing.T) {
	stopped := func(src Source) string {
		dir := filepath.Join(t.TempDir(), "run")
		c := resumable()
		var rt Runtime
		ctx, stop := stopAfter(t, 1)
		rt.Recorder = stop
		_, err := keepRun(ctx, dir, src, c, rt)
		require.ErrorIs(t, err, context.Canceled)
		return dir
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all := func(number string) Source { return numbered{stripes{n: 40, fail: -1}, number} }
	first := loader.All(resumableSource)
	other := loader.All(resumableSource)
	other[0] = 39
	for name, c := range map[string]struct {
		before, after Source
		refused       bool
	}{
		"the same":     {all("a"), all("a"), false},
		"others":       {all("a"), all("b"), true},
		"the same set": {dataset.Subset(all("a"), first), dataset.Subset(all("a"), first), false},
		"another set":  {dataset.Subset(all("a"), first), dataset.Subset(all("a"), other), true},
		"of others":    {dataset.Subset(all("a"), first), dataset.Subset(all("b"), first), true},
		"unknown":      {dataset.Subset(all(""), first), dataset.Subset(all(""), other), false},
		"wrapped":      {all("a"), stripes{n: 40, fail: -1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := stopped(c.before)
			_, err := keepRun(ctx, dir, c.after, resumable(), Runtime{})
			if c.refused {
				require.ErrorContains(t, err, "\nfingerprint of the images: ")
				return
			}
			require.ErrorIs(t, err, context.Canceled)
		})
	}
	dir := filepath.Join(t.TempDir(), "run")
	train := func(held Source) error {
		folder, err := OpenRunDir(dir)
		require.NoError(t, err)
		defer folder.Close()
		c := smallTraining()
		var rt Runtime
		c.Epochs, rt.Dir = 1, folder
		_, err = Train(t.Context(), all("a"), held, smallTask(), c, rt)
		return err
	}
	require.NoError(t, train(all("b")))
	require.NoError(t, train(stripes{n: 40, fail: -1}), "a wrapper may not pass it on")
	require.ErrorContains(t, train(all("c")), "\nfingerprint of the validation images: \"b\" → \"c\"\n")
}

// wordy is a task whose settings are long.
type wordy struct {
	pretext.Task
	Words string
}

// TestLongSettings are refused before the first step, not at the first checkpoint.
func TestLongSettings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	folder, err := OpenRunDir(dir)
	require.NoError(t, err)
	c := resumable()
	var rt Runtime
	rt.Dir = folder
	rt.Recorder = record.Func(func(e record.Event) error { return fmt.Errorf("%T", e) })
	_, err = Search(t.Context(), resumableSource, wordy{smallTask(), strings.Repeat("x", checkpoint.MaxHeader/2)}, c, rt)
	require.ErrorContains(t, err, "as JSON, a checkpoint has room for 524288; give a smaller configuration or task")
	require.NoError(t, folder.Discard())
}

// TestFolderWithoutLocks warns of what the file system does not prevent.
func TestFolderWithoutLocks(t *testing.T) {
	defer func() { locking = filelock.Lock }()
	locking = func(*os.File) error { return fmt.Errorf("%w (mounted with nolock)", filelock.ErrUnsupported) }
	dir := filepath.Join(t.TempDir(), "run")
	for _, stop := range []bool{true, false} {
		var warnings []string
		ctx, cancel := context.WithCancel(t.Context())
		err := trivial(ctx, dir, record.Func(func(e record.Event) error {
			switch e := e.(type) {
			case record.Warning:
				warnings = append(warnings, e.Text)
			case record.Epoch:
				if stop {
					cancel()
				}
			}
			return nil
		}))
		cancel()
		if stop {
			require.ErrorIs(t, err, context.Canceled)
		} else {
			require.NoError(t, err)
		}
		require.NotEmpty(t, warnings)
		assert.Equal(t, "a second run in the folder "+dir+" would not be noticed, and would damage this one: filelock: locks are not supported here (mounted with nolock)", warnings[0])
	}
}

func TestSlowProcessors(t *testing.T) {
	assert.Contains(t, slow(cpu.Generic), "thirty times as long")
	for _, best := range []cpu.Level{cpu.AVX2, cpu.AVX512, cpu.AVX512BF16} {
		assert.Empty(t, slow(best))
	}
}
