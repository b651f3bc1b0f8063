//go:build linux && !race

package darts

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
)

// TestPlannedBytes compares what a search announces with what it adds to the
// resident memory of a process of its own.
func TestPlannedBytes(t *testing.T) {
	const name = "UNNAS_TEST_MEMORY"
	if kind := os.Getenv(name); kind != "" {
		searchAndTell(t, kind)
		return
	}
	for _, kind := range []string{"recompute", "micro-batch"} {
		child := exec.Command(os.Args[0], "-test.run=^TestPlannedBytes$")
		child.Env = append(os.Environ(), name+"="+kind, "GOGC=100", "GOMEMLIMIT=off")
		out, err := child.CombinedOutput()
		require.NoError(t, err, "%s", out)
		var announced, taken float64
		_, err = fmt.Sscanf(string(out), "%g %g", &announced, &taken)
		require.NoError(t, err, "%s", out)
		t.Logf("%s: %s announced, %s taken", kind, storage(int64(announced)), storage(int64(taken)))
		assert.InEpsilon(t, taken, announced, 0.05, kind)
	}
}

// memorable is a search that takes memory enough to be measured.
func memorable(kind string) Config {
	c := smallConfig()
	c.Space, c.Epochs, c.Batch = cell.DARTS(cell.CIFARStem, 16, 8), 1, 64
	switch kind {
	case "recompute":
		c.Recompute = true
	case "micro-batch":
		c.Batch, c.MicroBatch = 2*c.Batch, c.Batch
	case "second-order":
		c.Algorithm = SecondOrder
	}
	return c
}

// TestPlans compares what searches plan.
func TestPlans(t *testing.T) {
	plan := func(kind string) int64 {
		c := memorable(kind)
		c.Space.Body.Cells, c.Space.Body.Reductions = 3, []int{1, 2}
		return needs(t, c)
	}
	plain := plan("")
	assert.Less(t, plan("recompute"), plain*3/4)
	assert.Less(t, float64(plan("micro-batch")), 1.05*float64(plain), "twice the images")
	assert.Greater(t, plan("second-order"), plain)
}

// searchAndTell prints the bytes that a search announces and those by which it
// raises the largest resident memory of the process.
func searchAndTell(t *testing.T, kind string) {
	c := memorable(kind)
	var planned int64
	c.Recorder = recorderFunc(func(e Event) error {
		if e, ok := e.(Start); ok {
			planned = e.PlannedBytes
		}
		return nil
	})
	before := residentPeak(t)
	_, err := Search(t.Context(), stripes{n: 2 * c.Batch, fail: -1}, smallTask(), c)
	require.NoError(t, err)
	fmt.Println(planned, residentPeak(t)-before)
}

// residentPeak returns the largest resident memory of the process so far, in
// bytes, without the pages of its own program file, which no search announces.
func residentPeak(t *testing.T) int64 {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	field := func(name string) int64 {
		_, rest, ok := bytes.Cut(status, []byte(name))
		require.True(t, ok, "%s", status)
		var kilobytes int64
		_, err := fmt.Sscan(string(rest), &kilobytes)
		require.NoError(t, err)
		return kilobytes << 10
	}
	return field("VmHWM:") - field("RssFile:")
}
