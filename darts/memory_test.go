//go:build linux && !race

package darts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/record"
	"unnas/internal/format"
	"unnas/internal/loader"
	"unnas/pretext"
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
		announced, taken := leastTaken(t, "TestPlannedBytes", name+"="+kind, func(announced, taken int64) bool { return float64(taken) < 1.05*float64(announced) })
		t.Logf("%s: %s announced, %s taken", kind, format.Bytes(announced), format.Bytes(taken))
		assert.InEpsilon(t, taken, announced, 0.05, kind)
	}
}

// leastTaken runs a test in processes of its own, each of which prints the bytes that it
// announces and those that it takes, until these are few enough, at most ten times. The
// garbage collector may be late on a busy machine.
func leastTaken(t *testing.T, test, variable string, enough func(announced, taken int64) bool) (announced, taken int64) {
	t.Helper()
	for range 10 {
		child := exec.Command(os.Args[0], "-test.run=^"+test+"$")
		child.Env = append(os.Environ(), variable, "GOGC=100", "GOMEMLIMIT=off")
		out, err := child.CombinedOutput()
		require.NoError(t, err, "%s", out)
		var most int64
		_, err = fmt.Sscanf(string(out), "%d %d", &announced, &most)
		require.NoError(t, err, "%s", out)
		if taken == 0 || most < taken {
			taken = most
		}
		if enough(announced, taken) {
			break
		}
	}
	return announced, taken
}

// memorable is a search that takes memory enough to be measured.
func memorable(kind string) (c SearchConfig, rt Runtime) {
	c = smallConfig()
	c.Space, c.Epochs, c.Batch = cell.DARTS(cell.CIFARStem, 16, 8), 1, 64
	switch kind {
	case "recompute":
		rt.Recompute = true
	case "micro-batch":
		c.Batch, c.MicroBatch = 2*c.Batch, c.Batch
	case "second-order":
		c.Algorithms = Algorithms{SecondOrder{}}
	}
	return c, rt
}

// TestPlans compares what searches plan.
func TestPlans(t *testing.T) {
	plan := func(kind string) int64 {
		c, rt := memorable(kind)
		c.Space.Backbone.Cells, c.Space.Backbone.Reductions = 3, []int{1, 2}
		return needs(t, c, rt)
	}
	plain := plan("")
	assert.Less(t, plan("recompute"), plain*3/4)
	assert.Less(t, float64(plan("micro-batch")), 1.05*float64(plain), "twice the images")
	assert.Greater(t, plan("second-order"), plain)
}

// searchAndTell prints the bytes that a search announces and those by which it
// raises the largest resident memory of the process.
func searchAndTell(t *testing.T, kind string) {
	c, rt := memorable(kind)
	if rt.Recompute { // the code of the program, which counts as taken, matters less then
		c.Batch *= 2
	}
	var planned int64
	rt.Recorder = record.Func(func(e record.Event) error {
		if e, ok := e.(record.Start); ok {
			planned = e.PlannedBytes
		}
		return nil
	})
	before := residentPeak(t)
	_, err := Search(t.Context(), stripes{n: 2 * c.Batch, fail: -1}, smallTask(), c, rt)
	require.NoError(t, err)
	fmt.Println(planned, residentPeak(t)-before)
}

// photographs are large images of the same JPEG file.
type photographs struct {
	n    int
	file []byte
}

func (p photographs) Len() int { return p.n }

func (p photographs) Load(ctx context.Context, _ int) (*pretext.Image, error) {
	img, err := pretext.Decode(ctx, bytes.NewReader(p.file))
	if err == nil {
		img.Label = 0
	}
	return img, err
}

func (photographs) DecodesImages() bool { return true }

// TestPlannedDecoding has many workers decode large images in little memory.
func TestPlannedDecoding(t *testing.T) {
	const name = "UNNAS_TEST_DECODING"
	if os.Getenv(name) != "" {
		decodeAndTell(t)
		return
	}
	announced, taken := leastTaken(t, "TestPlannedDecoding", name+"=1", func(announced, taken int64) bool { return taken < announced+announced/10 })
	t.Logf("%s announced, %s taken", format.Bytes(announced), format.Bytes(taken))
	assert.Equal(t, int64(decodingMemory), announced, "all that there is")
	assert.Less(t, taken, announced+announced/10)
	assert.Greater(t, taken, announced/2, "several images at once")
}

const decodingMemory = 96 << 20

// decodeAndTell prints the bytes that a search of photographs announces and those by
// which it raises the largest resident memory of the process.
func decodeAndTell(t *testing.T) {
	var file bytes.Buffer
	require.NoError(t, jpeg.Encode(&file, image.NewYCbCr(image.Rect(0, 0, 1600, 1200), image.YCbCrSubsampleRatio420), nil))
	src := photographs{16, file.Bytes()}
	c := smallConfig()
	var rt Runtime
	c.Epochs, c.Batch, rt.Workers, rt.Memory = 1, 8, 16, decodingMemory
	var planned int64
	rt.Recorder = record.Func(func(e record.Event) error {
		if e, ok := e.(record.Start); ok {
			planned = e.PlannedBytes
		}
		return nil
	})
	before := residentPeak(t)
	_, err := Search(t.Context(), src, smallTask(), c, rt)
	require.NoError(t, err)
	fmt.Println(planned, residentPeak(t)-before)
}

// TestRoomForDecoding refuses a run without room to decode its images in, and gives
// others no more of it than there is.
func TestRoomForDecoding(t *testing.T) {
	announced := func(src Source, memory int64) (bytes int64, err error) {
		c := smallConfig()
		var rt Runtime
		c.Epochs, c.Batch, rt.Memory = 1, 3, memory
		stop := errors.New("known")
		rt.Recorder = record.Func(func(e record.Event) error {
			if e, ok := e.(record.Start); ok {
				bytes = e.PlannedBytes
			}
			return stop
		})
		if _, err = Search(t.Context(), src, smallTask(), c, rt); errors.Is(err, stop) {
			err = nil
		}
		return bytes, err
	}
	const much = 1 << 40
	without, err := announced(stripes{n: 12, fail: -1}, much)
	require.NoError(t, err)
	for name, test := range map[string]struct{ memory, want int64 }{
		"much":   {much, without + loader.MostDecoding},
		"some":   {without + loader.LeastDecoding + 12345, without + loader.LeastDecoding + 12345},
		"least":  {without + loader.LeastDecoding, without + loader.LeastDecoding},
		"little": {without + loader.LeastDecoding - 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := announced(photographs{n: 12}, test.memory)
			if test.want == 0 {
				require.ErrorContains(t, err, "of memory or more, Memory is")
				require.ErrorContains(t, err, "; 64.0 MiB of the memory is for decoding images")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
	t.Run("training", func(t *testing.T) {
		c := smallTraining()
		var rt Runtime
		c.Epochs, rt.Memory = 1, much
		bytes := map[bool]int64{}
		for _, decodes := range []bool{false, true} {
			rt.Recorder = record.Func(func(e record.Event) error {
				if e, ok := e.(record.Start); ok {
					bytes[decodes] = e.PlannedBytes
				}
				return nil
			})
			var held Source = stripes{n: 6, fail: -1}
			if decodes {
				held = decoding{stripes{n: 6, fail: -1}}
			}
			_, err := Train(t.Context(), stripes{n: 12, fail: -1}, held, smallTask(), c, rt)
			require.NoError(t, err)
		}
		assert.Equal(t, bytes[false]+loader.MostDecoding, bytes[true])
	})
}

// decoding are stripes that say that they are decoded.
type decoding struct{ stripes }

func (decoding) DecodesImages() bool { return true }

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
