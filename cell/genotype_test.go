package cell_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/cell"
)

// small has cells that differ in everything but their number of nodes.
var small = cell.Genotype{
	Normal:       []cell.Edge{{Op: "sep_conv_3x3", From: 0}, {Op: "skip_connect", From: 1}, {Op: "none", From: 2}, {Op: "max_pool_3x3", From: 0}},
	NormalConcat: []int{2, 3},
	Reduce:       []cell.Edge{{Op: "conv3x3-bn-relu", From: 1}, {Op: "dil_conv_5x5", From: 1}, {Op: "my.op", From: 0}, {Op: "3", From: 2}},
	ReduceConcat: []int{3},
}

func TestParseGenotype(t *testing.T) {
	for name, text := range map[string]string{
		"text": `normal: sep_conv_3x3(0) skip_connect(1) | none(2) max_pool_3x3(0); concat 2-3
			reduce: conv3x3-bn-relu(1) dil_conv_5x5(1) | my.op(0) 3(2); concat 3`,
		"text in another order": `
			# the reduction cell first
			reduce : conv3x3-bn-relu ( 1 ) dil_conv_5x5(1)|my.op(0)3(2);concat 3-3 # and
			normal: sep_conv_3x3(0)skip_connect(1)
				| none(2) max_pool_3x3(0); concat 2 3 #`,
		"JSON": `  {"normal": [["sep_conv_3x3", 0], ["skip_connect", 1], ["none", 2], ["max_pool_3x3", 0]], "normal_concat": [2, 3],
			"reduce": [["conv3x3-bn-relu", 1], ["dil_conv_5x5", 1], ["my.op", 0], ["3", 2]], "reduce_concat": [3]}`,
		"Python": `Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ('none', 2), ('max_pool_3x3', 0)], normal_concat=[2, 3], reduce=[('conv3x3-bn-relu', 1), ('dil_conv_5x5', 1), ('my.op', 0), ('3', 2)], reduce_concat=[3])`,
		"JSON behind a mark": "\ufeff" + `{"normal": [["sep_conv_3x3", 0], ["skip_connect", 1], ["none", 2], ["max_pool_3x3", 0]], "normal_concat": [2, 3],
			"reduce": [["conv3x3-bn-relu", 1], ["dil_conv_5x5", 1], ["my.op", 0], ["3", 2]], "reduce_concat": [3]}`,
		"UTF-16": wide("normal: sep_conv_3x3(0) skip_connect(1) | none(2) max_pool_3x3(0); concat 2-3\r\n" +
			"reduce: conv3x3-bn-relu(1) dil_conv_5x5(1) | my.op(0) 3(2); concat 3"),
		"Python of others": `Genotype(normal=[[('sep_conv_3x3', 0), ('skip_connect', 1)], [('none', 2), ('max_pool_3x3', 0)]], normal_concat=list(range(2, 4)),
			reduce=[(('conv3x3-bn-relu', np.int64(1), 2.1e-06), ('dil_conv_5x5', 1, np.float64(0.25))), (('my.op', np.int32(0)), ('3', 2))], reduce_concat=[np.int64(3)])`,
		"Python source": `# found on a Monday
			SMALL_2 = Genotype(
				reduce = (["conv3x3-bn-relu", 1], ('dil_conv_5x5', 1,), # node 0
					('my.op', 0), ('3', 2),),
				reduce_concat = range(3, 4),
				normal = [('sep_conv_3x3', 0), ("skip_connect", 1), ('none', 2), ('max_pool_3x3', 0)],
				normal_concat = (2, 3),
			)
			`,
	} {
		t.Run(name, func(t *testing.T) {
			g, err := cell.ParseGenotype(text)
			require.NoError(t, err)
			assert.Equal(t, small, g)
		})
	}
}

// wide returns a text as Windows may write it, in UTF-16 behind a mark.
func wide(s string) string {
	text := "\xff\xfe"
	for _, b := range []byte(s) {
		text += string([]byte{b, 0})
	}
	return text
}

