package darts

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/record"
	"unnas/internal/rng"
	"unnas/ops"
)

// everyAlgorithm returns one of each type, for searches of few epochs and steps.
func everyAlgorithm() []Algorithm {
	all := PublishedAlgorithms()
	for i, a := range all {
		switch a.(type) {
		case SDARTSADV:
			all[i] = SDARTSADV{Radius: 0.05, Steps: 2}
		case OLES:
			all[i] = OLES{Every: 2, Threshold: 0.4}
		case PT:
			all[i] = PT{Epochs: 1}
		case Stages:
			all[i] = Stages{Epochs: []int{2}, Keep: []int{3}}
		}
	}
	return all
}

func TestAlgorithmNames(t *testing.T) {
	assert.Equal(t, Algorithms{FirstOrder{}}, DARTS().Algorithms)
	for _, a := range PublishedAlgorithms() {
		require.Regexp(t, `^[a-z][a-z0-9-]*$`, a.Name())
		text, err := Algorithms{a}.MarshalText()
		require.NoError(t, err)
		assert.Equal(t, a.Name(), string(text))
		var back Algorithms
		require.NoError(t, back.UnmarshalText(text))
		assert.Equal(t, Algorithms{a}, back)
		b, err := json.Marshal(Algorithms{a})
		require.NoError(t, err)
		back = nil
		require.NoError(t, json.Unmarshal(b, &back))
		assert.Equal(t, Algorithms{a}, back, string(b))
		c := DARTS()
		c.Algorithms = Algorithms{a}
		assert.NoError(t, c.Validate())
	}
	b, err := json.Marshal(Algorithms{GDAS{}, damped{Factor: 0.5}})
	require.NoError(t, err)
	assert.Equal(t, `["gdas",{"name":"damped","factor":0.5,"from":0}]`, string(b))
	var own Algorithms
	require.ErrorContains(t, json.Unmarshal(b, &own), `darts: no algorithm is named "damped"; choose from ["first-order"`)
	own = Algorithms{damped{Factor: 3, From: 7}}
	require.NoError(t, json.Unmarshal([]byte(`[{"name":"damped","factor":0.5},"damped"]`), &own))
	assert.Equal(t, Algorithms{damped{0.5, 7}, damped{3, 7}}, own, "what is not written stays")

	var c SearchConfig
	for text, message := range map[string]string{
		`["third-order"]`:               `no algorithm is named "third-order"; choose from ["first-order"`,
		`"gdas"`:                        "algorithms are a list",
		`[3]`:                           "an algorithm is a name or an object",
		`[{"factor":3}]`:                `has no "name"`,
		`[{"name":"gdas","heat":3}]`:    `darts: algorithm gdas: json: unknown field "heat"`,
		`[{"name":"nothing","heat":3}]`: `no algorithm is named "nothing"`,
	} {
		assert.ErrorContains(t, json.Unmarshal([]byte(`{"algorithms": `+text+`}`), &c), message)
	}
	assert.ErrorContains(t, c.Algorithms.UnmarshalText([]byte("gdas,")), `no algorithm is named ""`)
}

// damped is an algorithm as a program has it: it scales the gradient of the alphas.
type damped struct {
	Factor float64 `json:"factor"`
	From   int     `json:"from"` // epoch
}

func (damped) Name() string { return "damped" }

func (a damped) Validate(c SearchConfig) error {
	if a.From >= c.Epochs {
		return fmt.Errorf("From is %d, must be below the %d epochs", a.From, c.Epochs)
	}
	return nil
}

func (a damped) Rules(SearchConfig) Rules {
	return Rules{Regularise: func(s *Step) {
		if s.Epoch < a.From {
			return
		}
		for _, t := range s.Tables() {
			for _, row := range t.Grads {
				for k := range row {
					row[k] *= float32(a.Factor)
				}
			}
		}
	}}
}

// byPointer has hyperparameters that a search could not keep.
type byPointer struct{ damped }

func TestAlgorithmsThatDoNotFit(t *testing.T) {
	for message, all := range map[string]Algorithms{
		"darts: algorithm 1 is nil":                                    {FirstOrder{}, nil},
		`darts: algorithm damped is a *darts.byPointer; give a struct`: {&byPointer{}},
		"darts: two algorithms are named gdas":                         {GDAS{}, GDAS{}},
		`the algorithms ["gdas" "drnas"] all compute the operation w`:  {GDAS{}, FirstOrder{}, DrNAS{}},
		"darts: algorithm damped: From is 50, must be below the 50":    {damped{From: 50}},
	} {
		c := DARTS()
		c.Algorithms = all
		assert.ErrorContains(t, c.Validate(), message)
	}
	_, err := json.Marshal(Algorithms{nil})
	assert.ErrorContains(t, err, "darts: algorithm 0 is nil")
}

