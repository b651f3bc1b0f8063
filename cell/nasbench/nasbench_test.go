package nasbench_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/cell/nasbench"
)

// The writer of these tests is written after the specifications of TFRecord, of
// protocol buffers and of the table, and shares nothing with the reader.

// crc32c computes the checksum bit by bit.
func crc32c(b []byte) uint32 {
	c := ^uint32(0)
	for _, v := range b {
		c ^= uint32(v)
		for range 8 {
			c = c>>1 ^ 0x82f63b78&-(c&1)
		}
	}
	return ^c
}

func framed(data string) []byte {
	sum := func(b []byte) []byte {
		c := crc32c(b)
		return binary.LittleEndian.AppendUint32(nil, (c>>15|c<<17)+0xa282ead8)
	}
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	return slices.Concat(length, sum(length), []byte(data), sum([]byte(data)))
}

// evaluation is an EvaluationData message: epoch, time, and three accuracies.
func evaluation(values ...float64) []byte {
	var b []byte
	for i, v := range values {
		b = append(b, byte(i+1)<<3|1)
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return append(b, "\x32\x04path"...) // field 6
}

// metrics is a ModelMetrics message.
func metrics(params uint64, evaluations ...[]byte) []byte {
	var b []byte
	for _, e := range evaluations {
		b = append(binary.AppendUvarint(append(b, 1<<3|2), uint64(len(e))), e...)
	}
	b = binary.AppendUvarint(append(b, 2<<3), params)
	return binary.LittleEndian.AppendUint64(append(b, 3<<3|1), math.Float64bits(7.25))
}

// trained is a record of a run; accuracies are from 0 to 1.
type trained struct {
	cell             cell.NASBenchCell
	epochs           int
	validation, test float64
	params           uint64
}

func hashOf(t testing.TB, c cell.NASBenchCell) string {
	t.Helper()
	h, err := c.Hash()
	require.NoError(t, err)
	return h
}

func (r trained) data(t testing.TB) string {
	var matrix strings.Builder
	for _, row := range r.cell.Matrix {
		for _, e := range row {
			fmt.Fprint(&matrix, e)
		}
	}
	m := metrics(r.params, evaluation(0, 0, .1, .11, .12), evaluation(54, 100, .7, .71, .72), evaluation(108, 200, 1, r.validation, r.test))
	return fmt.Sprintf(`["%s", %d, "%s", "%s", "%s"]`, hashOf(t, r.cell), r.epochs, matrix.String(),
		strings.Join(r.cell.Ops, ","), base64.StdEncoding.EncodeToString(m))
}

// record is the record of a run.
func (r trained) record(t testing.TB) []byte { return framed(r.data(t)) }

// file writes records to a file in a folder of its own.
func file(t testing.TB, records ...[]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "table.tfrecord")
	require.NoError(t, os.WriteFile(path, slices.Concat(records...), 0o600))
	return path
}

// cells returns three cells in the order of their hashes.
func cells(t testing.TB) (all [3]cell.NASBenchCell) {
	t.Helper()
	found := []cell.NASBenchCell{
		{Matrix: [][]int{{0, 1}, {0, 0}}, Ops: []string{"input", "output"}},
		{Matrix: [][]int{{0, 1, 0}, {0, 0, 1}, {0, 0, 0}}, Ops: []string{"input", "conv3x3-bn-relu", "output"}},
		{Matrix: [][]int{
			{0, 1, 1, 1, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 1, 0, 0}, {0, 0, 0, 0, 0, 1, 0},
			{0, 0, 0, 0, 0, 1, 0}, {0, 0, 0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0},
		}, Ops: []string{"input", "maxpool3x3", "conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3", "conv1x1-bn-relu", "output"}},
	}
	slices.SortFunc(found, func(a, b cell.NASBenchCell) int { return strings.Compare(hashOf(t, a), hashOf(t, b)) })
	return [3]cell.NASBenchCell(found)
}