func TestParseGenotypeErrors(t *testing.T) {
	const cells = "normal: a(0) b(1); concat 2\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "cell: genotype, line 1, column 1: want a genotype: JSON, a cell (normal: …) or Genotype(…) before the end"},
		"only a comment":    {"# x", "cell: genotype, line 1, column 4: want a genotype: JSON, a cell (normal: …) or Genotype(…) before the end"},
		"a list":            {"\n [1]", `cell: genotype, line 2, column 2: want a genotype: JSON, a cell (normal: …) or Genotype(…), not "["`},
		"another language":  {"hello world", `cell: genotype, line 1, column 7: want "=", not "world"`},
		"another type":      {"X = Network(1)", `cell: genotype, line 1, column 5: want Genotype, not "Network"`},
		"no quotes":         {"Genotype(normal=[(a, 0)])", `cell: genotype, line 1, column 19: want an operation in quotes, not "a"`},
		"an open string":    {"Genotype(normal=[('a, 0)])", `cell: genotype, line 1, column 19: this string has no closing quote`},
		"a nested edge":     {"Genotype(normal=[[[('a', 0)]]])", `cell: genotype, line 1, column 20: want an operation in quotes, not "("`},
		"a weight of text":  {"Genotype(normal=[('a', 0, 'b')])", `cell: genotype, line 1, column 27: want ")", not "b"`},
		"a weight of words": {"Genotype(normal=[('a', 0, much)])", `cell: genotype, line 1, column 27: want the weight of an edge, not "much"`},
		"an open number":    {"Genotype(normal=[('a', np.int64(0)])", `cell: genotype, line 1, column 35: want ")", not "]"`},
		"a bare edge":       {"Genotype(normal=['a'])", `cell: genotype, line 1, column 18: want "[", not "a"`},
		"mixed brackets":    {"Genotype(normal=[('a', 0]])", `cell: genotype, line 1, column 25: want ")", not "]"`},
		"no comma":          {"Genotype(normal=[('a', 0) ('b', 1)])", `cell: genotype, line 1, column 27: want "]", not "("`},
		"a fraction":        {"Genotype(normal=[('a', 0.5)])", `cell: genotype, line 1, column 24: want a node number, not "0.5"`},
		"a second field":    {"Genotype(normal=[], normal=[])", `cell: genotype, line 1, column 21: want normal_concat or reduce or reduce_concat, not "normal"`},
		"an unknown field":  {"Genotype(cell=[])", `cell: genotype, line 1, column 10: want normal or normal_concat or reduce or reduce_concat, not "cell"`},
		"a fifth field":     {"Genotype(normal=[],normal_concat=[],reduce=[],reduce_concat=[],more=[])", `cell: genotype, line 1, column 64: want nothing more, not "more"`},
		"a huge range":      {"Genotype(normal_concat=range(2, 99999999999))", `cell: genotype, line 1, column 44: not a run of nodes`},
		"an empty range":    {"Genotype(normal_concat=range(4, 4))", `cell: genotype, line 1, column 34: not a run of nodes`},
		"a range of all":    {"Genotype(normal_concat=range(-9223372036854775808, -9223372036854775808))", `cell: genotype, line 1, column 72: not a run of nodes`},
		"not a range":       {"Genotype(normal_concat=list(2, 4))", `cell: genotype, line 1, column 29: want range, not "2"`},
		"after the end":     {"Genotype() 1", `cell: genotype, line 1, column 12: want nothing more, not "1"`},
		"no end":            {"Genotype(normal=[('a', 0),", `cell: genotype, line 1, column 27: want "[" before the end`},
		"one edge":          {"normal: a(0) | b(0) c(1); concat 2-3", `cell: genotype, line 1, column 14: want an operation, not "|"`},
		"three edges":       {"normal: a(0) b(0) c(1); concat 2", `cell: genotype, line 1, column 19: want "|", not "c"`},
		"no input":          {"normal: a() b(0); concat 2", `cell: genotype, line 1, column 11: want a node number, not ")"`},
		"no concat":         {"normal: a(0) b(0); reduce: a(0) b(0)", `cell: genotype, line 1, column 20: want concat, not "reduce"`},
		"a bad run":         {cells + "reduce: a(0) b(0); concat 2-x", `cell: genotype, line 2, column 27: want a node number or a run of them like 2-5, not "2-x"`},
		"a backward run":    {"normal: a(0) b(0) | c(0) d(0); concat 3-2", `cell: genotype, line 1, column 39: not a run of nodes`},
		"a second cell":     {cells + cells, `cell: genotype, line 2, column 1: want reduce, not "normal"`},
		"a third cell":      {cells + "reduce: a(0) b(1); concat 2\n" + cells, `cell: genotype, line 3, column 1: want nothing more, not "normal"`},
		"another cell":      {cells + "upsample: a(0) b(1); concat 2", `cell: genotype, line 2, column 1: want reduce, not "upsample"`},
		"a strange sign":    {cells + "reduce: a(0) b(1); concat 2 é", `cell: genotype, line 2, column 29: want nothing more, not "é"`},
		"a missing cell":    {cells, "cell: reduce has no edges: want two per intermediate node"},
		"no fields":         {"Genotype()", "cell: normal has no edges: want two per intermediate node"},
		"broken JSON":       {"{\n\"normal\": [[\"a\", 0],]}", "cell: genotype, line 2, column 21: invalid character ']' looking for beginning of value"},
		"open JSON":         {"{\"normal\":", "cell: genotype, line 1, column 10: unexpected end of JSON input"},
		"JSON of a kind":    {"{\"normal_concat\": \"all\"}", "cell: genotype, line 1, column 23: json: cannot unmarshal string into Go struct field Genotype.normal_concat of type []int"},
		"JSON and more":     {"{} {}", "cell: genotype, line 1, column 4: invalid character '{' after top-level value"},
		"JSON edge":         {`{"normal": [["a", 0, 1]]}`, `cell: edge ["a", 0, 1]: want a pair like ["sep_conv_3x3", 0]`},
		"JSON edge of null": {`{"normal": [["a", null]]}`, `cell: edge ["a", null]: want a pair like ["sep_conv_3x3", 0]`},
		"JSON null":         {`{"normal": [null]}`, `cell: edge null: want a pair like ["sep_conv_3x3", 0]`},
		"JSON edge swapped": {`{"normal": [[0, "a"]]}`, `cell: edge [0, "a"]: want a pair like ["sep_conv_3x3", 0]`},
		"too long":          {strings.Repeat(" ", 1<<20+1), "cell: genotype of 1048577 bytes: want at most 1048576"},
		"forward edge":      {"normal: a(0) b(2); concat 2", "cell: normal node 2, second edge: input 2 is not an earlier node (0..1)"},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := cell.ParseGenotype(c.text)
			assert.EqualError(t, err, c.want)
			assert.Zero(t, g)
		})
	}
}

