package release

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/darts"
	"unnas/pretext"
)

// write writes a file of settings and returns its path.
func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func TestReadTakesTheLastValue(t *testing.T) {
	path := write(t, "OPTIM: {BASE_LR: 1, STEPS: [0, 8]}\nNAS:\n  WIDTH: &n 12\n  DEPTH: *n\nTASK: ''\n")
	c, err := read(path, []string{"OPTIM.STEPS", "(0, 4, 6)", "NAS.WIDTH", "20", "TRAIN.WEIGHTS", "", "MODEL.ASPP_RATES", "[]"})
	require.NoError(t, err)
	assert.Equal(t, 1.0, c.Optim.BaseLR, "a whole number serves for a number")
	assert.Equal(t, []int{0, 4, 6}, c.Optim.Steps)
	assert.Equal(t, 20, c.NAS.Width)
	assert.Equal(t, 12, c.NAS.Depth)
	assert.Empty(t, c.Train.Weights)
	assert.Empty(t, c.Model.ASPPRates)
	assert.Equal(t, 0.9, c.Optim.Momentum, "the default")
}

func TestReadTakesListsAsPythonHasThem(t *testing.T) {
	c, err := read(write(t, "OPTIM: {STEPS: '(0, 30)'}\nMODEL:\n  ASPP_RATES: (6,)\nNAS:\n  OPS: (input, 'output')\n  MATRIX: ((0, 1), (0, 0))\n"), nil)
	require.NoError(t, err)
	assert.Equal(t, []int{0, 30}, c.Optim.Steps)
	assert.Equal(t, []int{6}, c.Model.ASPPRates)
	assert.Equal(t, []string{"input", "output"}, c.NAS.Ops)
	assert.Equal(t, [][]int{{0, 1}, {0, 0}}, c.NAS.Matrix)
}

// TestReadTakesTruthsAsPythonHasThem takes the words that YAML 1.1 has for them, unless
// they are quoted.
func TestReadTakesTruthsAsPythonHasThem(t *testing.T) {
	for word, want := range map[string]bool{"off": false, "No": false, "on": true, "YES": true, "true": true, "False": false} {
		c, err := read(write(t, "OPTIM: {NESTEROV: "+word+"}\nNAS:\n  AUX: "+word+"\n"), []string{"BN.USE_PRECISE_STATS", word})
		require.NoError(t, err, word)
		assert.Equal(t, [3]bool{want, want, want}, [3]bool{c.Optim.Nesterov, c.NAS.Aux, c.BN.UsePreciseStats}, word)
	}
	for _, word := range []string{"'off'", `"on"`, "maybe", "1"} {
		_, err := read(write(t, "OPTIM: {NESTEROV: "+word+"}\n"), nil)
		assert.ErrorContains(t, err, "must be True or False", word)
	}
	c, err := read(write(t, "OUT_DIR: off\n"), nil)
	require.NoError(t, err)
	assert.Equal(t, "off", c.OutDir)
}

// TestReadTakesForeignKeys takes keys of other networks, which a file that the
// release has written lists, and those that it has given up.
func TestReadTakesForeignKeys(t *testing.T) {
	c, err := read(write(t, "RESNET: {TRANS_FUN: basic_transform, NUM_GROUPS: 1}\nPREC_TIME: {ENABLED: True}\n"), []string{"EN.STEM_W", "32"})
	require.NoError(t, err)
	assert.Equal(t, []string{"RESNET", "EN", "PREC_TIME.ENABLED"}, c.idle())
}

func TestReadGenotype(t *testing.T) {
	c := load(t, "../../testdata/nas.yaml")
	assert.Equal(t, cell.Genotype{
		Normal:       []cell.Edge{{Op: "sep_conv_3x3", From: 0}, {Op: "skip_connect", From: 1}, {Op: "none", From: 2}, {Op: "dil_conv_5x5", From: 0}},
		NormalConcat: []int{2, 3},
		Reduce:       []cell.Edge{{Op: "max_pool_3x3", From: 0}, {Op: "max_pool_3x3", From: 1}, {Op: "skip_connect", From: 2}, {Op: "avg_pool_3x3", From: 1}},
		ReduceConcat: []int{3},
	}, c.NAS.CustomGenotype)
}

