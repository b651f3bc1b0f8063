package darts

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/record"
	"unnas/internal/rng"
	"unnas/ops"
)

// sheet is an objective on paper.
type sheet struct {
	Objective
	a          []float32
	tables     []Table
	candidates []Candidate
	trial      func(t Trial) (loss float64, err error)
}

func (p *sheet) Alphas() (values, grads []float32)       { return p.a, nil }
func (p *sheet) Tables() []Table                         { return p.tables }
func (p *sheet) Candidates() []Candidate                 { return p.candidates }
func (p *sheet) Trial(t Trial) (loss float64, err error) { return p.trial(t) }

// newSheet returns an objective with tables of α, a row for each edge.
func newSheet(tables ...[][]float32) *sheet {
	p := &sheet{}
	for _, t := range tables {
		for _, row := range t {
			p.a = append(p.a, row...)
		}
	}
	at := 0
	for _, rows := range tables {
		var t Table
		for _, row := range rows {
			t.Values = append(t.Values, p.a[at:at+len(row):at+len(row)])
			t.Grads = append(t.Grads, make([]float32, len(row)))
			at += len(row)
		}
		p.tables = append(p.tables, t)
	}
	return p
}

func TestSDARTSByHand(t *testing.T) {
	c := DARTS()
	c.Epochs = 10
	ln3 := float32(math.Log(3))
	start := [][]float32{{0, ln3, pruned}, {pruned, 5, -5}}
	weights := []float64{0.25, 0.75, 0, 0, 1, math.Exp(-10)}
	for _, test := range []struct {
		epoch  int
		radius float64
	}{{0, 0.03}, {5, 0.03 + 0.27/2}} {
		p := newSheet(start)
		before := slices.Clone(p.a)
		s := &Step{Place: Place{Seed: 3, Epoch: test.epoch, Step: 4}, Objective: p}
		called := false
		require.NoError(t, SDARTSRS{Radius: 0.3}.Rules(c).Weights(s, func(*Step) error {
			called = true
			r := s.Rand("sdarts")
			for i, w := range weights {
				want := min(max(w+rng.Uniform(r, -test.radius, test.radius), 0), 1)
				if w == 0 {
					want = 0
				}
				assert.InDelta(t, want, p.a[i], 1e-4, "weight %d", i)
			}
			return nil
		}))
		assert.True(t, called)
		assert.Equal(t, before, p.a, "α comes back")

		// Steps of the whole radius each, in the direction of constant gradients, end at its
		// bounds.
		passes := 0
		p.trial = func(at Trial) (float64, error) {
			require.Equal(t, TrainAlphas, at)
			passes++
			copy(p.tables[0].Grads[0], []float32{2, -0.1, 7})
			copy(p.tables[0].Grads[1], []float32{1, 3, -2})
			return 0, nil
		}
		rules := SDARTSADV{Radius: 0.3, Steps: 2}.Rules(c)
		require.NoError(t, rules.Weights(s, func(*Step) error {
			e := test.radius
			inDelta(t, []float64{0.25 + e, 0.75 - e, 0, 0, 1, 0}, p.a, 1e-4, "worst weights")
			return nil
		}))
		assert.Equal(t, 2, passes)
		assert.Equal(t, 2, rules.Passes)
		assert.Equal(t, before, p.a)

		broken := errors.New("broken")
		p.trial = func(Trial) (float64, error) { return 0, broken }
		require.ErrorIs(t, rules.Weights(s, func(*Step) error { t.Error("a step"); return nil }), broken)
		assert.Equal(t, before, p.a)
	}
}

