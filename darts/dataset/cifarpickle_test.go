package dataset_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
)

// pickle writes pickles in the form that Python 2 gave CIFAR-10: protocol 2,
// with every container and string put into the memo.
type pickle struct {
	bytes.Buffer
	puts int
}

func (p *pickle) put() {
	if p.puts < 256 {
		p.Write([]byte{'q', byte(p.puts)})
	} else {
		p.Write(binary.LittleEndian.AppendUint32([]byte{'r'}, uint32(p.puts)))
	}
	p.puts++
}

func (p *pickle) text(s string) {
	if len(s) < 256 {
		p.Write([]byte{'U', byte(len(s))})
	} else {
		p.Write(binary.LittleEndian.AppendUint32([]byte{'T'}, uint32(len(s))))
	}
	p.WriteString(s)
	p.put()
}

func (p *pickle) integer(v int) {
	switch {
	case v >= 0 && v < 256:
		p.Write([]byte{'K', byte(v)})
	case v >= 0 && v < 1<<16:
		p.Write(binary.LittleEndian.AppendUint16([]byte{'M'}, uint16(v)))
	default:
		p.Write(binary.LittleEndian.AppendUint32([]byte{'J'}, uint32(v)))
	}
}

// list writes n items in portions of 1000.
func (p *pickle) list(n int, item func(i int)) {
	p.WriteByte(']')
	p.put()
	for i := 0; i < n; i += 1000 {
		if n-i == 1 {
			item(i)
			p.WriteByte('a')
			break
		}
		p.WriteByte('(')
		for k := i; k < min(n, i+1000); k++ {
			item(k)
		}
		p.WriteByte('e')
	}
}

// array writes a numpy array of bytes.
func (p *pickle) array(rows, columns int, data []byte) {
	p.WriteString("cnumpy.core.multiarray\n_reconstruct\n")
	p.put()
	p.WriteString("cnumpy\nndarray\n")
	p.put()
	p.integer(0)
	p.WriteByte('\x85')
	p.put()
	p.text("b")
	p.WriteByte('\x87')
	p.put()
	p.WriteByte('R')
	p.put()

	p.WriteByte('(')
	p.integer(1)
	p.integer(rows)
	p.integer(columns)
	p.WriteByte('\x86')
	p.put()
	p.WriteString("cnumpy\ndtype\n")
	p.put()
	p.text("u1")
	p.integer(0)
	p.integer(1)
	p.WriteByte('\x87')
	p.put()
	p.WriteByte('R')
	p.put()
	p.WriteByte('(')
	p.integer(3)
	p.text("|")
	p.WriteString("NNN")
	p.integer(-1)
	p.integer(-1)
	p.integer(0)
	p.WriteString("tb\x89")
	p.text(string(data))
	p.WriteString("tb")
}

// dictionary writes a whole file of a dictionary; items writes keys and values.
func dictionary(items func(p *pickle)) []byte {
	p := new(pickle)
	p.WriteString("\x80\x02}")
	p.put()
	p.WriteByte('(')
	items(p)
	p.WriteString("u.")
	return p.Bytes()
}

// pickledBatch writes records of the binary version as a batch.
func pickledBatch(records ...[]byte) []byte {
	return dictionary(func(p *pickle) {
		p.text("batch_label")
		p.text("training batch 1 of 5")
		p.text("labels")
		p.list(len(records), func(i int) { p.integer(int(records[i][0])) })
		p.text("data")
		var data []byte
		for _, r := range records {
			data = append(data, r[1:]...)
		}
		p.array(len(records), 3072, data)
		p.text("filenames")
		p.list(len(records), func(i int) { p.text(fmt.Sprintf("leptodactylus_pentadactylus_s_%06d.png", i)) })
	})
}

func pickledMeta(names ...string) []byte {
	return dictionary(func(p *pickle) {
		p.text("num_cases_per_batch")
		p.integer(10000)
		p.text("label_names")
		p.list(len(names), func(i int) { p.text(names[i]) })
		p.text("num_vis")
		p.integer(3072)
	})
}

