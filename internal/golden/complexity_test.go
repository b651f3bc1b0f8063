package golden_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// The tables of package complexity hold sizes of networks that were counted in
// the authors' release.

// table reads one of them, or skips the test.
func table(t *testing.T, name string, v any) {
	t.Helper()
	shared := os.Getenv("UNNAS_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	path := filepath.Join(shared, "data", "complexity", name)
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skipf("no %s in ../shared or UNNAS_SHARED", filepath.Join("data", "complexity", name))
	}
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, v))
}

// setting is what a table says about its networks.
type setting struct {
	Task    string
	Width   int
	Depth   int
	Stacks  int   `json:"num_stacks"`
	Modules int   `json:"num_modules_per_stack"`
	Classes int   `json:"num_classes"`
	Input   []int // [1, channels, height, width], or [1, tiles, …]
}

// counted is what it says about one of them.
type counted struct {
	Params   int
	MACs     int64 `json:"macs"`
	THOP     int64 `json:"thop_2020_05"`
	Width    int
	Depth    int
	Genotype cell.Genotype
	Matrix   [][]int
	Ops      []string
}

func (c counted) size() cell.Complexity {
	return cell.Complexity{Params: c.Params, MACs: c.MACs, THOP: c.THOP}
}

// measure counts a network with the head of its task.
func (s setting) measure(t *testing.T, aspp segmentation.ASPP, body func(*ops.Scope, *gorgonia.Node) (*gorgonia.Node, error)) cell.Complexity {
	t.Helper()
	in, tiles := s.Input, 1
	if len(in) == 5 {
		tiles, in = in[1], in[1:]
	}
	var size cell.Complexity
	require.NoError(t, ops.Build(func() error {
		g := gorgonia.NewGraph()
		scope := ops.NewScope(g, ops.NewParams())
		x, err := ops.Images(g, "x", tiles, in[2], in[3], in[1])
		if err != nil {
			return err
		}
		y, err := body(scope, x)
		if err != nil {
			return err
		}
		head := scope.Sub("classifier")
		switch s.Task {
		case "seg":
			aspp.Classes = s.Classes
			_, err = aspp.Build(head.Sub("classifier"), y)
		case "col":
			_, err = pretext.PixelHead(head, y, s.Classes)
		default:
			_, err = pretext.PooledHead(head, y, tiles, s.Classes)
		}
		size = cell.Measure(scope)
		return err
	}))
	return size
}

func (s setting) stem() cell.Stem {
	if s.Input[len(s.Input)-1] <= 32 {
		return cell.CIFARStem
	}
	return cell.ImageNetStem
}

func (s setting) body() cell.Backbone {
	reductions := 2
	if s.Task == "seg" {
		reductions = 1
	}
	return cell.Backbone{Stem: s.stem(), Width: s.Width, Cells: s.Depth, Reductions: cell.Reductions(s.Depth, reductions)}
}

// derived counts the network of a genotype.
func (s setting) derived(t *testing.T, g cell.Genotype) cell.Complexity {
	t.Helper()
	return s.measure(t, segmentation.EvalASPP(s.Classes), func(scope *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
		net, err := s.body().Network(scope, x, g, ops.All())
		if err != nil {
			return nil, err
		}
		return net.Out, nil
	})
}

// each calls f for all entries in order, or for a few of them if tests are to be
// short.
func each(t *testing.T, archs map[string]counted, f func(t *testing.T, c counted)) {
	t.Helper()
	require.NotEmpty(t, archs)
	for i, id := range slices.Sorted(maps.Keys(archs)) {
		if !testing.Short() || i%10 == 0 {
			t.Run(id, func(t *testing.T) { f(t, archs[id]) })
		}
	}
}

