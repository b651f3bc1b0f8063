package darts

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/record"
	"unnas/ops"
)

func everyAlgorithm() []Algorithm { return []Algorithm{FirstOrder, SecondOrder, GDAS, DrNAS} }

func TestAlgorithmNames(t *testing.T) {
	require.Len(t, algorithms, len(everyAlgorithm()))
	assert.Equal(t, FirstOrder, DARTS().Algorithm)
	for i, name := range []string{"first-order", "second-order", "gdas", "drnas"} {
		a := everyAlgorithm()[i]
		assert.Equal(t, name, a.String())
		b, err := json.Marshal(a)
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("%q", name), string(b))
		var back Algorithm
		require.NoError(t, json.Unmarshal(b, &back))
		assert.Equal(t, a, back)
	}
	var c SearchConfig
	require.NoError(t, json.Unmarshal([]byte(`{"epochs": 3}`), &c))
	assert.Equal(t, FirstOrder, c.Algorithm, "where nothing is said")
	assert.ErrorContains(t, json.Unmarshal([]byte(`{"algorithm": "third-order"}`), &c), `no algorithm is named "third-order"; choose one of ["first-order"`)

	for _, bad := range []Algorithm{-1, Algorithm(len(algorithms))} {
		c := DARTS()
		c.Algorithm = bad
		assert.ErrorContains(t, c.Validate(), fmt.Sprintf("darts: Algorithm is %d", int(bad)))
		_, err := bad.MarshalText()
		assert.Error(t, err)
		assert.Equal(t, fmt.Sprintf("Algorithm(%d)", int(bad)), bad.String())
	}
}

// TestAlgorithmsDiffer searches with each for an epoch.
func TestAlgorithmsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range everyAlgorithm() {
		c := resumable()
		c.Algorithm, c.Epochs, c.ArchStartEpoch = a, 1, 0
		r, err := Search(t.Context(), resumableSource, smallTask(), c, Runtime{})
		require.NoError(t, err)
		seen[fmt.Sprint(r.Normal)] = true
	}
	assert.Len(t, seen, len(everyAlgorithm()))
}

func TestAlgorithmsLearn(t *testing.T) {
	// TestSearchLearns has the first. What is drawn anew for each pass learns later.
	for a, last := range map[Algorithm]int{SecondOrder: 3, GDAS: 5, DrNAS: 5} {
		c := learning()
		var rt Runtime
		c.Algorithm, c.Epochs = a, last+1
		var losses, entropies []float64
		rt.Recorder = record.Func(func(e record.Event) error {
			if e, ok := e.(record.Epoch); ok {
				losses, entropies = append(losses, e.TrainLoss), append(entropies, e.Entropy)
			}
			return nil
		})
		_, err := Search(t.Context(), stripes{n: 72, fail: -1}, smallTask(), c, rt)
		require.NoError(t, err)
		assert.Less(t, losses[last], 0.8*losses[0], "%v", a)
		assert.Less(t, entropies[last], entropies[0], "%v", a)
	}
}

func TestSampler(t *testing.T) {
	c := DARTS()
	c.Epochs, c.Seed = 4, 9
	for _, algorithm := range []Algorithm{GDAS, DrNAS} {
		s := newSampler(algorithm)
		s.noise = [][]float32{make([]float32, 3), make([]float32, 5)}
		draw := func(purpose string, epoch, step int) []float32 {
			s.draw(c, purpose, epoch, step)
			return slices.Concat(s.noise...)
		}
		first := draw("weights", 1, 2)
		assert.NotEqual(t, first[:3], first[3:6], "alphas draw apart")
		for _, other := range [][]float32{draw("alphas", 1, 2), draw("weights", 2, 1), draw("weights", 1, 3)} {
			assert.NotEqual(t, first, other)
		}
		assert.Equal(t, first, draw("weights", 1, 2), "what is drawn depends on the place in the run alone")
	}

	s := newSampler(GDAS)
	for epoch, want := range []float64{10, 6.7, 3.4, 0.1} {
		s.draw(c, "weights", epoch, 0)
		assert.InDelta(t, want, s.temperature[0], 1e-6)
	}
	c.Epochs = 1
	s.draw(c, "weights", 0, 0)
	assert.EqualValues(t, 10, s.temperature[0])
	assert.Nil(t, newSampler(FirstOrder))
}

// TestStopSkips searches a space in which skip connections always win.
func TestStopSkips(t *testing.T) {
	for name, test := range map[string]struct {
		stop, arch, want int
	}{
		"at once":               {stop: 4, want: 1},
		"once the alphas learn": {stop: 2, arch: 1, want: 2},
		"too few":               {stop: 5, want: 3},
		"off":                   {want: 3},
	} {
		t.Run(name, func(t *testing.T) {
			c := smallConfig()
			var rt Runtime
			c.Space.Ops, c.Space.Nodes = ops.Set{ops.None(), ops.Skip()}, 2
			c.Epochs, c.ArchStartEpoch, c.StopSkips = 3, test.arch, test.stop
			var warnings []string
			done := 0
			rt.Recorder = record.Func(func(e record.Event) error {
				switch e := e.(type) {
				case record.Warning:
					warnings = append(warnings, e.Text)
				case record.Done:
					done = e.Epochs
				}
				return nil
			})
			r, err := Search(t.Context(), stripes{n: 24, fail: -1}, smallTask(), c, rt)
			require.NoError(t, err)
			assert.Equal(t, test.want, r.Epochs)
			assert.Equal(t, test.want, done)
			assert.Equal(t, "skip_connect", r.Genotype.Normal[0].Op)
			if test.stop == 0 {
				require.Len(t, warnings, 1, "it is warned once")
				assert.Contains(t, warnings[0], "after epoch 1, 4 of the 4 edges of the normal cell are skip connections")
				assert.Contains(t, warnings[0], "set StopSkips")
				return
			}
			if test.want == 3 {
				assert.Empty(t, warnings)
				return
			}
			assert.Equal(t, []string{fmt.Sprintf("the search ends early: after epoch %d the normal cell has 4 skip connections, and StopSkips is %d", test.want, test.stop)}, warnings)
		})
	}
	c := DARTS()
	c.StopSkips, c.Space.MaxSkips = 3, 2
	assert.ErrorContains(t, c.Validate(), "StopSkips is 3, but Space.MaxSkips lets no cell have more than 2")
	c.StopSkips = -1
	assert.ErrorContains(t, c.Validate(), "StopSkips is -1")
}
