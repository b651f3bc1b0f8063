package kernel

import "math"

// CrossEntropyScratch returns the memory, in floats, that CrossEntropy needs for
// each worker and shared; CrossEntropyBackward needs none.
func CrossEntropyScratch(rows, k int) (perWorker, shared int) {
	return k, tallyFloats * rowTasks(rows, k)
}

// CrossEntropy returns the mean cross-entropy of the softmax of each row of
// logits[rows·k] and its label, over the rows whose label is not ignore, or zero
// if there are none. The label's class is expected with probability
// 1 - smoothing, all others share the rest (Szegedy et al., 2016, arXiv
// 1512.00567. Differs: there the label's class has its part of the rest). correct
// counts the rows whose first largest logit is that of the label, count the rows
// not ignored.
func CrossEntropy(t *ThreadPool, logits []float32, rows, k int, labels []int32, ignore int32, smoothing float32) (loss float64, correct, count int) {
	need("logits", logits, rows*k)
	need("labels", labels, rows)
	a := lossArgs{target: target{k, smoothing}, rows: rows, logits: logits, labels: labels, ignore: ignore}
	a.tallies = talliesOf(t, rowTasks(rows, k))
	crossEntropy.run(t, rowTasks(rows, k), a)
	return a.tallies.mean()
}

// tally is the loss, hits and rows of a task.
type tally struct{ loss, hits, rows float64 }

const tallyFloats = 2 * 3

func (t *tally) add(loss float64, hit bool) {
	t.loss += loss
	t.rows++
	if hit {
		t.hits++
	}
}

// tallies holds the tally of each task.
type tallies []float64

func talliesOf(t *ThreadPool, tasks int) tallies { return doubles(t.Shared(tallyFloats * tasks)) }

func (t tallies) set(task int, v tally) {
	t[3*task], t[3*task+1], t[3*task+2] = v.loss, v.hits, v.rows
}

func (t tallies) mean() (loss float64, correct, count int) {
	for i := 0; i < len(t); i += 3 {
		loss += t[i]
		correct += int(t[i+1])
		count += int(t[i+2])
	}
	return loss / float64(max(1, count)), correct, count
}

// target is the distribution that a label stands for.
type target struct {
	k         int
	smoothing float32
}

// of returns the probabilities of the label's class and of any other.
func (t target) of() (label, other float32) {
	if t.k == 1 {
		return 1, 0
	}
	return 1 - t.smoothing, t.smoothing / float32(t.k-1)
}

// loss returns the cross-entropy of a row; buf may be the row itself.
func (t target) loss(row, buf []float32, label int32) (loss float64, hit bool) {
	at, top := largest(row)
	own, other := t.of()
	expected := float64(own-other) * float64(row[label])
	if other != 0 {
		for _, v := range row {
			expected += float64(float64(other) * float64(v))
		}
	}
	return float64(top) + math.Log(active.expSum(buf, row, top)) - expected, at == int(label)
}

// gradient sets dst, which may be the row itself, to the gradient of the loss of
// a row times factor.
func (t target) gradient(dst, row []float32, label int32, factor float32) {
	own, other := t.of()
	_, top := largest(row)
	scale := float64(factor) / active.expSum(dst, row, top)
	// Near one, the probability of the label's class loses what counts to rounding.
	atLabel := float32(float64(scale*float64(dst[label])) - float64(float64(factor)*float64(own)))
	share, rest := float32(scale), float32(factor*other)
	for j, e := range dst {
		dst[j] = float32(e*share) - rest
	}
	dst[label] = atLabel
}

type lossArgs struct {
	target
	rows    int
	logits  []float32
	labels  []int32
	ignore  int32
	factor  float32
	glogits []float32
	tallies tallies
}

var crossEntropy = newLoop(func(a *lossArgs, w *Worker, i int) {
	buf := w.Scratch(a.k)
	var sum tally
	for r, to := rowRange(i, a.rows, a.k); r < to; r++ {
		if a.labels[r] != a.ignore {
			sum.add(a.loss(a.logits[r*a.k:(r+1)*a.k], buf, a.labels[r]))
		}
	}
	a.tallies.set(i, sum)
})

// CrossEntropyBackward computes the gradient of the logits of CrossEntropy, where
// scale is that of the loss.
func CrossEntropyBackward(t *ThreadPool, scale float32, logits []float32, rows, k int, labels []int32, ignore int32, smoothing float32, glogits []float32) {
	need("logits", logits, rows*k)
	need("labels", labels, rows)
	need("glogits", glogits, rows*k)
	a := lossArgs{target: target{k, smoothing}, rows: rows, logits: logits, labels: labels, ignore: ignore}
	a.factor, a.glogits = scale/counted(labels, ignore), glogits
	crossEntropyBackward.run(t, rowTasks(rows, k), a)
}

// counted returns the number of labels that are not ignore, at least one.
func counted(labels []int32, ignore int32) float32 {
	count := 0
	for _, label := range labels {
		if label != ignore {
			count++
		}
	}
	return float32(max(1, count))
}

var crossEntropyBackward = newLoop(func(a *lossArgs, _ *Worker, i int) {
	for r, to := rowRange(i, a.rows, a.k); r < to; r++ {
		g := a.glogits[r*a.k : (r+1)*a.k]
		if a.labels[r] == a.ignore {
			clear(g)
		} else {
			a.gradient(g, a.logits[r*a.k:(r+1)*a.k], a.labels[r], a.factor)
		}
	}
})