// runs are eight records: of the last cell three runs of 108 epochs, of the others
// one, and three of 36 epochs.
func runs(t testing.TB) [][]byte {
	c := cells(t)
	return [][]byte{
		trained{c[2], 108, 0.5, 0.25, 300}.record(t),
		trained{c[2], 36, 0.375, 0.125, 300}.record(t),
		trained{c[0], 108, 0.75, 0.6875, 100}.record(t),
		trained{c[2], 108, 0.75, 0.5, 300}.record(t),
		trained{c[1], 108, 0, 1, 1<<31 - 1}.record(t),
		trained{c[1], 36, 0.25, 0.5, 1<<31 - 1}.record(t),
		trained{c[2], 108, 0.25, 0.75, 300}.record(t),
		trained{c[1], 36, 0.75, 0.25, 1<<31 - 1}.record(t),
	}
}

func all(t *nasbench.Table) []nasbench.Entry {
	var a []nasbench.Entry
	for i := range t.Len() {
		a = append(a, t.At(i))
	}
	return a
}

func TestOpen(t *testing.T) {
	c := cells(t)
	long := []nasbench.Entry{
		{Hash: hashOf(t, c[0]), Cell: c[0], Params: 100, Runs: 1, Validation: 0.75, Test: 0.6875},
		{Hash: hashOf(t, c[1]), Cell: c[1], Params: 1<<31 - 1, Runs: 1, Validation: 0, Test: 1},
		{Hash: hashOf(t, c[2]), Cell: c[2], Params: 300, Runs: 3, Validation: 0.5, Test: 0.5},
	}
	short := []nasbench.Entry{
		{Hash: hashOf(t, c[1]), Cell: c[1], Params: 1<<31 - 1, Runs: 2, Validation: 0.5, Test: 0.375},
		{Hash: hashOf(t, c[2]), Cell: c[2], Params: 300, Runs: 1, Validation: 0.375, Test: 0.125},
	}
	path := file(t, runs(t)...)
	size := int64(len(slices.Concat(runs(t)...)))
	for _, k := range []struct {
		name   string
		given  int
		epochs int
		want   []nasbench.Entry
	}{{"as a default", 0, 108, long}, {"108 epochs", 108, 108, long}, {"36 epochs", 36, 36, short}} {
		t.Run(k.name, func(t *testing.T) {
			index := filepath.Join(t.TempDir(), "index")
			var calls [][2]int64
			o := nasbench.Options{Epochs: k.given, Index: index, Progress: func(done, total int64) { calls = append(calls, [2]int64{done, total}) }}
			table, err := nasbench.Open(t.Context(), path, o)
			require.NoError(t, err)
			assert.Equal(t, k.want, all(table))
			assert.Equal(t, k.epochs, table.Epochs())
			assert.NoError(t, table.RebuildReason())
			assert.Equal(t, [][2]int64{{0, size}, {size, size}}, calls)

			calls = nil
			again, err := nasbench.Open(t.Context(), path, o)
			require.NoError(t, err)
			assert.Equal(t, table, again)
			assert.Empty(t, calls, "the index serves")

			for _, want := range k.want {
				a, ok := table.Find(want.Hash)
				assert.True(t, ok)
				assert.Equal(t, want, a)
			}
			for _, hash := range []string{"", "x", strings.Repeat("0", 32), strings.Repeat("f", 32), strings.Repeat("g", 32)} {
				_, ok := table.Find(hash)
				assert.False(t, ok, hash)
			}
		})
	}
	_, err := os.Stat(path + ".108.index")
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = nasbench.Open(t.Context(), path, nasbench.Options{})
	require.NoError(t, err)
	_, err = os.Stat(path + ".108.index")
	assert.NoError(t, err)
}

