package darts

import (
	"unnas/cell"
	"unnas/internal/engine"
	"unnas/internal/loader"
	"unnas/internal/ranks"
	"unnas/ops"
	"unnas/pretext"
)

// model is a supernet with the head and the loss of a task, ready to run on
// batches.
type model struct {
	*engine.Engine
	*engine.Network
	net  *cell.Supernet
	size cell.Complexity

	// One runner for each half of a step: neither computes the gradients that only
	// the other needs. Some algorithms need both; nil for others.
	weights, alphas, both *engine.Runner
	rules                 rules
	tables                []Table // see Objective
	candidates            []Candidate
	dropper               *dropper // nil without SkipDropout and noise
}

// build adds the supernet of a space with the head of a task to a new graph, for
// batches of batch images, with inputs as engine.NewNetwork makes them.
func build(p *ops.Params, space cell.Space, weigh cell.MixWeights, task pretext.Task, crops pretext.CropTask, batch int) (*engine.Network, *cell.Supernet, error) {
	n, err := engine.NewNetwork(p, task, crops, batch)
	if err != nil {
		return nil, nil, err
	}
	net, err := space.SupernetWith(n.Scope, n.Images, weigh)
	if err != nil {
		return nil, nil, err
	}
	return n, net, n.Head(task, net.Out)
}

// complexity measures the supernet with the head of a task on one image.
func complexity(space cell.Space, task pretext.Task) (cell.Complexity, error) {
	n, _, err := build(ops.NewParams(), space, ops.Softmax, task, nil, 1)
	if err != nil {
		return cell.Complexity{}, err
	}
	return cell.Measure(n.Scope), nil
}

// newModel returns the supernet of a search, ready to run.
func newModel(c SearchConfig, rt Runtime, task pretext.Task) (*model, error) {
	m, err := planModel(c, rt, rt.group(), task)
	if err != nil {
		return nil, err
	}
	return m, m.Bind()
}

// planModel builds the supernet of a search, plans its steps and draws its first
// weights. The memory of a step is counted and not taken: Bind does.
func planModel(c SearchConfig, rt Runtime, group *ranks.Group, task pretext.Task) (*model, error) {
	b := c.budget(rt)
	m := &model{Engine: engine.New(c.Batch/b.AtOnce(), group)}
	m.Recompute, m.BFloat16 = rt.Recompute, c.Precision == BFloat16
	var err error
	if m.Device, err = rt.device(c.Precision); err != nil {
		return nil, err
	}
	if err := shared(c.Batch, c.MicroBatch, group.Size(), m.Device.Replicas()); err != nil {
		return nil, err
	}
	err = ops.Build(func() error {
		var err error
		m.rules = c.Algorithms.rules(c)
		m.OnHost = m.rules.hooked()
		var o observer
		measured := c.Space
		if m.rules.candidates() {
			measured.Ops = o.over(measured.Ops)
		}
		if m.size, err = complexity(measured, task); err != nil {
			return err
		}
		space := c.Space
		if c.SkipDropout > 0 || space.Ops.Has(ops.Noise().Name()) {
			m.dropper = newDropper()
			space.Ops = m.dropper.over(space.Ops, c.SkipDropout > 0)
		}
		if m.Network, m.net, err = build(m.Params, space, m.rules.weigh(), task, m.Crops(task), b.AtOnce()); err != nil {
			return err
		}
		slabs := 3 + m.rules.copies() // weights, gradients, velocities
		if err := m.Init(c.Seed, slabs, b); err != nil {
			return err
		}
		m.tables = []Table{tableOf(m.Params, m.net.Normal)}
		if m.net.Reduce != nil {
			m.tables = append(m.tables, tableOf(m.Params, m.net.Reduce))
		}
		m.candidates = o.candidates(m.Params, c.Space, m.tables)
		if m.weights, err = m.Plan(m.Network, engine.Grads{Weights: true}); err != nil {
			return err
		}
		if m.alphas, err = m.Plan(m.Network, engine.Grads{Alphas: true}); err != nil {
			return err
		}
		if m.rules.both() {
			m.both, err = m.Plan(m.Network, engine.Grads{Weights: true, Alphas: true})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// run computes the loss of a batch and the gradients that belong to a runner.
func (m *model) run(r *engine.Runner, b *loader.Batch) (engine.Pass, error) {
	return m.Run(r, b, m.drawPart)
}

// drawPart draws what differs between the parts of a batch.
func (m *model) drawPart(i int) {
	if m.dropper != nil {
		m.dropper.part(i)
	}
}

// try runs what a trial needs. Running statistics stay as they are.
func (m *model) try(t Trial, b *loader.Batch) (engine.Pass, error) {
	r := [...]*engine.Runner{TrainWeights: m.weights, ValBoth: m.both, TrainAlphas: m.alphas, ValAlphas: m.alphas}[t]
	r.Machine.UpdateStats = false
	defer func() { r.Machine.UpdateStats = true }()
	return m.run(r, b)
}
