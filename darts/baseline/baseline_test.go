package baseline_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/baseline"
	"unnas/darts/sweep"
)

func number(i int) int { return i }

// scores returns an Evaluate of a function.
func scores(f func(arch, budget int) float64) baseline.Evaluate[int] {
	return func(_ context.Context, _ int, archs []int, budget int) ([]float64, error) {
		var all []float64
		for _, a := range archs {
			all = append(all, f(a, budget))
		}
		return all, nil
	}
}

// TestEvolutionByHand has a tournament that the best always wins. Children are worse than
// their parents, so parents serve until they are the oldest: 0, then 1, then 2.
func TestEvolutionByHand(t *testing.T) {
	e := baseline.Evolution{Population: 3, Tournament: 60, Cycles: 4, Children: 1, Budget: 5, Seed: 1}
	numbers := []int{}
	mutate := func(parent, i int) int { numbers = append(numbers, i); return parent + 10 }
	all, err := baseline.Evolve(t.Context(), e, number, mutate, scores(func(arch, _ int) float64 { return -float64(arch) }))
	require.NoError(t, err)
	var archs, rounds []int
	for _, x := range all {
		archs, rounds = append(archs, x.Arch), append(rounds, x.Round)
		assert.Equal(t, 5, x.Budget)
		assert.EqualValues(t, -x.Arch, x.Score)
	}
	assert.Equal(t, []int{0, 1, 2, 10, 11, 12, 20}, archs)
	assert.Equal(t, []int{0, 0, 0, 1, 2, 3, 4}, rounds)
	assert.Equal(t, []int{0, 1, 2, 3}, numbers)

	// Of two children in a cycle, both come from the population before them.
	e.Cycles, e.Children = 2, 2
	all, err = baseline.Evolve(t.Context(), e, number, mutate, scores(func(arch, _ int) float64 { return -float64(arch) }))
	require.NoError(t, err)
	assert.Equal(t, []int{10, 10, 12, 12}, []int{all[3].Arch, all[4].Arch, all[5].Arch, all[6].Arch})

	// A tournament of one draws parents alone.
	e.Population, e.Tournament, e.Cycles, e.Children = 50, 1, 1, 200
	all, err = baseline.Evolve(t.Context(), e, number, mutate, scores(func(arch, _ int) float64 { return float64(arch) }))
	require.NoError(t, err)
	parents := map[int]int{}
	for _, x := range all[50:] {
		parents[x.Arch-10]++
	}
	assert.Greater(t, len(parents), 35)
	again, err := baseline.Evolve(t.Context(), e, number, mutate, scores(func(arch, _ int) float64 { return float64(arch) }))
	require.NoError(t, err)
	assert.Equal(t, all, again)
	e.Seed++
	other, err := baseline.Evolve(t.Context(), e, number, mutate, scores(func(arch, _ int) float64 { return float64(arch) }))
	require.NoError(t, err)
	assert.NotEqual(t, all, other)
}

// TestHalvingByHand halves five architectures. In later rounds the score of 3 drops.
func TestHalvingByHand(t *testing.T) {
	h := baseline.Halving{Archs: 5, Factor: 2, Budget: 3}
	all, err := baseline.Halve(t.Context(), h, number, scores(func(arch, budget int) float64 {
		if arch == 3 && budget > 6 {
			return 0
		}
		return []float64{1, 1, 7, 8, 2}[arch]
	}))
	require.NoError(t, err)
	var got []string
	for _, x := range all {
		got = append(got, fmt.Sprint(x.Arch, "@", x.Budget))
	}
	assert.Equal(t, []string{"0@3", "1@3", "2@3", "3@3", "4@3", "3@6", "2@6", "4@6", "3@12", "2@12", "2@24"}, got)
	assert.Equal(t, all[10], baseline.Best(all))
	assert.Equal(t, 3, all[10].Round)

	h.Archs = 1
	all, err = baseline.Halve(t.Context(), h, number, scores(func(int, int) float64 { return 1 }))
	require.NoError(t, err)
	assert.Len(t, all, 1)
}

