package darts

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts/record"
	"unnas/internal/engine"
	"unnas/internal/loader"
	"unnas/internal/rng"
	"unnas/ops"
	"unnas/pretext"
)

// The tests of this file run real searches and trainings whose passes through the
// network are made up, by formulas simple enough to follow the whole run on paper.
// They see what each pass reads, when, and what is made of the gradients.

// labelled images have their number in their pixels.
type labelledImages int

func (n labelledImages) Len() int { return int(n) }

func (n labelledImages) Load(_ context.Context, i int) (*pretext.Image, error) {
	return &pretext.Image{Width: 1, Height: 1, Pix: []uint8{uint8(i), 0, 0}, Label: i % 3}, nil
}

// tagging is a task whose inputs are the numbers of the images.
type tagging struct{ pretext.Task }

func (tagging) Sample(dst pretext.Sample, img *pretext.Image, _ bool, _ *rand.Rand) error {
	for i := range dst.Inputs {
		dst.Inputs[i] = float32(img.Pix[0])
	}
	dst.Labels[0] = int32(img.Label)
	return nil
}

// passage is what a pass through a network was.
type passage struct {
	runner      *engine.Runner
	training    bool
	updates     bool // running statistics
	images      []int
	weights     []float32
	alphas      []float32
	running     []float32
	noise, keys []float32 // what the algorithm draws, and dropout
	dropRate    float32
	paths       []float32
	epoch       int
}

// center is what the made-up losses see of images.
func center(images []int) float64 {
	sum := 0.0
	for _, i := range images {
		sum += float64(i)
	}
	return sum / float64(len(images)) / 64
}

// The gradients of the weights and of the alphas on images whose center is c.
func weightGrad(w, c float64) float64            { return 0.5*w + c }
func alphaGrad(a, c, meanWeight float64) float64 { return 0.25*a - c + 0.125*meanWeight }

