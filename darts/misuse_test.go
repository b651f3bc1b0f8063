package darts

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/internal/ranks"
	"unnas/ops"
	"unnas/pretext"
)

// half is a task of which parts are missing.
type half struct {
	pretext.Task
	head, loss bool // are there
}

func (h half) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	if !h.head {
		return nil, nil
	}
	return h.Task.Head(s, features)
}

func (h half) Loss(logits *gorgonia.Node, targets pretext.Targets) (ops.Loss, error) {
	l, err := h.Task.Loss(logits, targets)
	if !h.loss {
		l.Count = nil
	}
	return l, err
}

// empty is a network without maps.
type empty struct {
	passing
	network *cell.Features
}

func (e empty) Build(*ops.Scope, *gorgonia.Node, cell.DropPathFunc) (*cell.Features, error) {
	return e.network, nil
}

// TestNil gives nil, or code that does, wherever something is needed.
func TestNil(t *testing.T) {
	src, task, c := stripes{n: 40, fail: -1}, smallTask(), smallTraining()
	search := func(src Source, task pretext.Task) error {
		_, err := Search(t.Context(), src, task, smallConfig(), Runtime{})
		return err
	}
	train := func(src Source, task pretext.Task, a cell.Architecture) error {
		c := c
		c.Network = a
		_, err := Train(t.Context(), src, nil, task, c, Runtime{})
		return err
	}
	predict := func(a cell.Architecture, task pretext.Task) error {
		p := ops.NewParams()
		require.NoError(t, p.Init(1))
		_, err := modelOf(t, a, task, p)
		return err
	}
	measure := func(a cell.Architecture, task pretext.Task) error {
		_, err := Measure(a, task)
		return err
	}
	const last = "the network of type darts.empty has no last feature map; its Build must return a cell.Features with Out"
	for name, test := range map[string]struct {
		err  error
		want string
	}{
		"search without source":   {search(nil, task), "the source of images is nil; give a data set"},
		"search without task":     {search(src, nil), "the task is nil; give one"},
		"search without head":     {search(src, half{task, false, true}), "head of classification: pretext: the head returns neither a node nor an error"},
		"search without loss":     {search(src, half{task, true, false}), "loss of classification: no Value or Count; its Loss must return both"},
		"training without source": {train(nil, task, c.Network), "the source of images is nil"},
		"training without task":   {train(src, nil, c.Network), "the task is nil"},
		"training of nothing":     {train(src, task, nil), "Network is nil"},
		"network of nothing":      {train(src, task, empty{}), last},
		"network without a map":   {train(src, task, empty{network: &cell.Features{}}), last},
		"training without head":   {train(src, half{task, false, true}, c.Network), "head of classification: pretext: the head returns neither a node nor an error"},
		"training without loss":   {train(src, half{task, true, false}, c.Network), "loss of classification: no Value or Count; its Loss must return both"},
		"prediction of nothing":   {predict(nil, task), "the model has no Architecture or no Task"},
		"prediction without task": {predict(passing{}, nil), "the model has no Architecture or no Task"},
		"prediction without map":  {predict(empty{}, task), last},
		"measuring nothing":       {measure(nil, task), "the network or the task is nil"},
		"measuring without map":   {measure(empty{}, task), last},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, test.err, "darts: ")
			assert.ErrorContains(t, test.err, test.want)
		})
	}
}

// TestWhatIsValidIsBuilt draws settings of searches: what Validate takes, a supernet is
// built of.
func TestWhatIsValidIsBuilt(t *testing.T) {
	task := pretext.Rotation{Transform: pretext.ScenesTransform(48)}
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 0))
	yes := func() bool { return r.IntN(2) == 0 }
	built := 0
	for range 3000 {
		c := resumable()
		set := c.Space.Ops
		c.Space.Ops = nil
		for _, op := range set {
			if yes() {
				c.Space.Ops = append(c.Space.Ops, op)
			}
		}
		c.Space.Nodes, c.Space.MaxSkips, c.Space.PartialChannels = 1+r.IntN(2), r.IntN(3), r.IntN(5)
		b := &c.Space.Backbone
		b.Stem = [...]cell.Stem{cell.CIFARStem, cell.ImageNetStem}[r.IntN(2)]
		b.Width, b.Cells = 1+r.IntN(8), 2+r.IntN(3)
		some := func() (all []int) {
			for i := range b.Cells {
				if yes() {
					all = append(all, i)
				}
			}
			return all
		}
		b.Reductions, b.Dilated = some(), some()
		for _, i := range b.Reductions {
			if yes() {
				b.StrideOne = append(b.StrideOne, i)
			}
		}
		c.Algorithms = Algorithms{everyAlgorithm()[r.IntN(len(everyAlgorithm()))]}
		c.SkipDropout = 0.5 * float64(r.IntN(2))
		c.MicroBatch = [...]int{0, 1, 2, 3, 6}[r.IntN(5)]
		if c.Validate() != nil {
			continue
		}
		_, err := planModel(c, Runtime{}, ranks.New(nil), task)
		require.NoError(t, err, "seed %d: %+v", seed, c)
		if built++; built == 25 {
			return
		}
	}
	t.Fatalf("seed %d: %d valid settings of 3000", seed, built)
}