func TestComplexityOfSamples(t *testing.T) {
	for _, name := range []string{"darts500_cifar10_cls", "darts500_imagenet_cls", "nasbench500_cifar10_cls", "nasbench500_imagenet_cls"} {
		t.Run(name, func(t *testing.T) {
			var samples struct {
				Setting setting
				Archs   map[string]counted
			}
			table(t, name+".public.json", &samples)
			s := samples.Setting
			each(t, samples.Archs, func(t *testing.T, c counted) {
				if c.Matrix == nil {
					assert.Equal(t, c.size(), s.derived(t, c.Genotype))
					return
				}
				assert.Equal(t, c.size(), s.measure(t, segmentation.ASPP{}, func(scope *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
					b := cell.NASBenchBackbone{Stem: s.stem(), Width: s.Width, Stacks: s.Stacks, Modules: s.Modules}
					return b.Network(scope, x, cell.NASBenchCell{Matrix: c.Matrix, Ops: c.Ops})
				}))
			})
		})
	}
}

func TestComplexityOfPublishedGenotypes(t *testing.T) {
	settings := map[string]setting{
		"cifar_w36_d20":          {Task: "cls", Classes: 10, Input: []int{1, 3, 32, 32}},
		"imagenet_w48_d14":       {Task: "cls", Classes: 1000, Input: []int{1, 3, 224, 224}},
		"imagenet_paper_width":   {Task: "cls", Classes: 1000, Input: []int{1, 3, 224, 224}},
		"cityscapes_w80_d12":     {Task: "seg", Classes: 19, Input: []int{1, 3, 1025, 2049}},
		"cityscapes_paper_width": {Task: "seg", Classes: 19, Input: []int{1, 3, 1025, 2049}},
	}
	var named struct {
		Archs map[string]map[string]counted
	}
	table(t, "named_genotypes.public.json", &named)
	require.NotEmpty(t, named.Archs)
	for _, name := range slices.Sorted(maps.Keys(named.Archs)) {
		g, ok := cell.GenotypeByName(name)
		require.True(t, ok, name)
		t.Run(name, func(t *testing.T) {
			for _, where := range slices.Sorted(maps.Keys(named.Archs[name])) {
				c := named.Archs[name][where]
				s, ok := settings[where]
				require.True(t, ok, where)
				s.Width, s.Depth = c.Width, c.Depth
				assert.Equal(t, c.size(), s.derived(t, g), where)
			}
		})
	}
}

func TestComplexityAnchors(t *testing.T) {
	var anchors struct {
		NASBench []struct {
			Matrix [][]int
			Ops    []string
			Params int `json:"trainable_parameters"`
		} `json:"nasbench101_trainable_parameters"`
		Search map[string]struct {
			setting
			Params int   `json:"params_weights"`
			Alphas int   `json:"arch_params"`
			MACs   int64 `json:"macs_conv_linear"`
		} `json:"search_networks"`
	}
	table(t, "anchors.json", &anchors)
	require.NotEmpty(t, anchors.NASBench)
	for _, c := range anchors.NASBench {
		s := setting{Task: "cls", Classes: 10, Input: []int{1, 3, 32, 32}}
		size := s.measure(t, segmentation.ASPP{}, func(scope *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			return cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: 128, Stacks: 3, Modules: 3}.Network(scope, x, cell.NASBenchCell{Matrix: c.Matrix, Ops: c.Ops})
		})
		assert.Equal(t, c.Params, size.Params)
	}
	require.NotEmpty(t, anchors.Search)
	for _, name := range slices.Sorted(maps.Keys(anchors.Search)) {
		s := anchors.Search[name]
		alphas := 0
		size := s.measure(t, segmentation.SearchASPP(s.Classes), func(scope *ops.Scope, x *gorgonia.Node) (*gorgonia.Node, error) {
			space := cell.DARTS(s.stem(), s.Width, s.Depth)
			space.Backbone = s.body()
			net, err := space.Supernet(scope, x)
			if err != nil {
				return nil, err
			}
			alphas = net.Normal.Shape.TotalSize() + net.Reduce.Shape.TotalSize()
			return net.Out, nil
		})
		assert.Equal(t, s.Params, size.Params, name)
		assert.Equal(t, s.MACs, size.MACs, name)
		assert.Equal(t, s.Alphas, alphas, name)
	}
}
