package darts

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"

	"unnas/darts/record"
	"unnas/internal/rng"
)

// bowl is an objective whose validation loss is α·Hα/2 + b·α.
type bowl struct {
	Objective
	h    [][]float32
	b    []float32
	a, g []float32
	left int // passes until one fails
}

func (p *bowl) Alphas() (values, grads []float32) { return p.a, p.g }

func (p *bowl) Trial(t Trial) (loss float64, err error) {
	if p.left--; p.left == 0 {
		return 0, ErrDiverged
	}
	if t != ValAlphas {
		return 0, fmt.Errorf("trial %d", t)
	}
	for i, row := range p.h {
		p.g[i] = p.b[i]
		for j, h := range row {
			p.g[i] += h * p.a[j]
		}
	}
	return 0, nil
}

// TestEigenvalueOfQuadratic holds matrices whose eigenvalues are known: with
// vectors (1, 1, 0), (1, -1, 0) and (0, 0, 1) those of the first are 5, 1 and 4.
func TestEigenvalueOfQuadratic(t *testing.T) {
	for name, c := range map[string]struct {
		h    [][]float32
		want float64
	}{
		"positive":            {[][]float32{{3, 2, 0}, {2, 3, 0}, {0, 0, 4}}, 5},
		"least is stronger":   {[][]float32{{-4, -5, 0}, {-5, -4, 0}, {0, 0, 0.5}}, 1},
		"all are negative":    {[][]float32{{-3, 2, 0}, {2, -3, 0}, {0, 0, -4}}, -1},
		"opposites":           {[][]float32{{0, 2, 0}, {2, 0, 0}, {0, 0, -1}}, 2},
		"a plane":             {[][]float32{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}}, 0},
		"one alpha of many":   {[][]float32{{0, 0, 0}, {0, 7, 0}, {0, 0, 0}}, 7},
		"the same everywhere": {[][]float32{{2, 0, 0}, {0, 2, 0}, {0, 0, 2}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			p := &bowl{h: c.h, b: []float32{0.1, -0.2, 0.3}, a: []float32{0.7, -0.3, 0.1}, g: make([]float32, 3)}
			before := slices.Clone(p.a)
			start := []float64{0.3, -0.8, 0.5}
			got, err := eigenvalue(t.Context(), p, start)
			require.NoError(t, err)
			assert.InDelta(t, c.want, got, 1e-4)
			assert.Equal(t, before, p.a, "the alphas come back, to the bit")
			assert.Equal(t, []float64{0.3, -0.8, 0.5}, start)

			for pass := range 4 {
				p.left = pass + 1
				_, err = eigenvalue(t.Context(), p, start)
				if pass < 2 { // some need no more
					require.ErrorIs(t, err, ErrDiverged)
				}
				assert.Equal(t, before, p.a, "the alphas come back when pass %d fails", pass)
			}
		})
	}
}

// mixture is a smooth network on paper: maps that the softmax of the alphas of each
// edge weighs, a hidden layer of tanh and a cross-entropy, of which gradients are exact
// but for being float32.
type mixture struct {
	Objective
	edges, ops, hidden, classes int
	maps                        [][]float64 // of each image, [edges, ops, hidden]
	out                         []float64   // [hidden, classes]
	labels                      []int
	a, g                        []float32
}

func newMixture(seed uint64) *mixture {
	m := &mixture{edges: 3, ops: 4, hidden: 5, classes: 3}
	r := rng.New(seed, "mixture", 0, 0)
	normals := func(n int, scale float64) []float64 {
		all := make([]float64, n)
		for i := range all {
			all[i] = scale * rng.Normal(r)
		}
		return all
	}
	for i := range 20 {
		m.maps = append(m.maps, normals(m.edges*m.ops*m.hidden, 1))
		m.labels = append(m.labels, i%m.classes)
	}
	m.out = normals(m.hidden*m.classes, 1)
	for _, a := range normals(m.edges*m.ops, 0.5) {
		m.a = append(m.a, float32(a))
	}
	m.g = make([]float32, len(m.a))
	return m
}

