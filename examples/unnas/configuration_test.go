package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/examples/unnas/internal/release"
)

// images makes a folder of images of CIFAR-10, which repeat.
func images(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	batch := make([]byte, n*3073)
	for i := range batch {
		batch[i] = byte(i * i / 7 % 251)
		if i%3073 == 0 {
			batch[i] = byte(i / 3073 % 10)
		}
	}
	for i := range 5 { // the first image in the last four, what is left in the first
		part := batch[4*3073:]
		if i > 0 {
			part = batch[(i-1)*3073:][:3073]
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("data_batch_%d.bin", i+1)), part, 0o644))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "test_batch.bin"), batch[:(n+1)/2*3073], 0o644))
	return dir
}

// configured are arguments for a search that takes a second.
func configured(t *testing.T, out string, more ...string) []string {
	args := []string{"-cfg", "testdata/imagenet/rot.yaml", "-data", images(t, 16), "TRAIN.DATASET", "cifar10", "TRAIN.IM_SIZE", "8", "TRAIN.BATCH_SIZE", "2", "NAS.WIDTH", "2", "NAS.DEPTH", "3", "OPTIM.MAX_EPOCH", "2", "OUT_DIR", out}
	return append(args, more...)
}

func TestConfiguration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), configured(t, dir, "LOG_PERIOD", "1", "NUM_GPUS", "2", "RNG_SEED", "7"), &out))
	assert.True(t, strings.HasPrefix(out.String(), "without effect here: TEST.IM_SIZE, NUM_GPUS, LOG_PERIOD\n"), out.String())
	assert.Contains(t, out.String(), "\nNUM_GPUS 2: one network sees all 2 images of a step")
	assert.Contains(t, out.String(), "rotation: 8 + 8 images, 2 epochs of 4 steps, batch 2\n")
	for _, name := range []string{"genotype.json", "config.json", "metrics.jsonl"} {
		assert.FileExists(t, filepath.Join(dir, name))
	}
	kept, err := release.Read(filepath.Join(dir, release.File), nil)
	require.NoError(t, err)
	assert.Equal(t, 3, kept.NAS.Depth)
	assert.Equal(t, dir, kept.OutDir)
	hyper, err := os.ReadFile(filepath.Join(dir, "config.json"))
	require.NoError(t, err)
	assert.Contains(t, string(hyper), `"seed": 7`)

	assert.ErrorContains(t, run(t.Context(), configured(t, dir, "TRAIN.AUTO_RESUME", "False", "RNG_SEED", "7"), &out), "holds a run already")
	assert.ErrorContains(t, run(t.Context(), configured(t, dir, "NAS.WIDTH", "4", "RNG_SEED", "7"), &out), "width", "other settings than those of the run")
}

func TestConfigurationResumes(t *testing.T) {
	dir, whole := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &stopper{text: "epoch 1/2 ", stop: cancel}
	args := configured(t, dir)
	require.ErrorIs(t, run(ctx, args, out), context.Canceled)
	assert.Contains(t, out.out.String(), "repeat the command and add OUT_DIR "+dir+"\n")

	var again bytes.Buffer
	require.NoError(t, run(t.Context(), args, &again))
	require.NoError(t, run(t.Context(), configured(t, whole), &again))
	for _, name := range []string{"genotype.json", "config.json"} {
		want, err := os.ReadFile(filepath.Join(whole, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got), name)
	}
}

func TestConfigurationThatCannotStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	err := run(t.Context(), configured(t, dir, "TRAIN.BATCH_SIZE", "64"), &bytes.Buffer{})
	assert.ErrorContains(t, err, "a batch of 64 needs at least as many")
	assert.NoDirExists(t, dir)
}

