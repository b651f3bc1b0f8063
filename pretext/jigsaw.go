package pretext

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"gorgonia.org/gorgonia"

	"unnas/internal/rng"
	"unnas/ops"
)

// Jigsaw predicts how the tiles of an image were shuffled (Noroozi and Favaro, 2016,
// arXiv 1603.09246). The transformed image is cut into Grid×Grid cells; each input is a
// tile of a cell with 0.76 of its sides, rounded down, so that tiles cannot be joined by
// their edges. The class is the permutation of the tiles. Start from [JigsawCIFAR10],
// [JigsawImageNet] or [JigsawCityscapes], or fill all fields.
type Jigsaw struct {
	Transform Transform `json:"transform"` // of the image to cut; its sides are multiples of Grid
	Grid      int       `json:"grid"`      // cells along a side: 2 or 3
	// Permutations is the number of classes: 24, all of them, for 2×2 tiles; 1000 or 2000
	// with large mutual Hamming distance for 3×3.
	Permutations int `json:"permutations"`
	// GrayscaleProb is the probability that a training image is converted to grayscale, 0
	// to 1, so that the network does not match tiles by colour alone.
	GrayscaleProb float64 `json:"grayscale_prob"`
}

// JigsawCIFAR10 returns the published task for CIFAR-10: the whole image of 32×32 pixels,
// randomly flipped, in 2×2 cells of 16 pixels; tiles of 12.
func JigsawCIFAR10() Jigsaw {
	v := CIFAR10Transform()
	v.Crop = CropNone
	return Jigsaw{Transform: v, Grid: 2, Permutations: 24, GrayscaleProb: 0.3}
}

// JigsawImageNet returns the published task for ImageNet: the shorter side of the image is
// resized to 256 pixels, and a window of 255 is cut into 3×3 cells of 85; tiles of 64.
func JigsawImageNet() Jigsaw {
	v := ImageNetTransform(255)
	v.Crop = CropResized
	return Jigsaw{Transform: v, Grid: 3, Permutations: 1000, GrayscaleProb: 0.3}
}

// JigsawCityscapes returns the published task for Cityscapes: 321 pixels in 3×3 cells of
// 107; tiles of 81.
func JigsawCityscapes() Jigsaw {
	return Jigsaw{Transform: CityscapesTransform(321, 512), Grid: 3, Permutations: 1000, GrayscaleProb: 0.3}
}

// Name returns "jigsaw".
func (Jigsaw) Name() string { return "jigsaw" }

// SelfSupervised returns true: labels come from the image alone.
func (Jigsaw) SelfSupervised() bool { return true }

// Validate returns an error that names the first invalid field: a transform that is
// invalid or not divisible into cells, or a grid or a number of permutations without a
// table.
func (t Jigsaw) Validate() error {
	if err := t.Transform.Validate(); err != nil {
		return err
	}
	if t.Grid != 2 && t.Grid != 3 {
		return fmt.Errorf("pretext: Jigsaw.Grid = %d, want 2 or 3", t.Grid)
	}
	for _, side := range []struct {
		name   string
		pixels int
	}{{"Height", t.Transform.Height}, {"Width", t.Transform.Width}} {
		if side.pixels%t.Grid != 0 {
			return fmt.Errorf("pretext: Jigsaw.Transform.%s = %d does not divide into the %d cells of Jigsaw.Grid; %d pixels would", side.name, side.pixels, t.Grid, side.pixels+t.Grid-side.pixels%t.Grid)
		}
		if tile(side.pixels/t.Grid) == 0 {
			return fmt.Errorf("pretext: Jigsaw.Transform.%s = %d gives cells of a pixel, want %d or more", side.name, side.pixels, 2*t.Grid)
		}
	}
	if t.orders() == nil {
		return fmt.Errorf("pretext: Jigsaw.Permutations = %d of %d×%d tiles, want 24 for 2×2, 1000 or 2000 for 3×3", t.Permutations, t.Grid, t.Grid)
	}
	if !(t.GrayscaleProb >= 0 && t.GrayscaleProb <= 1) {
		return fmt.Errorf("pretext: Jigsaw.GrayscaleProb = %g, want 0 to 1", t.GrayscaleProb)
	}
	return nil
}