func TestRandomAndBest(t *testing.T) {
	all, err := baseline.Random(t.Context(), 4, 2, number, scores(func(arch, _ int) float64 { return float64(arch % 3) }))
	require.NoError(t, err)
	require.Len(t, all, 4)
	assert.Equal(t, baseline.Trial[int]{Arch: 2, Score: 2, Budget: 2}, baseline.Best(all))
	assert.Equal(t, 1, baseline.Best([]baseline.Trial[int]{{Arch: 1, Score: 5}, {Arch: 2, Score: 5}}).Arch)
}

func TestErrors(t *testing.T) {
	mutate := func(parent, _ int) int { return parent }
	fine := baseline.Evolution{Population: 2, Tournament: 1, Cycles: 3, Children: 1}
	for message, change := range map[string]func(e *baseline.Evolution){
		"baseline: Population is 0, must be 1 or more": func(e *baseline.Evolution) { e.Population = 0 },
		"baseline: Tournament is 0, must be 1 or more": func(e *baseline.Evolution) { e.Tournament = 0 },
		"baseline: Cycles is -1, must be 0 or more":    func(e *baseline.Evolution) { e.Cycles = -1 },
		"baseline: Children is 0, must be 1 or more":   func(e *baseline.Evolution) { e.Children = 0 },
	} {
		e := fine
		change(&e)
		_, err := baseline.Evolve(t.Context(), e, number, mutate, nil)
		assert.EqualError(t, err, message)
	}
	for message, h := range map[string]baseline.Halving{
		"baseline: Archs is 0, must be 1 or more":  {Factor: 2, Budget: 1},
		"baseline: Factor is 1, must be 2 or more": {Archs: 1, Factor: 1, Budget: 1},
		"baseline: Budget is 0, must be 1 or more": {Archs: 1, Factor: 2},
	} {
		_, err := baseline.Halve(t.Context(), h, number, nil)
		assert.EqualError(t, err, message)
	}
	_, err := baseline.Random(t.Context(), 0, 1, number, nil)
	assert.EqualError(t, err, "baseline: n is 0, must be 1 or more")

	broken := errors.New("broken")
	all, err := baseline.Evolve(t.Context(), fine, number, mutate, func(_ context.Context, round int, archs []int, _ int) ([]float64, error) {
		if round == 2 {
			return nil, broken
		}
		return make([]float64, len(archs)), nil
	})
	require.ErrorIs(t, err, broken)
	assert.EqualError(t, err, "baseline: round 2: broken")
	assert.Len(t, all, 3, "what is done is not lost")
	_, err = baseline.Random(t.Context(), 2, 1, number, func(context.Context, int, []int, int) ([]float64, error) { return []float64{1}, nil })
	assert.EqualError(t, err, "baseline: round 0: 1 scores of 2 architectures; want one of each")
	_, err = baseline.Random(t.Context(), 2, 1, number, scores(func(int, int) float64 { return math.NaN() }))
	assert.ErrorContains(t, err, "the score of architecture 0 is not a number")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = baseline.Random(ctx, 2, 1, number, nil)
	assert.ErrorIs(t, err, context.Canceled)
	_, err = baseline.Halve(t.Context(), baseline.Halving{Archs: 2, Factor: 2, Budget: math.MaxInt/2 + 1}, number, scores(func(int, int) float64 { return 0 }))
	assert.ErrorContains(t, err, "is too large; lower Budget or Archs")
}

// TestGenotypes mutates in all kinds of spaces: one edge differs, and cells stay valid.
func TestGenotypes(t *testing.T) {
	robust, err := cell.RobustDARTS(1, cell.CIFARStem, 4, 3)
	require.NoError(t, err)
	for name, space := range map[string]cell.Space{
		"DARTS": cell.DARTS(cell.CIFARStem, 4, 3), "S1": robust, "NAS-Bench-201": cell.NASBench201(4, 1), "TransNAS-Bench-101": cell.TransNASBench101(4),
	} {
		g := baseline.Genotypes{Space: space, Seed: 5}
		parent := g.Sample(0)
		assert.NotEqual(t, parent, g.Sample(1), name)
		seen := map[string]bool{}
		for i := range 50 {
			child := g.Mutate(parent, i)
			require.NoError(t, child.Validate(space.Ops.Has), name)
			assert.Equal(t, child, g.Mutate(parent, i), name)
			changed := 0
			for k, e := range parent.Normal {
				if child.Normal[k] != e {
					changed++
				}
			}
			for k, e := range parent.Reduce {
				if child.Reduce[k] != e {
					changed++
				}
			}
			assert.Equal(t, 1, changed, name)
			seen[child.String()] = true
			parent = child
		}
		assert.Greater(t, len(seen), 40, name)
	}
}

