package darts

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/internal/rng"
	"unnas/ops"
)

// weighed runs a sampler on rows of equal length, and returns weights and the gradient of α.
func weighed(t *testing.T, k rowKernel, edges int, alphas, gy []float32, others ...[]float32) (weights, grads []float32) {
	t.Helper()
	shape := tensor.Shape{edges, len(alphas) / edges}
	in, out := []ops.Array{{Shape: shape, Data: alphas}}, []ops.Array{{Shape: shape, Data: make([]float32, len(alphas))}}
	back := []ops.Array{{Shape: shape, Data: make([]float32, len(alphas))}}
	for _, x := range others {
		s := shape
		if len(x) != len(alphas) {
			s = tensor.Shape{len(x)}
		}
		in, back = append(in, ops.Array{Shape: s, Data: x}), append(back, ops.Array{Shape: s})
	}
	shapes, err := byRow{k}.Shapes([]tensor.Shape{shape})
	require.NoError(t, err)
	require.Equal(t, []tensor.Shape{shape}, shapes)
	require.NoError(t, byRow{k}.Forward(&ops.Run{}, out, in))
	require.NoError(t, byRow{k}.Backward(&ops.Run{}, back, ops.Array{Shape: shape, Data: gy}, in, out))
	return out[0].Data, back[0].Data
}

func inDelta(t *testing.T, want []float64, got []float32, delta float64, what string) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		assert.InDelta(t, want[i], got[i], delta, "%s, number %d", what, i)
	}
}

// TestSamplersByHand follows two edges on paper.
func TestSamplersByHand(t *testing.T) {
	ln := func(x float64) float32 { return float32(math.Log(x)) }
	alphas := []float32{ln(1), ln(3), ln(5), ln(2)}
	gy := []float32{1, 0, 0, 2}

	// p = (1/4, 3/4), of which the first was drawn: q = (5/8, 3/8). 2·J(q)·g has elements
	// ±2·15/64, J(p)·g/2 has ±3/32.
	w, g := weighed(t, heun{1}, 2, alphas, gy, []float32{2, 0, 0, 0.5})
	inDelta(t, []float64{1, 0, 1, 0}, w, 0, "drawn")
	inDelta(t, []float64{30./64 - 3./32, 3./32 - 30./64}, g[:2], 1e-6, "ReinMax")
	// p = (5/7, 2/7), q = (6/7, 1/7), g = (0, 2)
	inDelta(t, []float64{-4*6./49 + 10./49, 4*6./49 - 10./49}, g[2:], 1e-6, "ReinMax")

	w, g = weighed(t, sigmoid{}, 2, alphas, gy)
	inDelta(t, []float64{1. / 2, 3. / 4, 5. / 6, 2. / 3}, w, 1e-6, "sigmoid")
	inDelta(t, []float64{1. / 4, 0, 0, 4. / 9}, g, 1e-6, "gradient")

	_, err := byRow{sigmoid{}}.Shapes([]tensor.Shape{{3}})
	assert.ErrorContains(t, err, "α has the shape (3), want [edges, candidates]")
}

