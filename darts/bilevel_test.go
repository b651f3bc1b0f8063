package darts

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/internal/engine"
	"unnas/internal/kernel"
	"unnas/internal/loader"
	"unnas/internal/ranks"
	"unnas/internal/ranks/rankstest"
	"unnas/internal/rng"
	"unnas/ops"
)

// toy is the problem of two numbers by which Liu et al. (2019), figure 2, tell
// the orders of approximation apart: L_train = w² - 2αw + α², L_held = αw - 2α + 1, from
// α = 2, w = -2.
type toy struct {
	w, a, gw, ga []float32
	tables       []Table
	candidates   []Candidate
}

func (p *toy) Weights() (values, grads []float32) { return p.w, p.gw }
func (p *toy) Alphas() (values, grads []float32)  { return p.a, p.ga }

func (p *toy) Tables() []Table         { return p.tables }
func (p *toy) Candidates() []Candidate { return p.candidates }

func (p *toy) TrainGrad() error {
	_, err := p.Trial(TrainWeights)
	return err
}

func (p *toy) ValGrad() error {
	p.ga[0] = p.w[0] - 2
	return nil
}

func (p *toy) Trial(t Trial) (loss float64, err error) {
	w, a := p.w[0], p.a[0]
	switch t {
	case TrainWeights:
		p.gw[0] = 2 * (w - a)
	case ValBoth:
		p.gw[0], p.ga[0] = a, w-2
	case TrainAlphas:
		p.ga[0] = 2 * (a - w)
	case ValAlphas:
		p.ga[0] = w - 2
	}
	if t == ValBoth || t == ValAlphas {
		return float64(a*w - 2*a + 1), nil
	}
	return float64((w - a) * (w - a)), nil
}

func newToy(w, a float32) *toy {
	p := &toy{w: []float32{w}, a: []float32{a}, gw: make([]float32, 1), ga: make([]float32, 1)}
	p.tables = []Table{{[][]float32{p.a}, [][]float32{p.ga}}}
	return p
}

// newRule returns the rule of a search on one worker.
func newRule(t *testing.T, c SearchConfig, o Objective) *bilevel {
	t.Helper()
	e := engine.New(1, ranks.New(nil))
	e.Pool = kernel.NewThreadPool(1)
	b, err := newBilevel(c, c.Algorithms.rules(c), e, o)
	require.NoError(t, err)
	return b
}

// TestOrdersOnToy runs both orders until they stand still. To first order the
// gradient w - 2 of α vanishes at w = 2 only. To second order it is
// w' - 2 + 2ξα, with w' = w = α where the weights rest: zero at α = 2/(1+2ξ), the
// optimum (1, 1) if ξ is the whole way to the best w, 0.5.
func TestOrdersOnToy(t *testing.T) {
	for _, c := range []struct {
		algorithm Algorithm
		rate      float64
		want      float64
	}{
		{FirstOrder{}, 0.05, 2},
		{FirstOrder{}, 0.5, 2},
		{SecondOrder{}, 0, 2},
		{SecondOrder{}, 0.05, 2 / 1.1},
		{SecondOrder{}, 0.25, 2 / 1.5},
		{SecondOrder{}, 0.5, 1},
	} {
		p := newToy(-2, 2)
		config := DARTS()
		config.Algorithms, config.ArchLR = Algorithms{c.algorithm}, 0.01
		config.Momentum, config.WeightDecay, config.ArchWeightDecay = 0, 0, 0
		rule := newRule(t, config, p)
		for range 5000 {
			require.NoError(t, rule.alphas(rule.at(0, 0, c.rate)))
			require.NoError(t, rule.weights(rule.at(0, 0, max(c.rate, 0.05))))
		}
		assert.InDelta(t, c.want, p.a[0], 0.02, "alpha, %v with rate %v", c.algorithm, c.rate)
		assert.InDelta(t, c.want, p.w[0], 0.02, "w, %v with rate %v", c.algorithm, c.rate)
	}
}