func TestValidate(t *testing.T) {
	require.NoError(t, small.Validate(nil))
	known := map[string]bool{"sep_conv_3x3": true, "skip_connect": true, "none": true, "max_pool_3x3": true,
		"conv3x3-bn-relu": true, "dil_conv_5x5": true, "my.op": true, "3": true}
	require.NoError(t, small.Validate(func(op string) bool { return known[op] }))

	for name, c := range map[string]struct {
		change func(g *cell.Genotype)
		want   string
	}{
		"no edges":       {func(g *cell.Genotype) { g.Normal = nil }, "cell: normal has no edges: want two per intermediate node"},
		"odd edges":      {func(g *cell.Genotype) { g.Reduce = g.Reduce[:3] }, "cell: reduce has 3 edges: want two per intermediate node"},
		"too many nodes": {func(g *cell.Genotype) { g.Normal = make([]cell.Edge, 130) }, "cell: normal has 65 nodes: want at most 64"},
		"loop":           {func(g *cell.Genotype) { g.Normal[3].From = 3 }, "cell: normal node 3, second edge: input 3 is not an earlier node (0..2)"},
		"negative":       {func(g *cell.Genotype) { g.Reduce[0].From = -1 }, "cell: reduce node 2, first edge: input -1 is not an earlier node (0..1)"},
		"no name":        {func(g *cell.Genotype) { g.Normal[2].Op = "" }, `cell: normal node 3, first edge: operation name "": want letters, digits, '_', '-' and '.'`},
		"bad name":       {func(g *cell.Genotype) { g.Normal[2].Op = "a b" }, `cell: normal node 3, first edge: operation name "a b": want letters, digits, '_', '-' and '.'`},
		"unknown":        {func(g *cell.Genotype) { g.Reduce[2].Op = "sep_conv_4x4" }, `cell: reduce node 3, first edge: unknown operation "sep_conv_4x4"`},
		"no concat":      {func(g *cell.Genotype) { g.NormalConcat = []int{} }, "cell: normal concatenates no nodes: want at least one"},
		"concat input":   {func(g *cell.Genotype) { g.NormalConcat[0] = 1 }, "cell: normal concatenates node 1: want intermediate nodes (2..3)"},
		"concat beyond":  {func(g *cell.Genotype) { g.ReduceConcat[0] = 4 }, "cell: reduce concatenates node 4: want intermediate nodes (2..3)"},
		"concat twice":   {func(g *cell.Genotype) { g.NormalConcat = []int{3, 2, 3} }, "cell: normal concatenates node 3 twice"},
		"unequal": {func(g *cell.Genotype) { g.Reduce, g.ReduceConcat = g.Reduce[:2], []int{2} },
			"cell: normal has 2 nodes and reduce 1: both need the same number"},
	} {
		t.Run(name, func(t *testing.T) {
			g, err := cell.ParseGenotype(small.String())
			require.NoError(t, err)
			c.change(&g)
			assert.EqualError(t, g.Validate(func(op string) bool { return known[op] }), c.want)
		})
	}
}

