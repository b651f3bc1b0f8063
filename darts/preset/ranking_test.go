package preset_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/preset"
	"unnas/pretext"
)

// TestRanking spells out the table of the supplement.
func TestRanking(t *testing.T) {
	g, _ := cell.GenotypeByName("darts_v2")
	bench := cell.NASBenchCell{Matrix: [][]int{{0, 1}, {0, 0}}, Ops: []string{"input", "output"}}
	type figures struct {
		width, cells, epochs, batch, precise int
		lr, decay                            float64
	}
	rows := []struct {
		dataset  string
		nasbench bool
		tasks    []string
		want     figures
	}{
		{"cifar10", false, []string{"classification", "colorization"}, figures{16, 20, 100, 128, 1024, 0.1, 5e-4}},
		{"cifar10", false, []string{"rotation", "jigsaw"}, figures{16, 20, 100, 32, 1024, 0.025, 5e-4}},
		{"cifar10", true, []string{"classification", "colorization"}, figures{128, 9, 100, 128, 1024, 0.1, 5e-4}},
		{"cifar10", true, []string{"rotation", "jigsaw"}, figures{128, 9, 100, 32, 1024, 0.025, 5e-4}},
		{"imagenet1k", false, []string{"classification", "colorization", "rotation", "jigsaw"}, figures{32, 22, 5, 32, 1024, 0.0125, 5e-5}},
		{"imagenet1k", true, []string{"classification", "colorization", "rotation", "jigsaw"}, figures{128, 12, 10, 32, 0, 0.0125, 5e-5}},
	}
	for _, row := range rows {
		for _, name := range row.tasks {
			t.Run(fmt.Sprint(row.dataset, row.nasbench, name), func(t *testing.T) {
				task, c, err := preset.Ranking(row.dataset, name, g)
				if row.nasbench {
					task, c, err = preset.RankingNASBench(row.dataset, name, bench)
				}
				require.NoError(t, err)
				require.NoError(t, c.Validate())
				require.NoError(t, task.Validate())
				assert.Equal(t, name, task.Name())
				got := figures{epochs: c.Epochs, batch: c.Batch, precise: c.PreciseBN, lr: c.LR.Base, decay: c.WeightDecay}
				var stem cell.Stem
				switch n := c.Network.(type) {
				case cell.Network:
					got.width, got.cells, stem = n.Backbone.Width, n.Backbone.Cells, n.Backbone.Stem
					assert.Equal(t, cell.Reductions(n.Backbone.Cells, 2), n.Backbone.Reductions)
				case cell.NASBenchNetwork:
					got.width, got.cells, stem = n.Backbone.Width, n.Backbone.Stacks*n.Backbone.Modules, n.Backbone.Stem
					assert.Equal(t, 3, n.Backbone.Stacks)
				}
				assert.Equal(t, row.want, got)
				assert.Equal(t, row.dataset == "cifar10", stem == cell.CIFARStem)
				assert.True(t, c.Nesterov && c.Momentum == 0.9 && c.LR.Kind == darts.Cosine && c.Auxiliary == 0 && c.DropPath == 0 && c.GradClip == 0)
				size := map[string]int{"cifar10classification": 32, "cifar10colorization": 32, "cifar10rotation": 32, "cifar10jigsaw": 12,
					"imagenet1kclassification": 224, "imagenet1kcolorization": 224, "imagenet1krotation": 224, "imagenet1kjigsaw": 64}
				assert.Equal(t, size[row.dataset+name], task.Spec().Height)
			})
		}
	}
	_, _, err := preset.Ranking("cifar100", "rotation", g)
	assert.ErrorContains(t, err, "cifar10 or imagenet1k")
	_, _, err = preset.RankingNASBench("cifar10", "segmentation", bench)
	assert.ErrorContains(t, err, "classification, rotation, colorization, jigsaw")
	var jig pretext.Task
	jig, _, err = preset.Ranking("cifar10", "jigsaw", g)
	require.NoError(t, err)
	assert.Equal(t, 24, jig.Spec().Classes)
}
