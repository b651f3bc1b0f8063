package release

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/preset"
	"unnas/ops"
	"unnas/pretext"
)

// load reads and checks settings.
func load(t testing.TB, path string, pairs ...string) *Config {
	t.Helper()
	c, err := read(path, pairs)
	require.NoError(t, err)
	require.NoError(t, c.check())
	return c
}

// TestPublishedSearches holds the twelve searches, written as files, against the
// presets of the library.
func TestPublishedSearches(t *testing.T) {
	names := map[string]string{"cls": "classification", "seg": "segmentation", "rot": "rotation", "col": "colorization", "jig": "jigsaw"}
	files, err := filepath.Glob("../../testdata/*/*.yaml")
	require.NoError(t, err)
	seen := 0
	for _, path := range files {
		data, file := filepath.Base(filepath.Dir(path)), filepath.Base(path)
		name, published := names[file[:len(file)-len(".yaml")]]
		if !published {
			continue
		}
		seen++
		t.Run(data+"/"+name, func(t *testing.T) {
			if data == "imagenet" {
				data = "imagenet1k"
			}
			wantTask, want, err := preset.Search(data, name)
			require.NoError(t, err)
			if data == "imagenet22k" { // those of the release ran on four GPUs
				want = want.WithBatch(4 * want.Batch)
			}
			c := load(t, path)
			got, err := c.Search()
			require.NoError(t, err)
			want.Seed = 1 // the default of the release
			assert.Equal(t, want, got)
			assert.Equal(t, wantTask, c.Task())
		})
	}
	assert.Equal(t, 12, seen)
}

// TestPublishedTrainings holds the 26 trainings of the evaluation phase, written as
// files with pairs, against the presets of the library.
func TestPublishedTrainings(t *testing.T) {
	seen := 0
	for path, data := range map[string]string{"../../testdata/imagenet/eval.yaml": "imagenet1k", "../../testdata/cityscapes/eval.yaml": "cityscapes"} {
		for _, name := range cell.GenotypeNames() {
			if name != "darts_v2" && !strings.HasPrefix(name, "unnas_") {
				continue // not trained
			}
			g, _ := cell.GenotypeByName(name)
			wantTask, want, err := preset.Training(data, g)
			require.NoError(t, err)
			seen++
			t.Run(data+"/"+name, func(t *testing.T) {
				c := load(t, path, "NAS.GENOTYPE", name, "NAS.WIDTH", strconv.Itoa(want.Network.(cell.Network).Backbone.Width))
				got, err := c.Training()
				require.NoError(t, err)
				want.Seed = 1 // the default of the release
				assert.Equal(t, want, got)
				assert.Equal(t, wantTask, c.Task())
				assert.Subset(t, []string{"TEST.BATCH_SIZE"}, c.idle())
			})
		}
	}
	assert.Equal(t, 26, seen)
}