// TestReinMaxIsOfSecondOrder compares the mean of the estimates over all draws with the
// derivative of the mean of a quadratic function of the drawn weights, which estimates of
// second order give exactly; that of straight-through sampling differs.
func TestReinMaxIsOfSecondOrder(t *testing.T) {
	const n = 3
	alphas := []float32{0.3, -0.5, 0.1}
	c, m := []float64{1, -2, 0.5}, [n][n]float64{{1, 0.4, -1}, {0.4, -2, 0.3}, {-1, 0.3, 0.7}}
	f := func(w []float64) (y float64) {
		for i := range w {
			y += c[i] * w[i]
			for j := range w {
				y += w[i] * m[i][j] * w[j] / 2
			}
		}
		return y
	}
	gradOf := func(w []float64) []float32 {
		g := make([]float32, n)
		for i := range g {
			g[i] = float32(c[i])
			for j := range w {
				g[i] += float32(m[i][j] * w[j])
			}
		}
		return g
	}
	p := softmaxOf(alphas, 1)
	mean := func() (y float64, fs []float64) {
		for k := range p {
			w := make([]float64, n)
			w[k] = 1
			fs = append(fs, f(w))
			y += p[k] * fs[k]
		}
		return y, fs
	}
	y, fs := mean()
	got, straight := make([]float64, n), make([]float64, n)
	for k := range p {
		w, noise := make([]float64, n), make([]float32, n)
		w[k], noise[k] = 1, 100
		drawn, g := weighed(t, heun{1}, 1, alphas, gradOf(w), noise)
		require.EqualValues(t, 1, drawn[k])
		for i := range got {
			got[i] += p[k] * float64(g[i])
		}
		through := make([]float64, n)
		throughSoftmax(through, p, gradOf(w), 1)
		for i := range straight {
			straight[i] += p[k] * through[i]
		}
	}
	worst := 0.0
	for k := range p {
		assert.InDelta(t, p[k]*(fs[k]-y), got[k], 1e-6, "α %d", k)
		worst = max(worst, math.Abs(p[k]*(fs[k]-y)-straight[k]))
	}
	assert.Greater(t, worst, 0.05)
}

// regularised returns what an algorithm adds to the gradient of one table of α, in an epoch
// of ten.
func regularised(a Algorithm, epoch int, rows [][]float32, all ...Candidate) []float64 {
	c := DARTS()
	c.Epochs = 10
	p := newToy(0, 0)
	var grads [][]float32
	for _, row := range rows {
		grads = append(grads, make([]float32, len(row)))
	}
	p.tables, p.candidates = []Table{{rows, grads}}, all
	a.Rules(c).Regularise(&Step{Place: Place{Epoch: epoch}, Objective: p})
	var flat []float64
	for _, row := range grads {
		flat = append(flat, wide(row)...)
	}
	return flat
}

