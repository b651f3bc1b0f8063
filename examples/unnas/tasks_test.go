package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/preset"
	"unnas/pretext"
)

// TestTaskOf holds tasks in their published forms.
func TestTaskOf(t *testing.T) {
	for _, kind := range []string{preset.CIFAR10, preset.ImageNet1K, preset.ImageNet22K, preset.Cityscapes} {
		for _, name := range taskNames() {
			want, err := preset.Task(kind, name)
			if err != nil {
				continue
			}
			got, err := taskOf(kindOf(kind), name, 0)
			require.NoError(t, err)
			assert.Equal(t, want, got, "%s %s", kind, name)
		}
	}
	for kind, tasks := range map[string][]pretext.Task{
		preset.CIFAR10:    {pretext.RelativePatchCIFAR10(), pretext.ReconstructionCIFAR10(), pretext.ContrastiveCIFAR10()},
		preset.ImageNet1K: {pretext.RelativePatchImageNet(), pretext.ReconstructionImageNet(), pretext.ContrastiveImageNet()},
	} {
		for _, want := range tasks {
			got, err := taskOf(kindOf(kind), want.Name(), 0)
			require.NoError(t, err)
			assert.Equal(t, want, got, "%s %s", kind, want.Name())
		}
	}
}

// TestTaskOfSizes gives each task views of other sizes.
func TestTaskOfSizes(t *testing.T) {
	for _, k := range kinds {
		for _, name := range taskNames() {
			if k.takes(name) != nil {
				continue
			}
			for _, size := range []int{0, 48, 192} {
				task, err := taskOf(k, name, size)
				require.NoError(t, err, "%s %s %d", k.name, name, size)
				require.NoError(t, task.Validate())
				assert.Equal(t, name, task.Name())
			}
		}
	}
}

func TestTaskName(t *testing.T) {
	for name, want := range map[string]string{"rot": "rotation", "relative-patch": "relative_patch", "seg": "segmentation", "contrastive": "contrastive"} {
		got, err := taskName(name)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := taskName("contrast")
	assert.EqualError(t, err, `-task: unknown task "contrast"; the nearest is contrastive`)
}
