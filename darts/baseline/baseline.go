package baseline

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"unnas/internal/rng"
)

// Evaluate returns the scores of architectures after trainings of a budget, such as a number
// of epochs; higher ones are better. Round counts the calls of a search, from 0.
type Evaluate[A any] func(ctx context.Context, round int, archs []A, budget int) ([]float64, error)

// Trial is an architecture with its score.
type Trial[A any] struct {
	Arch   A
	Score  float64
	Budget int // of its training
	Round  int // in which it was evaluated
}

// Best returns the trial with the highest score among those of the largest budget, the first
// of equal ones. all must not be empty.
func Best[A any](all []Trial[A]) Trial[A] {
	return slices.MaxFunc(all, func(a, b Trial[A]) int {
		return cmp.Or(cmp.Compare(a.Budget, b.Budget), cmp.Compare(a.Score, b.Score))
	})
}

// Random evaluates n architectures, drawn by sample from 0 on, in one round.
func Random[A any](ctx context.Context, n, budget int, sample func(i int) A, evaluate Evaluate[A]) ([]Trial[A], error) {
	if err := atLeast("n", n, 1); err != nil {
		return nil, err
	}
	return round(ctx, nil, samples(n, sample), budget, evaluate)
}

// Evolution has the hyperparameters of regularised evolution (Real et al., 2019, arXiv
// 1802.01548), which evaluates Population architectures drawn at random, and in each of Cycles
// cycles the child of a parent: the best of Tournament members that are drawn from the
// population. The child takes the place of the oldest member.
type Evolution struct {
	Population int `json:"population"` // 100 in the paper
	Tournament int `json:"tournament"` // 25 in the paper
	Cycles     int `json:"cycles"`
	// Children is how many children a cycle evaluates at once, each of a parent of its own:
	// 1 in the paper.
	Children int `json:"children"`
	// Budget is that of each training.
	Budget int    `json:"budget"`
	Seed   uint64 `json:"seed"` // of the tournaments
}

// Validate returns an error that names the first field that is out of range.
func (e Evolution) Validate() error {
	return cmp.Or(atLeast("Population", e.Population, 1), atLeast("Tournament", e.Tournament, 1), atLeast("Cycles", e.Cycles, 0), atLeast("Children", e.Children, 1))
}

// Evolve runs a regularised evolution. sample draws architectures from 0 on; mutate returns
// child number i of the search, from 0, of a parent. It returns all trials in order, also
// with an error.
func Evolve[A any](ctx context.Context, e Evolution, sample func(i int) A, mutate func(parent A, i int) A, evaluate Evaluate[A]) ([]Trial[A], error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	all, err := round(ctx, nil, samples(e.Population, sample), e.Budget, evaluate)
	for cycle := 0; cycle < e.Cycles && err == nil; cycle++ {
		population := all[len(all)-e.Population:]
		children := make([]A, e.Children)
		for i := range children {
			child := cycle*e.Children + i
			r := rng.New(e.Seed, "tournament", 0, child)
			parent := population[rng.IntN(r, len(population))]
			for range e.Tournament - 1 {
				if other := population[rng.IntN(r, len(population))]; other.Score > parent.Score {
					parent = other
				}
			}
			children[i] = mutate(parent.Arch, child)
		}
		all, err = round(ctx, all, children, e.Budget, evaluate)
	}
	return all, err
}

// Halving has the hyperparameters of successive halving (Jamieson and Talwalkar, 2016, arXiv
// 1502.07943): of Archs architectures drawn at random, each round keeps the best one in Factor,
// rounded up, and trains them with Factor times the budget, until one is left.
type Halving struct {
	Archs  int `json:"archs"`
	Factor int `json:"factor"` // 2 in the paper
	Budget int `json:"budget"` // of the first round
}

// Validate returns an error that names the first field that is out of range.
func (h Halving) Validate() error {
	return cmp.Or(atLeast("Archs", h.Archs, 1), atLeast("Factor", h.Factor, 2), atLeast("Budget", h.Budget, 1))
}

// Halve runs a successive halving. sample draws architectures from 0 on. It returns all trials
// in order, also with an error; the last is of the one that is left. Each round's trainings
// may resume those of the round before.
func Halve[A any](ctx context.Context, h Halving, sample func(i int) A, evaluate Evaluate[A]) ([]Trial[A], error) {
	if err := h.Validate(); err != nil {
		return nil, err
	}
	archs, budget := samples(h.Archs, sample), h.Budget
	all, err := round(ctx, nil, archs, budget, evaluate)
	for len(archs) > 1 && err == nil {
		last := slices.Clone(all[len(all)-len(archs):])
		slices.SortStableFunc(last, func(a, b Trial[A]) int { return cmp.Compare(b.Score, a.Score) })
		archs = archs[:0:0]
		for _, t := range last[:(len(last)+h.Factor-1)/h.Factor] {
			archs = append(archs, t.Arch)
		}
		if budget > math.MaxInt/h.Factor {
			return all, fmt.Errorf("baseline: the budget %d times %d is too large; lower Budget or Archs", budget, h.Factor)
		}
		budget *= h.Factor
		all, err = round(ctx, all, archs, budget, evaluate)
	}
	return all, err
}

func samples[A any](n int, sample func(i int) A) []A {
	archs := make([]A, n)
	for i := range archs {
		archs[i] = sample(i)
	}
	return archs
}

// round evaluates architectures and appends their trials.
func round[A any](ctx context.Context, all []Trial[A], archs []A, budget int, evaluate Evaluate[A]) ([]Trial[A], error) {
	number := 0
	if len(all) > 0 {
		number = all[len(all)-1].Round + 1
	}
	if err := ctx.Err(); err != nil {
		return all, err
	}
	scores, err := evaluate(ctx, number, archs, budget)
	if err != nil {
		return all, fmt.Errorf("baseline: round %d: %w", number, err)
	}
	if len(scores) != len(archs) {
		return all, fmt.Errorf("baseline: round %d: %d scores of %d architectures; want one of each", number, len(scores), len(archs))
	}
	for i, s := range scores {
		if math.IsNaN(s) {
			return all, fmt.Errorf("baseline: round %d: the score of architecture %d is not a number; return a low one for a training that diverged", number, i)
		}
		all = append(all, Trial[A]{archs[i], s, budget, number})
	}
	return all, nil
}

func atLeast(name string, value, least int) error {
	if value < least {
		return fmt.Errorf("baseline: %s is %d, must be %d or more", name, value, least)
	}
	return nil
}