// TestRulesOnToy runs algorithms of other kinds until they stand still. The gradient of α is
// w - 2 + λ with beta decay, whose softmax of one operation is 1. OLES compares the
// gradients 2(w-α) and α of the only weight, which oppose each other until w has come
// to α: it stops w at once, or never.
func TestRulesOnToy(t *testing.T) {
	for name, test := range map[string]struct {
		all   Algorithms
		w, a  float64
		delta float64
	}{
		"beta decay":      {Algorithms{BetaDARTS{Weight: 1}}, 1.5, 1.5, 0.02},
		"OLES continues":  {Algorithms{OLES{Every: 1, Threshold: -1}}, 2, 2, 0.02},
		"OLES stops":      {Algorithms{OLES{Every: 1, Threshold: 0}}, -1.6, 2, 0.05},
		"both, combined":  {Algorithms{BetaDARTS{Weight: 1}, OLES{Every: 1, Threshold: -1}}, 1.5, 1.5, 0.02},
		"of second order": {Algorithms{SecondOrder{}, BetaDARTS{Weight: 1}}, 1.5 / 1.1, 1.5 / 1.1, 0.02},
	} {
		p := newToy(-2, 2)
		p.candidates = []Candidate{{Values: [][]float32{p.w}, Grads: [][]float32{p.gw}}}
		config := DARTS()
		config.Algorithms, config.ArchLR = test.all, 0.01
		config.Momentum, config.WeightDecay, config.ArchWeightDecay, config.GradClip = 0, 0, 0, 0
		rule := newRule(t, config, p)
		for i := range 5000 {
			s := rule.at(config.Epochs/2, i, 0.05) // where weights have risen to a half
			require.NoError(t, rule.alphas(s))
			require.NoError(t, rule.weights(s))
			if name == "OLES stops" {
				p.a[0] = 2
			}
		}
		assert.InDelta(t, test.a, p.a[0], test.delta, "alpha, %s", name)
		assert.InDelta(t, test.w, p.w[0], test.delta, "w, %s", name)
	}
}

// TestSecondOrderByHand follows one gradient on paper. With a velocity of 1,
//
//	v' = 0.9·1 + 2(w-α) + 0.1·w = 0.9 - 8 - 0.2 = -7.3, w' = -2 + 0.1·7.3 = -1.27
//	∇α L_held(w') = w' - 2 = -3.27, ∇w' L_held = α = 2, times ∂²L_train/∂α∂w = -2
//	∇α = -3.27 - 0.1·2·(-2) = -2.87
func TestSecondOrderByHand(t *testing.T) {
	p := newToy(-2, 2)
	c := DARTS()
	c.Algorithms, c.Momentum, c.WeightDecay = Algorithms{SecondOrder{}}, 0.9, 0.1
	rule := newRule(t, c, p)
	rule.velocity[0] = 1
	require.NoError(t, rule.archGrad(rule.at(0, 0, 0.1)))
	assert.InDelta(t, -2.87, p.ga[0], 1e-4)
	assert.Equal(t, []float32{-2}, p.w, "the weights come back")
	assert.Equal(t, []float32{1}, rule.velocity)

	p.a[0] = 0 // no weight matters to L_held, so there is no direction to look in
	require.NoError(t, rule.archGrad(rule.at(0, 0, 0.1)))
	assert.InDelta(t, -2+0.1*(0.2+4-0.9)-2, p.ga[0], 1e-5)

	assert.Zero(t, testing.AllocsPerRun(10, func() { _ = rule.alphas(rule.at(0, 0, 0.1)) }))
}

// broken is a toy whose pass number left fails.
type broken struct {
	*toy
	left int
}

func (b *broken) Trial(t Trial) (loss float64, err error) {
	if b.left--; b.left < 0 {
		return 0, errors.New("broken")
	}
	return b.toy.Trial(t)
}