// orders returns the function that computes the permutations, or nil. Element i of a
// permutation is the position among the inputs of the tile from cell i.
func (t Jigsaw) orders() func() [][]uint8 {
	switch [2]int{t.Grid, t.Permutations} {
	case [2]int{2, 24}:
		return permutationsOf4
	case [2]int{3, 1000}:
		return distant1000
	case [2]int{3, 2000}:
		return distant2000
	}
	return nil
}

// tile returns the side of the tile in a cell.
func tile(cell int) int { return cell * 76 / 100 }

// Spec returns the sizes of a sample: the tiles of one image are Grid² inputs with one
// label.
func (t Jigsaw) Spec() Spec {
	grid := max(t.Grid, 1) // of an invalid task
	return Spec{
		Height: tile(t.Transform.Height / grid), Width: tile(t.Transform.Width / grid), Channels: 3,
		Inputs: grid * grid, LabelShape: []int{1}, Classes: t.Permutations,
	}
}

// Sample writes the shuffled tiles of img to dst.Inputs, [Grid², Height, Width, 3] of
// [Jigsaw.Spec], and the index of the permutation to dst.Labels, [1]. Each tile is
// normalised to mean 0 and standard deviation 1 over pixels and channels together; a tile
// of a single value, such as padding, becomes zeros.
//
// In training r draws the grayscale conversion (luma of ITU-R BT.709), then the
// augmentation, the permutation, and, row by row, the offset of each tile in its cell, down
// and across. In evaluation tiles are centred and r draws only the permutation.
//
// Differs: the authors' release also shifts tiles in evaluation, and computes the luma
// after resizing instead of before, in integers.
func (t Jigsaw) Sample(dst Sample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := t.Spec().Check(dst); err != nil {
		return err
	}
	if r == nil {
		return errJigsawStream
	}
	return t.tiles().sample(dst, img, train, r)
}

var errJigsawStream = errors.New("pretext: jigsaw: no random stream; it draws the permutation, in evaluation too")

func (t Jigsaw) tiles() tiles { return tiles{t.Transform, t.GrayscaleProb, t.Spec(), t.shuffle} }

// CropSpec returns the sizes of a crop, the image that is cut, with two numbers for each
// tile.
func (t Jigsaw) CropSpec() CropSpec { return t.tiles().cropSpec() }

// Crop writes the crop of img that is cut, where its tiles are, and the index of the
// permutation.
func (t Jigsaw) Crop(dst CropSample, img *Image, train bool, r *rand.Rand) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if r == nil {
		return errJigsawStream
	}
	return t.tiles().crop(dst, img, train, r)
}

// Inputs returns the shuffled tiles of the crops, normalised.
func (t Jigsaw) Inputs(crops, numbers *gorgonia.Node, targets Targets) (*gorgonia.Node, Targets, error) {
	x, err := t.tiles().inputs(crops, numbers)
	return x, targets, err
}

// shuffle draws the permutation, and returns its number and the top row and the left column
// of the tile that is each input.
func (t Jigsaw) shuffle(train bool, r *rand.Rand) (class int32, corners [][2]int) {
	spec, orders := t.Spec(), t.orders()()
	class = int32(rng.IntN(r, len(orders)))
	height, width := t.Transform.Height/t.Grid, t.Transform.Width/t.Grid // of a cell
	place := func(spare int) int {
		if train {
			return rng.IntN(r, spare+1)
		}
		return spare / 2
	}
	corners = make([][2]int, spec.Inputs)
	for cell, to := range orders[class] {
		top := cell/t.Grid*height + place(height-spec.Height)
		left := cell%t.Grid*width + place(width-spec.Width)
		corners[to] = [2]int{top, left}
	}
	return class, corners
}

// Head returns logits [N, Permutations]: global average pooling of each tile, and a linear
// layer on the tiles of an image together, in their shuffled order.
func (t Jigsaw) Head(s *ops.Scope, features *gorgonia.Node) (*gorgonia.Node, error) {
	return PooledHead(s, features, t.Spec().Inputs, t.Permutations)
}

// Loss returns the cross-entropy of logits and labels.
func (Jigsaw) Loss(logits *gorgonia.Node, targets Targets) (ops.Loss, error) {
	return crossEntropy(logits, targets, 0)
}
