package cell_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/cell"
	"unnas/ops"
)

func TestResNet56(t *testing.T) {
	got, err := cell.ResNet56()
	require.NoError(t, err)
	assert.Equal(t, cell.Complexity{Params: 855_770, MACs: 125_747_840, THOP: 126_841_536}, got)
}

// anySize accepts every genotype of a space, on images of 32×32 pixels.
func anySize(space cell.Space, classes int) cell.ArchSampler {
	return cell.ArchSampler{
		Space: space, Image: 32, Classes: classes,
		Reference: cell.Complexity{Params: 1, MACs: 1}, High: math.Inf(1),
	}
}

// TestSamplerSize holds the sizes of samples against networks that are built.
func TestSamplerSize(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		stem := rapid.SampledFrom([]cell.Stem{cell.CIFARStem, cell.ImageNetStem}).Draw(rt, "stem")
		space := cell.DARTS(stem, 2*rapid.IntRange(1, 4).Draw(rt, "half of width"), rapid.IntRange(1, 4).Draw(rt, "cells"))
		space.Nodes = rapid.IntRange(1, 4).Draw(rt, "nodes")
		space.Backbone.Reductions = space.Backbone.Reductions[:rapid.IntRange(0, len(space.Backbone.Reductions)).Draw(rt, "reductions")]
		if len(space.Backbone.Reductions) > 0 && rapid.Bool().Draw(rt, "keep the resolution once") {
			space.Backbone.StrideOne = space.Backbone.Reductions[:1]
		}
		all := slices.DeleteFunc(ops.All(), func(op ops.Op) bool {
			return strings.HasSuffix(op.Name(), "2x2") // without padding, they fit with few others
		})
		space.Ops = nil
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(all)-1), 2, 4, rapid.ID[int]).Draw(rt, "operations") {
			space.Ops = append(space.Ops, all[i])
		}
		classes := rapid.IntRange(1, 20).Draw(rt, "classes")
		samples, err := anySize(space, classes).Sample(2, rapid.Uint64().Draw(rt, "seed"))
		require.NoError(rt, err)
		for _, sample := range samples {
			n := newNet(t)
			net, err := space.Backbone.Network(n.Scope, n.images(1, 32, 32, 3), sample.Genotype, space.Ops)
			require.NoError(rt, err)
			classify(t, n.Scope, net.Out, classes)
			require.Equal(rt, cell.Measure(n.Scope), sample.Size, "%s", sample.Genotype)
		}
	})
}

// TestDARTSSampler draws the samples of the paper's experiment.
func TestDARTSSampler(t *testing.T) {
	s, err := cell.DARTSArchSampler()
	require.NoError(t, err)
	all, err := s.Sample(500, 1)
	require.NoError(t, err)
	require.Len(t, all, 500)

	set, seen := ops.DARTS(), map[string]bool{}
	counts := map[string]int{}
	twins, draw := 0, -1
	for _, a := range all {
		require.NoError(t, a.Genotype.Validate(set.Has))
		require.False(t, seen[a.Genotype.String()])
		seen[a.Genotype.String()] = true
		require.Greater(t, a.Index, draw)
		draw = a.Index
		require.True(t, 684_616 <= a.Size.Params && a.Size.Params <= 1_026_924, "%+v", a.Size)
		require.True(t, 100_598_272 <= a.Size.MACs && a.Size.MACs <= 150_897_408, "%+v", a.Size)
		for _, e := range slices.Concat(a.Genotype.Normal, a.Genotype.Reduce) {
			counts[e.Op]++
		}
		if a.Genotype.Normal[0].From == a.Genotype.Normal[1].From {
			twins++
		}
	}
	for _, name := range set.Names() {
		assert.Positive(t, counts[name], name)
	}
	assert.InDelta(t, 250, twins, 60, "both edges into node 2 come from the same input as often as not")

	again, err := s.Sample(500, 1)
	require.NoError(t, err)
	assert.Equal(t, all, again)
	fewer, err := s.Sample(7, 1)
	require.NoError(t, err)
	assert.Equal(t, all[:7], fewer)
	other, err := s.Sample(7, 2)
	require.NoError(t, err)
	assert.NotEqual(t, all[:7], other)
}