// TestOpenKeepsCells writes random cells of all sizes and reads them back.
func TestOpenKeepsCells(t *testing.T) {
	drawn, err := cell.SampleNASBench(300, 9)
	require.NoError(t, err)
	var records [][]byte
	for i, c := range drawn {
		records = append(records, trained{c, 108, float64(i) / 512, 0, uint64(i)}.record(t))
	}
	path := file(t, records...)
	for range 2 { // from the table, from the index
		table, err := nasbench.Open(t.Context(), path, nasbench.Options{})
		require.NoError(t, err)
		require.Equal(t, len(drawn), table.Len())
		valid(t, table)
		for i, c := range drawn {
			a, ok := table.Find(hashOf(t, c))
			require.True(t, ok)
			require.Equal(t, nasbench.Entry{Hash: hashOf(t, c), Cell: c, Params: i, Runs: 1, Validation: float64(i) / 512}, a)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	c := cells(t)
	good := trained{c[2], 108, 0.5, 0.5, 7}
	record := good.record(t)
	changed := func(at int) []byte {
		b := slices.Clone(record)
		b[at] ^= 1
		return b
	}
	edited := func(old, by string) []byte {
		data := good.data(t)
		require.Contains(t, data, old)
		return framed(strings.Replace(data, old, by, 1))
	}
	measured := func(m []byte) []byte {
		return framed(fmt.Sprintf(`["%s", 108, "0100", "input,output", "%s"]`, hashOf(t, cell.NASBenchCell{Matrix: [][]int{{0, 1}, {0, 0}}, Ops: []string{"input", "output"}}),
			base64.StdEncoding.EncodeToString(m)))
	}
	start, half := evaluation(0, 0, 0, 0, 0), evaluation(54, 1, .5, .5, .5)
	for _, k := range []struct {
		name, want string
		records    [][]byte
	}{
		{"an empty file", "the file is empty; download it again", nil},
		{"a text", "not a TFRecord file", [][]byte{[]byte("<html>404 not found</html>")}},
		{"an archive", "not a TFRecord file", [][]byte{[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03abcdefgh")}},
		{"a head cut", "record 1, at byte %d: the file is truncated: unexpected EOF; download it again", [][]byte{record, record[:5]}},
		{"a head alone", "record 1, at byte %d: the file is truncated", [][]byte{record, record[:12]}},
		{"data cut", "record 1, at byte %d: the file is truncated", [][]byte{record, record[:100]}},
		{"a checksum cut", "record 1, at byte %d: the file is truncated", [][]byte{record, record[:len(record)-1]}},
		{"a wrong length", "record 1, at byte %d: wrong checksum of its length: the file is damaged", [][]byte{record, changed(0)}},
		{"wrong data", "record 1, at byte %d: wrong checksum of its data: the file is damaged", [][]byte{record, changed(60)}},
		{"a wrong checksum", "record 1, at byte %d: wrong checksum of its data", [][]byte{record, changed(len(record) - 1)}},
		{"a huge record", "record 1, at byte %d: 65537 bytes of data, want at most 65536", [][]byte{record, framed(strings.Repeat("x", 1<<16+1))}},
		{"records of something else", "record 1 is not one of NAS-Bench-101: invalid character", [][]byte{record, framed("\x0a\x03abc")}},
		{"a record that is no list", "record 0 is not one of NAS-Bench-101: json:", [][]byte{framed(`{"hash": 1}`)}},
		{"four fields", "4 fields; want hash, epochs, matrix, operations and metrics", [][]byte{framed(`["", 108, "", ""]`)}},
		{"six fields", "6 fields; want", [][]byte{framed(`["", 108, "", "", "", 1]`)}},
		{"epochs as a text", "epochs: json:", [][]byte{edited(" 108,", ` "108",`)}},
		{"no epochs", "0 epochs; want 1 to 1000", [][]byte{edited(" 108,", " 0,")}},
		{"a hash that is too short", "is not 32 hexadecimal digits", [][]byte{edited(`["`, `["0`)}},
		{"a hash of other digits", "is not 32 hexadecimal digits", [][]byte{edited(hashOf(t, c[2]), strings.Repeat("z", 32))}},
		{"a matrix that is too short", "matrix of ", [][]byte{edited(`, "0`, `, "`)}},
		{"a matrix of other digits", "NAS-Bench entry (0, 0) is 7", [][]byte{edited(`, "0`, `, "7`)}},
		{"an unknown operation", `operation 0 is "in"`, [][]byte{edited("input", "in")}},
		{"metrics that are not base 64", "metrics: illegal base64", [][]byte{edited(`="]`, `"]`)}},
		{"metrics cut", "metrics: unexpected EOF", [][]byte{measured(metrics(1, start, half, half)[:40])}},
		{"no end", "metrics: 2 evaluations; want one at the beginning, in the middle and at the end", [][]byte{measured(metrics(1, start, half))}},
		{"an end without test", "metrics: validation accuracy 0.5 and test accuracy NaN", [][]byte{measured(metrics(1, start, half, evaluation(108, 1, .5, .5)))}},
		{"more than all", "metrics: validation accuracy 0.5 and test accuracy 1.5", [][]byte{measured(metrics(1, start, half, evaluation(108, 1, .5, .5, 1.5)))}},
		{"an end cut", "metrics: unexpected EOF", [][]byte{measured(metrics(1, start, half, half[:20]))}},
		{"negative parameters", "metrics: -1 parameters", [][]byte{measured(metrics(math.MaxUint64, start, half, half))}},
		{"other epochs", "no runs of 108 epochs, only of [4 36]; set Options.Epochs", [][]byte{
			trained{c[0], 36, .5, .5, 1}.record(t), trained{c[0], 4, .5, .5, 1}.record(t), trained{c[1], 4, .5, .5, 1}.record(t),
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			path := file(t, k.records...)
			_, err := nasbench.Open(t.Context(), path, nasbench.Options{})
			want := k.want
			if strings.Contains(want, "%d") {
				want = fmt.Sprintf(want, len(record))
			}
			require.ErrorContains(t, err, want)
			assert.ErrorContains(t, err, "nasbench: "+path+": ")
			files, err := os.ReadDir(filepath.Dir(path))
			require.NoError(t, err)
			assert.Len(t, files, 1, "no index is left")
		})
	}
}

func TestOpenOtherErrors(t *testing.T) {
	path := file(t, runs(t)...)
	_, err := nasbench.Open(t.Context(), path+"x", nasbench.Options{})
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "nasbench: ")
	_, err = nasbench.Open(t.Context(), filepath.Dir(path), nasbench.Options{})
	assert.ErrorContains(t, err, "is not a regular file")
	_, err = nasbench.Open(t.Context(), path, nasbench.Options{Epochs: -1})
	assert.ErrorContains(t, err, "nasbench: Epochs is -1; want 4, 12, 36 or 108")
	done, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = nasbench.Open(done, path, nasbench.Options{})
	assert.ErrorIs(t, err, context.Canceled)
	_, err = nasbench.Open(t.Context(), path, nasbench.Options{Index: filepath.Join(path+"-none", "index")})
	assert.ErrorContains(t, err, "nasbench: the index cannot be written: ")
	assert.ErrorContains(t, err, "choose another file")
}

func TestIndexIsBuiltAnew(t *testing.T) {
	path := file(t, runs(t)...)
	index := path + ".108.index"
	fresh, err := nasbench.Open(t.Context(), path, nasbench.Options{})
	require.NoError(t, err)
	good, err := os.ReadFile(index)
	require.NoError(t, err)
	for _, k := range []struct {
		name, want string
		content    []byte
	}{
		{"cut", "is damaged: wrong checksum; it was rebuilt", good[:len(good)-1]},
		{"nearly all cut", "is damaged: 9 bytes", good[:9]},
		{"empty", "is damaged: 0 bytes", nil},
		{"changed", "is damaged: wrong checksum", slices.Concat(good[:70], []byte{good[70] ^ 4}, good[71:])},
		{"something else", "the file is not an index of NAS-Bench-101", []byte("a letter")},
	} {
		t.Run(k.name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(index, k.content, 0o600))
			table, err := nasbench.Open(t.Context(), path, nasbench.Options{})
			require.NoError(t, err)
			assert.Equal(t, all(fresh), all(table))
			assert.ErrorContains(t, table.RebuildReason(), "nasbench: index "+index)
			assert.ErrorContains(t, table.RebuildReason(), k.want)
			now, err := os.ReadFile(index)
			require.NoError(t, err)
			assert.Equal(t, good, now)
		})
	}
	t.Run("stale", func(t *testing.T) {
		require.NoError(t, os.WriteFile(path, slices.Concat(runs(t)[:4]...), 0o600))
		table, err := nasbench.Open(t.Context(), path, nasbench.Options{})
		require.NoError(t, err)
		assert.Equal(t, 2, table.Len())
		assert.ErrorContains(t, table.RebuildReason(), "is stale: the table has changed")
	})
	t.Run("of other epochs", func(t *testing.T) {
		table, err := nasbench.Open(t.Context(), path, nasbench.Options{Epochs: 36, Index: index})
		require.NoError(t, err)
		assert.Equal(t, 1, table.Len())
		assert.ErrorContains(t, table.RebuildReason(), "is stale")
	})
	t.Run("a file of the user's", func(t *testing.T) {
		letter := filepath.Join(t.TempDir(), "letter")
		require.NoError(t, os.WriteFile(letter, []byte("Dear Ada"), 0o600))
		_, err := nasbench.Open(t.Context(), path, nasbench.Options{Index: letter})
		assert.ErrorContains(t, err, "letter: the file is not an index of NAS-Bench-101; name another file for the index, or remove this one")
		text, err := os.ReadFile(letter)
		require.NoError(t, err)
		assert.Equal(t, "Dear Ada", string(text))
	})
}

// valid holds a table against what must be true of every one.
func valid(t *testing.T, table *nasbench.Table) {
	last := ""
	for _, a := range all(table) {
		require.Less(t, last, a.Hash)
		last = a.Hash
		require.Len(t, a.Cell.Matrix, len(a.Cell.Ops))
		found, ok := table.Find(a.Hash)
		require.True(t, ok)
		require.Equal(t, a.Cell, found.Cell)
	}
}

func FuzzOpen(f *testing.F) {
	for _, r := range runs(f) {
		f.Add(string(r[12 : len(r)-4]))
	}
	f.Add(`["00000000000000000000000000000000", 108, "0100", "input,output", ""]`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, data string) {
		// A record as it is, and a file of these bytes alone.
		for _, b := range [][]byte{framed(data), []byte(data)} {
			table, err := nasbench.Open(t.Context(), file(t, b), nasbench.Options{})
			if err != nil {
				require.ErrorContains(t, err, "nasbench: ")
				continue
			}
			valid(t, table)
			for _, a := range all(table) {
				require.NoError(t, a.Cell.Validate())
				require.True(t, 0 <= a.Validation && a.Validation <= 1 && 0 <= a.Test && a.Test <= 1)
			}
		}
	})
}

func FuzzIndex(f *testing.F) {
	path := file(f, runs(f)...)
	_, err := nasbench.Open(f.Context(), path, nasbench.Options{})
	require.NoError(f, err)
	good, err := os.ReadFile(path + ".108.index")
	require.NoError(f, err)
	f.Add(good[8+32:])
	f.Add(good[8+32 : 8+32+32])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		index := filepath.Join(t.TempDir(), "index")
		require.NoError(t, os.WriteFile(index, slices.Concat([]byte("unnas101"), sum[:], body), 0o600))
		table, err := nasbench.Open(t.Context(), path, nasbench.Options{Index: index})
		require.NoError(t, err)
		valid(t, table)
	})
}

// TestOpenReadOnly keeps the index in the user's cache folder where none can be beside
// the table.
func TestOpenReadOnly(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	path := file(t, runs(t)...)
	require.NoError(t, os.Mkdir(path+".108.index", 0o700)) // in the way
	want, err := nasbench.Open(t.Context(), path, nasbench.Options{})
	require.NoError(t, err)
	got, err := nasbench.Open(t.Context(), path, nasbench.Options{Progress: func(int64, int64) { t.Error("the index serves") }})
	require.NoError(t, err)
	assert.Equal(t, all(want), all(got))
	assert.NoError(t, got.RebuildReason())
}
