package ops_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/ops"
)

func TestSets(t *testing.T) {
	assert.Equal(t, []string{
		"none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5",
	}, ops.DARTS().Names())
	assert.Equal(t, []string{"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"}, ops.NASBench201().Names())
	assert.Equal(t, []string{"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3"}, ops.TransNASBench101().Names())
	assert.Equal(t, []string{
		"none",
		"avg_pool_2x2", "avg_pool_3x3", "avg_pool_5x5",
		"max_pool_2x2", "max_pool_3x3", "max_pool_5x5", "max_pool_7x7",
		"skip_connect",
		"conv_1x1", "conv_3x3",
		"nor_conv_1x1", "nor_conv_3x3",
		"sep_conv_3x3", "sep_conv_5x5", "sep_conv_7x7",
		"dil_conv_3x3", "dil_conv_5x5",
		"dil_sep_conv_3x3",
		"conv_3x1_1x3", "conv_7x1_1x7",
	}, ops.All().Names())
}

func TestFind(t *testing.T) {
	op, err := ops.DARTS().Find("skip_connect")
	require.NoError(t, err)
	assert.Equal(t, ops.Skip(), op)
	assert.True(t, ops.DARTS().Has("none"))
	assert.False(t, ops.DARTS().Has("sep_conv_7x7"))
	_, err = ops.DARTS().Find("sep_conv_7x7")
	assert.ErrorContains(t, err, `unknown operation "sep_conv_7x7"; the set has [none max_pool_3x3`)
}

func TestSetAsJSON(t *testing.T) {
	data, err := json.Marshal(ops.DARTS())
	require.NoError(t, err)
	var s ops.Set
	require.NoError(t, json.Unmarshal(data, &s))
	assert.Equal(t, ops.DARTS(), s)
	assert.ErrorContains(t, json.Unmarshal([]byte(`["none", "swish"]`), &s), `ops: unknown operation "swish", neither published nor in the set`)
	assert.ErrorContains(t, json.Unmarshal([]byte(`{"none": 1}`), &s), "list of names")
	assert.Equal(t, ops.DARTS(), s, "a failed reading changes nothing")
}

// own is an operation that none of the library's is, or that has the name of one.
type own struct{ name string }

func (o own) Name() string { return o.name }
func (own) Build(_ *ops.Scope, x *gorgonia.Node, _ ops.OpConfig) (*gorgonia.Node, error) {
	return x, nil
}

// TestSetOfOwnOperationsReadsBack into a set that holds them, in any order.
func TestSetOfOwnOperationsReadsBack(t *testing.T) {
	wrote := ops.Set{ops.None(), own{"mine"}, own{"sep_conv_3x3"}, ops.MaxPool(3)}
	data, err := json.Marshal(wrote)
	require.NoError(t, err)
	got := ops.Set{own{"sep_conv_3x3"}, own{"mine"}}
	require.NoError(t, json.Unmarshal(data, &got))
	assert.Equal(t, wrote, got)
	var none ops.Set
	assert.ErrorContains(t, json.Unmarshal(data, &none), `operation "mine", neither`)
	require.NoError(t, json.Unmarshal([]byte(`["sep_conv_3x3"]`), &none))
	assert.Equal(t, ops.Set{ops.SepConv(3)}, none)
}

// TestOnlyPoolingsAreUnnormalised is what a mixed op relies on.
func TestOnlyPoolingsAreUnnormalised(t *testing.T) {
	for _, op := range ops.All() {
		u, ok := op.(ops.Unnormalised)
		raw := ok && u.NeedsBatchNorm()
		assert.Equal(t, len(op.Name()) == 12 && op.Name()[3:9] == "_pool_", raw, op.Name())
	}
}

func FuzzSet(f *testing.F) {
	f.Add([]byte(`["none", "sep_conv_3x3"]`))
	f.Add([]byte(`[]`))
	f.Add([]byte(`["none", null]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s ops.Set
		if json.Unmarshal(data, &s) != nil {
			return
		}
		again, err := json.Marshal(s)
		require.NoError(t, err)
		var back ops.Set
		require.NoError(t, json.Unmarshal(again, &back))
		assert.Equal(t, s.Names(), back.Names())
	})
}