// TestSecondOrderRestoresTheWeights lets every pass fail in turn.
func TestSecondOrderRestoresTheWeights(t *testing.T) {
	c := DARTS()
	c.Algorithms = Algorithms{SecondOrder{}}
	for pass := range 4 {
		p := &broken{newToy(-2.3, 1.7), pass}
		rule := newRule(t, c, p)
		require.ErrorContains(t, rule.alphas(rule.at(0, 0, 0.1)), "broken")
		assert.Equal(t, []float32{-2.3}, p.w, "pass %d", pass)
		assert.Equal(t, []float32{1.7}, p.a, "pass %d", pass)
	}
}

// pair is an objective with a batch for each half.
type pair struct {
	fixed
	held *loader.Batch
}

func (p *pair) Trial(t Trial) (loss float64, err error) {
	if t != ValBoth && t != ValAlphas {
		return p.fixed.Trial(t)
	}
	out, err := p.try(t, p.held)
	return out.Loss, err
}

// newPair returns a small supernet with alphas and velocities away from zero.
func newPair(t *testing.T) (*pair, *bilevel) {
	c := smallConfig()
	c.Algorithms, c.Batch = Algorithms{SecondOrder{}}, 128
	c.Space = cell.Space{
		Ops: ops.Set{ops.None(), ops.AvgPool(3), ops.Skip(), ops.DilConv(3)}, Nodes: 1,
		Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 4, Cells: 2, Reductions: []int{1}},
	}
	m, err := newModel(c, Runtime{}, smallTask())
	require.NoError(t, err)
	p := &pair{fixed{m, randomBatch(smallTask(), nil, c.Batch)}, randomBatch(smallTask(), nil, c.Batch)}
	r := rng.New(1, "pair", 0, 0)
	for _, b := range []*loader.Batch{p.batch, p.held} { // of noise around a colour for each class
		for i := range b.X {
			b.X[i] = float32(rng.Normal(r))
			if class := int(b.Y[i*len(b.Y)/len(b.X)]); class == i%3 {
				b.X[i]++
			}
		}
	}
	for i := range m.Params.Alphas() {
		m.Params.Alphas()[i] = float32(0.5 * rng.Normal(r))
	}
	rule, err := newBilevel(c, m.rules, m.Engine, p)
	require.NoError(t, err)
	for i := range rule.velocity {
		rule.velocity[i] = float32(0.01 * rng.Normal(r))
	}
	return p, rule
}

// TestSecondOrderAgainstDifferences compares the gradient with differences of
// L_held(w'(α), α), in which w' is computed anew for each α.
func TestSecondOrderAgainstDifferences(t *testing.T) {
	const rate = 0.3
	p, rule := newPair(t)
	w, gw := p.Weights()
	a, ga := p.Alphas()
	w0, a0, v0 := slices.Clone(w), slices.Clone(a), slices.Clone(rule.velocity)
	running := slices.Clone(p.Params.Running())
	require.NoError(t, rule.archGrad(rule.at(0, 0, rate)))
	g := slices.Clone(ga)
	assert.Equal(t, w0, w, "the weights come back, to the bit")
	assert.Equal(t, a0, a)
	assert.Equal(t, v0, rule.velocity)
	assert.Equal(t, running, p.Params.Running(), "passes on trial leave no trace")

	// To start workers takes a little memory, here for four passes and as many
	// updates. A node bound anew would take several allocations for each parameter.
	pass := testing.AllocsPerRun(2, func() { _, _ = p.Trial(TrainAlphas) })
	assert.LessOrEqual(t, testing.AllocsPerRun(2, func() { _ = rule.archGrad(rule.at(0, 0, rate)) }), 8*(pass+1))

	ahead := func() float64 {
		_, err := p.Trial(TrainWeights)
		require.NoError(t, err)
		for i := range w {
			w[i] = float32(float64(w0[i]) - rate*(rule.c.Momentum*float64(v0[i])+float64(gw[i])+rule.c.WeightDecay*float64(w0[i])))
		}
		out, err := p.try(ValBoth, p.held)
		require.NoError(t, err)
		copy(w, w0)
		return out.Loss
	}
	ahead()
	first := slices.Clone(ga) // ∇α L_held(w', α) alone

	r := rng.New(2, "directions", 0, 0)
	for n := range 4 {
		d := make([]float64, len(a))
		var norm float64
		for i := range d {
			d[i] = rng.Normal(r)
			if n == 0 { // along what second order adds
				d[i] = float64(g[i] - first[i])
			}
			norm += d[i] * d[i]
		}
		norm = math.Sqrt(norm)
		var got, without float64
		for i := range d {
			d[i] /= norm
			got += d[i] * float64(g[i])
			without += d[i] * float64(first[i])
		}
		at := func(h float64) float64 {
			for i := range a {
				a[i] = float32(float64(a0[i]) + h*d[i])
			}
			defer copy(a, a0)
			return ahead()
		}
		const h = 0.1
		want := (at(h) - at(-h)) / (2 * h)
		// Rounding of losses of about 1 gives 1e-6. The rest is from ReLUs that open
		// and close between the points: differences of half or twice h vary as much.
		assert.InDelta(t, want, got, 1.5e-3, "direction %d", n)
		if n == 0 {
			assert.Greater(t, math.Abs(want-without), 0.03, "the second term matters here")
		}
	}
}