func meanOfAll(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

func wide(values []float32) []float64 {
	all := make([]float64, len(values))
	for i, v := range values {
		all[i] = float64(v)
	}
	return all
}

// paper follows the parameters of a run by plain formulas in float64.
type paper struct {
	w, v          []float64 // weights and their velocity
	a, mean, sqrs []float64 // alphas and the memory of Adam
	steps         int       // of the alphas
}

func onPaper(p *ops.Params) *paper {
	n, k := len(p.Weights()), len(p.Alphas())
	return &paper{w: wide(p.Weights()), v: make([]float64, n), a: wide(p.Alphas()), mean: make([]float64, k), sqrs: make([]float64, k)}
}

// sgd takes a step of the weights along gradients.
func (p *paper) sgd(grads []float64, rate, momentum, decay, clip float64, nesterov bool) {
	scale := 1.0
	if clip > 0 {
		squares := 0.0
		for _, g := range grads {
			squares += g * g
		}
		scale = math.Min(1, clip/(math.Sqrt(squares)+1e-6))
	}
	for i, g := range grads {
		g = g*scale + decay*p.w[i]
		p.v[i] = momentum*p.v[i] + g
		if nesterov {
			p.w[i] -= rate * (g + momentum*p.v[i])
		} else {
			p.w[i] -= rate * p.v[i]
		}
	}
}

// adam takes a step of the alphas along gradients.
func (p *paper) adam(grads []float64, rate, beta1, beta2, decay float64) {
	p.steps++
	for i, g := range grads {
		g += decay * p.a[i]
		p.mean[i] = beta1*p.mean[i] + (1-beta1)*g
		p.sqrs[i] = beta2*p.sqrs[i] + (1-beta2)*g*g
		mean := p.mean[i] / (1 - math.Pow(beta1, float64(p.steps)))
		squares := p.sqrs[i] / (1 - math.Pow(beta2, float64(p.steps)))
		p.a[i] -= rate * mean / (math.Sqrt(squares) + 1e-8)
	}
}

// closeTo asserts that numbers are those on paper.
func closeTo(t *testing.T, want []float64, got []float32, what string, args ...any) {
	t.Helper()
	require.Len(t, got, len(want), what)
	for i, w := range want {
		require.InDelta(t, w, got[i], 2e-5*math.Max(1, math.Abs(w)), fmt.Sprintf(what, args...)+fmt.Sprintf(", number %d", i))
	}
}

// imagesOf returns the numbers of the images of inputs.
func imagesOf(x []float32, inputs int) []int {
	var all []int
	for i := 0; i < len(x); i += inputs {
		all = append(all, int(x[i]))
	}
	return all
}

func TestSearchWiring(t *testing.T) {
	for name, change := range map[string]func(*SearchConfig){
		"first order":         func(*SearchConfig) {},
		"first order, parts":  func(c *SearchConfig) { c.MicroBatch = 2 },
		"second order":        func(c *SearchConfig) { c.Algorithms = Algorithms{SecondOrder{}} },
		"second order, parts": func(c *SearchConfig) { c.Algorithms, c.MicroBatch, c.SkipDropout = Algorithms{SecondOrder{}}, 2, 0.5 },
		"GDAS, parts, dropout": func(c *SearchConfig) {
			c.Algorithms, c.MicroBatch, c.SkipDropout, c.StopEigenvalue = Algorithms{GDAS{}}, 2, 0.5, 0
		},
		"DrNAS, dropout, and a late start":  func(c *SearchConfig) { c.Algorithms, c.SkipDropout, c.ArchStartEpoch = Algorithms{DrNAS{}}, 0.5, 1 },
		"a constant rate, without clipping": func(c *SearchConfig) { c.LR, c.GradClip = Schedule{Kind: Constant, Base: 0.07}, 0 },
	} {
		t.Run(name, func(t *testing.T) {
			c := DARTS()
			var rt Runtime
			c.Space = cell.Space{
				Ops: ops.Set{ops.None(), ops.AvgPool(3), ops.Skip(), ops.DilConv(3)}, Nodes: 1,
				Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 4, Cells: 2, Reductions: []int{1}},
			}
			c.Epochs, c.Batch, c.TrainFraction, c.Seed = 2, 4, 0.6, 11
			c.LR = Schedule{Kind: Cosine, Base: 0.3, Min: 0.02, PerStep: true}
			c.Momentum, c.WeightDecay, c.GradClip = 0.8, 0.05, 1.5
			c.ArchLR, c.ArchBeta1, c.ArchBeta2, c.ArchWeightDecay = 0.1, 0.4, 0.9, 0.3
			c.StopEigenvalue = 0.75
			change(&c)
			const images = 23 // 13 for the weights, three steps; 10 for the alphas
			w, a := loader.Split(images, c.TrainFraction, c.Seed)
			var rates []float64
			var last record.Epoch
			rt.Recorder = record.Func(func(e record.Event) error {
				switch e := e.(type) {
				case record.Step:
					rates = append(rates, e.LR)
				case record.Epoch:
					last = e
				}
				return nil
			})
			s, err := newSearch(labelledImages(images), tagging{smallTask()}, c, rt)
			require.NoError(t, err)
			m := s.m
			p := onPaper(m.Params)
			var log []passage
			m.Part = func(r *engine.Runner, b loader.Batch) (engine.Pass, error) {
				require.Same(t, m.Network, r.Network)
				e := passage{
					runner: r, updates: r.Machine.UpdateStats, images: imagesOf(b.X, smallTask().Spec().InputLen()),
					weights: slices.Clone(m.Params.Weights()), alphas: slices.Clone(m.Params.Alphas()), epoch: s.epoch,
				}
				if noise := m.Network.Scope.Graph().ByName("alphas_normal noise"); len(noise) > 0 {
					e.noise = slices.Clone(noise[0].Value().Data().([]float32))
				}
				if m.dropper != nil {
					e.keys, e.dropRate = []float32{float32(m.dropper.key[0]), float32(m.dropper.key[1])}, m.dropper.rate[0]
				}
				log = append(log, e)
				center, meanWeight := center(e.images), meanOfAll(wide(e.weights))
				if r != m.alphas {
					for i, g := range m.Params.Weights() {
						m.Params.WeightGrads()[i] = float32(weightGrad(float64(g), center))
					}
				}
				if r != m.weights {
					for i, g := range m.Params.Alphas() {
						m.Params.AlphaGrads()[i] = float32(alphaGrad(float64(g), center, meanWeight))
					}
				}
				return engine.Pass{Loss: 1, Score: 1, Count: float64(len(b.Y))}, nil
			}
			_, err = s.search(t.Context())
			require.NoError(t, err)

			// next checks the passes of a batch, all that s.m.parts takes, and returns its images.
			next := func(epoch, step int, runner *engine.Runner, purpose string, half []int, updates bool, weights []float64, what string) []int {
				t.Helper()
				require.GreaterOrEqual(t, len(log), m.Parts, what)
				var batch []int
				for part, e := range log[:m.Parts] {
					require.Same(t, runner, e.runner, what)
					require.Equal(t, updates, e.updates, "%s: statistics learn", what)
					closeTo(t, weights, e.weights, "%s: weights in epoch %d, step %d", what, epoch, step)
					if what != "measuring" {
						closeTo(t, p.a, e.alphas, "%s: alphas in epoch %d, step %d", what, epoch, step)
					}
					batch = append(batch, e.images...)
					if e.noise != nil && what != "measuring" {
						kind, draw := "dirichlet ", rng.Normal
						if c.Algorithms[0] == (GDAS{}) {
							kind, draw = "gumbel ", rng.Gumbel
						}
						r := rng.New(c.Seed, kind+purpose, epoch, step)
						for i, x := range e.noise {
							require.Equal(t, float32(draw(r)), x, "%s: noise %d in epoch %d, step %d", what, i, epoch, step)
						}
					}
					if m.dropper != nil {
						key := rng.At(rng.New(c.Seed, "dropout "+purpose, epoch, step).Uint64(), part)
						require.Equal(t, []float32{float32(int32(uint32(key >> 32))), float32(int32(uint32(key)))}, e.keys, "%s: part %d of epoch %d, step %d", what, part, epoch, step)
						require.InDelta(t, skipRate(c, epoch), e.dropRate, 1e-6)
					}
				}
				log = log[m.Parts:]
				require.Len(t, batch, c.Batch)
				require.Subset(t, half, batch, what)
				return batch
			}
			gradients := func(batch []int, w []float64) (ofWeights, ofAlphas []float64) {
				for _, x := range w {
					ofWeights = append(ofWeights, weightGrad(x, center(batch)))
				}
				for _, x := range p.a {
					ofAlphas = append(ofAlphas, alphaGrad(x, center(batch), meanOfAll(w)))
				}
				return ofWeights, ofAlphas
			}
			const steps = 3
			for epoch := range c.Epochs {
				var seen, held []int
				for step := range steps {
					rate := c.LR.Base
					if c.LR.Kind == Cosine {
						rate = 0.02 + (0.3-0.02)*(1+math.Cos(math.Pi*(float64(epoch)+float64(step)/steps)/2))/2
					}
					require.InDelta(t, rate, rates[epoch*steps+step], 1e-12, "rate of epoch %d, step %d", epoch, step)
					switch {
					case epoch < c.ArchStartEpoch:
					case c.Algorithms[0] == (SecondOrder{}):
						train := next(epoch, step, m.weights, "weights", w, false, p.w, "before the look ahead")
						ahead := *p
						ahead.w, ahead.v = slices.Clone(p.w), slices.Clone(p.v)
						g, _ := gradients(train, p.w)
						ahead.sgd(g, rate, c.Momentum, c.WeightDecay, 0, false)
						held = next(epoch, step, m.both, "alphas", a, false, ahead.w, "ahead")
						direction, ga := gradients(held, ahead.w)
						norm := 0.0
						for _, d := range direction {
							norm += d * d
						}
						norm = math.Sqrt(norm)
						for side, sign := range []float64{1, -1} {
							beside := slices.Clone(p.w)
							for i, d := range direction {
								beside[i] += sign * 0.01 / norm * d
							}
							require.Equal(t, train, next(epoch, step, m.alphas, "weights", w, false, beside, fmt.Sprint("beside ", side)))
						}
						for i := range ga { // ∂²L/∂α∂w·d is 0.125·mean(d)
							ga[i] -= rate * 0.125 * meanOfAll(direction)
						}
						p.adam(ga, c.ArchLR, c.ArchBeta1, c.ArchBeta2, c.ArchWeightDecay)
					default:
						held = next(epoch, step, m.alphas, "alphas", a, true, p.w, "alphas")
						_, ga := gradients(held, p.w)
						p.adam(ga, c.ArchLR, c.ArchBeta1, c.ArchBeta2, c.ArchWeightDecay)
					}
					train := next(epoch, step, m.weights, "weights", w, true, p.w, "weights")
					require.NotSubset(t, append([]int{-1}, seen...), train[:1], "each image once in an epoch")
					seen = append(seen, train...)
					g, _ := gradients(train, p.w)
					p.sgd(g, rate, c.Momentum, c.WeightDecay, c.GradClip, false)
				}
				require.Len(t, slices.Compact(slices.Sorted(slices.Values(seen))), steps*c.Batch)
				measured := 0
				for len(log) > 0 && log[0].epoch == epoch && c.StopEigenvalue > 0 && epoch >= c.ArchStartEpoch {
					require.Equal(t, held, next(epoch, steps, m.alphas, "alphas", a, false, p.w, "measuring"), "the last batch of the alphas")
					measured++
				}
				require.Equal(t, c.StopEigenvalue > 0 && epoch >= c.ArchStartEpoch, measured > 0)
			}
			require.Empty(t, log)
			closeTo(t, p.w, m.Params.Weights(), "weights at the end")
			closeTo(t, p.a, m.Params.Alphas(), "alphas at the end")
			if c.StopEigenvalue > 0 {
				assert.InDelta(t, 0.25, last.Eigenvalue, 1e-3, "of 0.25 times the identity")
			}
		})
	}
}

