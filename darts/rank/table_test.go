package rank_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/rank"
)

const small = "arch,jigsaw,params\na|1,94.5,1200000\nb,0.125,3\n\"c,2\",-7,1e-9\n"

func table() *rank.Table {
	return &rank.Table{Key: "arch", Archs: []string{"a|1", "b", "c,2"}, Columns: []rank.Column{
		{Name: "jigsaw", Values: []float64{94.5, 0.125, -7}},
		{Name: "params", Values: []float64{1200000, 3, 1e-9}},
	}}
}

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, text, key string
		columns         []string
		want            *rank.Table
	}{
		{"all", small, "", nil, table()},
		{"by key", small, "arch", nil, table()},
		{"line ends and spaces", "\ufeff" + strings.ReplaceAll(strings.ReplaceAll(small, "b,", " b , "), "\n", "\r\n\n"), "", nil, table()},
		{"another key", "jigsaw,name,arch,params\n94.5,NaN,a|1,1200000\n0.125,x,b,3\n-7,,\"c,2\",1e-9\n", "arch", []string{"jigsaw", "params"}, table()},
		{"other order", "arch,x,y\nc,1,2", "", []string{"y", "x"}, &rank.Table{Key: "arch", Archs: []string{"c"}, Columns: []rank.Column{
			{Name: "y", Values: []float64{2}}, {Name: "x", Values: []float64{1}}}}},
		{"by pandas", ",arch,x\n0,a,0.5\n1,b,0.25\n", "", nil, &rank.Table{Key: "arch", Archs: []string{"a", "b"}, Columns: []rank.Column{{Name: "x", Values: []float64{0.5, 0.25}}}}},
		{"text too", "arch,set,x,note\na,cifar,0.5,\nb,imagenet,0.25,\n", "", nil, &rank.Table{
			Key: "arch", Archs: []string{"a", "b"}, Columns: []rank.Column{{Name: "x", Values: []float64{0.5, 0.25}}}, Skipped: []string{"set", "note"}}},
		{"no rows", "arch,x", "", nil, &rank.Table{Key: "arch", Columns: []rank.Column{{Name: "x"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := rank.Read(iotest.OneByteReader(strings.NewReader(c.text)), c.key, c.columns...)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			assert.NoError(t, got.Validate())
		})
	}
}

func TestReadRefused(t *testing.T) {
	for _, c := range []struct {
		name, text, key string
		columns         []string
		want            string
	}{
		{"empty", "", "", nil, "the table is empty"},
		{"NaN", "arch,x\na,1\nb,NaN\n", "", nil, `line 3, column 3 (x): "NaN" of architecture "b": want a finite number`},
		{"infinite", "arch,x\na,-inf\n", "", nil, `line 2, column 3 (x): "-inf" of architecture "a"`},
		{"too large", "arch,x\na,1e999\n", "", nil, `line 2, column 3 (x): "1e999"`},
		{"a word", "arch,x,y\na,1,\"2\n3\"\nb,4,5\n", "", nil, `line 2, column 5 (y): "2\n3" of architecture "a"`},
		{"a word after numbers", "arch,x\na,1\nb,y\n", "", nil, `line 3, column 3 (x): "y" of architecture "b"`},
		{"a word that is asked for", "arch,x\na,y\n", "", []string{"x"}, `line 2, column 3 (x): "y" of architecture "a"`},
		{"nothing", "arch,x\na,\nb,1\n", "", nil, `line 2, column 3 (x): "" of architecture "a"`},
		{"twice", "arch,x\na,1\nb,2\n\na ,3\n", "", nil, `line 5, column 1 (arch): architecture "a" is already in line 2`},
		{"no name", "x,arch\n1,a\n2, \n", "arch", nil, "line 3, column 3 (arch): empty name"},
		{"a bell", "arch,x\na\a,1\n", "", nil, `line 2, column 1 (arch): name "a\a": want printable characters`},
		{"short row", "arch,x,y\na,1,2\nb,1\n", "", nil, "line 3 has 2 cells, the header 3"},
		{"long row", "arch,x\na,1,2\n", "", nil, "line 2 has 3 cells, the header 2"},
		{"quote", "arch,x\na,1\nb\"c,1\n", "", nil, "line 3, column 2"},
		{"no such key", "arch,x\n", "hash", nil, `no column "hash": want one of "arch", "x"`},
		{"no such column", "arch,x\n", "", []string{"y"}, `no column "y": want one of "arch", "x"`},
		{"two of a name", "arch,x,x\n", "", nil, `two columns "x"`},
		{"two keys", "arch,x,arch\n", "", []string{"x"}, `two columns "arch"`},
		{"asked twice", "arch,x\n", "", []string{"x", "x"}, `column "x" is requested twice`},
		{"key asked", "arch,x\n", "", []string{"arch"}, `column "arch" is requested twice`},
		{"no header", ",\n0,a\n", "", nil, "line 1: no column has a header"},
		{"no header asked for", ",arch\n0,a\n", "", []string{""}, "empty name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := rank.Read(strings.NewReader(c.text), c.key, c.columns...)
			require.ErrorContains(t, err, c.want)
			assert.Regexp(t, "^rank: ", err)
		})
	}
	broken := errors.New("disk on fire")
	_, err := rank.Read(iotest.ErrReader(broken), "")
	assert.ErrorIs(t, err, broken)
	_, err = rank.Open(filepath.Join(t.TempDir(), "none.csv"), "")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// endless is a cell that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestReadBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 128 MiB")
	}
	_, err := rank.Read(endless{}, "")
	assert.ErrorContains(t, err, "more than 134217728 bytes")
}