func TestCIFAR10Pickles(t *testing.T) {
	var first [][]byte
	for i := range 1100 { // more than a portion of a list, and than short memo keys
		first = append(first, cifarImage(byte(i%10), byte(i)))
	}
	second := cifarImage(7, 100)
	dir := t.TempDir()
	sub := filepath.Join(dir, "cifar-10-batches-py")
	write(t, filepath.Join(sub, "data_batch_1"), pickledBatch(first...))
	write(t, filepath.Join(sub, "data_batch_2"), pickledBatch(second))
	write(t, filepath.Join(sub, "test_batch"), pickledBatch(cifarImage(4, 9), cifarImage(5, 3)))
	write(t, filepath.Join(sub, "batches.meta"), pickledMeta("a", "b", "c", "d", "e", "f", "g", "h", "i", "j"))
	write(t, filepath.Join(sub, "readme.html"), []byte("text"))
	writeBatches(t, sub, "", pickledBatch(second))

	other := t.TempDir()
	write(t, filepath.Join(other, "data_batch_1.bin"), bytes.Join(first, nil))
	writeBatches(t, other, ".bin", second)
	for _, in := range []string{dir, sub} {
		train, err := dataset.OpenCIFAR10(t.Context(), in, dataset.Train, dataset.Options{})
		require.NoError(t, err)
		want, err := dataset.OpenCIFAR10(t.Context(), other, dataset.Train, dataset.Options{})
		require.NoError(t, err)
		require.Equal(t, 1104, train.Len())
		for i := range train.Len() {
			require.Equal(t, load(t, want, i), load(t, train, i), "image %d", i)
		}
		assert.Equal(t, []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, train.Classes())

		test, err := dataset.OpenCIFAR10(t.Context(), in, dataset.Test, dataset.Options{})
		require.NoError(t, err)
		require.Equal(t, 2, test.Len())
		assert.Equal(t, 5, load(t, test, 1).Label)
	}

	require.NoError(t, os.Remove(filepath.Join(sub, "batches.meta")))
	test, err := dataset.OpenCIFAR10(t.Context(), sub, dataset.Test, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, "airplane", test.Classes()[0])
}

// TestCIFAR10BothForms checks that the binary version is taken where both are.
func TestCIFAR10BothForms(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "test_batch"), pickledBatch(cifarImage(1, 0)))
	write(t, filepath.Join(dir, "test_batch.bin"), cifarImage(2, 0))
	d, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Test, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, 2, load(t, d, 0).Label)

	write(t, filepath.Join(dir, "cifar-10-batches-py", "test_batch"), pickledBatch(cifarImage(3, 0)))
	d, err = dataset.OpenCIFAR10(t.Context(), dir, dataset.Test, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, 3, load(t, d, 0).Label, "folders of the archives come first")
}

func TestRealCIFAR10Pickles(t *testing.T) {
	dir := sharedData(t, "cifar-10-batches-py")
	train, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Train, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, 50000, train.Len())
	assert.Equal(t, "truck", train.Classes()[9])
	assert.Equal(t, 6, load(t, train, 0).Label)
}