// softened returns the softmax of numbers.
func softened(x []float64) []float64 {
	y, sum := make([]float64, len(x)), 0.0
	for i, v := range x {
		y[i] = math.Exp(v)
		sum += y[i]
	}
	for i := range y {
		y[i] /= sum
	}
	return y
}

// grad returns the gradient at alphas.
func (m *mixture) grad(alphas []float64) []float64 {
	grads := make([]float64, len(alphas))
	var weights []float64
	for e := range m.edges {
		weights = append(weights, softened(alphas[e*m.ops:][:m.ops])...)
	}
	byWeight := make([]float64, len(alphas))
	for i, maps := range m.maps {
		hidden, logits := make([]float64, m.hidden), make([]float64, m.classes)
		for j, w := range weights {
			for h := range hidden {
				hidden[h] += w * maps[j*m.hidden+h]
			}
		}
		for h := range hidden {
			hidden[h] = math.Tanh(hidden[h])
			for k := range logits {
				logits[k] += hidden[h] * m.out[h*m.classes+k]
			}
		}
		p := softened(logits)
		p[m.labels[i]]--
		for h, y := range hidden {
			var g float64
			for k, d := range p {
				g += d * m.out[h*m.classes+k] / float64(len(m.maps))
			}
			g *= 1 - y*y
			for j := range weights {
				byWeight[j] += g * maps[j*m.hidden+h]
			}
		}
	}
	for e := range m.edges {
		row, by := weights[e*m.ops:][:m.ops], byWeight[e*m.ops:][:m.ops]
		mean := dot(row, by)
		for k, w := range row {
			grads[e*m.ops+k] = w * (by[k] - mean)
		}
	}
	return grads
}

func (m *mixture) Alphas() (values, grads []float32) { return m.a, m.g }

func (m *mixture) Trial(Trial) (loss float64, err error) {
	for i, g := range m.grad(wide(m.a)) {
		m.g[i] = float32(g)
	}
	return 0, nil
}

// TestEigenvalueOfSmoothLoss compares with the exact Hessian, from any start.
func TestEigenvalueOfSmoothLoss(t *testing.T) {
	for seed := range uint64(4) {
		m := newMixture(seed)
		a := wide(m.a)
		hessian := mat.NewSymDense(len(a), nil)
		for i := range a {
			const h = 1e-4
			beside := func(step float64) []float64 {
				b := slices.Clone(a)
				b[i] += step
				return m.grad(b)
			}
			above, below := beside(h), beside(-h)
			for j := range i + 1 {
				hessian.SetSym(i, j, (above[j]-below[j])/(2*h))
			}
		}
		var eigen mat.EigenSym
		require.True(t, eigen.Factorize(hessian, false))
		want := slices.Max(eigen.Values(nil))
		r := rng.New(seed, "start", 0, 0)
		for range 3 {
			start := make([]float64, len(a))
			for i := range start {
				start[i] = rng.Normal(r)
			}
			got, err := eigenvalue(t.Context(), m, start)
			require.NoError(t, err)
			assert.InEpsilon(t, want, got, 0.04, "seed %d", seed)
		}
	}
}