func TestTrainWiring(t *testing.T) {
	genotype := cell.Genotype{
		Normal: []cell.Edge{{Op: "dil_conv_3x3", From: 0}, {Op: "avg_pool_3x3", From: 1}}, NormalConcat: []int{2},
		Reduce: []cell.Edge{{Op: "max_pool_3x3", From: 0}, {Op: "sep_conv_3x3", From: 1}}, ReduceConcat: []int{2},
	}
	for name, change := range map[string]func(*TrainConfig){
		"whole batches":   func(*TrainConfig) {},
		"parts":           func(c *TrainConfig) { c.MicroBatch = 2 },
		"without average": func(c *TrainConfig) { c.EMADecay = 0 },
		"without clipping, with running averages": func(c *TrainConfig) { c.GradClip, c.PreciseBN, c.Nesterov = 0, 0, false },
	} {
		t.Run(name, func(t *testing.T) {
			c := Training(genotype)
			var rt Runtime
			c.Network = cell.Network{Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 4, Cells: 3, Reductions: []int{1, 2}}, Genotype: genotype, Ops: ops.All()}
			c.Epochs, c.Batch, c.Auxiliary, c.DropPath, c.Seed = 3, 4, 0, 0.6, 5
			c.LR = Schedule{Kind: Cosine, Base: 0.3, Min: 0.02, PerStep: true}
			c.Momentum, c.Nesterov, c.WeightDecay, c.GradClip, c.EMADecay, c.PreciseBN = 0.8, true, 0.05, 1.5, 0.75, 6
			change(&c)
			const images, held, steps = 9, 5, 2
			run, err := newTraining(t.Context(), labelledImages(images), labelledImages(held), tagging{smallTask()}, c, rt)
			require.NoError(t, err)
			p := onPaper(run.Params)
			running := wide(run.Params.Running())
			average, averageRunning := slices.Clone(p.w), slices.Clone(running)
			blend := func(to, from []float64) {
				for i, x := range from {
					to[i] = c.EMADecay*to[i] + (1-c.EMADecay)*x
				}
			}
			var log []passage
			run.Part = func(r *engine.Runner, b loader.Batch) (engine.Pass, error) {
				e := passage{
					runner: r, training: !r.Machine.Evaluates(), updates: r.Machine.UpdateStats, images: imagesOf(b.X, smallTask().Spec().InputLen()),
					weights: slices.Clone(run.Params.Weights()), running: slices.Clone(run.Params.Running()), paths: slices.Concat(run.paths...),
				}
				log = append(log, e)
				center := center(e.images)
				if r == run.learn {
					for i, w := range e.weights {
						run.Params.WeightGrads()[i] = float32(weightGrad(float64(w), center))
					}
				}
				for i, v := range e.running {
					switch r {
					case run.learn:
						run.Params.Running()[i] = 0.9*v + float32(center)
					case run.stats: // every mean and variance of a batch
						run.Params.Running()[i] = float32(center)
					}
				}
				return engine.Pass{Loss: 2, Score: 1, Count: float64(len(b.Y))}, nil
			}
			r, err := run.train(t.Context())
			require.NoError(t, err)
			for epoch := range c.Epochs {
				drop := 0.6 * float64(epoch) / 3
				for step := range steps {
					rate := 0.02 + (0.3-0.02)*(1+math.Cos(math.Pi*(float64(epoch)+float64(step)/steps)/3))/2
					var batch []int
					for part := range run.Parts {
						e := log[0]
						log = log[1:]
						require.Same(t, run.learn, e.runner)
						require.True(t, e.training && e.updates)
						closeTo(t, p.w, e.weights, "weights in epoch %d, step %d", epoch, step)
						if run.Parts == 1 {
							closeTo(t, running, e.running, "running statistics in epoch %d, step %d", epoch, step)
						} else { // the pass leaves its share, to be added in order
							closeTo(t, make([]float64, len(running)), e.running, "running statistics in epoch %d, step %d", epoch, step)
						}
						for i := range running {
							running[i] = 0.9*running[i] + center(e.images)
						}
						require.NotEmpty(t, e.paths)
						stream := "paths"
						if part > 0 {
							stream = fmt.Sprintf("paths of micro-batch %d", part)
						}
						draw := rng.New(c.Seed, stream, epoch, step)
						for i, f := range e.paths { // drawn one after the other
							want := float32(1 / (1 - drop))
							if rng.Bool(draw, drop) {
								want = 0
							}
							require.Equal(t, want, f, "path %d of part %d", i, part)
						}
						batch = append(batch, e.images...)
					}
					var grads []float64
					for _, w := range p.w {
						grads = append(grads, weightGrad(w, center(batch)))
					}
					p.sgd(grads, rate, c.Momentum, c.WeightDecay, c.GradClip, c.Nesterov)
					blend(average, p.w)
					blend(averageRunning, running)
				}
				// What is evaluated: the averages, with statistics of their own if asked for.
				weights, statistics := p.w, running
				if c.EMADecay > 0 {
					weights, statistics = average, averageRunning
				}
				if c.PreciseBN > 0 {
					n := 6 / (c.Batch / run.Parts)
					var centers []float64
					for range n {
						e := log[0]
						log = log[1:]
						require.Same(t, run.stats, e.runner)
						closeTo(t, weights, e.weights, "weights for precise statistics in epoch %d", epoch)
						centers = append(centers, center(e.images))
					}
					mean, squares := meanOfAll(centers), 0.0
					for _, x := range centers {
						squares += (x + x*x) / float64(n)
					}
					for _, s := range unshared(run.Params.Stats()) {
						for name, part := range map[string][]float32{"mean": s.Mean, "var": s.Var} {
							at := 0
							for &run.Params.Running()[at] != &part[0] {
								at++
							}
							for i := range part {
								statistics[at+i] = mean
								if name == "var" {
									statistics[at+i] = squares - mean*mean
								}
							}
						}
					}
				}
				e := log[0]
				log = log[1:]
				require.Same(t, run.eval, e.runner)
				require.False(t, e.training)
				require.Equal(t, []int{0, 1, 2, 3, 4}, e.images)
				closeTo(t, weights, e.weights, "weights that are evaluated in epoch %d", epoch)
				closeTo(t, statistics, e.running, "running statistics that are evaluated in epoch %d", epoch)
			}
			require.Empty(t, log)
			if c.EMADecay > 0 {
				closeTo(t, average, r.Params.Weights(), "average")
				closeTo(t, averageRunning, r.Params.Running(), "average of the statistics")
				return
			}
			closeTo(t, p.w, r.Params.Weights(), "weights")
			closeTo(t, running, r.Params.Running(), "running statistics")
		})
	}
}

// TestAuxiliaryWeight holds that the loss is linear in it.
func TestAuxiliaryWeight(t *testing.T) {
	task := pretext.Classification{Transform: pretext.CIFAR10Transform(), Classes: 3}
	var losses []float64
	for _, weight := range []float64{0.25, 0.5, 1} {
		c := smallTraining()
		c.Epochs, c.Auxiliary = 1, weight
		r, err := Train(t.Context(), stripes{n: 6, fail: -1}, nil, task, c, Runtime{})
		require.NoError(t, err)
		losses = append(losses, r.Last.TrainLoss)
	}
	auxiliary := (losses[1] - losses[0]) / 0.25
	assert.Greater(t, auxiliary, 0.5, "about ln 3")
	assert.InDelta(t, auxiliary, (losses[2]-losses[1])/0.5, 1e-5)
}
