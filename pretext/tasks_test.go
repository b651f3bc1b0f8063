package pretext_test

import (
	"testing"

	"unnas/pretext"
	"unnas/pretext/pretexttest"
)

func TestTasks(t *testing.T) {
	tall := plain(9, 6, pretext.CropMultiscale)
	tall.Short, tall.Flip, tall.Jitter = 12, true, 0.1
	small := pretext.JigsawImageNet()
	small.View.Height, small.View.Width = 15, 15
	for name, task := range map[string]pretext.Task{
		"classification":                 pretext.Classification{View: pretext.ImageNet(11), Classes: 5},
		"rotation":                       pretext.Rotation{View: pretext.ImageNet(7)},
		"colorization":                   pretext.Colorization{View: pretext.ImageNet(13)},
		"jigsaw, CIFAR-10":               pretext.JigsawCIFAR10(),
		"jigsaw, ImageNet":               small,
		"relative patch":                 pretext.RelativePatchCIFAR10(),
		"relative patch, not a square":   pretext.RelativePatch{View: tall, Patch: 1, Gap: 1},
		"reconstruction":                 pretext.ReconstructionCIFAR10(),
		"reconstruction, nothing hidden": pretext.Reconstruction{View: tall, Block: 3, Detail: 1},
		"reconstruction, not a square":   pretext.Reconstruction{View: tall, Block: 3, Detail: 3, MaskShare: 0.2},
		"contrastive":                    pretext.ContrastiveCIFAR10(),
		"contrastive, not a square":      pretext.Contrastive{View: tall, Strength: 1, Projection: 5, Temperature: 0.1},
		"jigsaw, not a square":           pretext.Jigsaw{View: tall, Grid: 3, Permutations: 1000, GrayShare: 0.5},
	} {
		t.Run(name, func(t *testing.T) { pretexttest.Run(t, task) })
	}
}
