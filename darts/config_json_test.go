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

// TestTrainConfigReadsBack writes configurations with networks of each kind and
// reads them, with and without what the kind needs to be there.
func TestTrainConfigReadsBack(t *testing.T) {
	g, _ := cell.GenotypeByName("darts_v2")
	plain := cell.Network{Backbone: cell.DARTS(cell.CIFARStem, 4, 3).Backbone, Genotype: g, Ops: ops.All()}
	own := withOwn()
	bench := cell.NASBenchNetwork{
		Backbone: cell.NASBenchBackbone{Stem: cell.CIFARStem, Width: 6, Stacks: 2, Modules: 3},
		Cell:     cell.NASBenchCell{Matrix: [][]int{{0, 1}, {0, 0}}, Ops: []string{"input", "output"}},
	}
	for name, c := range map[string]struct {
		network, into cell.Architecture
		kind          string
		want          cell.Architecture // nil: network
		fault         string
	}{
		"derived":                   {network: plain, kind: "derived"},
		"derived into one":          {network: plain, into: own, kind: "derived"},
		"derived into another":      {network: plain, into: bench, kind: "derived"},
		"derived into a pointer":    {network: plain, into: &bench, kind: "derived"},
		"pointer":                   {network: &plain, kind: "derived", want: plain},
		"pointer into a pointer":    {network: &plain, into: &own, kind: "derived"},
		"user's operations":         {network: own, into: cell.Network{Ops: ops.Set{doubled{}}}, kind: "derived"},
		"unknown operations":        {network: own, kind: "derived", fault: `ops: unknown operation "doubled", neither published nor in the set`},
		"NAS-Bench-101":             {network: bench, kind: "nasbench"},
		"pixels":                    {network: segmentation.Network{Architecture: plain, Task: segmentation.Cityscapes()}, kind: "segmentation"},
		"user's pixels":             {network: &segmentation.Network{Architecture: twice{plain, 2}}, into: &segmentation.Network{Architecture: twice{}}, kind: "segmentation"},
		"pixels of what is unknown": {network: segmentation.Network{Architecture: twice{plain, 2}}, kind: "segmentation", fault: `darts: Network: its kind is "", which is none of the library's`},
		"user's":                    {network: twice{own, 3}, into: twice{Inner: cell.Network{Ops: own.Ops}}},
		"user's pointer":            {network: &twice{plain, 3}, into: &twice{Layers: 9}},
		"user's into nothing":       {network: twice{plain, 3}, fault: "read into a TrainConfig whose Network is of its type"},
		"user's into another":       {network: twice{plain, 3}, into: plain, fault: `darts: Network: its kind is ""`},
		"none":                      {into: plain},
		"a nil pointer":             {network: (*cell.Network)(nil), into: plain},
	} {
		t.Run(name, func(t *testing.T) {
			wrote := darts.DARTSTraining(g)
			wrote.Network, wrote.Seed, wrote.MicroBatch = c.network, 9, 7
			text, err := json.Marshal(wrote)
			require.NoError(t, err)
			var named struct{ Network *struct{ Kind string } }
			require.NoError(t, json.Unmarshal(text, &named))
			if named.Network != nil {
				assert.Equal(t, c.kind, named.Network.Kind)
			}
			got := darts.TrainConfig{Network: c.into, Batch: 1}
			err = json.Unmarshal(text, &got)
			if c.fault != "" {
				require.ErrorContains(t, err, c.fault)
				return
			}
			require.NoError(t, err)
			want := wrote
			if c.want != nil {
				want.Network = c.want
			}
			if name == "a nil pointer" {
				want.Network = nil
			}
			assert.Equal(t, want, got)
		})
	}
	var c darts.TrainConfig
	assert.Error(t, json.Unmarshal([]byte(`{"network":[]}`), &c))
	assert.Error(t, json.Unmarshal([]byte(`{"network":{"kind":"derived","backbone":3}}`), &c))
	assert.Error(t, json.Unmarshal([]byte(`{"epochs":"many"}`), &c))
}

// TestReadingLeavesOthersAlone: what a network was read into is held by others, too.
func TestReadingLeavesOthersAlone(t *testing.T) {
	g, _ := cell.GenotypeByName("darts_v2")
	held := cell.Network{Backbone: cell.DARTS(cell.CIFARStem, 4, 9).Backbone, Genotype: g, Ops: ops.All()}
	other := held
	other.Backbone.Reductions = []int{1, 2}
	text, err := json.Marshal(darts.TrainConfig{Network: other})
	require.NoError(t, err)
	c := darts.TrainConfig{Network: held}
	require.NoError(t, json.Unmarshal(text, &c))
	assert.Equal(t, []int{3, 6}, held.Backbone.Reductions)
	assert.Equal(t, []int{1, 2}, c.Network.(cell.Network).Backbone.Reductions)
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
	again := darts.TrainConfig{Network: twice{Inner: cell.Network{Ops: ops.Set{doubled{}}}}}
	require.NoError(t, json.Unmarshal(text, &again))
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

// TestConfigReadsBack reads the configuration of a search with a user's operation
// into one that holds it.
func TestConfigReadsBack(t *testing.T) {
	want := darts.PCDARTS()
	want.Space.Ops = append(want.Space.Ops, doubled{})
	want.Algorithm, want.StopSkips, want.SkipDropout, want.Seed = darts.SecondOrder, 3, 0.1, 8
	text, err := json.Marshal(want)
	require.NoError(t, err)
	got := darts.SearchConfig{Space: cell.Space{Ops: ops.Set{doubled{}}}}
	require.NoError(t, json.Unmarshal(text, &got))
	assert.Equal(t, want, got)
	var none darts.SearchConfig
	assert.ErrorContains(t, json.Unmarshal(text, &none), "read into a set that contains it")
}
