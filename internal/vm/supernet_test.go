package vm_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/internal/kernel"
	"unnas/internal/vm"
	"unnas/ops"
)

// supernet is a small supernet with a loss.
type supernet struct {
	scope          *ops.Scope
	images, labels *gorgonia.Node
	loss           *gorgonia.Node
}

const (
	supernetBatch   = 3
	supernetClasses = 5
)

// newSupernet builds a supernet over p, in a graph of its own.
func newSupernet(t testing.TB, p *ops.Params) *supernet { return newSupernetOf(t, p, ops.DARTS(), 0) }

// newSupernetOf builds one that mixes the given candidates, on one of so many parts
// of the channels.
func newSupernetOf(t testing.TB, p *ops.Params, set ops.Set, partial int) *supernet {
	n := &supernet{scope: ops.NewScope(gorgonia.NewGraph(), p)}
	require.NoError(t, ops.Build(func() error {
		ok := must(t)
		g := n.scope.Graph()
		n.images = ok(ops.Images(g, "images", supernetBatch, 8, 6, 3))
		n.labels = ok(ops.Labels(g, "labels", supernetBatch))
		space := cell.DARTS(cell.CIFARStem, 2, 3)
		space.Nodes, space.Ops, space.PartialChannels = 2, set, partial
		net, err := space.Supernet(n.scope, n.images)
		require.NoError(t, err)
		logits := ok(n.scope.Sub("head").Linear(ok(ops.GlobalAvgPool(net.Out)), 1, supernetClasses))
		l, err := ops.CrossEntropy(logits, n.labels, ops.LossConfig{IgnoreIndex: ops.NoIgnoreIndex})
		require.NoError(t, err)
		n.loss = l.Value
		if err := p.Init(1); err != nil {
			return err
		}
		return ops.Grad(n.scope, n.loss)
	}))
	for _, w := range n.scope.Learnables() {
		require.NotNil(t, w.Deriv(), w.Name())
	}
	return n
}

// feed binds a batch.
func (n *supernet) feed(t testing.TB, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	let(t, n.images, normal(r, n.images.Shape()))
	labels := make([]int32, supernetBatch)
	for i := range labels {
		labels[i] = r.Int32N(supernetClasses)
	}
	let(t, n.labels, labels)
}

// machines returns one machine for the gradients of weights and one for those
// of alphas, in one arena, as a search has them.
func (n *supernet) machines(t testing.TB, workers int, recompute bool) (machines [2]*vm.Machine, arena *vm.Arena) {
	var o [2]vm.Options
	for i := range o {
		o[i] = vm.Options{Want: gorgonia.Nodes{n.loss}, Recompute: recompute}
	}
	p := n.scope.Params()
	for _, w := range n.scope.Learnables() {
		i := 0
		if n.scope.Owner(w).Alpha {
			i = 1
		}
		o[i].Want = append(o[i].Want, w.Deriv())
		o[i].Into = append(o[i].Into, vm.Target{Node: w.Deriv(), Data: p.Grad(n.scope.Owner(w))})
	}
	var plans [2]*vm.Plan
	for i := range plans {
		var err error
		plans[i], err = vm.Compile(n.scope.Graph(), o[i])
		require.NoError(t, err)
		require.NoError(t, plans[i].Check())
	}
	arena = vm.NewArena(plans[:]...)
	team := kernel.NewTeam(workers)
	for i := range machines {
		var err error
		machines[i], err = plans[i].Bind(arena, team)
		require.NoError(t, err)
	}
	return machines, arena
}

// TestSupernet compares a network of this library's operations with Gorgonia's
// machine, where no map is pending.
func TestSupernet(t *testing.T) {
	for _, partial := range []int{0, 2} {
		t.Run(fmt.Sprintf("partial=%d", partial), func(t *testing.T) { testSupernet(t, partial) })
	}
}

func testSupernet(t *testing.T, partial int) {
	p := ops.NewParams()
	ours := newSupernetOf(t, p, ops.DARTS(), partial)
	theirs := newSupernetOf(t, p, ops.DARTS(), partial)
	machines, arena := ours.machines(t, 2, false)
	tape := gorgonia.NewTapeMachine(theirs.scope.Graph())
	defer tape.Close()
	for step := range uint64(2) {
		ours.feed(t, step)
		theirs.feed(t, step)
		require.NoError(t, tape.RunAll())
		for i, m := range machines {
			m.Soil(arena)
			require.NoError(t, m.RunAll())
			near(t, floats(theirs.loss), floats(ours.loss), "loss")
			for j, w := range ours.scope.Learnables() {
				if q := ours.scope.Owner(w); q.Alpha == (i == 1) {
					near(t, floats(theirs.scope.Learnables()[j].Deriv()), p.Grad(q), w.Name())
				}
			}
		}
		tape.Reset()
	}
}

// TestSupernetOnTeams holds all gradients to the bit for all sizes of teams.
func TestSupernetOnTeams(t *testing.T) {
	for _, partial := range []int{0, 2} {
		t.Run(fmt.Sprintf("partial=%d", partial), func(t *testing.T) { testSupernetOnTeams(t, partial) })
	}
}

func testSupernetOnTeams(t *testing.T, partial int) {
	p := ops.NewParams()
	n := newSupernetOf(t, p, ops.DARTS(), partial)
	n.feed(t, 1)
	var first []uint32
	for _, workers := range []int{1, 2, 3, 7, 16, 64} {
		machines, arena := n.machines(t, workers, false)
		var bits []uint32
		for _, m := range machines {
			m.Soil(arena)
			require.NoError(t, m.RunAll())
		}
		for _, grads := range [][]float32{floats(n.loss), p.WeightGrads(), p.AlphaGrads()} {
			for _, v := range grads {
				bits = append(bits, math.Float32bits(v))
			}
		}
		if first == nil {
			first = bits
		}
		require.Equal(t, first, bits, "%d workers", workers)
	}
}

// TestNoAllocations holds that a step of a search allocates nothing.
func TestNoAllocations(t *testing.T) {
	for _, partial := range []int{0, 2} {
		t.Run(fmt.Sprintf("partial=%d", partial), func(t *testing.T) { testNoAllocations(t, partial) })
	}
}

func testNoAllocations(t *testing.T, partial int) {
	n := newSupernetOf(t, ops.NewParams(), ops.DARTS(), partial)
	n.feed(t, 1)
	machines, _ := n.machines(t, 2, true)
	step := func() {
		for _, m := range machines {
			if err := m.RunAll(); err != nil {
				panic(err)
			}
		}
	}
	step()
	assert.Zero(t, testing.AllocsPerRun(5, step))
	for _, m := range machines {
		m.Training, m.UpdateStats = false, false
	}
	step()
	assert.Zero(t, testing.AllocsPerRun(5, step))
}
