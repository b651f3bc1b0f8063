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
	const name = "UNNAS_TEST_RECOMPUTE"
	if recompute := os.Getenv(name); recompute != "" {
		searchAndTell(t, recompute == "true")
		return
	}
	var planned [2]float64
	for i, recompute := range []bool{false, true} {
		child := exec.Command(os.Args[0], "-test.run=^TestPlannedBytes$")
		child.Env = append(os.Environ(), fmt.Sprint(name, "=", recompute), "GOGC=100", "GOMEMLIMIT=off")
		out, err := child.CombinedOutput()
		require.NoError(t, err, "%s", out)
		var taken float64
		_, err = fmt.Sscanf(string(out), "%g %g", &planned[i], &taken)
		require.NoError(t, err, "%s", out)
		assert.InEpsilon(t, taken, planned[i], 0.05, "recompute %v", recompute)
	}
	assert.Less(t, planned[1], planned[0]/2)
}

// searchAndTell prints the bytes that a search announces and those by which it
// raises the largest resident memory of the process.
func searchAndTell(t *testing.T, recompute bool) {
	c := smallConfig()
	c.Space, c.Epochs, c.Batch, c.Recompute = cell.DARTS(cell.CIFARStem, 16, 8), 1, 64, recompute
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

// residentPeak returns the largest resident memory of the process so far, in bytes.
func residentPeak(t *testing.T) int64 {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rest, ok := bytes.Cut(status, []byte("VmHWM:"))
	require.True(t, ok, "%s", status)
	var kilobytes int64
	_, err = fmt.Sscan(string(rest), &kilobytes)
	require.NoError(t, err)
	return kilobytes << 10
}