func TestWriteCSV(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, table().WriteCSV(&b))
	assert.Equal(t, strings.Replace(small, "1200000", "1.2e+06", 1), strings.Replace(b.String(), "1e-09", "1e-9", 1))
	got, err := rank.Read(&b, "")
	require.NoError(t, err)
	assert.Equal(t, table(), got)
}

func TestWriteMarkdown(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, table().WriteMarkdown(&b))
	assert.Equal(t, `| arch | jigsaw | params |
| --- | ---: | ---: |
| a\|1 | 94.5 | 1200000 |
| b | 0.125 | 3 |
| c,2 | -7 | 1e-09 |
`, b.String())
	b.Reset()
	odd := &rank.Table{Key: "a_b", Archs: []string{"*x* `y` <b> [z](u) ~0|\\&amp;"}, Columns: []rank.Column{{Name: "n|m", Values: []float64{1. / 3}}}}
	require.NoError(t, odd.WriteMarkdown(&b))
	assert.Equal(t, "| a_b | n\\|m |\n| --- | ---: |\n| \\*x\\* \\`y\\` \\<b> \\[z](u) \\~0\\|\\\\\\&amp; | 0.333333 |\n", b.String())
}

func TestTableSave(t *testing.T) {
	dir := t.TempDir()
	for name, write := range map[string]func(io.Writer) error{"t.csv": table().WriteCSV, "T.MD": table().WriteMarkdown} {
		var want bytes.Buffer
		require.NoError(t, write(&want))
		require.NoError(t, table().Save(filepath.Join(dir, name)))
		got, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, want.String(), string(got))
	}
	assert.ErrorContains(t, table().Save(filepath.Join(dir, "t.xlsx")), `extension ".xlsx": want one of .csv, .md`)
	got, err := rank.Open(filepath.Join(dir, "t.csv"), "")
	require.NoError(t, err)
	assert.Equal(t, table(), got)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.csv"), []byte("a,b\nx,NaN\n"), 0o600))
	_, err = rank.Open(filepath.Join(dir, "bad.csv"), "")
	assert.ErrorContains(t, err, "bad.csv: line 2")
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*rank.Table)
		want   string
	}{
		"architecture twice": {func(t *rank.Table) { t.Archs[2] = "b" }, `architecture "b" is repeated`},
		"column twice":       {func(t *rank.Table) { t.Columns[1].Name = "jigsaw" }, `column "jigsaw" is repeated`},
		"column like key":    {func(t *rank.Table) { t.Columns[1].Name = "arch" }, `column "arch" is repeated`},
		"no name":            {func(t *rank.Table) { t.Archs[0] = "" }, "empty name"},
		"no key":             {func(t *rank.Table) { t.Key = "" }, "empty name"},
		"space":              {func(t *rank.Table) { t.Archs[0] = "a " }, `name "a ": want no surrounding spaces`},
		"line end":           {func(t *rank.Table) { t.Columns[0].Name = "a\nb" }, `name "a\nb": want printable characters`},
		"short column":       {func(t *rank.Table) { t.Columns[0].Values = []float64{1} }, `column "jigsaw" has 1 values for 3 architectures`},
		"NaN":                {func(t *rank.Table) { t.Columns[1].Values[1] = math.NaN() }, `column "params": NaN for architecture "b"`},
	} {
		t.Run(name, func(t *testing.T) {
			bad := table()
			c.change(bad)
			for _, err := range []error{bad.Validate(), bad.WriteCSV(io.Discard), bad.WriteMarkdown(io.Discard)} {
				assert.ErrorContains(t, err, c.want)
			}
			_, err := rank.Join(table(), bad)
			assert.ErrorContains(t, err, "join: table 1: "+c.want)
		})
	}
}

