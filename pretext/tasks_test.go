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
		"classification":       pretext.Classification{View: pretext.ImageNet(11), Classes: 5},
		"rotation":             pretext.Rotation{View: pretext.ImageNet(7)},
		"colorization":         pretext.Colorization{View: pretext.ImageNet(13)},
		"jigsaw, CIFAR-10":     pretext.JigsawCIFAR10(),
		"jigsaw, ImageNet":     small,
		"jigsaw, not a square": pretext.Jigsaw{View: tall, Grid: 3, Permutations: 1000, GrayShare: 0.5},
	} {
		t.Run(name, func(t *testing.T) { pretexttest.Run(t, task) })
	}
}
