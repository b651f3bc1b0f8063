package cell_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/ops"
)

func TestReductions(t *testing.T) {
	assert.Equal(t, []int{2, 5}, cell.Reductions(8, 2))
	assert.Equal(t, []int{6, 13}, cell.Reductions(20, 2))
	assert.Equal(t, []int{4, 9}, cell.Reductions(14, 2))
	assert.Equal(t, []int{4}, cell.Reductions(12, 1))
	assert.Equal(t, []int{0}, cell.Reductions(1, 2), "one cell reduces once")
	assert.Empty(t, cell.Reductions(8, 0))
	assert.Empty(t, cell.Reductions(8, -1))
	assert.Equal(t, []int{2, 5}, cell.Reductions(8, 3), "there are two places at most")
}

func TestDARTSSpace(t *testing.T) {
	s := cell.DARTS(cell.ImageNetStem, 16, 8)
	require.NoError(t, s.Validate())
	assert.Equal(t, 14, s.Edges())
	assert.Equal(t, ops.DARTS(), s.Ops)
	assert.Equal(t, cell.Backbone{Stem: "imagenet", Width: 16, Cells: 8, Reductions: []int{2, 5}}, s.Backbone)
	data, err := json.Marshal(s)
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"ops": ["none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"],
		"nodes": 4,
		"backbone": {"stem": "imagenet", "width": 16, "cells": 8, "reductions": [2, 5]}
	}`, string(data))
	s.MaxSkips, s.PartialChannels = 2, 4
	if data, err = json.Marshal(s); assert.NoError(t, err) {
		assert.Contains(t, string(data), `"max_skips":2,"partial_channels":4`)
	}
	var back cell.Space
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, s, back)
}

// named is a candidate that only has a name.
type named string

func (n named) Name() string { return string(n) }

func (named) Build(*ops.Scope, *gorgonia.Node, ops.OpConfig) (*gorgonia.Node, error) {
	return nil, assert.AnError
}

func TestSpaceValidate(t *testing.T) {
	cases := []struct {
		name, want string
		change     func(s *cell.Space)
	}{
		{"no operations", "a space of 0 operations", func(s *cell.Space) { s.Ops = nil }},
		{"one operation", "a space of 1 operations", func(s *cell.Space) { s.Ops = s.Ops[:1] }},
		{"a missing operation", "operation 1 of the space is nil", func(s *cell.Space) { s.Ops = ops.Set{ops.None(), nil} }},
		{"a name with a space", `operation 1 of the space is named "my op"`, func(s *cell.Space) { s.Ops = ops.Set{ops.None(), named("my op")} }},
		{"an operation twice", `two operations named "none"`, func(s *cell.Space) { s.Ops = ops.Set{ops.None(), ops.Skip(), ops.None()} }},
		{"no nodes", "Nodes is 0, not in 1..64", func(s *cell.Space) { s.Nodes = 0 }},
		{"too many nodes", "Nodes is 65, not in 1..64", func(s *cell.Space) { s.Nodes = 65 }},
		{"a negative limit", "MaxSkips is -1", func(s *cell.Space) { s.MaxSkips = -1 }},
		{"a negative part", "PartialChannels is -1 and Width 16", func(s *cell.Space) { s.PartialChannels = -1 }},
		{"uneven parts", "PartialChannels is 3 and Width 16; want a divisor of Width", func(s *cell.Space) { s.PartialChannels = 3 }},
		{"parts of no channel", "PartialChannels is 32 and Width 16", func(s *cell.Space) { s.PartialChannels = 32 }},
		{"no stem", `Stem is "", not one of`, func(s *cell.Space) { s.Backbone.Stem = "" }},
		{"no width", "Width is 0, not in 1..16384", func(s *cell.Space) { s.Backbone.Width = 0 }},
		{"too large a width", "Width is 16386", func(s *cell.Space) { s.Backbone.Width = 16386 }},
		{"a width that the stem cannot halve", "Width is 7; the stem \"imagenet\" halves it", func(s *cell.Space) { s.Backbone.Width = 7 }},
		{"no cells", "Cells is -1, not in 1..1024", func(s *cell.Space) { s.Backbone.Cells = -1 }},
		{"too many cells", "Cells is 1025", func(s *cell.Space) { s.Backbone.Cells = 1025 }},
		{"a reduction before the first cell", "Reductions is [-1 5]", func(s *cell.Space) { s.Backbone.Reductions = []int{-1, 5} }},
		{"a reduction after the last cell", "Reductions is [2 8]; want indices of 8 cells", func(s *cell.Space) { s.Backbone.Reductions = []int{2, 8} }},
		{"reductions in falling order", "Reductions is [5 2]", func(s *cell.Space) { s.Backbone.Reductions = []int{5, 2} }},
		{"a reduction twice", "Reductions is [2 2]", func(s *cell.Space) { s.Backbone.Reductions = []int{2, 2} }},
		{"a cell that keeps the resolution and does not reduce", "StrideOne is [3]; want some of Reductions, [2 5]", func(s *cell.Space) { s.Backbone.StrideOne = []int{3} }},
		{"cells that keep the resolution in falling order", "StrideOne is [5 2]", func(s *cell.Space) { s.Backbone.StrideOne = []int{5, 2} }},
		{"dilated cells in falling order", "Dilated is [7 3]; want indices of 8 cells", func(s *cell.Space) { s.Backbone.Dilated = []int{7, 3} }},
		{"a dilated cell after the last", "Dilated is [8]", func(s *cell.Space) { s.Backbone.Dilated = []int{8} }},
		{"too many reductions", "Reductions has 11 entries", func(s *cell.Space) {
			s.Backbone.Cells = 20
			s.Backbone.Reductions = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := cell.DARTS(cell.ImageNetStem, 16, 8)
			c.change(&s)
			err := s.Validate()
			require.ErrorContains(t, err, c.want)
			assert.Regexp(t, "^cell: ", err.Error())
			// Building reports the same.
			n := newNet(t)
			_, built := s.Supernet(n.Scope, n.images(1, 32, 32, 3))
			assert.Equal(t, err, built)
		})
	}
}

func TestOutputStride(t *testing.T) {
	b := cell.DARTS(cell.ImageNetStem, 16, 8).Backbone
	assert.Equal(t, 32, b.OutputStride())
	b.StrideOne = []int{5}
	assert.Equal(t, 16, b.OutputStride())
	assert.Equal(t, 4, cell.DARTS(cell.CIFARStem, 16, 8).Backbone.OutputStride())
	data, err := json.Marshal(b)
	require.NoError(t, err)
	assert.JSONEq(t, `{"stem": "imagenet", "width": 16, "cells": 8, "reductions": [2, 5], "stride_one": [5]}`, string(data))
}
