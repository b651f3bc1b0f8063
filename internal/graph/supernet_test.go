package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/internal/graph"
	"unnas/internal/kernel"
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

// newSupernetOf builds one of the given candidates, with partial channel connections: on
// one of partial parts of the channels, or on all for 0.
func newSupernetOf(t testing.TB, p *ops.Params, set ops.Set, partial int) *supernet {
	n := &supernet{scope: ops.NewScope(gorgonia.NewGraph(), p)}
	require.NoError(t, ops.Build(func() error {
		ok := must(t)
		g := n.scope.Graph()
		n.images = ok(ops.Images(g, "images", supernetBatch, 16, 14, 3))
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

// rig is two machines in one arena, as a search has them: one for the gradients of weights
// and one for those of architecture parameters.
type rig struct {
	plans    [2]*graph.Plan
	machines [2]*graph.Machine
	arena    *graph.Arena
	pool     *kernel.ThreadPool
}

// newRig compiles the plans with options that they have in common.
func (n *supernet) newRig(t testing.TB, workers int, o graph.Options) *rig {
	var options [2]graph.Options
	for i := range options {
		options[i] = o
		options[i].Workers = workers
		options[i].Want = gorgonia.Nodes{n.loss}
	}
	p := n.scope.Params()
	for _, w := range n.scope.Learnables() {
		i := 0
		if n.scope.Owner(w).Alpha {
			i = 1
		}
		options[i].Want = append(options[i].Want, w.Deriv())
		options[i].Into = append(options[i].Into, graph.Target{Node: w.Deriv(), Data: p.Grad(n.scope.Owner(w))})
	}
	r := &rig{pool: kernel.NewThreadPool(workers)}
	for i := range r.plans {
		r.plans[i] = compile(t, n.scope.Graph(), options[i])
	}
	r.arena = graph.NewArena(r.plans[:]...)
	for i := range r.machines {
		var err error
		r.machines[i], err = r.plans[i].Bind(r.arena, r.pool)
		require.NoError(t, err)
	}
	return r
}

// run runs machine number i on memory full of NaN.
func (r *rig) run(t testing.TB, i int) {
	t.Helper()
	require.NoError(t, r.machines[i].Poison(r.arena, r.pool))
	require.NoError(t, r.machines[i].RunAll())
}

// TestSupernet compares a network of this library's operations with Gorgonia's machine,
// which stores every map.
func TestSupernet(t *testing.T) {
	for _, partial := range []int{0, 2} {
		t.Run(fmt.Sprintf("partial=%d", partial), func(t *testing.T) { testSupernet(t, partial) })
	}
}

func testSupernet(t *testing.T, partial int) {
	p := ops.NewParams()
	ours := newSupernetOf(t, p, ops.DARTS(), partial)
	theirs := newSupernetOf(t, p, ops.DARTS(), partial)
	r := ours.newRig(t, 2, graph.Options{})
	tape := gorgonia.NewTapeMachine(theirs.scope.Graph())
	defer tape.Close()
	for step := range uint64(2) {
		ours.feed(t, step)
		theirs.feed(t, step)
		require.NoError(t, tape.RunAll())
		for i := range r.machines {
			r.run(t, i)
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

// TestSupernetOnPools compares the bits of all gradients on pools of several sizes.
func TestSupernetOnPools(t *testing.T) {
	for _, partial := range []int{0, 2} {
		t.Run(fmt.Sprintf("partial=%d", partial), func(t *testing.T) { testSupernetOnPools(t, partial) })
	}
}

func testSupernetOnPools(t *testing.T, partial int) {
	p := ops.NewParams()
	n := newSupernetOf(t, p, ops.DARTS(), partial)
	n.feed(t, 1)
	var first []uint32
	for _, workers := range []int{1, 2, 3, 7, 16, 64} {
		r := n.newRig(t, workers, graph.Options{})
		var bits []uint32
		for i := range r.machines {
			r.run(t, i)
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

// TestNoAllocations holds that a step of a search allocates nothing: on one worker from the
// second step on; on several once each of them has run the largest kernels.
func TestNoAllocations(t *testing.T) {
	for _, partial := range []int{0, 2} {
		for _, workers := range []int{1, 2} {
			t.Run(fmt.Sprintf("partial=%d, %d workers", partial, workers), func(t *testing.T) {
				testNoAllocations(t, partial, workers)
			})
		}
	}
}

func testNoAllocations(t *testing.T, partial, workers int) {
	n := newSupernetOf(t, ops.NewParams(), ops.DARTS(), partial)
	n.feed(t, 1)
	for _, o := range []graph.Options{{Recompute: true}, {Evaluate: true}} {
		r := n.newRig(t, workers, o)
		step := func() {
			for _, m := range r.machines {
				if err := m.RunAll(); err != nil {
					panic(err)
				}
			}
		}
		step()
		allocations := testing.AllocsPerRun(3, step)
		for i := 0; i < 30 && workers > 1 && allocations > 0; i++ {
			allocations = testing.AllocsPerRun(3, step)
		}
		assert.Zero(t, allocations, "%+v", o)
	}
}

// TestRecomputeSupernet compares the bits of all gradients of supernets, and of their
// running statistics, with those of a run that keeps its maps. With fewer candidates, fewer
// steps become one, and gradients wait longer for the rest of their sums.
func TestRecomputeSupernet(t *testing.T) {
	all := ops.DARTS()
	for _, set := range []ops.Set{all, all[:5], all[4:6]} {
		t.Run(fmt.Sprint(set.Names()), func(t *testing.T) { testRecomputeSupernet(t, set, 0) })
	}
	t.Run("partial", func(t *testing.T) { testRecomputeSupernet(t, all, 2) })
}

func testRecomputeSupernet(t *testing.T, set ops.Set, partial int) {
	var results [2][][]float32
	var size [2]int
	for i, recompute := range []bool{false, true} {
		p := ops.NewParams()
		n := newSupernetOf(t, p, set, partial)
		n.feed(t, 1)
		r := n.newRig(t, 2, graph.Options{Recompute: recompute})
		for j := range r.machines {
			arena, _, _ := r.plans[j].Sizes()
			size[i] = max(size[i], arena)
			r.run(t, j)
		}
		for _, values := range [][]float32{floats(n.loss), p.WeightGrads(), p.AlphaGrads(), p.Running()} {
			results[i] = append(results[i], slices.Clone(values))
		}
	}
	for i := range results[0] {
		identical(t, results[0][i], results[1][i], []string{"loss", "weights", "architecture parameters", "statistics"}[i])
	}
	assert.Less(t, size[1], 2*size[0]/3)
}
