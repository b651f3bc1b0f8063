package ops

import (
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
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
	if labels != nil && labels.Dtype() != tensor.Int32 {
		return Loss{}, fmt.Errorf("ops: labels %s of type %v; want int32, as ops.Labels makes", labels.Name(), labels.Dtype())
	}
	return valued(Metric{Name: "contrastive_top1"}, contrast{c}, z, labels)
}

// contrast computes NT-Xent. Inputs: embeddings, labels. Outputs: loss, score, count,
// and for the gradient the unit vectors of the rows, their lengths, and the softmax of
// the similarities.
type contrast struct{ ContrastConfig }

func (k contrast) Name() string { return fmt.Sprintf("contrast%+v", k.ContrastConfig) }

func (k contrast) Shapes(in []tensor.Shape) ([]tensor.Shape, error) {
	z, y := in[0], in[1]
	if z.Dims() != 2 || y.Dims() != 1 || z[0] != 2*y[0] {
		return nil, fmt.Errorf("embeddings of shape %v and labels of shape %v; want [2N, D] and [N]", z, y)
	}
	return []tensor.Shape{{}, {}, {}, z, {z[0]}, {z[0], z[0]}}, nil
}

// noDirection is the length below which a row counts as zeros.
const noDirection = 1e-8

func (k contrast) Forward(r *Run, out, in []Array) error {
	rows, width := in[0].Shape[0], in[0].Shape[1]
	labels := in[1].Labels
	z, u, lengths, soft := in[0].Data, out[3].Data, out[4].Data, out[5].Data
	images := 0
	for _, l := range labels {
		if l != k.IgnoreIndex {
			images++
		}
	}
	r.Parallel(rows, func(i int) {
		var squares float64
		for _, v := range z[i*width:][:width] {
			squares += float64(float64(v) * float64(v))
		}
		length := math.Sqrt(squares)
		scale := 0.0
		if length >= noDirection {
			scale = 1 / length
		}
		lengths[i] = float32(length)
		for d, v := range z[i*width:][:width] {
			u[i*width+d] = float32(float64(v) * scale)
		}
	})
	clear(soft)
	losses, hits := make([]float64, rows), make([]bool, rows)
	if images < 2 {
		images = 0
	} else {
		r.Parallel(rows, func(i int) {
			if labels[i/2] != k.IgnoreIndex {
				losses[i], hits[i] = k.anchor(i, width, labels, u, soft[i*rows:][:rows])
			}
		})
	}
	var loss float64
	score := 0
	for i, l := range losses {
		loss += l
		if hits[i] {
			score++
		}
	}
	out[0].Data[0] = float32(loss / float64(max(1, 2*images)))
	out[1].Data[0] = float32(score)
	out[2].Data[0] = float32(2 * images)
	return nil
}

// anchor computes the loss of a row, whether its positive is the nearest row, and the
// softmax of its similarities.
func (k contrast) anchor(i, width int, labels []int32, u, soft []float32) (loss float64, hit bool) {
	takes := func(j int) bool { return j != i && labels[j/2] != k.IgnoreIndex }
	positive, top := 0.0, math.Inf(-1) // top: the most similar negative
	for j := range soft {
		if !takes(j) {
			continue
		}
		s := dotted(u[i*width:][:width], u[j*width:][:width]) / k.Temperature
		if soft[j] = float32(s); j == i^1 {
			positive = s
		} else {
			top = max(top, s)
		}
	}
	largest, sum := max(top, positive), 0.0
	for j, s := range soft {
		if takes(j) {
			sum += math.Exp(float64(s) - largest)
		}
	}
	for j, s := range soft {
		if takes(j) {
			soft[j] = float32(math.Exp(float64(s)-largest) / sum)
		}
	}
	return math.Log(sum) + largest - positive, positive > top
}

func dotted(a, b []float32) (sum float64) {
	for i, v := range a {
		sum += float64(float64(v) * float64(b[i]))
	}
	return sum
}

func (k contrast) Backward(r *Run, grads []Array, gy Array, in, out []Array) error {
	rows, width := in[0].Shape[0], in[0].Shape[1]
	labels := in[1].Labels
	g, u, lengths, soft := grads[0].Data, out[3].Data, out[4].Data, out[5].Data
	count := float64(out[2].Data[0])
	clear(g)
	if count == 0 {
		return nil
	}
	factor := float64(gy.Data[0]) / (count * k.Temperature)
	// of is the derivative of all losses by the similarity of rows i and j.
	of := func(i, j int) float64 {
		p := float64(soft[i*rows+j]) + float64(soft[j*rows+i])
		if j == i^1 {
			p -= 2
		}
		return p
	}
	r.Parallel(rows, func(i int) {
		length := float64(lengths[i])
		if labels[i/2] == k.IgnoreIndex || length < noDirection {
			return
		}
		to, own := g[i*width:][:width], u[i*width:][:width]
		for j := range rows {
			if j == i || labels[j/2] == k.IgnoreIndex {
				continue
			}
			weight := float32(factor * of(i, j))
			for d, v := range u[j*width:][:width] {
				to[d] += float32(weight * v)
			}
		}
		along := dotted(to, own)
		for d, v := range own {
			to[d] = float32((float64(to[d]) - float64(along*float64(v))) / length)
		}
	})
	return nil
}