func TestGenotypeString(t *testing.T) {
	g := small
	g.ReduceConcat = []int{7, 2, 3, 4, 6, 5}
	assert.Equal(t, "normal: sep_conv_3x3(0) skip_connect(1) | none(2) max_pool_3x3(0); concat 2-3\n"+
		"reduce: conv3x3-bn-relu(1) dil_conv_5x5(1) | my.op(0) 3(2); concat 7 2-4 6 5", g.String())
}

func TestGenotypeJSON(t *testing.T) {
	data, err := json.Marshal(small)
	require.NoError(t, err)
	assert.JSONEq(t, `{"normal": [["sep_conv_3x3", 0], ["skip_connect", 1], ["none", 2], ["max_pool_3x3", 0]], "normal_concat": [2, 3],
		"reduce": [["conv3x3-bn-relu", 1], ["dil_conv_5x5", 1], ["my.op", 0], ["3", 2]], "reduce_concat": [3]}`, string(data))
}

// reparse prints g in all three notations and reads each of them.
func reparse(t require.TestingT, g cell.Genotype) {
	data, err := json.Marshal(g)
	require.NoError(t, err)
	for _, text := range []string{g.String(), g.Python(), "X = " + g.Python(), string(data)} {
		again, err := cell.ParseGenotype(text)
		require.NoError(t, err, text)
		require.Equal(t, g, again, text)
	}
}

func TestGenotypeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(1, 64).Draw(t, "nodes")
		edges := func(label string) []cell.Edge {
			edges := make([]cell.Edge, 2*nodes)
			for i := range edges {
				edges[i].Op = rapid.StringMatching(`[A-Za-z0-9_.-]{1,8}`).Draw(t, label+" op "+strconv.Itoa(i))
				edges[i].From = rapid.IntRange(0, 1+i/2).Draw(t, label+" from "+strconv.Itoa(i))
			}
			return edges
		}
		concat := rapid.SliceOfNDistinct(rapid.IntRange(2, nodes+1), 1, nodes, rapid.ID)
		g := cell.Genotype{
			Normal: edges("normal"), NormalConcat: concat.Draw(t, "normal concat"),
			Reduce: edges("reduce"), ReduceConcat: concat.Draw(t, "reduce concat"),
		}
		require.NoError(t, g.Validate(nil))
		require.Equal(t, nodes, g.Nodes())
		reparse(t, g)
	})
}

func FuzzParseGenotype(f *testing.F) {
	for _, g := range []cell.Genotype{small} {
		data, err := json.MarshalIndent(g, "", "\t")
		require.NoError(f, err)
		f.Add(string(data))
		f.Add(g.String())
		f.Add("NAME = " + g.Python())
	}
	f.Add("Genotype(normal=[('0',0)])")
	f.Add("Genotype(normal=(['a', 0], (\"b\", 1,)), normal_concat=range(2, 3), # c\n reduce=[], reduce_concat=(2,))")
	f.Fuzz(func(t *testing.T, text string) {
		g, err := cell.ParseGenotype(text)
		if err != nil {
			require.Zero(t, g)
			return
		}
		reparse(t, g)
	})
}