// TestOwnAlgorithm searches with an algorithm of a program: a factor of zero on the
// gradient leaves the alphas alone, but for their decay.
func TestOwnAlgorithm(t *testing.T) {
	c := resumable()
	c.ArchStartEpoch, c.ArchWeightDecay = 0, 0
	c.Algorithms = Algorithms{damped{Factor: 0, From: 1}, DrNAS{}}
	var after [][]float64
	r, err := Search(t.Context(), resumableSource, smallTask(), c, Runtime{Recorder: record.Func(func(e record.Event) error {
		if e, ok := e.(record.Epoch); ok {
			after = append(after, slices.Concat(e.Normal...))
		}
		return nil
	})})
	require.NoError(t, err)
	require.Len(t, after, 3)
	// Adam's memory of the first epoch moves them for some steps.
	move := func(a, b []float64) (sum float64) {
		for i := range a {
			sum += math.Abs(a[i] - b[i])
		}
		return sum
	}
	assert.Less(t, move(after[1], after[2]), move(after[0], after[1])/2)
	assert.NotEqual(t, after[0], after[1])
	assert.Equal(t, c.Algorithms, r.Config.Algorithms)
}

// TestAlgorithmsDiffer searches with each for two epochs, since some regularisers rise from
// nothing in the first.
func TestAlgorithmsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range everyAlgorithm() {
		c := resumable()
		c.Algorithms, c.Epochs, c.ArchStartEpoch = Algorithms{a}, 2, 0
		r, err := Search(t.Context(), resumableSource, smallTask(), c, Runtime{})
		require.NoError(t, err)
		seen[fmt.Sprint(r.Normal)] = true
	}
	assert.Len(t, seen, len(everyAlgorithm()))
}

func TestAlgorithmsLearn(t *testing.T) {
	// TestSearchLearns has the first. What is drawn anew for each pass learns later.
	last := map[string]int{"gdas": 5, "drnas": 5, "snas": 8, "reinmax": 5}
	for _, a := range everyAlgorithm()[1:] {
		c := learning()
		var rt Runtime
		c.Algorithms, c.Epochs = Algorithms{a}, cmp.Or(last[a.Name()], 3)+1
		var losses, entropies []float64
		rt.Recorder = record.Func(func(e record.Event) error {
			if e, ok := e.(record.Epoch); ok {
				losses, entropies = append(losses, e.TrainLoss), append(entropies, e.Entropy)
			}
			return nil
		})
		_, err := Search(t.Context(), stripes{n: 72, fail: -1}, smallTask(), c, rt)
		require.NoError(t, err)
		assert.Less(t, losses[c.Epochs-1], 0.8*losses[0], "%s", a.Name())
		assert.Less(t, entropies[c.Epochs-1], entropies[0], "%s", a.Name())
	}
}

func TestSampler(t *testing.T) {
	c := DARTS()
	c.Seed = 9
	for kind, number := range map[string]func(*rand.Rand) float64{"gumbel": rng.Gumbel, "dirichlet": rng.Normal} {
		s := sampler{kind: kind, number: number, noise: [][]float32{make([]float32, 3), make([]float32, 5)}}
		draw := func(purpose string, epoch, step int) []float32 {
			s.draw(Place{c.Seed, epoch, step}, purpose)
			return slices.Concat(s.noise...)
		}
		first := draw("weights", 1, 2)
		assert.NotEqual(t, first[:3], first[3:6], "alphas draw apart")
		for _, other := range [][]float32{draw("alphas", 1, 2), draw("weights", 2, 1), draw("weights", 1, 3)} {
			assert.NotEqual(t, first, other)
		}
		assert.Equal(t, first, draw("weights", 1, 2), "what is drawn depends on the place in the run alone")
	}

	heat := temperature{hottest: 10, coldest: 0.1, epochs: 4}
	for epoch, want := range []float64{10, 6.7, 3.4, 0.1} {
		assert.InDelta(t, want, heat.at(epoch), 1e-9)
	}
	heat.epochs = 1
	assert.EqualValues(t, 10, heat.at(0))
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