func TestCIFAR10PickleErrors(t *testing.T) {
	image := cifarImage(1, 0)
	good := pickledBatch(image, image)
	// replaced returns the good batch with a part of it changed.
	replaced := func(from, to string) []byte {
		require.Equal(t, 1, bytes.Count(good, []byte(from)), "%q", from)
		return bytes.Replace(good, []byte(from), []byte(to), 1)
	}
	body := func(ops string) []byte { return []byte("\x80\x02" + ops) }
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "end of file at offset 0 without STOP"},
		{"cut between opcodes", []byte("\x80\x02}"), "end of file at offset 3 without STOP"},
		{"cut in a string", good[:2000], "opcode BINSTRING at offset "},
		{"cut in a line", body("cnumpy"), "opcode GLOBAL at offset 2: unterminated line"},
		{"cut in a number", body("M\x01"), "opcode BININT2 at offset 2: want 2 bytes, the file has 1 more"},
		{"huge string", body("T\xff\xff\xff\xffx"), "opcode BINSTRING at offset 2: want 4294967295 bytes, the file has 1 more"},
		{"behind the end", append(bytes.Clone(good), "more"...), "4 bytes after its end at offset "},
		{"protocol 3", []byte("\x80\x03}."), "opcode PROTO at offset 0: protocol 3, want 2"},
		{"protocol 4", []byte("\x80\x04\x95"), "opcode PROTO at offset 0: protocol 4, want 2"},
		{"text", []byte("<html>"), "opcode 0x3c at offset 0: unknown opcode"},
		{"protocol 0", []byte("(dp0\n."), "opcode DICT at offset 1: unknown opcode"},
		{"code", body("cos\nsystem\nU\x02ls\x85R."), `opcode GLOBAL at offset 2: the name "os.system" is not allowed; it is not run`},
		{"another call", body("cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R."), "opcode REDUCE at offset 24: numpy.dtype: not the type of bytes (u1)"},
		{"array of another kind", body("cnumpy.core.multiarray\n_reconstruct\nK\x00K\x00U\x01b\x87R"), "opcode REDUCE at offset 46: numpy.core.multiarray._reconstruct: not a numpy array"},
		{"call of a string", body("U\x01x)R"), "opcode REDUCE at offset 6: call of a string with a tuple"},
		{"nothing to call", body(")R"), "opcode REDUCE at offset 3: want 2 values, the stack has 1"},
		{"no mark", body("K\x01t"), "opcode TUPLE at offset 4: no MARK on the stack"},
		{"unknown memo", body("h\x07"), "opcode BINGET at offset 2: no memo entry 7"},
		{"empty memo", body("q\x07"), "opcode BINPUT at offset 2: the stack is empty"},
		{"append to nothing", body("K\x01a"), "opcode APPEND at offset 4: the stack is empty, want a list"},
		{"append to a tuple", body(")K\x01a"), "opcode APPEND at offset 5: a tuple on the stack, want a list"},
		{"set in a list", body("](K\x01K\x02u"), "opcode SETITEMS at offset 8: a list on the stack, want a dictionary"},
		{"set half", body("}(U\x01au"), "opcode SETITEMS at offset 7: a key without a value"},
		{"build of a list", body("])b"), "opcode BUILD at offset 4: a list on the stack, want an object with a state"},
		{"no dictionary", body("]."), "pickle of a list, want a dictionary"},
		{"two values", body("NN."), "STOP at offset 4 leaves 2 values, want 1"},
		{"nothing", body("."), "STOP at offset 2 leaves 0 values, want 1"},
		{"endless", append(body(""), bytes.Repeat([]byte("N"), 1<<21)...), "more than 2097152 opcodes"},
		{"fortran", replaced("tb\x89", "tb\x88"), "the state of the array is not (1, shape, dtype u1, False, elements)"},
		{"shape", replaced("K\x02M\x00\x0c", "K\x01M\x00\x0c"), "an array of shape [1 3072] has 6144 bytes"},
		{"rows", replaced("K\x02M\x00\x0c", "K\x05M\x00\x0c"), "size 0 of the array's shape does not divide its 6144 bytes"},
		{"columns", dictionary(func(p *pickle) {
			p.text("labels")
			p.list(3, func(int) { p.integer(1) })
			p.text("data")
			p.array(3, 2048, make([]byte, 6144))
		}), "no array data with rows of 3072 bytes"},
		{"no data", replaced("U\x04data", "U\x04dato"), "no array data with rows of 3072 bytes"},
		{"no labels", replaced("U\x06labels", "U\x06libels"), "no list labels of 2 classes"},
		{"class", pickledBatch(image, cifarImage(10, 0)), "label 1 is class 10, want 0 to 9"},
		{"classless", replaced("(K\x01K\x01e", "(K\x01Ne"), "label 1 is None, want an integer"},
		{"too few labels", replaced("(K\x01K\x01e", "(K\x01e"), "no list labels of 2 classes, one per row"},
		{"CIFAR-100", dictionary(func(p *pickle) {
			p.text("fine_labels")
			p.list(1, p.integer)
			p.text("data")
			p.array(1, 3072, image[1:])
		}), "no list labels of 1 classes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "data_batch_1"), c.file)
			writeBatches(t, dir, "", good)
			d, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Train, dataset.Options{})
			require.Nil(t, d)
			for _, want := range []string{c.want, "dataset: CIFAR-10: " + filepath.Join(dir, "data_batch_1") + ": ", "; unpack cifar-10-python.tar.gz again"} {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

// TestCIFAR10PickleOpcodes runs every byte as an opcode: each is either
// known, or refused by name and offset.
func TestCIFAR10PickleOpcodes(t *testing.T) {
	const known = "\x80(N\x88\x89)]}KMJ\x8aGUTXcqrhj\x85\x86\x87taesuQRb."
	for op := range 256 {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "test_batch"), []byte{'\x80', 2, ')', byte(op)})
		_, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Test, dataset.Options{})
		require.Error(t, err)
		if strings.IndexByte(known, byte(op)) >= 0 {
			require.NotContains(t, err.Error(), "unknown opcode", "%q", op)
			continue
		}
		require.Regexp(t, `opcode ([A-Z]+(_[A-Z]+)?[1248]?|0x[0-9a-f]{2}) at offset 3: unknown opcode`, err.Error())
	}
}