// TestEigenvalueAgainstDifferences compares the eigenvalue with that of a matrix
// of differences of gradients, along each alpha.
func TestEigenvalueAgainstDifferences(t *testing.T) {
	p, _ := newPair(t)
	a, _ := p.Alphas()
	w, _ := p.Weights()
	a0, w0, running := slices.Clone(a), slices.Clone(w), slices.Clone(p.Params.Running())
	r := rng.New(3, "start", 0, 0)
	start := make([]float64, len(a))
	for i := range start {
		start[i] = rng.Normal(r)
	}
	got, err := eigenvalue(t.Context(), p, start)
	require.NoError(t, err)
	assert.Equal(t, a0, a, "the alphas come back, to the bit")
	assert.Equal(t, w0, w)
	assert.Equal(t, running, p.Params.Running(), "passes on trial leave no trace")

	const h = 0.1
	_, grads := p.Alphas()
	beside := func(i int, step float32) []float64 {
		defer copy(a, a0)
		a[i] += step
		_, err := p.Trial(ValAlphas)
		require.NoError(t, err)
		return wide(grads)
	}
	matrix := mat.NewSymDense(len(a), nil)
	for i := range a {
		above, below := beside(i, h), beside(i, -h)
		for j := range a { // once from each side
			matrix.SetSym(i, j, matrix.At(i, j)+(above[j]-below[j])/(2*h)/map[bool]float64{true: 1, false: 2}[i == j])
		}
	}
	var eigen mat.EigenSym
	require.True(t, eigen.Factorize(matrix, false))
	all := eigen.Values(nil)
	t.Logf("found %.5f, all are %.5f", got, all)
	assert.InEpsilon(t, all[len(all)-1], got, 0.03)
	assert.Less(t, all[len(all)-2], 0.85*got, "one stands out, or the test tells little")
}

func history(values ...float64) []reading {
	var past []reading
	for i, v := range values {
		past = append(past, reading{i + 1, v, fmt.Sprint(i)})
	}
	return past
}

func TestSharpened(t *testing.T) {
	for name, c := range map[string]struct {
		past  []reading
		ratio float64
		want  string // "" if the search goes on
	}{
		"nothing":          {nil, 0.75, ""},
		"too few":          {history(1, 1, 1, 1, 9, 9, 9, 9, 9), 0.75, ""},
		"as flat":          {history(1, 2, 3, 2, 1, 1, 2, 3, 2, 1), 0.75, ""},
		"flatter":          {history(9, 9, 9, 9, 9, 1, 1, 1, 1, 1), 0.75, ""},
		"as the ratio":     {history(3, 3, 3, 3, 3, 4, 4, 4, 4, 4), 0.75, ""},
		"sharper":          {history(3, 3, 3, 3, 3, 4, 4, 4, 4, 4.1), 0.75, "2"},
		"by one peak":      {history(0, 2, 0, 2, 0, 0, 0, 10, 0, 0), 0.75, "2"},
		"only the last":    {history(0, 0, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4.1), 0.75, "4"},
		"a stricter ratio": {history(3, 3, 3, 3, 3, 4, 4, 4, 4, 4.1), 0.5, ""},
		"below zero":       {history(-9, -9, -9, -9, -9, -1, -1, -1, -1, -1), 0.75, ""},
		"from below zero":  {history(-9, -9, -9, -9, -9, 1, 1, 1, 1, 1), 0.75, "2"},
		"off":              {history(3, 3, 3, 3, 3, 9, 9, 9, 9, 9), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			back, yes := sharpened(c.past, c.ratio)
			assert.Equal(t, c.want != "", yes)
			if yes {
				assert.Equal(t, c.want, back.Genotype)
			}
		})
	}
}

