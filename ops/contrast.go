package ops

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"unnas/internal/ir"
)

// ContrastConfig configures a contrastive loss.
type ContrastConfig struct {
	// Temperature divides the cosine similarities before the softmax: 0.5 for
	// CIFAR-10, 0.1 for ImageNet.
	Temperature float64
	// IgnoreIndex is the label of ignored images, such as those that pad the last batch, or
	// NoIgnoreIndex.
	IgnoreIndex int32
}

// Contrast returns the normalised temperature-scaled cross-entropy, NT-Xent, of the
// embeddings z [2N, D] of N images with labels [N] (Chen et al., 2020, arXiv
// 2002.05709, equation 1). Rows 2i and 2i+1 are two augmentations of image i. Each row
// is an anchor, and its positive is the other row of its image: their cosine similarity
// should exceed that with all rows of other images:
//
//	loss of row i = -log( exp(s(i,p)/T) / Σ_{k≠i} exp(s(i,k)/T) )
//
// where p is the positive. A row of zeros has similarity 0 with all others. Labels only mark
// images to be ignored. A single image has no negatives and does not count, so a batch needs
// two images or more.
//
// The score is the number of anchors whose positive is more similar than all other rows,
// "contrastive_top1". It falls, and the loss rises, with the number of images in a batch.
func Contrast(z, labels *gorgonia.Node, c ContrastConfig) (Loss, error) {
	if !(c.Temperature >= 1e-3 && c.Temperature <= 1e3) {
		return Loss{}, fmt.Errorf("ops: contrastive temperature %v; want 0.001 to 1000", c.Temperature)
	}
	if err := needFloats(z); err != nil {
		return Loss{}, fmt.Errorf("ops: embeddings: %w", err)
	}
	if err := needLabels(labels); err != nil {
		return Loss{}, err
	}
	return valued(Metric{Name: "contrastive_top1"}, ir.Contrast{Temperature: c.Temperature, Ignore: c.IgnoreIndex}, z, labels)
}
