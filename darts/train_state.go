package darts

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"unnas/darts/record"
	"unnas/internal/checkpoint"
	"unnas/internal/format"
)

// trainState is what else a training resumes from.
type trainState struct {
	Mean [3]float64  `json:"mean"` // its sums
	Best *evaluation `json:"best,omitempty"`
	Last *evaluation `json:"last,omitempty"`
	// Missing are the scores that were not finite, and were warned of.
	Missing []string `json:"missing,omitempty"`
}

// host hands the memory of the training to the host.
func (t *training) host() error { return t.Host() }

// arrays returns the memory that a training resumes from.
func (t *training) arrays() []checkpoint.Array {
	all := []checkpoint.Array{
		checkpoint.ArrayOf("weights", t.Params.Weights()),
		checkpoint.ArrayOf("running statistics", t.Params.Running()),
		checkpoint.ArrayOf("velocity", t.velocity),
	}
	if t.c.EMADecay > 0 {
		all = append(all, checkpoint.ArrayOf("average of the weights", t.average), checkpoint.ArrayOf("average of the running statistics", t.averageRunning))
	}
	if t.bestParams != nil {
		all = append(all, checkpoint.ArrayOf("weights of the best epoch", t.bestParams.Weights()), checkpoint.ArrayOf("running statistics of the best epoch", t.bestParams.Running()))
	}
	return all
}

// evaluation holds the metrics of an epoch with an evaluation.
type evaluation struct {
	Epoch      int                `json:"epoch"`
	TrainLoss  exactly            `json:"train_loss"`
	TrainScore exactly            `json:"train_score"`
	ValLoss    exactly            `json:"val_loss"`
	ValScore   exactly            `json:"val_score"`
	ScoreName  string             `json:"score_name"`
	Scores     map[string]exactly `json:"scores,omitempty"`
}

// exactly is a number that may be infinite or none, for which JSON has no numbers:
// then it is a string.
type exactly float64

func (x exactly) MarshalJSON() ([]byte, error) {
	if v := float64(x); !format.Finite(v) {
		return json.Marshal(fmt.Sprint(v))
	}
	return json.Marshal(float64(x))
}

func (x *exactly) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		return json.Unmarshal(b, (*float64)(x))
	}
	v, err := strconv.ParseFloat(s, 64)
	*x = exactly(v)
	return err
}

// keptOf returns what a checkpoint keeps of an epoch, nil if it was not evaluated.
func keptOf(e record.Epoch) *evaluation {
	if e.ScoreName == "" {
		return nil
	}
	k := &evaluation{
		Epoch: e.Epoch, ScoreName: e.ScoreName, Scores: map[string]exactly{},
		TrainLoss: exactly(e.TrainLoss), TrainScore: exactly(e.TrainScore),
		ValLoss: exactly(e.ValLoss), ValScore: exactly(e.ValScore),
	}
	for name, x := range e.Scores {
		k.Scores[name] = exactly(x)
	}
	return k
}

// metrics returns the epoch of which the checkpoint has kept this; none if nil.
func (k *evaluation) metrics() record.Epoch {
	if k == nil {
		return record.Epoch{}
	}
	e := noEpoch(k.Epoch)
	e.TrainLoss, e.TrainScore = float64(k.TrainLoss), float64(k.TrainScore)
	e.ValLoss, e.ValScore = float64(k.ValLoss), float64(k.ValScore)
	e.ScoreName = k.ScoreName
	for name, x := range k.Scores {
		if e.Scores == nil {
			e.Scores = map[string]float64{}
		}
		e.Scores[name] = float64(x)
	}
	return e
}

func (t *training) state() any {
	return trainState{Mean: sumsOf(t.mean), Best: keptOf(t.result.Best), Last: keptOf(t.result.Last), Missing: t.missing}
}

func (t *training) restoreState(state json.RawMessage, _ int) (func(), error) {
	var at trainState
	if err := json.Unmarshal(state, &at); err != nil {
		return nil, err
	}
	return func() {
		t.mean, t.missing = meanOf(at.Mean), at.Missing
		t.result.Best, t.result.Last = at.Best.metrics(), at.Last.metrics()
	}, nil
}

// noEpoch returns an epoch without metrics.
func noEpoch(number int) record.Epoch {
	none := math.NaN()
	return record.Epoch{Epoch: number, TrainLoss: none, TrainScore: none, ValLoss: none, ValScore: none, Entropy: none, SkipWeight: none, PoolWeight: none, Stability: none, Eigenvalue: none}
}
