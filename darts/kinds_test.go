package darts_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/darts"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// doubled is an operation that no published cell has.
type doubled struct{}

func (doubled) Name() string { return "doubled" }
func (doubled) Build(s *ops.Scope, x *gorgonia.Node, c ops.OpConfig) (*gorgonia.Node, error) {
	return ops.SepConv(3).Build(s, x, c)
}

// twice is a network that is none of the library's: another one, and a layer.
type twice struct {
	Inner  cell.Network `json:"inner"`
	Layers int          `json:"layers"`
}

func (n twice) Validate() error { return n.Inner.Validate() }
func (n twice) Build(s *ops.Scope, x *gorgonia.Node, p cell.DropPathFunc) (*cell.Features, error) {
	net, err := n.Inner.Build(s, x, p)
	for i := 0; err == nil && i < n.Layers; i++ {
		net.Out, err = ops.ReLU(net.Out)
	}
	return net, err
}
func (n twice) OutputStride() int { return n.Inner.OutputStride() }

// withOwn returns a network whose cells have an operation that is not published.
func withOwn() cell.Network {
	g, _ := cell.GenotypeByName("darts_v2")
	g.Normal[0].Op = "doubled"
	return cell.Network{Backbone: cell.DARTS(cell.ImageNetStem, 4, 3).Backbone, Genotype: g, Ops: append(ops.All(), doubled{})}
}

// kinds reads the types of this file.
func kinds() darts.Kinds {
	k := darts.Kinds{Ops: []ops.Op{doubled{}}}
	k.Architectures = map[string]func(data []byte) (cell.Architecture, error){
		"darts_test.twice": func(data []byte) (cell.Architecture, error) {
			n := twice{Inner: cell.Network{Ops: k.Ops}}
			err := json.Unmarshal(data, &n)
			return n, err
		},
	}
	return k
}

// TestTrainConfigReadsBack writes configurations with networks of each kind and reads
// them, with and without what the kind needs.
func TestTrainConfigReadsBack(t *testing.T) {
	g, _ := cell.GenotypeByName("darts_v2")
	plain := cell.Network{Backbone: cell.DARTS(cell.CIFARStem, 4, 3).Backbone, Genotype: g, Ops: ops.All()}
	own := withOwn()
	bench := cell.NASBenchNetwork{
		Backbone: cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: 6, Stacks: 2, Modules: 3},
		Cell:     cell.NASBenchCell{Matrix: [][]int{{0, 1}, {0, 0}}, Ops: []string{"input", "output"}},
	}
	for name, c := range map[string]struct {
		network cell.Architecture
		kinds   darts.Kinds
		kind    string
		want    cell.Architecture // nil: network
		fault   string
	}{
		"cells":                     {network: plain, kind: "network"},
		"pointer":                   {network: &plain, kind: "network", want: plain},
		"user's operations":         {network: own, kinds: kinds(), kind: "network"},
		"unknown operations":        {network: own, kind: "network", fault: `unknown operation "doubled"`},
		"NAS-Bench-101":             {network: bench, kind: "nasbench"},
		"pixels":                    {network: segmentation.Network{Architecture: plain, Task: segmentation.Cityscapes()}, kind: "segmentation"},
		"user's pixels":             {network: &segmentation.Network{Architecture: twice{plain, 2}}, kinds: kinds(), kind: "segmentation", want: segmentation.Network{Architecture: twice{plain, 2}}},
		"pixels of what is unknown": {network: segmentation.Network{Architecture: twice{plain, 2}}, kind: "segmentation", fault: `unknown kind "darts_test.twice", want one of network, nasbench, segmentation; say in Kinds.Architectures how it is read`},
		"user's":                    {network: twice{own, 3}, kinds: kinds(), kind: "darts_test.twice"},
		"user's pointer":            {network: &twice{plain, 3}, kinds: kinds(), kind: "darts_test.twice", want: twice{plain, 3}},
		"nothing from nil":          {network: (*cell.Network)(nil)},
		"a reader of nothing": {network: twice{plain, 3}, kind: "darts_test.twice", fault: "darts_test.twice: Kinds.Architectures returns nil", kinds: darts.Kinds{
			Architectures: map[string]func([]byte) (cell.Architecture, error){"darts_test.twice": func([]byte) (cell.Architecture, error) { return nil, nil }},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			wrote := darts.Training(g)
			wrote.Network, wrote.Seed, wrote.MicroBatch, wrote.Init, wrote.Freeze = c.network, 9, 7, "weights", []string{"stem"}
			text, err := json.Marshal(wrote)
			require.NoError(t, err)
			var named struct{ Network *struct{ Kind string } }
			require.NoError(t, json.Unmarshal(text, &named))
			if named.Network != nil {
				assert.Equal(t, c.kind, named.Network.Kind)
			}
			got, err := c.kinds.ReadTrainConfig(bytes.NewReader(text))
			if c.fault != "" {
				require.ErrorContains(t, err, "darts: configuration of a training: network: ")
				require.ErrorContains(t, err, c.fault)
				return
			}
			require.NoError(t, err)
			want := wrote
			if want.Network = c.want; c.want == nil && named.Network != nil {
				want.Network = c.network
			}
			assert.Equal(t, want, got)
		})
	}
	c := darts.TrainConfig{Network: plain, Epochs: 3}
	require.NoError(t, json.Unmarshal([]byte(`{"batch":4}`), &c))
	assert.Equal(t, darts.TrainConfig{Network: plain, Epochs: 3, Batch: 4}, c, "what is not written stays")
	assert.Error(t, json.Unmarshal([]byte(`{"network":[]}`), &c))
	assert.Error(t, json.Unmarshal([]byte(`{"network":{"kind":"network","backbone":3}}`), &c))
	assert.Error(t, json.Unmarshal([]byte(`{"epochs":"many"}`), &c))
	_, err := darts.WriteArchitecture(scalar(3))
	assert.ErrorContains(t, err, "the JSON form of a darts_test.scalar is 3, must be an object")
}

