package darts

import (
	"fmt"

	"unnas/cell"
	"unnas/cell/benchmark"
)

// covers returns an error if a benchmark cannot have cells of a space.
func covers(t *benchmark.Table, space cell.Space) error {
	if t == nil || space.Validate() != nil { // which is reported before
		return nil
	}
	g := space.Random(0, 0)
	_, found := t.Find(g)
	if first := t.Cell(0); first.Dense() != g.Dense() || g.Dense() && !found {
		return fmt.Errorf("darts: Benchmark has cells such as %s, and none of the search space, such as %s; give the table of this space, or none", first, g)
	}
	return nil
}

// lookUp returns the true scores of a cell by metric, and their percentiles; nil if there is
// no benchmark, or one without the cell.
func lookUp(t *benchmark.Table, g cell.Genotype) (truth, percentiles map[string]float64, err error) {
	if t == nil {
		return nil, nil, nil
	}
	if _, ok := t.Find(g); !ok {
		return nil, nil, nil
	}
	truth, percentiles = map[string]float64{}, map[string]float64{}
	for _, metric := range t.Metrics() {
		score, err := t.Score(g, metric)
		if err != nil {
			return nil, nil, err
		}
		truth[metric], percentiles[metric] = score.Value, score.Percentile
	}
	return truth, percentiles, nil
}