// TestSamplerExhausts a space of few genotypes: one node, two operations. Two edges
// from two inputs with two operations give ten multisets, for each kind of cell.
func TestSamplerExhausts(t *testing.T) {
	space := cell.Space{
		Ops: ops.Set{ops.None(), ops.Skip()}, Nodes: 1,
		Backbone: cell.Backbone{Stem: cell.CIFARStem, Width: 2, Cells: 2, Reductions: []int{1}},
	}
	all, err := anySize(space, 3).Sample(100, 5)
	require.NoError(t, err)
	last := all[99].Index
	assert.Less(t, last, 100_000)
	_, err = anySize(space, 3).Sample(101, 5)
	assert.ErrorContains(t, err, fmt.Sprintf("cell: 100 of 101 samples after %d draws", last+200_001))
}

func TestSamplerRefuses(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(s *cell.ArchSampler)
	}{
		{"a space", "Nodes is 0", func(s *cell.ArchSampler) { s.Space.Nodes = 0 }},
		{"no image", "Image is 0, not in 1..16384", func(s *cell.ArchSampler) { s.Image = 0 }},
		{"no classes", "Classes is -1", func(s *cell.ArchSampler) { s.Classes = -1 }},
		{"no reference", "Reference has 0 parameters and 7 multiply-adds", func(s *cell.ArchSampler) { s.Reference = cell.Complexity{MACs: 7} }},
		{"limits the wrong way", "Low is 2 and High 1", func(s *cell.ArchSampler) { s.Low, s.High = 2, 1 }},
		{"a negative limit", "Low is -1 and High 1", func(s *cell.ArchSampler) { s.Low, s.High = -1, 1 }},
		{"a limit that is no number", "Low is NaN", func(s *cell.ArchSampler) { s.Low = math.NaN() }},
		{"operations that do not fit together", "cell: cell 0: node 5: ops: sum: shapes", func(s *cell.ArchSampler) { s.Space.Ops = append(s.Space.Ops, ops.MaxPool(2)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := anySize(cell.DARTS(cell.CIFARStem, 2, 3), 10)
			c.change(&s)
			_, err := s.Sample(1, 1)
			require.ErrorContains(t, err, c.want)
			assert.Regexp(t, "^cell: ", err.Error())
		})
	}
	_, err := anySize(cell.DARTS(cell.CIFARStem, 2, 3), 10).Sample(-1, 1)
	assert.ErrorContains(t, err, "cell: -1 samples")
}

// A few of the architectures of the experiments on samples, and how rare they are.
func ExampleDARTSArchSampler() {
	sampler, err := cell.DARTSArchSampler()
	if err != nil {
		fmt.Println(err)
		return
	}
	samples, err := sampler.Sample(100, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	first, last := samples[0], samples[99]
	fmt.Println(first.Genotype)
	fmt.Printf("%d parameters, %.2f of ResNet-56's; 100 of %d draws were accepted\n",
		first.Size.Params, float64(first.Size.Params)/float64(sampler.Reference.Params), last.Index+1)
	// Output:
	// normal: sep_conv_3x3(0) dil_conv_3x3(0) | sep_conv_3x3(1) sep_conv_5x5(1) | skip_connect(2) sep_conv_3x3(2) | dil_conv_5x5(0) max_pool_3x3(3); concat 2-5
	// reduce: dil_conv_3x3(1) dil_conv_5x5(1) | avg_pool_3x3(0) sep_conv_3x3(0) | avg_pool_3x3(1) none(0) | sep_conv_5x5(2) sep_conv_3x3(1); concat 2-5
	// 757306 parameters, 0.88 of ResNet-56's; 100 of 533 draws were accepted
}