// scalar is an architecture whose JSON form is no object.
type scalar int

func (scalar) Validate() error { return nil }
func (scalar) Build(*ops.Scope, *gorgonia.Node, cell.DropPathFunc) (*cell.Features, error) {
	return nil, nil
}

// TestConfigOfRunFolder trains a user's network with a user's operation, an
// auxiliary head and the ImageNet stem, and trains again by what its folder holds:
// to the same weights.
func TestConfigOfRunFolder(t *testing.T) {
	src := drawn(t, 2, 1)
	task := pretext.Classification{Transform: pretext.ImageNetTransform(224), Classes: 8}
	train := func(path string, c darts.TrainConfig) []byte {
		dir, err := darts.OpenRunDir(path)
		require.NoError(t, err)
		r, err := darts.Train(t.Context(), src, nil, task, c, darts.Runtime{Dir: dir})
		require.NoError(t, err)
		require.NoError(t, dir.Close())
		var weights bytes.Buffer
		require.NoError(t, r.Params.WriteSafetensors(&weights, nil))
		return weights.Bytes()
	}
	dir := t.TempDir()
	first := train(filepath.Join(dir, "first"), darts.TrainConfig{
		Network: twice{withOwn(), 2}, Epochs: 1, Batch: 2, SGD: darts.SGD{LR: darts.Schedule{Kind: darts.Constant, Base: 0.01}}, Auxiliary: 0.4, Seed: 3,
	})
	text, err := os.ReadFile(filepath.Join(dir, "first", "config.json"))
	require.NoError(t, err)
	again, err := kinds().ReadTrainConfig(bytes.NewReader(text))
	require.NoError(t, err)
	assert.Equal(t, first, train(filepath.Join(dir, "second"), again))
}

// TestNilNetworks are refused, as pointers too.
func TestNilNetworks(t *testing.T) {
	task := pretext.Classification{Transform: pretext.ScenesTransform(16), Classes: 8}
	c := darts.TrainConfig{Epochs: 1, Batch: 1, SGD: darts.SGD{LR: darts.Schedule{Kind: darts.Constant, Base: 0.01}}}
	for _, network := range []cell.Architecture{nil, (*cell.Network)(nil), (*segmentation.Network)(nil), segmentation.Network{}, segmentation.Network{Architecture: (*cell.Network)(nil)}} {
		c.Network = network
		_, err := darts.Train(t.Context(), drawn(t, 2, 1), nil, task, c, darts.Runtime{})
		assert.ErrorContains(t, err, "a cell.Network", "%T", network)
	}
}

// TestSearchConfigReadsBack reads the configuration of a search with a user's operation.
func TestSearchConfigReadsBack(t *testing.T) {
	want := darts.PCDARTS()
	want.Space.Ops = append(want.Space.Ops, doubled{})
	want.Algorithms, want.StopSkips, want.SkipDropout, want.Seed = darts.Algorithms{darts.SecondOrder{}}, 3, 0.1, 8
	text, err := json.Marshal(want)
	require.NoError(t, err)
	got, err := kinds().ReadSearchConfig(bytes.NewReader(text))
	require.NoError(t, err)
	assert.Equal(t, want, got)
	_, err = darts.Kinds{}.ReadSearchConfig(bytes.NewReader(text))
	assert.ErrorContains(t, err, `darts: configuration of a search: ops: unknown operation "doubled"`)
}