// TestAlphasOfRanks searches two numbers for 200 steps, w and α, with gradients 2(w-α) + c
// and w - 2 + c for images of center c, which are others on each of two ranks. A rank whose
// α took steps along its own gradient, as in the code that Liu et al. (2020) released, would
// leave the other.
func TestAlphasOfRanks(t *testing.T) {
	c := smallConfig()
	c.Space = cell.Space{
		Ops: ops.Set{ops.None(), ops.AvgPool(3), ops.Skip(), ops.DilConv(3)}, Nodes: 1,
		Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 4, Cells: 2, Reductions: []int{1}},
	}
	c.Batch, c.MicroBatch, c.Epochs, c.TrainFraction = 2, 1, 20, 0.5
	// seen returns α and its gradient on this rank at each pass of α.
	seen := func(size int) (alphas, grads [][]float32) {
		alphas, grads = make([][]float32, size), make([][]float32, size)
		require.NoError(t, errors.Join(rankstest.Run(size, func(r *rankstest.Rank) error {
			s, err := newSearch(labelledImages(40), tagging{smallTask()}, c, Runtime{Communicator: r})
			if err != nil {
				return err
			}
			p := s.m.Params
			s.m.Part = func(runner *engine.Runner, b loader.Batch) (engine.Pass, error) {
				center := float32(center(imagesOf(b.X, len(b.X))))
				clear(p.WeightGrads())
				clear(p.AlphaGrads())
				if runner == s.m.weights {
					p.WeightGrads()[0] = 2*(p.Weights()[0]-p.Alphas()[0]) + center
				} else {
					p.AlphaGrads()[0] = p.Weights()[0] - 2 + center
					alphas[r.Rank()], grads[r.Rank()] = append(alphas[r.Rank()], p.Alphas()[0]), append(grads[r.Rank()], p.AlphaGrads()[0])
				}
				return engine.Pass{Loss: 1, Score: 1, Count: 1}, nil
			}
			if _, err = s.search(t.Context()); err == nil {
				alphas[r.Rank()] = append(alphas[r.Rank()], p.Alphas()[0])
			}
			return err
		})...))
		return alphas, grads
	}
	one, _ := seen(1)
	two, grads := seen(2)
	require.Len(t, two[0], 200+1)
	assert.Equal(t, two[0], two[1])
	for i, a := range two[0][:200] {
		require.Equal(t, one[0][2*i], a, "step %d", i)
		require.NotEqual(t, grads[0][i], grads[1][i], "step %d", i)
	}
	assert.Equal(t, one[0][400], two[0][200])
	assert.Greater(t, math.Abs(float64(two[0][200]-two[0][0])), 0.01, "α learns")
}