func TestReadBadFile(t *testing.T) {
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	for _, test := range []struct{ name, text, want string }{
		{"unknown key", "OPTIM:\n  BASE_LR: 0.1\n  BASE_RL: 0.1\n", "c.yaml:3: unknown key \"OPTIM.BASE_RL\"; the nearest is OPTIM.BASE_LR"},
		{"key of another section", "TRAIN:\n  BASE_LR: 0.1\n", "c.yaml:2: unknown key \"TRAIN.BASE_LR\"; the nearest is OPTIM.BASE_LR"},
		{"lower case", "task: rot\n", "c.yaml:1: unknown key \"task\"; the nearest is TASK"},
		{"unknown section", "\nOPTIMIZER: {BASE_LR: 1}\n", "c.yaml:2: unknown key \"OPTIMIZER\"; the nearest is OPTIM"},
		{"key too long", "? " + strings.Repeat("a", 5000) + "\n: 1\n", "c.yaml:1: unknown key \"" + strings.Repeat("a", 60) + "\"; the nearest is "},
		{"text for a number", "OPTIM:\n  BASE_LR: fast\n", `c.yaml:2: OPTIM.BASE_LR is "fast", must be a finite number`},
		{"number for a whole one", "OPTIM:\n  MAX_EPOCH: 2.5\n", "c.yaml:2: OPTIM.MAX_EPOCH is 2.5, must be a whole number"},
		{"whole number as one that is not", "OPTIM: {MAX_EPOCH: 2.0}", "c.yaml:1: OPTIM.MAX_EPOCH is 2.0, must be a whole number"},
		{"quoted number", "OPTIM: {MAX_EPOCH: '2'}", `c.yaml:1: OPTIM.MAX_EPOCH is "2", must be a whole number`},
		{"too large", "OPTIM: {MAX_EPOCH: 99999999999999999999}", "OPTIM.MAX_EPOCH is 99999999999999999999, must be a whole number"},
		{"not a number", "OPTIM: {BASE_LR: .nan}", "OPTIM.BASE_LR is .nan, must be a finite number"},
		{"infinite", "OPTIM: {BASE_LR: -.inf}", "OPTIM.BASE_LR is -.inf, must be a finite number"},
		{"number for text", "TASK: 4", "c.yaml:1: TASK is 4, must be text"},
		{"number for a truth", "OPTIM: {NESTEROV: 0}", "OPTIM.NESTEROV is 0, must be True or False"},
		{"nothing", "TRAIN:\n  WEIGHTS:\n", "c.yaml:2: TRAIN.WEIGHTS is empty, must be text"},
		{"number for a list", "OPTIM: {STEPS: 8}", "OPTIM.STEPS is 8, must be a list of whole numbers"},
		{"list of something else", "OPTIM: {STEPS: [0, x]}", "OPTIM.STEPS is a list, must be a list of whole numbers"},
		{"list that does not close", "OPTIM: {STEPS: '(0, 8'}", `OPTIM.STEPS is "(0, 8", must be a list of whole numbers`},
		{"no genotype", "NAS:\n  CUSTOM_GENOTYPE: [[[a, 0]], [2]]", "c.yaml:2: NAS.CUSTOM_GENOTYPE is a list, must be a list of the edges"},
		{"edge of three", "NAS:\n  CUSTOM_GENOTYPE: [[[a, 0, 1]], [2], [], []]", "c.yaml:2: NAS.CUSTOM_GENOTYPE is a list, must be a list of the edges"},
		{"keys for a value", "TASK: {A: 1}", "TASK is keys with values, must be text"},
		{"value for a section", "TRAIN: 5", "c.yaml:1: section TRAIN is 5, must be keys with values"},
		{"empty section", "TASK: rot\nTRAIN:\n", "c.yaml:2: section TRAIN is empty, must be keys with values"},
		{"list", "- a\n", "c.yaml:1: the file is a list, must be keys with values"},
		{"text", "hello", `c.yaml:1: the file is "hello", must be keys with values`},
		{"twice", "TASK: rot\nRNG_SEED: 1\nTASK: jig\n", "c.yaml:3: TASK is there twice, first in line 1; remove one"},
		{"section twice", "TRAIN: {IM_SIZE: 32}\nTRAIN: {IM_SIZE: 64}\n", "c.yaml:2: TRAIN is there twice, first in line 1"},
		{"key that is a list", "[a]: 1\n", "c.yaml:1: a key is a list, must be text"},
		{"merge", "TRAIN: &a {IM_SIZE: 32}\nTEST: {<<: *a}\n", "c.yaml:2: merging by << is not supported"},
		{"two documents", "TASK: rot\n---\nTASK: jig\n", "c.yaml:2: a second document begins"},
		{"empty", "", "c.yaml is empty"},
		{"comment", "# nothing\n", "c.yaml is empty"},
		{"not YAML", "TASK: [rot\n", "c.yaml: yaml: line "},
		{"binary", "\x00\x01\x02", "c.yaml: yaml: "},
		{"not UTF-8", "TASK: \xff\xfe", "c.yaml: yaml: "},
		{"unknown alias", "TASK: *a\n", "c.yaml: yaml: unknown anchor 'a' referenced"},
		{"too large a file", strings.Repeat("# x\n", 1<<14+1), "c.yaml has more than 65536 bytes"},
		{"nested", "OPTIM: {STEPS: " + deep + "}", "OPTIM.STEPS is a list, must be"},
		{"nested keys", strings.Repeat("{A: ", 9000) + strings.Repeat("}", 9000), "unknown key \"A\""},
		{"alias of itself", "TRAIN: &a\n  IM_SIZE: *a\n", "TRAIN.IM_SIZE is "},
		{"aliases of aliases", bomb(), "more than 10000 values"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := read(write(t, test.text), nil)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// bomb returns a matrix of a thousand times a row of a thousand numbers.
func bomb() string {
	return "OPTIM:\n  STEPS: &r [0" + strings.Repeat(", 0", 999) + "]\nNAS:\n  MATRIX: [*r" + strings.Repeat(", *r", 999) + "]\n"
}

func TestReadNoFile(t *testing.T) {
	_, err := read("../../testdata/none.yaml", nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "../../testdata/none.yaml")
	_, err = read("../../testdata", nil)
	assert.ErrorContains(t, err, "../../testdata")
}

func TestReadBadPairs(t *testing.T) {
	path := write(t, "TASK: rot\n")
	for _, test := range []struct {
		name  string
		pairs []string
		want  string
	}{
		{"no value", []string{"TASK", "rot", "RNG_SEED"}, "argument: RNG_SEED has no value; give pairs of KEY VALUE"},
		{"unknown", []string{"TRAIN.BATCHSIZE", "64"}, "argument: unknown key \"TRAIN.BATCHSIZE\"; the nearest is TRAIN.BATCH_SIZE"},
		{"empty key", []string{"", "64"}, "argument: unknown key \"\"; the nearest is "},
		{"section", []string{"TRAIN", "64"}, "argument: TRAIN is a section; name a key of it, such as TRAIN.DATASET"},
		{"type", []string{"OPTIM.MAX_EPOCH", "two"}, `argument: OPTIM.MAX_EPOCH is "two", must be a whole number`},
		{"not YAML", []string{"OPTIM.STEPS", "[0"}, `argument: OPTIM.STEPS is "[0": yaml: `},
		{"flag", []string{"RNG_SEED", "2", "-data", "x"}, `flag "-data" stands behind a KEY; flags come first`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := read(path, test.pairs)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// TestCheck changes settings that are right into ones that are not.
func TestCheck(t *testing.T) {
	const rot, jig, seg, net, bench = "../../testdata/imagenet/rot.yaml", "../../testdata/imagenet/jig.yaml", "../../testdata/cityscapes/seg.yaml", "../../testdata/nas.yaml", "../../testdata/nas_bench.yaml"
	for _, test := range []struct{ path, pairs, want string }{
		{rot, "MODEL.TYPE resnet", `argument: MODEL.TYPE is resnet, must be one of ["nas_search" "nas" "nas_bench"]`},
		{rot, "TASK rotation", "argument: TASK is rotation, must be one of"},
		{rot, "TRAIN.DATASET mnist", "argument: TRAIN.DATASET is mnist, must be one of"},
		{rot, "TRAIN.DATASET ''", `argument: TRAIN.DATASET is "", must be one of`},
		{rot, "TRAIN.PORTION 1.5", "argument: TRAIN.PORTION is 1.5, must be from 0 to 1"},
		{rot, "TRAIN.PORTION 1", "argument: TRAIN.PORTION is 1, must be above 0 and below 1"},
		{rot, "TRAIN.PORTION 0", "argument: TRAIN.PORTION is 0, must be above 0 and below 1"},
		{rot, "OPTIM.ARCH_EPOCH 3", "argument: OPTIM.ARCH_EPOCH is 3, must be at most OPTIM.MAX_EPOCH, which is 2"},
		{rot, "OPTIM.MAX_EPOCH 1 OPTIM.ARCH_EPOCH 0.5", "argument: OPTIM.ARCH_EPOCH is 0.5, must be whole"},
		{rot, "OPTIM.NESTEROV True", "argument: OPTIM.NESTEROV is True, but a search takes False alone"},
		{rot, "OPTIM.DAMPENING 0.1", "OPTIM.DAMPENING is 0.1, but a search takes 0.0 alone"},
		{rot, "OPTIM.ARCH_OPTIM sgd", "OPTIM.ARCH_OPTIM is sgd, but a search takes adam alone: the architecture parameters learn by Adam"},
		{rot, "BN.EPS 1.0e-3", "BN.EPS is 0.001, but a search takes 1.0e-05 alone"},
		{rot, "BN.USE_PRECISE_STATS True", "BN.USE_PRECISE_STATS is True, but"},
		{rot, "TRAIN.SPLIT val", "TRAIN.SPLIT is val, but a search takes train alone"},
		{rot, "MODEL.LOSS_FUN label_smoothed_cross_entropy", "MODEL.LOSS_FUN is label_smoothed_cross_entropy, but"},
		{rot, "LOG_DEST file", "LOG_DEST is file, but a search takes stdout alone"},
		{rot, "TASK seg", "argument: TASK is seg, which needs the masks of TRAIN.DATASET cityscapes, not imagenet"},
		{rot, "TASK cls TRAIN.DATASET cityscapes", "argument: TASK is cls, but images of cityscapes have no classes"},
		{rot, "MODEL.NUM_CLASSES 5", "argument: MODEL.NUM_CLASSES is 5, must be one of [4] for TASK rot"},
		{rot, "TASK col MODEL.NUM_CLASSES 313", "default: MODEL.INPUT_CHANNELS is 3, must be 1 for TASK col"},
		{rot, "NUM_GPUS 3", "imagenet/rot.yaml:3: TRAIN.BATCH_SIZE is 32, must be a multiple of NUM_GPUS, which is 3"},
		{net, "NUM_GPUS 16", "default: TEST.BATCH_SIZE is 200, must be a multiple of NUM_GPUS, which is 16"},
		{rot, "NUM_GPUS 0", "argument: NUM_GPUS is 0, must be from 1 to 1024"},
		{rot, "OPTIM.LR_POLICY linear", "OPTIM.LR_POLICY is linear, must be one of"},
		{rot, "OPTIM.LR_POLICY steps", "default: OPTIM.STEPS is [], must begin with 0"},
		{rot, "OPTIM.LR_POLICY steps OPTIM.STEPS [1]", "argument: OPTIM.STEPS is [1], must begin with 0"},
		{rot, "OPTIM.LR_POLICY steps OPTIM.STEPS [0,5,5]", "OPTIM.LR_POLICY is steps: darts: schedule: steps are [5 5], must rise"},
		{rot, "NAS.WIDTH 5", "cell: Width is 5; the stem \"imagenet\" halves it"},
		{rot, "NAS.DEPTH 1", "a search needs cells of both kinds"},
		{rot, "RNG_SEED -1", "argument: RNG_SEED is -1, must be from 0 to"},
		{jig, "TRAIN.IM_SIZE 256", "argument: TRAIN.IM_SIZE is 256, must be a multiple of JIGSAW_GRID, which is 3"},
		{jig, "TRAIN.IM_SIZE 63", "imagenet/jig.yaml:4: TEST.IM_SIZE is 256, must be 63 for TRAIN.IM_SIZE 63"},
		{jig, "JIGSAW_GRID 4", "argument: JIGSAW_GRID is 4, must be from 2 to 3"},
		{jig, "MODEL.NUM_CLASSES 24", "argument: MODEL.NUM_CLASSES is 24, must be one of [1000 2000] for TASK jig"},
		{jig, "TRAIN.DATASET cifar10 TRAIN.IM_SIZE 30", "default: JIGSAW_GRID is 3, must be 2 for images as small"},
		{jig, "TRAIN.GRAY_PERCENTAGE 30", "argument: TRAIN.GRAY_PERCENTAGE is 30.0, must be from 0 to 1"},
		{seg, "MODEL.ASPP_RATES []", "TASK seg: segmentation: ASPP rates []"},
		{net, "NAS.GENOTYPE resnet", "argument: NAS.GENOTYPE is resnet, must be one of"},
		{net, "NAS.CUSTOM_GENOTYPE []", "argument: NAS.CUSTOM_GENOTYPE is no genotype: cell: normal has no edges"},
		{net, "NAS.DROP_PROB 1", "argument: NAS.DROP_PROB is 1.0, must be from 0 to 0.99"},
		{net, "TEST.DATASET ''", `argument: TEST.DATASET is "", must be TRAIN.DATASET, cifar10, to train a network`},
		{net, "TEST.SPLIT val", "argument: TEST.SPLIT is val, must be test for cifar10"},
		{net, "TRAIN.DATASET imagenet TEST.DATASET imagenet TEST.SPLIT val", "default: TEST.IM_SIZE is 32, must be 37 for TRAIN.IM_SIZE 32: 256/224 of it, as published"},
		{net, "BN.MOM 0.2", "argument: BN.MOM is 0.2, but a training takes 0.1 alone"},
		{net, "NAS.WIDTH 5 TRAIN.DATASET imagenet TEST.DATASET imagenet TEST.SPLIT val TEST.IM_SIZE 37", "NAS.WIDTH 5, NAS.DEPTH 20: cell: Width is 5; the stem \"imagenet\" halves it"},
		{net, "TASK col MODEL.NUM_CLASSES 313 MODEL.INPUT_CHANNELS 1", "nas.yaml:12: NAS.AUX is True, which TASK col does not have"},
		{net, "NAS.CUSTOM_GENOTYPE [[[skip_connect,0],[skip_connect,2]],[2],[[skip_connect,0],[skip_connect,1]],[2]]", "argument: NAS.CUSTOM_GENOTYPE is no genotype: cell: normal"},
		{net, "NAS.CUSTOM_GENOTYPE [[[skip_connect,0],[warp,1]],[2],[[skip_connect,0],[skip_connect,1]],[2]]", "argument: NAS.CUSTOM_GENOTYPE is no genotype: cell: normal"},
		{bench, "MODEL.LOSS_FUN label_smoothed_cross_entropy", "argument: MODEL.LOSS_FUN is label_smoothed_cross_entropy, which TASK rot does not have; cls does"},
		{net, "TRAIN.DATASET imagenet22k", "argument: TRAIN.DATASET is imagenet22k, which serves searches alone"},
		{net, "NUM_GPUS 2", "BN.USE_PRECISE_STATS is True, which NUM_GPUS above 1 does not have"},
		{net, "TRAIN.PORTION 0.5", "argument: TRAIN.PORTION is 0.5, but a training takes 1.0 alone"},
		{net, "NAS.DEPTH 9999", "NAS.WIDTH 16, NAS.DEPTH 9999: cell: Cells is 9999"},
		{bench, "NAS.MATRIX [[0,1],[0,0]]", "argument: NAS.MATRIX and NAS.OPS are no cell: cell: NAS-Bench cell of 2 rows and 3 operations"},
		{bench, "NAS.NUM_STACKS 99", "NAS.NUM_STACKS 99, NAS.NUM_MODULES_PER_STACK 3: cell: Stacks is 99"},
	} {
		t.Run(test.pairs, func(t *testing.T) {
			c, err := read(test.path, strings.Fields(test.pairs))
			require.NoError(t, err)
			if err = c.check(); err == nil {
				err = settle(c)
			}
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// settle makes settings for the library.
func settle(c *Config) error {
	if c.Searches() {
		_, err := c.Search()
		return err
	}
	_, err := c.Training()
	return err
}

func TestSearchWeights(t *testing.T) {
	got, err := load(t, "../../testdata/imagenet/rot.yaml", "TRAIN.WEIGHTS", "runs/rot", "RNG_SEED", "5").Search()
	require.NoError(t, err)
	assert.Equal(t, "runs/rot", got.Init)
	assert.Equal(t, uint64(5), got.Seed)
}

func TestSchedules(t *testing.T) {
	for _, test := range []struct {
		pairs string
		want  darts.Schedule
	}{
		{"OPTIM.LR_POLICY cos", darts.Schedule{Kind: darts.Cosine, Base: 0.05}},
		{"OPTIM.WARMUP_EPOCHS 5 OPTIM.ITER_LR True", darts.Schedule{Kind: darts.Cosine, Base: 0.05, Warmup: 5, WarmupFactor: 0.1, PerStep: true}},
		{"OPTIM.LR_POLICY steps OPTIM.STEPS (0,30,60) OPTIM.LR_MULT 0.2", darts.Schedule{Kind: darts.Steps, Base: 0.05, Steps: []int{30, 60}, Factor: 0.2}},
		{"OPTIM.LR_POLICY steps OPTIM.STEPS [0] OPTIM.WARMUP_EPOCHS 2", darts.Schedule{Kind: darts.Constant, Base: 0.05, Warmup: 2, WarmupFactor: 0.1}},
		{"OPTIM.LR_POLICY exp OPTIM.GAMMA 0.9", darts.Schedule{Kind: darts.Exponential, Base: 0.05, Factor: 0.9}},
	} {
		t.Run(test.pairs, func(t *testing.T) {
			got, err := load(t, "../../testdata/imagenet/rot.yaml", strings.Fields(test.pairs)...).Search()
			require.NoError(t, err)
			assert.Equal(t, test.want, got.LR)
		})
	}
}

// TestCIFAR10 holds tasks on CIFAR-10, of which there is no published search,
// against the views that networks are trained with there.
func TestCIFAR10(t *testing.T) {
	whole := pretext.CIFAR10Transform()
	whole.Crop = pretext.CropNone
	jigsaw := pretext.JigsawCIFAR10()
	for pairs, want := range map[string]pretext.Task{
		"TASK cls MODEL.NUM_CLASSES 10":                                         pretext.Classification{Transform: pretext.CIFAR10Transform(), Classes: 10},
		"TASK rot MODEL.NUM_CLASSES 4":                                          pretext.Rotation{Transform: pretext.CIFAR10Transform()},
		"TASK col MODEL.NUM_CLASSES 313 MODEL.INPUT_CHANNELS 1":                 pretext.Colorization{Transform: whole},
		"TASK jig MODEL.NUM_CLASSES 24 JIGSAW_GRID 2 TRAIN.GRAY_PERCENTAGE 0.3": jigsaw,
	} {
		c := load(t, "../../testdata/imagenet/rot.yaml", append(strings.Fields(pairs), "TRAIN.DATASET", "cifar10", "TRAIN.IM_SIZE", "32")...)
		assert.Equal(t, want, c.Task(), pairs)
		s, err := c.Search()
		require.NoError(t, err)
		assert.Equal(t, cell.CIFARStem, s.Space.Backbone.Stem)
	}
}

// FuzzRead demands that nothing panics or hangs, and that what is read and
// checked survives being written and read again.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("../../testdata/*/*.yaml")
	require.NoError(f, err)
	for _, path := range append(files, "../../testdata/nas.yaml", "../../testdata/nas_bench.yaml") {
		text, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(string(text), "OPTIM.STEPS", "(0, 8)")
	}
	f.Add(bomb(), "TASK", "")
	f.Add("TRAIN: &a\n  IM_SIZE: *a\n", "NAS.OPS", "['a', !!binary b]")
	f.Fuzz(func(t *testing.T, text, name, value string) {
		c := defaults()
		if c.mergeFile("f", []byte(text)) != nil || c.mergePairs([]string{name, value}) != nil {
			return
		}
		var dumped strings.Builder
		require.NoError(t, c.Dump(&dumped))
		again := defaults()
		require.NoError(t, again.mergeFile("f", []byte(dumped.String())), dumped.String())
		var twice strings.Builder
		require.NoError(t, again.Dump(&twice))
		require.Equal(t, dumped.String(), twice.String())
		if c.check() == nil {
			_ = settle(c)
		}
		c.Notes(io.Discard)
	})
}
