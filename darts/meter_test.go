package darts

import (
	"errors"
	"slices"
	"testing"

	"unnas/darts/record"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// progress is what a Progress says but for the time.
type progress struct {
	work, unit  string
	done, total int
}

// tellInto returns a recorder that appends what is told of work to told.
func tellInto(told *[]progress) record.Recorder {
	return record.Func(func(e record.Event) error {
		if p, ok := e.(record.Progress); ok {
			*told = append(*told, progress{p.Work, p.Unit, p.Done, p.Total})
		}
		return nil
	})
}

// counting returns work of which so much is done, of a total.
func counting(work, unit string, total int, parts ...int) []progress {
	var all []progress
	for _, done := range parts {
		all = append(all, progress{work, unit, done, total})
	}
	return all
}

// TestSearchTellsOfPasses through a step that goes in parts, without alphas and
// with those of either order. The last is told of by the step.
func TestSearchTellsOfPasses(t *testing.T) {
	for algorithm, passes := range map[Algorithm]int{FirstOrder{}: 2, SecondOrder{}: 5} {
		c := smallConfig()
		var rt Runtime
		c.Algorithms, c.ArchStartEpoch, c.MicroBatch = Algorithms{algorithm}, 1, 3
		var told []progress
		rt.Recorder = tellInto(&told)
		_, err := Search(t.Context(), stripes{n: 12, fail: -1}, smallTask(), c, rt)
		require.NoError(t, err)
		parts := make([]int, 2*passes-1)
		for i := range parts {
			parts[i] = i + 1
		}
		assert.Equal(t, slices.Concat(
			counting("epoch 1/2 step 1/1", "passes", 2, 1),
			counting("epoch 2/2 step 1/1", "passes", 2*passes, parts...),
		), told, "%v", algorithm)
	}
}

// TestTrainTellsOfBatchNorm between a step and the evaluation.
func TestTrainTellsOfBatchNorm(t *testing.T) {
	c := smallTraining()
	var rt Runtime
	c.Epochs, c.MicroBatch, c.PreciseBN = 1, 3, 6
	var told []progress
	rt.Recorder = tellInto(&told)
	_, err := Train(t.Context(), stripes{n: 6, fail: -1}, stripes{n: 7, fail: -1}, smallTask(), c, rt)
	require.NoError(t, err)
	assert.Equal(t, slices.Concat(
		counting("epoch 1/1 step 1/1", "passes", 2, 1),
		counting("measuring batch norm", "images", 6, 3, 6),
		counting("evaluating", "images", 7, 7),
	), told)
}

// TestPassesThatNobodyHears go on: a step does not end in the middle.
func TestPassesThatNobodyHears(t *testing.T) {
	c := smallConfig()
	var rt Runtime
	c.Epochs, c.MicroBatch = 1, 3
	fault := errors.New("disk full")
	passes := 0
	rt.Recorder = record.Func(func(e record.Event) error {
		switch e.(type) {
		case record.Progress:
			passes++
			return fault
		case record.Step:
			return fault
		}
		return nil
	})
	r, err := Search(t.Context(), stripes{n: 24, fail: -1}, smallTask(), c, rt)
	require.ErrorIs(t, err, fault)
	assert.Equal(t, 3, passes)
	assert.Equal(t, 1, r.Steps)
}