// TestOLESByHand follows three operations: the gradients of one agree, those of one oppose
// each other, and one has no weights.
func TestOLESByHand(t *testing.T) {
	c := DARTS()
	c.ArchStartEpoch = 1
	agreeing := Candidate{Values: [][]float32{{1}, {2}}, Grads: [][]float32{{0}, {0}}}
	opposing := Candidate{Values: [][]float32{{5, 6}}, Grads: [][]float32{{0, 0}}}
	p := newSheet()
	p.candidates = []Candidate{agreeing, {}, opposing}
	passes := 0
	p.trial = func(at Trial) (float64, error) {
		require.Equal(t, ValBoth, at)
		passes++
		agreeing.Grads[0][0], agreeing.Grads[1][0] = 1, 0
		copy(opposing.Grads[0], []float32{3, 4})
		return 0, nil
	}
	rules := OLES{Every: 2, Threshold: 0.7}.Rules(c)
	next := func(*Step) error {
		agreeing.Grads[0][0], agreeing.Grads[1][0] = 2, 2
		copy(opposing.Grads[0], []float32{-6, -8})
		for _, x := range []Candidate{agreeing, opposing} {
			for _, v := range x.Values {
				v[0]++
			}
		}
		return nil
	}
	step := func(epoch int) {
		require.NoError(t, rules.Weights(&Step{Place: Place{Epoch: epoch}, Objective: p}, next))
	}
	step(0)
	assert.Zero(t, passes, "the alphas do not learn yet")
	step(1)
	assert.InDeltaSlice(t, []float32{1, float32(math.Sqrt(0.5)), 0, 0, 0, -1, 0}, rules.State[:7], 1e-6)
	step(1)
	assert.Equal(t, []float32{0, 0, 0, 0, 0, 0, 1}, rules.State[:7], "0.707 goes on, -1 stops")
	assert.Equal(t, []float32{8, 6}, opposing.Values[0])
	step(1)
	assert.Equal(t, []float32{8, 6}, opposing.Values[0], "stopped")
	assert.Equal(t, [][]float32{{5}, {6}}, agreeing.Values)
	assert.Equal(t, 3, passes)
}

// TestPruning searches with stages: what is pruned stays, and is not derived.
func TestPruning(t *testing.T) {
	for _, a := range []Algorithm{FirstOrder{}, SecondOrder{}, GDAS{}, DrNAS{}, SNAS{1, 0.1}, ReinMax{1}, FairDARTS{10}, SDARTSRS{0.3}} {
		c := learning()
		c.Epochs, c.ArchStartEpoch, c.ArchWeightDecay = 3, 0, 0.1
		c.Algorithms = Algorithms{a, Stages{Epochs: []int{1, 2}, Keep: []int{2, 1}}}
		var epochs []record.Epoch
		r, err := Search(t.Context(), stripes{n: 40, fail: -1}, smallTask(), c, Runtime{Recorder: record.Func(func(e record.Event) error {
			if e, ok := e.(record.Epoch); ok {
				epochs = append(epochs, e)
			}
			return nil
		})})
		require.NoError(t, err, a.Name())
		left := func(row []float64) (ops []int) {
			for k, x := range row {
				if x != pruned {
					ops = append(ops, k)
				}
			}
			return ops
		}
		for i, e := range epochs {
			for edge, row := range slices.Concat(e.Normal, e.Reduce) {
				require.Len(t, left(row), []int{2, 1, 1}[i], "%s, epoch %d", a.Name(), e.Epoch)
				if i > 0 {
					require.Subset(t, left(slices.Concat(epochs[i-1].Normal, epochs[i-1].Reduce)[edge]), left(row))
				}
			}
		}
		assert.InDelta(t, 0, r.Last.Entropy, 1e-6, a.Name())
		assert.False(t, math.IsNaN(r.Last.TrainLoss))
	}
}