// TestSampleTrainings holds files of sample-based experiments against their figures
// (supplement A of the paper, and the authors' release).
func TestSampleTrainings(t *testing.T) {
	cells := func(stem cell.Stem, width, count int) cell.Network {
		return cell.Network{
			Backbone: cell.Backbone{Stem: stem, Width: width, Cells: count, Reductions: []int{count / 3, 2 * count / 3}},
			Genotype: cell.Genotype{
				Normal: []cell.Edge{{Op: "none", From: 0}, {Op: "skip_connect", From: 1}}, NormalConcat: []int{2},
				Reduce: []cell.Edge{{Op: "sep_conv_3x3", From: 1}, {Op: "none", From: 1}}, ReduceConcat: []int{2},
			},
			Ops: ops.All(),
		}
	}
	bench := func(stem cell.Stem, modules int, op string) cell.NASBenchNetwork {
		return cell.NASBenchNetwork{
			Backbone: cell.NASBenchBackbone{Stem: stem, Width: 128, Stacks: 3, Modules: modules},
			Cell:     cell.NASBenchCell{Matrix: [][]int{{0, 1, 1}, {0, 0, 1}, {0, 0, 0}}, Ops: []string{"input", op, "output"}},
		}
	}
	settings := func(a cell.Architecture, epochs, batch, precise int, lr, decay float64) darts.TrainConfig {
		return darts.TrainConfig{
			Network: a, Epochs: epochs, Batch: batch,
			SGD:       darts.SGD{LR: darts.Schedule{Kind: "cosine", Base: lr}, Momentum: 0.9, Nesterov: true, WeightDecay: decay},
			PreciseBN: precise, EvaluateEvery: 1, Seed: 1,
		}
	}
	puzzle := pretext.JigsawImageNet()
	for _, test := range []struct {
		name, path, pairs string
		task              pretext.Task
		want              darts.TrainConfig
	}{
		{"cells, CIFAR-10, classification", "../../testdata/cifar10/sample.yaml", "",
			pretext.Classification{Transform: pretext.CIFAR10Transform(), Classes: 10}, settings(cells("cifar", 16, 20), 100, 128, 1024, 0.1, 0.0005)},
		{"cells, CIFAR-10, rotation", "../../testdata/cifar10/sample.yaml", "TASK rot MODEL.NUM_CLASSES 4 TRAIN.BATCH_SIZE 32 OPTIM.BASE_LR 0.025",
			pretext.Rotation{Transform: pretext.CIFAR10Transform()}, settings(cells("cifar", 16, 20), 100, 32, 1024, 0.025, 0.0005)},
		{"cells, ImageNet, rotation", "../../testdata/cifar10/sample.yaml", "TASK rot MODEL.NUM_CLASSES 4 NAS.WIDTH 32 NAS.DEPTH 22 OPTIM.MAX_EPOCH 5 OPTIM.WEIGHT_DECAY 0.00005 TRAIN.DATASET imagenet TRAIN.IM_SIZE 224 TRAIN.BATCH_SIZE 32 OPTIM.BASE_LR 0.0125 TEST.DATASET imagenet TEST.SPLIT val TEST.IM_SIZE 256",
			pretext.Rotation{Transform: pretext.ImageNetTransform(224)}, settings(cells("imagenet", 32, 22), 5, 32, 1024, 0.0125, 0.00005)},
		{"NAS-Bench, CIFAR-10", "../../testdata/cifar10/bench.yaml", "",
			pretext.Classification{Transform: pretext.CIFAR10Transform(), Classes: 10}, settings(bench("cifar", 3, "conv3x3-bn-relu"), 100, 128, 1024, 0.1, 0.0005)},
		{"NAS-Bench, ImageNet, jigsaw", "../../testdata/imagenet/bench.yaml", "",
			puzzle, settings(bench("imagenet", 4, "maxpool3x3"), 10, 32, 0, 0.0125, 0.00005)},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := load(t, test.path, strings.Fields(test.pairs)...)
			got, err := c.Training()
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.task, c.Task())
		})
	}
}

// TestTrainingKeys holds what else keys do in a training.
func TestTrainingKeys(t *testing.T) {
	got, err := load(t, "../../testdata/nas.yaml", "TRAIN.EVAL_PERIOD", "3", "NAS.AUX_WEIGHT", "0.3", "OPTIM.NESTEROV", "False", "OPTIM.ITER_LR", "True", "RNG_SEED", "5", "DATA_LOADER.NUM_WORKERS", "0", "TRAIN.WEIGHTS", "a.pyth").Training()
	require.NoError(t, err)
	assert.Equal(t, "a.pyth", got.Init)
	assert.Equal(t, darts.Schedule{Kind: "steps", Base: 0.1, Steps: []int{30, 60}, Factor: 0.1, PerStep: true}, got.LR)
	assert.Equal(t, []float64{0.3, 0.2}, []float64{got.Auxiliary, got.DropPath})
	assert.Equal(t, []int{3, 1024, 0}, []int{got.EvaluateEvery, got.PreciseBN, got.MicroBatch})
	assert.False(t, got.Nesterov)
	assert.Equal(t, uint64(5), got.Seed)
}

// TestDump reads back what it writes: the defaults, and settings of all types.
func TestDump(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"", "../../testdata/imagenet22k/jig.yaml", "../../testdata/nas.yaml", "../../testdata/nas_bench.yaml"} {
		t.Run(path, func(t *testing.T) {
			want := defaults()
			if path != "" {
				want = load(t, path, "OPTIM.STEPS", "(0, 8)", "OUT_DIR", "'1.0'", "HOST", "yes")
			}
			var text bytes.Buffer
			require.NoError(t, want.Dump(&text))
			again := filepath.Join(dir, File)
			require.NoError(t, os.WriteFile(again, text.Bytes(), 0o644))
			got, err := read(again, nil)
			require.NoError(t, err, "%s", text.String())
			var twice bytes.Buffer
			require.NoError(t, got.Dump(&twice))
			assert.Equal(t, text.String(), twice.String())
			got.origins, want.origins = nil, nil
			for _, c := range []*Config{got, want} { // an empty list is as good as none
				for _, list := range []*[]int{&c.Optim.Steps} {
					if len(*list) == 0 {
						*list = nil
					}
				}
				if len(c.NAS.Matrix) == 0 {
					c.NAS.Matrix, c.NAS.Ops = nil, nil
				}
			}
			assert.Equal(t, want, got)
		})
	}
}