// TestSearchesFindConvolutions compares the searches, given as many evaluations, on cells of
// NAS-Bench-201 whose score is the number of 3×3 convolutions, of six.
func TestSearchesFindConvolutions(t *testing.T) {
	g := baseline.Genotypes{Space: cell.NASBench201(4, 1), Seed: 2}
	evaluate := func(_ context.Context, _ int, archs []cell.Genotype, _ int) (all []float64, err error) {
		for _, a := range archs {
			all = append(all, float64(strings.Count(a.String(), "conv_3x3")))
		}
		return all, nil
	}
	random, err := baseline.Random(t.Context(), 100, 1, g.Sample, evaluate)
	require.NoError(t, err)
	evolved, err := baseline.Evolve(t.Context(), baseline.Evolution{Population: 20, Tournament: 5, Cycles: 80, Children: 1, Seed: 2}, g.Sample, g.Mutate, evaluate)
	require.NoError(t, err)
	assert.Less(t, baseline.Best(random).Score, baseline.Best(evolved).Score)
	assert.GreaterOrEqual(t, baseline.Best(evolved).Score, 5.)
}

// TestSweep stops an evolution whose evaluations are jobs, and starts it again: it resumes.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	g := baseline.Genotypes{Space: cell.NASBench201(4, 1), Seed: 3}
	e := baseline.Evolution{Population: 3, Tournament: 2, Cycles: 3, Children: 2, Budget: 4, Seed: 3}
	run := func(fail int) (all []baseline.Trial[cell.Genotype], trained int, err error) {
		all, err = baseline.Evolve(t.Context(), e, g.Sample, g.Mutate, func(ctx context.Context, round int, archs []cell.Genotype, epochs int) ([]float64, error) {
			if round == fail {
				return nil, errors.New("stopped")
			}
			return sweep.Map(ctx, filepath.Join(dir, fmt.Sprint(round)), archs, sweep.Options{}, func(_ context.Context, a cell.Genotype, _ string) (float64, error) {
				trained++
				return float64(epochs * len(a.String())), nil
			})
		})
		return all, trained, err
	}
	_, trained, err := run(2)
	require.ErrorContains(t, err, "baseline: round 2: stopped")
	assert.Equal(t, 5, trained)
	all, trained, err := run(-1)
	require.NoError(t, err)
	assert.Equal(t, 4, trained)
	require.NoError(t, os.RemoveAll(dir))
	again, _, err := run(-1)
	require.NoError(t, err)
	assert.Equal(t, all, again)
}

// Successive halving of ten cells, whose scores a table or trainings give; here, the number
// of skip connections.
func ExampleHalve() {
	space := baseline.Genotypes{Space: cell.NASBench201(16, 5), Seed: 1}
	evaluate := func(_ context.Context, round int, archs []cell.Genotype, epochs int) (scores []float64, err error) {
		fmt.Println("round", round, "trains", len(archs), "cells for", epochs, "epochs")
		for _, a := range archs {
			scores = append(scores, float64(strings.Count(a.String(), "skip_connect")))
		}
		return scores, nil
	}
	all, err := baseline.Halve(context.Background(), baseline.Halving{Archs: 10, Factor: 3, Budget: 2}, space.Sample, evaluate)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(baseline.Best(all).Score, "skip connections")
	// Output:
	// round 0 trains 10 cells for 2 epochs
	// round 1 trains 4 cells for 6 epochs
	// round 2 trains 2 cells for 18 epochs
	// round 3 trains 1 cells for 54 epochs
	// 3 skip connections
}