// TestRegularisersAgainstDifferences compares gradients with differences of the term, and
// with numbers on paper.
func TestRegularisersAgainstDifferences(t *testing.T) {
	softmaxes := func(rows [][]float32, f func(e int, p []float64) float64) (sum float64) {
		for e, row := range rows {
			sum += f(e, softmaxOf(row, 1))
		}
		return sum
	}
	candidates := []Candidate{{Edge: 0, Op: 1, MACs: 3000}, {Edge: 0, Op: 2, MACs: 500}, {Edge: 1, Op: 0, MACs: 600}, {Edge: 1, Op: 0, MACs: 400}}
	macs := [][]float64{{0, 3000, 500}, {1000, 0, 0}}
	for name, test := range map[string]struct {
		a     Algorithm
		epoch int
		value func(rows [][]float32) float64
	}{
		"zero-one": {FairDARTS{Weight: 3}, 0, func(rows [][]float32) (sum float64) {
			for _, row := range rows {
				for _, x := range row {
					d := 1/(1+math.Exp(-float64(x))) - 0.5
					sum -= 3 * d * d / 6
				}
			}
			return sum
		}},
		"beta": {BetaDARTS{Weight: 5}, 4, func(rows [][]float32) (sum float64) {
			for _, row := range rows {
				total := 0.0
				for _, x := range row {
					total += math.Exp(float64(x))
				}
				sum += 5 * 0.4 * math.Log(total) / 2
			}
			return sum
		}},
		"entropy": {Entropy{Weight: -2}, 5, func(rows [][]float32) float64 {
			return softmaxes(rows, func(_ int, p []float64) (sum float64) {
				for _, x := range p {
					sum += 2 * 0.5 * x * math.Log(x) / 2
				}
				return sum
			})
		}},
		"cost": {Cost{Weight: 7}, 0, func(rows [][]float32) float64 {
			return softmaxes(rows, func(e int, p []float64) (sum float64) {
				for k, x := range p {
					sum += 7 * x * macs[e][k] / 4001
				}
				return sum
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := rng.New(1, "regularisers", 0, 0)
			rows := [][]float32{make([]float32, 3), make([]float32, 3)}
			for _, row := range rows {
				for k := range row {
					row[k] = float32(rng.Normal(r))
				}
			}
			got := regularised(test.a, test.epoch, rows, candidates...)
			for i := range got {
				x := &rows[i/3][i%3]
				before := *x
				const h = 1e-2
				*x = before + h
				above := test.value(rows)
				*x = before - h
				below := test.value(rows)
				*x = before
				assert.InDelta(t, (above-below)/(2*h), got[i], 2e-4, "α %d", i)
			}
		})
	}
	ln3 := float32(math.Log(3))
	assert.Zero(t, regularised(BetaDARTS{Weight: 5}, 0, [][]float32{{0, ln3}})[1], "it rises from 0")
	assert.InDeltaSlice(t, []float64{0.125, 0.375}, regularised(BetaDARTS{Weight: 5}, 1, [][]float32{{0, ln3}}), 1e-6)
	assert.InDeltaSlice(t, []float64{0, 0}, regularised(Entropy{Weight: 1}, 9, [][]float32{{2, 2}}), 1e-7, "at the maximum")
	assert.InDeltaSlice(t, []float64{0, 0}, regularised(Entropy{Weight: 1}, 9, [][]float32{{0, pruned}}), 1e-7, "of one operation")
}

func TestHyperparametersOfAlgorithms(t *testing.T) {
	for message, a := range map[string]Algorithm{
		"darts: algorithm snas: Coldest is 0, must be above 0":                       SNAS{Hottest: 1},
		"darts: algorithm snas: Hottest is -1, must be above 0":                      SNAS{Hottest: -1, Coldest: 1},
		"darts: algorithm reinmax: Temperature is NaN, must be above 0":              ReinMax{math.NaN()},
		"darts: algorithm fairdarts: Weight is -1, must be 0 or more":                FairDARTS{-1},
		"darts: algorithm beta-darts: Weight is 0, must be above 0":                  BetaDARTS{},
		"darts: algorithm entropy: the magnitude of Weight is +Inf, must be above 0": Entropy{math.Inf(-1)},
		"darts: algorithm cost: Weight is 0, must be above 0":                        Cost{},
	} {
		c := DARTS()
		c.Algorithms = Algorithms{a}
		assert.ErrorContains(t, c.Validate(), message)
	}
}

// TestCandidates compares what a search knows of its candidates with its parameters.
func TestCandidates(t *testing.T) {
	c := resumable()
	c.Space.Ops = append(ops.Set{}, ops.DARTS()[:5]...)
	c.Algorithms = Algorithms{Cost{Weight: 1}}
	m, err := newModel(c, Runtime{}, smallTask())
	require.NoError(t, err)
	plain, err := newModel(resumable(), Runtime{}, smallTask())
	require.NoError(t, err)
	assert.Equal(t, plain.Params.Weights(), m.Params.Weights())
	assert.Equal(t, plain.size, m.size)
	require.Len(t, m.candidates, 3*5*5)
	seen := map[string]bool{}
	for i, x := range m.candidates {
		require.Equal(t, []int{i / 25, i / 5 % 5, i % 5}, []int{x.Cell, x.Edge, x.Op})
		want := 0
		if x.Cell == 1 || x.Cell == 2 {
			want = 1 // both reduce
		}
		require.Equal(t, want, x.Table)
		var found [][]float32
		for _, q := range m.Params.List() {
			var cell, edge, op int
			if n, _ := fmt.Sscanf(q.Name, "cells.%d._ops.%d._ops.%d.", &cell, &edge, &op); n == 3 && cell == x.Cell && edge == x.Edge && op == x.Op {
				found, seen[q.Name] = append(found, m.Params.Data(q)), true
			}
		}
		require.Equal(t, found, x.Values, "%+v", x)
		require.Equal(t, c.Space.Ops[x.Op] == ops.SepConv(3) || x.MACs > 0, x.MACs > 0)
	}
	assert.NotEmpty(t, seen)
	// A separable convolution on a normal cell's edge: two of 3×3·C and of C·C on each pixel.
	sep := m.candidates[4]
	spec := smallTask().Spec()
	assert.EqualValues(t, spec.Inputs*spec.Height*spec.Width*2*(9*2+2*2), sep.MACs)
}

// built returns the operation weights of rules for an α of two edges and the gradient of α,
// for that of the weights.
func built(t *testing.T, r Rules, alphas, gy []float32, draw func(input func(name string) []float32)) (weights, grads []float32) {
	t.Helper()
	require.NoError(t, ops.Build(func() error {
		p := ops.NewParams()
		s := ops.NewScope(gorgonia.NewGraph(), p)
		node, err := s.Alpha("alphas", tensor.Shape{2, len(alphas) / 2}, ops.Normal(1))
		require.NoError(t, err)
		w, err := r.Weigh(node)
		require.NoError(t, err)
		by, err := input(node, "gy", gy, w.Shape()...)
		require.NoError(t, err)
		product, err := gorgonia.HadamardProd(w, by)
		require.NoError(t, err)
		flat, err := gorgonia.Reshape(product, tensor.Shape{len(alphas)})
		require.NoError(t, err)
		loss, err := gorgonia.Sum(flat)
		require.NoError(t, err)
		require.NoError(t, ops.Grad(s, loss))
		require.NoError(t, p.Init(0))
		copy(p.Alphas(), alphas)
		draw(func(name string) []float32 { return s.Graph().ByName("alphas " + name)[0].Value().Data().([]float32) })
		m, err := ops.NewVM(s.Graph(), w, node.Deriv())
		require.NoError(t, err)
		require.NoError(t, m.RunAll())
		weights, grads = w.Value().Data().([]float32), node.Deriv().Value().Data().([]float32)
		return m.Close()
	}))
	return weights, grads
}

// TestSNASByHand follows two edges on paper, in the second of three epochs.
func TestSNASByHand(t *testing.T) {
	ln := func(x float64) float32 { return float32(math.Log(x)) }
	alphas := []float32{ln(1), ln(3), ln(5), ln(2)}
	gy := []float32{1, 0, 0, 2}
	c := DARTS()
	c.Epochs = 3
	// At temperature 1 noise of log 2 doubles the odds: 1:6 and 5:2.
	r := SNAS{Hottest: 1.5, Coldest: 0.5}.Rules(c)
	w, g := built(t, r, alphas, gy, func(input func(string) []float32) {
		r.Draw(Place{Epoch: 1}, "weights")
		stream := Place{Epoch: 1}.Rand("concrete weights")
		for _, x := range input("noise") {
			require.Equal(t, float32(rng.Gumbel(stream)), x)
		}
		copy(input("noise"), []float32{0, ln(2), 0, 0})
	})
	inDelta(t, []float64{1. / 7, 6. / 7, 5. / 7, 2. / 7}, w, 1e-6, "weights")
	// w·(gy - Σ w·gy), with sums of 1/7 and 4/7
	inDelta(t, []float64{6. / 49, -6. / 49, -20. / 49, 20. / 49}, g, 1e-6, "gradient")
	// At 0.5 the odds are squared, and the gradient counts twice.
	w, g = built(t, r, alphas, gy, func(func(string) []float32) {
		r.Draw(Place{Epoch: 2}, "weights")
		r.Rest()
	})
	inDelta(t, []float64{0.1, 0.9, 25. / 29, 4. / 29}, w, 1e-6, "colder, without noise")
	inDelta(t, []float64{2 * 0.09, -2 * 0.09, -4 * 100. / 841, 4 * 100. / 841}, g, 1e-6, "gradient")
}

// TestSDARTSWeights mixes by the softmax or, while the weights learn, by α itself.
func TestSDARTSWeights(t *testing.T) {
	ln := func(x float64) float32 { return float32(math.Log(x)) }
	alphas := []float32{ln(1), ln(3), 0.25, 0.5}
	r := SDARTSRS{Radius: 1}.Rules(DARTS())
	w, _ := built(t, r, alphas, make([]float32, 4), func(func(string) []float32) {})
	inDelta(t, []float64{0.25, 0.75}, w[:2], 1e-6, "softmax")
	gy := []float32{1, 2, 3, 4}
	w, g := built(t, r, alphas, gy, func(input func(string) []float32) { copy(input("choice"), []float32{0, 1}) })
	assert.Equal(t, alphas, w)
	assert.Equal(t, gy, g)
}
