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
	small.Transform.Height, small.Transform.Width = 15, 15
	for name, task := range map[string]pretext.Task{
		"classification":                 pretext.Classification{Transform: pretext.ImageNetTransform(11), Classes: 5},
		"rotation":                       pretext.Rotation{Transform: pretext.ImageNetTransform(7)},
		"colorization":                   pretext.Colorization{Transform: pretext.ImageNetTransform(13)},
		"jigsaw, CIFAR-10":               pretext.JigsawCIFAR10(),
		"jigsaw, ImageNet":               small,
		"relative patch":                 pretext.RelativePatchCIFAR10(),
		"relative patch, not a square":   pretext.RelativePatch{Transform: tall, Patch: 1, Gap: 1},
		"reconstruction":                 pretext.ReconstructionCIFAR10(),
		"reconstruction, nothing hidden": pretext.Reconstruction{Transform: tall, Block: 3, Detail: 1},
		"reconstruction, not a square":   pretext.Reconstruction{Transform: tall, Block: 3, Detail: 3, MaskRatio: 0.2},
		"contrastive":                    pretext.ContrastiveCIFAR10(),
		"contrastive, not a square":      pretext.Contrastive{Transform: tall, Strength: 1, Projection: 5, Temperature: 0.1},
		"jigsaw, not a square":           pretext.Jigsaw{Transform: tall, Grid: 3, Permutations: 1000, GrayscaleProb: 0.5},
	} {
		t.Run(name, func(t *testing.T) { pretexttest.Run(t, task) })
	}
}