func TestColumn(t *testing.T) {
	v, err := table().Column("params")
	require.NoError(t, err)
	assert.Equal(t, []float64{1200000, 3, 1e-9}, v)
	_, err = table().Column("arch")
	assert.EqualError(t, err, `rank: no column "arch": want one of "jigsaw", "params"`)
}

func TestCorrelate(t *testing.T) {
	many := &rank.Table{Key: "arch", Archs: []string{"a", "b", "c"}, Columns: []rank.Column{
		{Name: "jigsaw", Values: []float64{1, 2, 3}}, {Name: "rotation", Values: []float64{1, 3, 2}}, {Name: "flat", Values: []float64{5, 5, 5}},
		{Name: "cifar", Values: []float64{2, 4, 9}}, {Name: "imagenet", Values: []float64{3, 2, 1}},
	}}
	got, err := many.Correlate(rank.Spearman, []string{"rotation", "jigsaw"}, []string{"cifar", "imagenet"})
	require.NoError(t, err)
	assert.Equal(t, &rank.Table{Key: "measure", Archs: []string{"rotation", "jigsaw"}, Columns: []rank.Column{
		{Name: "cifar", Values: []float64{0.5, 1}}, {Name: "imagenet", Values: []float64{-0.5, -1}},
	}}, got)
	_, err = many.Correlate(rank.Spearman, []string{"flat"}, []string{"cifar"})
	assert.ErrorIs(t, err, rank.ErrUndefined)
	assert.ErrorContains(t, err, "flat (x) and cifar (y)")
	for _, names := range [][2]string{{"color", "cifar"}, {"jigsaw", "color"}} {
		_, err = many.Correlate(rank.Spearman, names[:1], names[1:])
		assert.ErrorContains(t, err, `no column "color"`)
	}
	_, err = many.Correlate(rank.Spearman, []string{"jigsaw", "jigsaw"}, []string{"cifar"})
	assert.ErrorContains(t, err, `"jigsaw" is repeated`)
}

func TestJoin(t *testing.T) {
	other := &rank.Table{Key: "id", Archs: []string{"c,2", "a|1", "b"}, Columns: []rank.Column{{Name: "rotation", Values: []float64{3, 1, 2}}}}
	third := &rank.Table{Key: "id", Archs: []string{"b", "c,2", "a|1"}, Columns: []rank.Column{{Name: "color", Values: []float64{5, 6, 4}}}}
	want := table()
	want.Columns = append(want.Columns, rank.Column{Name: "rotation", Values: []float64{1, 2, 3}}, rank.Column{Name: "color", Values: []float64{4, 5, 6}})
	got, err := rank.Join(table(), other, third)
	require.NoError(t, err)
	assert.Equal(t, want, got)

	fewer := &rank.Table{Key: "id", Archs: []string{"c,2"}, Columns: []rank.Column{{Name: "rotation", Values: []float64{3}}}}
	_, err = rank.Join(table(), fewer)
	assert.EqualError(t, err, `rank: join: table 1 lacks architectures of table 0: "a|1", "b"`)
	_, err = rank.Join(fewer, table())
	assert.EqualError(t, err, `rank: join: table 0 lacks architectures of table 1: "a|1", "b"`)
	_, err = rank.Join(table(), table())
	assert.ErrorContains(t, err, `join: column "jigsaw" is repeated: rename one`)
	_, err = rank.Join()
	assert.ErrorContains(t, err, "no tables")

	many := &rank.Table{Key: "id", Archs: []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"}}
	_, err = rank.Join(many, &rank.Table{Key: "id"})
	assert.ErrorContains(t, err, `"i", "j" and 2 more`)
}

// FuzzRead: whatever is read is valid, and comes back from what is written of it, but
// for the names of the columns that were ignored.
func FuzzRead(f *testing.F) {
	f.Add(small, "")
	f.Add("x,arch\n1, a\r\n\"2\",\"b\"\n", "arch")
	f.Add("\ufeffa\n\"\ufeffb\"\n", "")
	f.Add("arch,text\na,b\n", "")
	f.Fuzz(func(t *testing.T, text, key string) {
		got, err := rank.Read(strings.NewReader(text), key)
		if err != nil {
			assert.Regexp(t, "^rank: ", err)
			return
		}
		require.NoError(t, got.Validate())
		var b bytes.Buffer
		require.NoError(t, got.WriteMarkdown(io.Discard))
		require.NoError(t, got.WriteCSV(&b))
		again, err := rank.Read(&b, "")
		require.NoError(t, err)
		got.Skipped = nil
		assert.Equal(t, got, again)
	})
}