func TestCIFAR10MetaErrors(t *testing.T) {
	for name, c := range map[string]struct {
		meta []byte
		want string
	}{
		"few":    {pickledMeta("cat", "dog"), "batches.meta has a list label_names of 2 strings, want 10; unpack cifar-10-python.tar.gz again"},
		"none":   {dictionary(func(*pickle) {}), "label_names of 0 strings"},
		"broken": {[]byte("\x80\x02"), "batches.meta: pickle: end of file at offset 2 without STOP"},
		"huge":   {make([]byte, 1<<20+1), "batches.meta: the file has 1048577 bytes, want at most 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "test_batch"), pickledBatch(cifarImage(1, 0)))
			write(t, filepath.Join(dir, "batches.meta"), c.meta)
			_, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Test, dataset.Options{})
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, dir)
		})
	}
}

// TestCIFAR10HugePickle opens a sparse file that is larger than memory should be
// asked for.
func TestCIFAR10HugePickle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data_batch_1")
	write(t, path, nil)
	require.NoError(t, os.Truncate(path, 1<<30+1))
	writeBatches(t, filepath.Dir(path), "", pickledBatch(cifarImage(1, 0)))
	_, err := dataset.OpenCIFAR10(t.Context(), filepath.Dir(path), dataset.Train, dataset.Options{})
	require.ErrorContains(t, err, "the file has 1073741825 bytes, want at most 1073741824")
}

// FuzzCIFAR10Pickle checks that any file is either refused or gives whole images.
func FuzzCIFAR10Pickle(f *testing.F) {
	small := pickledBatch(cifarImage(9, 3))
	f.Add(small)
	f.Add(pickledBatch(cifarImage(0, 3), cifarImage(1, 200)))
	f.Add(small[:len(small)-3200])
	f.Add(pickledMeta("a", "b"))
	f.Add([]byte("\x80\x02]q\x00h\x00a."))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "test_batch"), b)
		d, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Test, dataset.Options{})
		if err != nil {
			require.ErrorContains(t, err, "dataset: CIFAR-10: ")
			return
		}
		require.Positive(t, d.Len())
		require.Less(t, d.Len()*3072, len(b), "an image takes its bytes in the file")
		for i := range d.Len() {
			require.Less(t, load(t, d, i).Label, 10)
		}
	})
}