// TestStopEigenvalue runs the tenth epoch of a search with a made-up past.
func TestStopEigenvalue(t *testing.T) {
	const earlier = "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1)], normal_concat=range(2, 3), reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=range(2, 3))"
	for name, c := range map[string]struct {
		before, after float64
		stop          bool
	}{"sharp": {1, 1e6, true}, "flat": {1e6, 1, false}} {
		t.Run(name, func(t *testing.T) {
			config := resumable()
			var rt Runtime
			config.Epochs, config.ArchStartEpoch, config.StopEigenvalue = 11, 0, 0.75
			var warnings []string
			var last record.Epoch
			var done record.Done
			rt.Recorder = record.Func(func(e record.Event) error {
				switch e := e.(type) {
				case record.Warning:
					warnings = append(warnings, e.Text)
				case record.Epoch:
					last = e
				case record.Done:
					done = e
				}
				return nil
			})
			s, err := newSearch(resumableSource, smallTask(), config, rt)
			require.NoError(t, err)
			s.epoch, s.complete = 9, 9
			s.past = history(c.before, c.before, c.before, c.before, c.before, c.after, c.after, c.after, c.after)
			s.past[2].Genotype = earlier
			r, err := s.search(t.Context())
			require.NoError(t, err)
			assert.False(t, math.IsNaN(last.Eigenvalue))
			assert.Equal(t, last.Eigenvalue, r.Last.Eigenvalue)
			assert.Equal(t, r.Genotype.String(), done.Genotype)
			assert.Len(t, s.past, readings, "no more is kept than the rule needs")
			if !c.stop {
				assert.Equal(t, 11, r.Epochs)
				assert.Empty(t, warnings)
				assert.Equal(t, last.Genotype, r.Genotype.String())
				return
			}
			assert.Equal(t, 10, r.Epochs)
			assert.Equal(t, []string{"by epoch 10 the loss has become sharp in the alphas, and StopEigenvalue is 0.75: the search ends with the cells of epoch 3"}, warnings)
			assert.Equal(t, "skip_connect", r.Genotype.Normal[0].Op)
			assert.Equal(t, 1, r.Genotype.Nodes())
			assert.NotEqual(t, last.Genotype, r.Genotype.String(), "the epoch tells its own")
		})
	}
}

// TestEigenvalueDisturbsNothing compares searches that differ in it alone.
func TestEigenvalueDisturbsNothing(t *testing.T) {
	for _, a := range []Algorithm{FirstOrder{}, SecondOrder{}, DrNAS{}} {
		t.Run(a.Name(), func(t *testing.T) {
			c := resumable()
			var rt Runtime
			c.Algorithms = Algorithms{a}
			without, err := Search(t.Context(), resumableSource, smallTask(), c, rt)
			require.NoError(t, err)
			var got []float64
			c.StopEigenvalue = 0.75
			rt.Recorder = record.Func(func(e record.Event) error {
				if e, ok := e.(record.Epoch); ok {
					got = append(got, e.Eigenvalue)
				}
				return nil
			})
			with, err := Search(t.Context(), resumableSource, smallTask(), c, rt)
			require.NoError(t, err)
			for _, params := range []func(*SearchResult) []float32{
				func(r *SearchResult) []float32 { return r.Params.Weights() },
				func(r *SearchResult) []float32 { return r.Params.Alphas() },
				func(r *SearchResult) []float32 { return r.Params.Running() },
			} {
				assert.True(t, slices.Equal(params(without), params(with)))
			}
			assert.Equal(t, without.Last.ValLoss, with.Last.ValLoss)
			assert.True(t, math.IsNaN(without.Last.Eigenvalue))
			require.Len(t, got, 3)
			assert.True(t, math.IsNaN(got[0]), "the alphas rest in the first epoch")
			assert.False(t, math.IsNaN(got[1]) || math.IsNaN(got[2]))
			assert.NotZero(t, got[2])
			t.Log(got)
		})
	}
}

func TestStopEigenvalueIsValidated(t *testing.T) {
	c := DARTS()
	for bad, want := range map[float64]string{-0.1: "StopEigenvalue is -0.1, must be from 0 to 1", 1: "StopEigenvalue is 1, must be below 1", math.NaN(): "StopEigenvalue is NaN"} {
		c.StopEigenvalue = bad
		assert.ErrorContains(t, c.Validate(), want)
	}
	c.StopEigenvalue = 0.75
	require.NoError(t, c.Validate())
	c.Algorithms = Algorithms{GDAS{}}
	assert.ErrorContains(t, c.Validate(), "the loss of gdas has no Hessian")
}
