package engine

import "unnas/internal/kernel"

// A sum adds what the micro-batches of a batch compute: gradients, losses and running
// statistics. It adds them in the order of the micro-batches, wherever they run, so that
// results do not depend on the number of ranks.
//
// One rank adds gradients as they come, unless replicas of its device average them. Of
// several, each keeps those of its micro-batches.
// Then each receives one block of all of them, adds these, and sends the result to the
// others: a reduce-scatter and an all-gather. An all-reduce of the communicator would add
// in an order of its own.
type sum struct {
	e      *Engine
	runner *Runner

	passes []Pass    // of the micro-batches of this rank
	before []float32 // the running statistics before the batch
	// shares are what each micro-batch of this rank adds to the running statistics, and
	// everyone's of all ranks; the same memory if there is one.
	shares, everyones []float32

	total      []float32 // of one rank: the sum so far
	send, recv []float32 // of several: blocks for each and from each rank, micro-batch by micro-batch
}

func newSum(e *Engine) *sum {
	running := len(e.Params.Running())
	s := &sum{e: e, passes: make([]Pass, e.Local), before: make([]float32, running), shares: make([]float32, e.Local*running)}
	n := len(e.Params.WeightGrads()) + len(e.Params.AlphaGrads())
	switch {
	case e.averages():
		s.everyones = s.shares
	case e.Ranks.Size() == 1:
		s.total, s.everyones = kernel.Floats(n), s.shares
	default:
		s.everyones = make([]float32, e.Parts*running)
		s.send, s.recv = kernel.Floats(e.Parts*s.block(n)), kernel.Floats(e.Parts*s.block(n))
	}
	return s
}

// sumBytes returns the memory that a sum takes for gradients.
func sumBytes(e *Engine) int64 {
	slabs := 1
	if e.Ranks.Size() > 1 {
		slabs = 2 * e.Local
	} else if e.averages() {
		slabs = 0
	}
	return 4 * int64(slabs) * int64(e.Params.Count())
}

// block returns the length of the block of each rank of n gradients.
func (s *sum) block(n int) int {
	size := s.e.Ranks.Size()
	return (n + size - 1) / size
}

// begin prepares for a batch. A pass that starts with running statistics of zero leaves the
// share of its micro-batch in them.
func (s *sum) begin(r *Runner) {
	s.runner = r
	copy(s.before, s.e.Params.Running())
	clear(s.e.Params.Running())
}

// end restores the running statistics from before the batch.
func (s *sum) end() { copy(s.e.Params.Running(), s.before) }

// gradients returns the gradients that the runner computes and the number of floats.
func (s *sum) gradients() (slabs [][]float32, n int) {
	if s.runner.grads.Weights {
		slabs = append(slabs, s.e.Params.WeightGrads())
	}
	if s.runner.grads.Alphas {
		slabs = append(slabs, s.e.Params.AlphaGrads())
	}
	for _, g := range slabs {
		n += len(g)
	}
	return slabs, n
}

// add takes the results of micro-batch i of this rank, in which whole is the largest
// possible count.
func (s *sum) add(i int, p Pass, whole float64) {
	s.passes[i] = p
	running := s.e.Params.Running()
	copy(s.shares[i*len(running):], running)
	clear(running)
	if s.e.averages() {
		return
	}
	slabs, n := s.gradients()
	if s.total == nil {
		s.pack(i, slabs, n)
		return
	}
	s.e.Pool.Start()
	defer s.e.Pool.Stop()
	rest := s.total
	for _, g := range slabs {
		kernel.Scale(s.e.Pool, rest[:len(g)], g, weight(p, whole), i > 0)
		rest = rest[len(g):]
	}
}

// weight returns the weight of a micro-batch in the sum: 1, exactly, if everything counts.
func weight(p Pass, whole float64) float32 { return float32(p.Count / whole) }

// pack puts the gradients of micro-batch i of this rank, cut into blocks, where AllToAll
// sends them from.
func (s *sum) pack(i int, slabs [][]float32, n int) {
	size, at := s.block(n), 0
	for _, g := range slabs {
		for len(g) > 0 {
			to := s.send[((at/size)*s.e.Local+i)*size:][at%size : size]
			k := copy(to, g)
			g, at = g[k:], at+k
		}
	}
}

// finish adds the results of all ranks. whole is the largest possible count in a
// micro-batch.
func (s *sum) finish(whole float64) (Pass, error) {
	e := s.e
	passes, all, err := s.gather()
	if err != nil {
		return Pass{}, err
	}
	if s.runner.Machine.UpdateStats {
		if err := s.updateRunning(); err != nil {
			return Pass{}, err
		}
	}
	if all.Count == 0 { // loss and gradients are zero
		return Pass{}, nil
	}
	loss, _ := all.Value()
	result := Pass{loss, all.Score, all.Count}
	if e.averages() {
		return result, nil
	}
	return result, s.average(passes, whole, all.Count)
}

// average makes the gradients of all micro-batches those of the batch.
func (s *sum) average(passes []Pass, whole, count float64) error {
	e := s.e
	slabs, n := s.gradients()
	mean := float32(whole / count)
	result := s.total
	e.Pool.Start()
	defer e.Pool.Stop()
	if result == nil {
		size := s.block(n)
		recv := s.recv[:e.Parts*size]
		if err := e.Ranks.AllToAll(recv, s.send[:e.Parts*size]); err != nil {
			return err
		}
		block := s.send[:size]
		for i, p := range passes {
			kernel.Scale(e.Pool, block, recv[i*size:][:size], weight(p, whole), i > 0)
		}
		result = s.recv[:e.Ranks.Size()*size]
		if err := e.Ranks.AllGather(result, block); err != nil {
			return err
		}
	}
	for _, g := range slabs {
		kernel.Scale(e.Pool, g, result[:len(g)], mean, false)
		result = result[len(g):]
	}
	return nil
}

// gather returns the passes of all micro-batches, in order, and their mean.
func (s *sum) gather() (passes []Pass, all Mean, err error) {
	var mine []float64
	for _, p := range s.passes {
		mine = append(mine, p.Loss, p.Score, p.Count)
	}
	numbers, err := s.e.Ranks.GatherFloat64(mine...)
	for ; len(numbers) > 0; numbers = numbers[3:] {
		p := Pass{numbers[0], numbers[1], numbers[2]}
		passes = append(passes, p)
		all.Add(p)
	}
	return passes, all, err
}

// updateRunning takes the steps of the running statistics, micro-batch by micro-batch.
func (s *sum) updateRunning() error {
	n := len(s.before)
	if s.e.Ranks.Size() > 1 && n > 0 {
		if err := s.e.Ranks.AllGather(s.everyones, s.shares); err != nil {
			return err
		}
	}
	for i := range s.e.Parts {
		s.e.Params.UpdateRunning(s.everyones[i*n:][:n])
	}
	return nil
}