// TestPTByHand selects where the loss is Σ costs·softmax(α) over all edges: of equal
// weights, the operation of least cost is missed most. Without the edges into the second
// node, the loss grows by 9-6, 9-2 and -1-4.
func TestPTByHand(t *testing.T) {
	c := DARTS()
	c.Epochs = 5
	c.Space.Ops, c.Space.Nodes = ops.Set{ops.None(), ops.Skip(), ops.SepConv(3), ops.DilConv(3)}, 2
	costs := [][]float64{{9, 5, 3, 4}, {9, 1, 2, 3}, {9, 8, 6, 7}, {9, 2, 4, 3}, {-1, 5, 4, 3}}
	alphas := [][]float32{{1, 1, 1, 1}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {2, 2, 2, pruned}}
	p := newSheet(alphas, alphas)
	passes := 0
	p.trial = func(at Trial) (loss float64, err error) {
		require.Equal(t, ValAlphas, at)
		passes++
		for _, table := range p.tables {
			for e, row := range table.Values {
				for k, w := range softmaxOf(row, 1) {
					loss += w * costs[e][k]
				}
			}
		}
		return loss, nil
	}
	left := func(table int) (n int) {
		for e, row := range p.tables[table].Values {
			one := 0
			for k := range row {
				if !p.tables[table].Pruned(e, k) {
					one++
				}
			}
			if one == 1 {
				n++
			}
		}
		return n
	}
	rules := PT{Epochs: 2}.Rules(c)
	at := func(epoch int) error {
		return rules.EndEpoch(&Step{Place: Place{Seed: 1, Epoch: epoch}, Objective: p})
	}
	before := slices.Clone(p.a)
	require.NoError(t, at(2))
	assert.Equal(t, before, p.a, "too early")
	require.NoError(t, at(3))
	assert.Equal(t, 3, left(0), "half of the edges, at least")
	assert.Equal(t, 3, left(1))

	before = slices.Clone(p.a)
	trial, broken := p.trial, errors.New("broken")
	p.trial = func(at Trial) (float64, error) {
		if passes++; passes%5 == 0 {
			return 0, broken
		}
		return trial(at)
	}
	require.ErrorIs(t, at(4), broken)
	assert.Equal(t, before, p.a, "all or nothing")
	p.trial = trial
	require.NoError(t, at(4))
	rows := func(t Table) (rows [][]float64) {
		for _, row := range t.Values {
			rows = append(rows, wide(row))
		}
		return rows
	}
	g, err := c.Space.Derive(rows(p.tables[0]), rows(p.tables[1]), nil, nil)
	require.NoError(t, err)
	want := []cell.Edge{
		{Op: "sep_conv_3x3", From: 0}, {Op: "skip_connect", From: 1},
		{Op: "sep_conv_3x3", From: 0}, {Op: "skip_connect", From: 1},
	}
	assert.ElementsMatch(t, want[:2], g.Normal[:2])
	assert.ElementsMatch(t, want[2:], g.Normal[2:])
	assert.ElementsMatch(t, want, g.Reduce)

	c.Algorithms = Algorithms{GDAS{}, PT{Epochs: 1}}
	assert.ErrorContains(t, c.Validate(), "darts: algorithm darts-pt: the losses of gdas cannot be compared")
	c.Algorithms = Algorithms{DrNAS{}, PT{Epochs: 1}}
	assert.NoError(t, c.Validate())
}

// TestAlgorithmsInAllSpaces searches dense cells, which have one α and keep all edges, and
// cells whose edges have candidates of their own.
func TestAlgorithmsInAllSpaces(t *testing.T) {
	for name, space := range spaces(t) {
		for _, all := range []Algorithms{{Cost{0.5}, OLES{2, 0.9}, PT{1}}, {FairDARTS{1}, Stages{[]int{1}, []int{1}}}} {
			c := smallConfig()
			c.Space, c.Algorithms, c.Epochs, c.ArchStartEpoch = space, all, 2, 0
			r, err := Search(t.Context(), stripes{n: 24, fail: -1}, squareTask(), c, Runtime{})
			require.NoError(t, err, "%s, %s", name, all)
			for i, row := range r.Normal {
				var left []string
				for k, a := range row {
					if a != pruned {
						left = append(left, space.Names(false, i)[k])
					}
				}
				require.Len(t, left, 1, "%s, %s", name, all)
				if len(r.Genotype.Normal) == len(r.Normal) {
					assert.Equal(t, left[0], r.Genotype.Normal[i].Op)
				}
			}
		}
	}
}