// TestConfigurationOfATraining trains a network of cells, and one of NAS-Bench-101; resumes after the
// first epoch; and refuses other hyperparameters.
func TestConfigurationOfATraining(t *testing.T) {
	for name, test := range map[string]struct {
		cfg, pairs, begun string
	}{
		"cells":     {"testdata/nas.yaml", "NAS.WIDTH 2 NAS.DEPTH 3 BN.NUM_SAMPLES_PRECISE 8 NAS.AUX False", "classification: 16 + 8 images, 2 epochs of 4 steps, batch 4\n"},
		"NAS-Bench": {"testdata/nas_bench.yaml", "NAS.WIDTH 4 NAS.NUM_STACKS 2 NUM_GPUS 2", "rotation: 16 + 8 images, 2 epochs of 4 steps, batch 4\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, whole := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
			data := images(t, 16)
			args := func(out string, more ...string) []string {
				all := append([]string{"-cfg", test.cfg, "-data", data, "TRAIN.IM_SIZE", "16", "TRAIN.BATCH_SIZE", "4", "OPTIM.MAX_EPOCH", "2", "DATA_LOADER.NUM_WORKERS", "1"}, strings.Fields(test.pairs)...)
				return append(append(all, "OUT_DIR", out), more...)
			}
			var out bytes.Buffer
			require.NoError(t, run(t.Context(), args(whole), &out))
			for _, want := range []string{test.begun, "\nlast, epoch 2: top1 ", "\nbest, epoch "} {
				assert.Contains(t, out.String(), want)
			}
			assert.Equal(t, name == "NAS-Bench", strings.Contains(out.String(), "2 images at once"))

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stopped := &stopper{text: "epoch 1/2 ", stop: cancel}
			require.ErrorIs(t, run(ctx, args(dir), stopped), context.Canceled)
			assert.Contains(t, stopped.out.String(), "repeat the command and add OUT_DIR "+dir+"\n")
			require.NoError(t, run(t.Context(), args(dir), &out))
			want, err := os.ReadFile(filepath.Join(whole, "model.safetensors"))
			require.NoError(t, err)
			got, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
			require.NoError(t, err)
			assert.True(t, bytes.Equal(want, got), "the weights of a run that stopped")
			assert.FileExists(t, filepath.Join(dir, release.File))
			assert.ErrorContains(t, run(t.Context(), args(dir, "OPTIM.BASE_LR", "0.2"), &out), "base")
		})
	}
}

func TestConfigurationBadInput(t *testing.T) {
	const rot = "testdata/imagenet/rot.yaml"
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"no file", []string{"-data", "d"}, "-cfg is missing: give the file of the configuration, such as -cfg imagenet/rot.yaml; see unnas help cfg"},
		{"file that is not there", []string{"-cfg", "none.yaml"}, "-cfg: open none.yaml"},
		{"unknown flag", []string{"-config", rot}, `-cfg: unknown flag "-config"; the nearest is -cfg`},
		{"no images", []string{"--cfg", rot}, "imagenet/rot.yaml:3: TRAIN.DATASET is imagenet; say where it lies with -data DIR"},
		{"images elsewhere", []string{"-cfg", rot, "-data", "internal"}, "ImageNet-1K"},
		{"flag of which there is a key", []string{"search", "-cfg", rot, "-epochs", "3"}, "-epochs does not go with -cfg, which has keys for it"},
		{"search by train", []string{"train", "-cfg", rot}, "imagenet/rot.yaml:5: MODEL.TYPE is nas_search, which unnas train does not run"},
		{"index of other images", []string{"-cfg", rot, "-data", "d", "-index", "i"}, "-index is of imagenet22k"},
		{"more classes", []string{"-cfg", rot, "-data", images(t, 8), "TRAIN.DATASET", "cifar10", "TASK", "cls", "MODEL.NUM_CLASSES", "9"}, "argument: MODEL.NUM_CLASSES is 9, but "},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.ErrorContains(t, run(t.Context(), test.args, &bytes.Buffer{}), test.want)
		})
	}
}

// TestConfigurationWeights trains with weights that are given, and tests them.
func TestConfigurationWeights(t *testing.T) {
	const net = "testdata/nas.yaml"
	first, second := filepath.Join(t.TempDir(), "run"), filepath.Join(t.TempDir(), "run")
	data := images(t, 16)
	pairs := strings.Fields("TRAIN.IM_SIZE 16 TRAIN.BATCH_SIZE 4 OPTIM.MAX_EPOCH 1 NAS.WIDTH 2 NAS.DEPTH 3 BN.NUM_SAMPLES_PRECISE 8 NAS.AUX False")
	args := func(more ...string) []string {
		return append(append([]string{"-cfg", net, "-data", data}, pairs...), more...)
	}
	prints(t, args("OUT_DIR", first)...)
	out := prints(t, append([]string{"train"}, args("OUT_DIR", second, "TRAIN.WEIGHTS", first, "TEST.WEIGHTS", first, "OPTIM.BASE_LR", "0.0", "BN.USE_PRECISE_STATS", "False")...)...)
	assert.Contains(t, out, "without effect here: ")
	assert.Contains(t, out, "TEST.WEIGHTS")

	want := prints(t, args("TEST.WEIGHTS", first)...)
	assert.Regexp(t, `^images +8\ntop1 `, want, "nothing is trained")
	assert.Equal(t, want, prints(t, args("TEST.WEIGHTS", filepath.Join(first, "model.safetensors"))...))
	assert.ErrorContains(t, fails(t, args("TEST.WEIGHTS", "nowhere")...), "TEST.WEIGHTS is nowhere: ")
	assert.ErrorContains(t, fails(t, args("TRAIN.WEIGHTS", "nowhere")...), "nowhere")
}
