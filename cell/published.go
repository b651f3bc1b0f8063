package cell

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// published holds the genotypes by the year of their papers.
var published = []struct {
	name string
	Genotype
}{
	{"nas", Genotype{
		Normal: []Edge{
			{"sep_conv_5x5", 1}, {"sep_conv_3x3", 0}, {"sep_conv_5x5", 0}, {"sep_conv_3x3", 0},
			{"avg_pool_3x3", 1}, {"skip_connect", 0}, {"avg_pool_3x3", 0}, {"avg_pool_3x3", 0},
			{"sep_conv_3x3", 1}, {"skip_connect", 1},
		},
		NormalConcat: []int{2, 3, 4, 5, 6},
		Reduce: []Edge{
			{"sep_conv_5x5", 1}, {"sep_conv_7x7", 0}, {"max_pool_3x3", 1}, {"sep_conv_7x7", 0},
			{"avg_pool_3x3", 1}, {"sep_conv_5x5", 0}, {"skip_connect", 3}, {"avg_pool_3x3", 2},
			{"sep_conv_3x3", 2}, {"max_pool_3x3", 1},
		},
		ReduceConcat: []int{4, 5, 6},
	}},
	{"pnas", Genotype{
		Normal: []Edge{
			{"sep_conv_5x5", 0}, {"max_pool_3x3", 0}, {"sep_conv_7x7", 1}, {"max_pool_3x3", 1},
			{"sep_conv_5x5", 1}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 4}, {"max_pool_3x3", 1},
			{"sep_conv_3x3", 0}, {"skip_connect", 1},
		},
		NormalConcat: []int{2, 3, 4, 5, 6},
		Reduce: []Edge{
			{"sep_conv_5x5", 0}, {"max_pool_3x3", 0}, {"sep_conv_7x7", 1}, {"max_pool_3x3", 1},
			{"sep_conv_5x5", 1}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 4}, {"max_pool_3x3", 1},
			{"sep_conv_3x3", 0}, {"skip_connect", 1},
		},
		ReduceConcat: []int{2, 3, 4, 5, 6},
	}},
	{"amoeba", Genotype{
		Normal: []Edge{
			{"avg_pool_3x3", 0}, {"max_pool_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_5x5", 2},
			{"sep_conv_3x3", 0}, {"avg_pool_3x3", 3}, {"sep_conv_3x3", 1}, {"skip_connect", 1},
			{"skip_connect", 0}, {"avg_pool_3x3", 1},
		},
		NormalConcat: []int{4, 5, 6},
		Reduce: []Edge{
			{"avg_pool_3x3", 0}, {"sep_conv_3x3", 1}, {"max_pool_3x3", 0}, {"sep_conv_7x7", 2},
			{"sep_conv_7x7", 0}, {"avg_pool_3x3", 1}, {"max_pool_3x3", 0}, {"max_pool_3x3", 1},
			{"conv_7x1_1x7", 0}, {"sep_conv_3x3", 5},
		},
		ReduceConcat: []int{3, 4, 6},
	}},
	{"darts_v1", Genotype{
		Normal: []Edge{
			{"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"skip_connect", 0}, {"sep_conv_3x3", 1},
			{"skip_connect", 0}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"skip_connect", 2},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"max_pool_3x3", 0}, {"max_pool_3x3", 1}, {"skip_connect", 2}, {"max_pool_3x3", 0},
			{"max_pool_3x3", 0}, {"skip_connect", 2}, {"skip_connect", 2}, {"avg_pool_3x3", 0},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"darts_v2", Genotype{
		Normal: []Edge{
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 1},
			{"sep_conv_3x3", 1}, {"skip_connect", 0}, {"skip_connect", 0}, {"dil_conv_3x3", 2},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"max_pool_3x3", 0}, {"max_pool_3x3", 1}, {"skip_connect", 2}, {"max_pool_3x3", 1},
			{"max_pool_3x3", 0}, {"skip_connect", 2}, {"skip_connect", 2}, {"max_pool_3x3", 1},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"pdarts", Genotype{
		Normal: []Edge{
			{"skip_connect", 0}, {"dil_conv_3x3", 1}, {"skip_connect", 0}, {"sep_conv_3x3", 1},
			{"sep_conv_3x3", 1}, {"sep_conv_3x3", 3}, {"sep_conv_3x3", 0}, {"dil_conv_5x5", 4},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"avg_pool_3x3", 0}, {"sep_conv_5x5", 1}, {"sep_conv_3x3", 0}, {"dil_conv_5x5", 2},
			{"max_pool_3x3", 0}, {"dil_conv_3x3", 1}, {"dil_conv_3x3", 1}, {"dil_conv_5x5", 3},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"pcdarts_c10", Genotype{
		Normal: []Edge{
			{"sep_conv_3x3", 1}, {"skip_connect", 0}, {"sep_conv_3x3", 0}, {"dil_conv_3x3", 1},
			{"sep_conv_5x5", 0}, {"sep_conv_3x3", 1}, {"avg_pool_3x3", 0}, {"dil_conv_3x3", 1},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"sep_conv_5x5", 1}, {"max_pool_3x3", 0}, {"sep_conv_5x5", 1}, {"sep_conv_5x5", 2},
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 3}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 2},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"pcdarts_in1k", Genotype{
		Normal: []Edge{
			{"skip_connect", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 0}, {"skip_connect", 1},
			{"sep_conv_3x3", 1}, {"sep_conv_3x3", 3}, {"sep_conv_3x3", 1}, {"dil_conv_5x5", 4},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"sep_conv_3x3", 0}, {"skip_connect", 1}, {"dil_conv_5x5", 2}, {"max_pool_3x3", 1},
			{"sep_conv_3x3", 2}, {"sep_conv_3x3", 1}, {"sep_conv_5x5", 0}, {"sep_conv_3x3", 3},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"unnas_imagenet_cls", Genotype{
		Normal: []Edge{
			{"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0},
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 2}, {"sep_conv_5x5", 1}, {"sep_conv_3x3", 0},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"max_pool_3x3", 0}, {"skip_connect", 1}, {"max_pool_3x3", 0}, {"dil_conv_5x5", 2},
			{"max_pool_3x3", 0}, {"sep_conv_3x3", 2}, {"sep_conv_3x3", 4}, {"dil_conv_5x5", 3},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"unnas_imagenet_rot", Genotype{
		Normal: []Edge{
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 1},
			{"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 1},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 2}, {"sep_conv_3x3", 1},
			{"sep_conv_3x3", 1}, {"sep_conv_3x3", 2}, {"sep_conv_3x3", 4}, {"sep_conv_5x5", 2},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"unnas_imagenet_col", Genotype{
		Normal: []Edge{
			{"skip_connect", 0}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 1}, {"skip_connect", 0},
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 3}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 2},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"max_pool_3x3", 0}, {"sep_conv_3x3", 1}, {"max_pool_3x3", 0}, {"sep_conv_3x3", 1},
			{"max_pool_3x3", 0}, {"sep_conv_5x5", 3}, {"max_pool_3x3", 0}, {"sep_conv_3x3", 4},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"unnas_imagenet_jig", Genotype{
		Normal: []Edge{
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 1},
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 3}, {"sep_conv_3x3", 1}, {"sep_conv_5x5", 0},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"sep_conv_5x5", 0}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 1},
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 1}, {"sep_conv_5x5", 0}, {"sep_conv_3x3", 1},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"unnas_imagenet22k_cls", Genotype{
		Normal: []Edge{
			{"sep_conv_3x3", 1}, {"skip_connect", 0}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 2},
			{"sep_conv_3x3", 1}, {"sep_conv_3x3", 2}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"max_pool_3x3", 0}, {"max_pool_3x3", 1}, {"dil_conv_5x5", 2}, {"max_pool_3x3", 0},
			{"dil_conv_5x5", 3}, {"dil_conv_5x5", 2}, {"dil_conv_5x5", 4}, {"dil_conv_5x5", 3},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"unnas_imagenet22k_rot", Genotype{
		Normal: []Edge{
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 1},
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 1},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"max_pool_3x3", 0}, {"sep_conv_5x5", 1}, {"dil_conv_5x5", 2}, {"sep_conv_5x5", 0},
			{"dil_conv_5x5", 3}, {"sep_conv_3x3", 2}, {"sep_conv_3x3", 4}, {"sep_conv_3x3", 3},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"unnas_imagenet22k_col", Genotype{
		Normal: []Edge{
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 1},
			{"sep_conv_3x3", 2}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 3}, {"sep_conv_3x3", 0},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"max_pool_3x3", 0}, {"skip_connect", 1}, {"dil_conv_5x5", 2}, {"sep_conv_3x3", 0},
			{"sep_conv_3x3", 3}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 4}, {"sep_conv_5x5", 1},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"unnas_imagenet22k_jig", Genotype{
		Normal: []Edge{
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 1},
			{"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 4},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"sep_conv_5x5", 0}, {"skip_connect", 1}, {"sep_conv_5x5", 0}, {"sep_conv_3x3", 2},
			{"sep_conv_5x5", 0}, {"sep_conv_5x5", 3}, {"sep_conv_5x5", 0}, {"sep_conv_5x5", 4},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"unnas_cityscapes_seg", Genotype{
		Normal: []Edge{
			{"skip_connect", 0}, {"sep_conv_5x5", 1}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0},
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 1},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"sep_conv_3x3", 0}, {"avg_pool_3x3", 1}, {"avg_pool_3x3", 1}, {"sep_conv_5x5", 0},
			{"sep_conv_3x3", 2}, {"sep_conv_5x5", 0}, {"sep_conv_3x3", 4}, {"sep_conv_5x5", 2},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"unnas_cityscapes_rot", Genotype{
		Normal: []Edge{
			{"sep_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 2}, {"sep_conv_3x3", 1},
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 3}, {"sep_conv_3x3", 1}, {"sep_conv_3x3", 0},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"max_pool_3x3", 0}, {"sep_conv_5x5", 1}, {"sep_conv_5x5", 2}, {"sep_conv_5x5", 1},
			{"sep_conv_5x5", 3}, {"dil_conv_5x5", 2}, {"sep_conv_5x5", 2}, {"sep_conv_5x5", 0},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"unnas_cityscapes_col", Genotype{
		Normal: []Edge{
			{"dil_conv_3x3", 1}, {"sep_conv_3x3", 0}, {"skip_connect", 0}, {"sep_conv_5x5", 2},
			{"dil_conv_3x3", 3}, {"skip_connect", 0}, {"skip_connect", 0}, {"sep_conv_3x3", 1},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"avg_pool_3x3", 1}, {"avg_pool_3x3", 0}, {"avg_pool_3x3", 1}, {"avg_pool_3x3", 0},
			{"avg_pool_3x3", 1}, {"avg_pool_3x3", 0}, {"avg_pool_3x3", 1}, {"skip_connect", 4},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
	{"unnas_cityscapes_jig", Genotype{
		Normal: []Edge{
			{"dil_conv_5x5", 1}, {"sep_conv_5x5", 0}, {"sep_conv_3x3", 0}, {"sep_conv_3x3", 1},
			{"sep_conv_3x3", 0}, {"sep_conv_3x3", 2}, {"sep_conv_3x3", 0}, {"dil_conv_5x5", 1},
		},
		NormalConcat: []int{2, 3, 4, 5},
		Reduce: []Edge{
			{"avg_pool_3x3", 0}, {"skip_connect", 1}, {"dil_conv_5x5", 1}, {"dil_conv_5x5", 2},
			{"dil_conv_5x5", 2}, {"dil_conv_5x5", 0}, {"dil_conv_5x5", 3}, {"dil_conv_5x5", 2},
		},
		ReduceConcat: []int{2, 3, 4, 5},
	}},
}

// GenotypeByName returns a genotype of the literature, and false for an unknown
// name. The caller owns the slices.
//
//   - nas is NASNet-A (Zoph et al., 2018, arXiv 1707.07012);
//   - pnas is PNASNet-5 (Liu et al., 2018, arXiv 1712.00559);
//   - amoeba is AmoebaNet-A (Real et al., 2019, arXiv 1802.01548);
//   - darts_v1 and darts_v2 are the cells of first-order and second-order DARTS
//     (Liu et al., 2019, arXiv 1806.09055);
//   - pdarts is P-DARTS (Chen et al., 2019, arXiv 1904.12760);
//   - pcdarts_c10 and pcdarts_in1k are the cells that PC-DARTS found on CIFAR-10
//     and on ImageNet-1K (Xu et al., 2020, arXiv 1907.05737);
//   - unnas_imagenet_…, unnas_imagenet22k_… and unnas_cityscapes_… are the cells
//     that UnNAS found on ImageNet-1K, ImageNet-22K and Cityscapes (Liu et al.,
//     2020, arXiv 2003.12056); the suffix is the task of the search: cls
//     (classification, with labels), seg (segmentation, with labels, Cityscapes
//     only), rot (rotation), col (colorization) or jig (jigsaw puzzles).
//
// All are as in the release of the authors of UnNAS. The first three have five
// intermediate nodes, the others four.
func GenotypeByName(name string) (Genotype, bool) {
	for _, p := range published {
		if p.name == name {
			return Genotype{
				Normal:       slices.Clone(p.Normal),
				NormalConcat: slices.Clone(p.NormalConcat),
				Reduce:       slices.Clone(p.Reduce),
				ReduceConcat: slices.Clone(p.ReduceConcat),
			}, true
		}
	}
	return Genotype{}, false
}

// GenotypeNames returns the names that [GenotypeByName] accepts, oldest paper first.
func GenotypeNames() []string {
	names := make([]string, len(published))
	for i, p := range published {
		names[i] = p.name
	}
	return names
}

// ReadGenotype returns the genotype of a name that [GenotypeByName] knows, or of a
// file in one of the notations of [ParseGenotype], or of the run directory of a search,
// which has it in genotype.json.
func ReadGenotype(name string) (Genotype, error) {
	if g, ok := GenotypeByName(name); ok {
		return g, nil
	}
	path := name
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		path = filepath.Join(name, "genotype.json")
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Genotype{}, fmt.Errorf("cell: no genotype %q: %w; give a file, the run directory of a search, or a published name: %s", name, err, strings.Join(GenotypeNames(), ", "))
	}
	if err != nil {
		return Genotype{}, fmt.Errorf("cell: genotype: %w", err)
	}
	defer file.Close()
	notation, err := io.ReadAll(io.LimitReader(file, maxText+1))
	if err != nil {
		return Genotype{}, fmt.Errorf("cell: genotype: %w", err)
	}
	g, err := ParseGenotype(string(notation))
	if err != nil {
		return Genotype{}, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}
