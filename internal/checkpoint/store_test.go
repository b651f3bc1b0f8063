package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/checkpoint"
)

// state is a header, which lists the arrays.
const state = `{"at":%d,"arrays":[{"name":"weights","len":3}]}`

func write(at int, weights ...float32) func(w io.Writer) error {
	return func(w io.Writer) error {
		return checkpoint.Write(w, fmt.Appendf(nil, state, at), []checkpoint.Array{checkpoint.ArrayOf("weights", weights)})
	}
}

type header struct {
	At     int
	Arrays []checkpoint.Array
}

// read returns a function that reads a checkpoint into h and weights.
func read(h *header, weights []float32) func(r io.ReadSeeker, size int64) error {
	return func(r io.ReadSeeker, size int64) error {
		if err := checkpoint.ReadHeader(r, size, h); err != nil {
			return err
		}
		arrays := []checkpoint.Array{checkpoint.ArrayOf("weights", weights)}
		if err := checkpoint.Match(r, size, h.Arrays, arrays); err != nil {
			return err
		}
		return checkpoint.ReadArrays(r, arrays)
	}
}

// TestStore keeps the newest two of three checkpoints, and passes over a damaged one.
func TestStore(t *testing.T) {
	s := checkpoint.Store{Dir: t.TempDir()}
	var h header
	weights := make([]float32, 3)
	found, faults, err := s.Newest(read(&h, weights))
	require.NoError(t, err)
	assert.False(t, found)
	assert.Empty(t, faults)
	for n := range 3 {
		require.NoError(t, s.Keep(10*(n+1), 2, write(n, float32(n), 0.5, -1)))
	}
	steps, err := s.Steps()
	require.NoError(t, err)
	assert.Equal(t, []int{20, 30}, steps)
	found, faults, err = s.Newest(read(&h, weights))
	require.NoError(t, err)
	require.True(t, found)
	assert.Empty(t, faults)
	assert.Equal(t, 2, h.At)
	assert.Equal(t, []float32{2, 0.5, -1}, weights)

	newest := filepath.Join(s.Dir, "checkpoint-30")
	require.NoError(t, os.WriteFile(newest, []byte("damaged"), 0o644))
	found, faults, err = s.Newest(read(&h, weights))
	require.NoError(t, err)
	assert.True(t, found)
	require.Len(t, faults, 1)
	assert.ErrorContains(t, faults[0], newest+": the file is truncated")
	assert.Equal(t, 1, h.At)
	require.NoError(t, s.Keep(25, 2, write(3, 1, 2, 3)))
	steps, err = s.Steps()
	require.NoError(t, err)
	assert.Equal(t, []int{20, 25}, steps, "what is newer was damaged")
}

// TestStoreOfAnotherRun ends at a checkpoint that is whole, and not of the run.
func TestStoreOfAnotherRun(t *testing.T) {
	s := checkpoint.Store{Dir: t.TempDir()}
	for n := range 2 {
		require.NoError(t, s.Keep(n, 2, write(n, 1, 2, 3)))
	}
	calls := 0
	_, _, err := s.Newest(func(io.ReadSeeker, int64) error {
		calls++
		return fmt.Errorf("seeds: %w", checkpoint.ErrOther)
	})
	require.ErrorIs(t, err, checkpoint.ErrOther)
	assert.Equal(t, 1, calls)
}

// TestKeepFails keeps what was there.
func TestKeepFails(t *testing.T) {
	s := checkpoint.Store{Dir: t.TempDir()}
	require.NoError(t, s.Keep(1, 1, write(1, 1, 2, 3)))
	full := errors.New("disk full")
	require.ErrorIs(t, s.Keep(2, 1, func(io.Writer) error { return full }), full)
	steps, err := s.Steps()
	require.NoError(t, err)
	assert.Equal(t, []int{1}, steps)
}

// TestLongHeader is refused before anything is written.
func TestLongHeader(t *testing.T) {
	var b bytes.Buffer
	require.ErrorContains(t, checkpoint.Write(&b, make([]byte, checkpoint.MaxHeader+1), nil), "take 1048577 bytes as JSON; want at most 1048576")
	assert.Zero(t, b.Len())
}

func TestDifferences(t *testing.T) {
	assert.Empty(t, checkpoint.Differences([]byte(`{"a":1}`), []byte(`{"a":1}`)))
	assert.Equal(t, []string{"a.b: 1 → 2", "c: nothing → true"}, checkpoint.Differences([]byte(`{"a":{"b":1,"d":3}}`), []byte(`{"a":{"b":2,"d":3},"c":true}`)))
}
