package ops_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/ops"
)

// checkFilled demands the values that internal/peer/statedicts.py has written.
func checkFilled(t *testing.T, p *ops.Params, except map[string][]float32) {
	t.Helper()
	check := func(i int, name string, got []float32) {
		want := except[name]
		if want == nil {
			for j := range got {
				want = append(want, float32((7*j+3*i)%64-32)/16)
			}
		}
		assert.Equal(t, want, got, name)
	}
	// The order of the state dict, in which statistics follow their normalisation.
	for i, name := range []string{"stem.0.weight", "stem.1.weight", "stem.1.bias", "", "", "classifier.weight", "classifier.bias"} {
		if name == "" {
			continue
		}
		q := p.Find(name)
		require.NotNil(t, q, name)
		got := make([]float32, q.Shape.TotalSize())
		require.NoError(t, q.ToPyTorch(got, p.Data(q)))
		check(i, name, got)
	}
	require.Len(t, p.Stats(), 1)
	check(3, "stem.1.running_mean", p.Stats()[0].Mean)
	check(4, "stem.1.running_var", p.Stats()[0].Var)
}

func TestPyTorch(t *testing.T) {
	ones := map[string][]float32{"stem.1.running_var": {1, 1, 1, 1}}
	for name, except := range map[string]map[string][]float32{
		"zip": nil, "torch1": nil, "legacy": nil, "half": nil, "bfloat16": nil, "double": nil, "parameters": nil,
		"strided": ones, "checkpoint": nil, "checkpoint_legacy": nil, "auxiliary": nil,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".pth")
			p, err := smallNet(1)
			require.NoError(t, err)
			require.NoError(t, p.ReadFile(path))
			checkFilled(t, p, except)

			b, err := os.ReadFile(path)
			require.NoError(t, err)
			again, err := smallNet(2)
			require.NoError(t, err)
			require.NoError(t, again.ReadPyTorch(bytes.NewReader(b), int64(len(b))))
			assert.Equal(t, values(p), values(again))

			// Wherever a file ends too soon, that is noticed, and nothing changes.
			for n := 0; n < len(b); n += 11 {
				require.Error(t, again.ReadPyTorch(bytes.NewReader(b[:n]), int64(n)), "%d bytes", n)
			}
			assert.Equal(t, values(p), values(again))
		})
	}
}

// TestPyTorchDamage turns bits of a storage, which the checksum shows.
func TestPyTorchDamage(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "zip.pth"))
	require.NoError(t, err)
	at := bytes.Index(b, binary.LittleEndian.AppendUint32(nil, math.Float32bits(-32./16)))
	require.Positive(t, at)
	b[at]++
	p, err := smallNet(1)
	require.NoError(t, err)
	require.ErrorContains(t, p.ReadPyTorch(bytes.NewReader(b), int64(len(b))), "the file is damaged: zip: checksum error")
}

// archive makes a zip archive, not compressed, of names and what they hold.
func archive(t testing.TB, method uint16, members ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: members[i], Method: method})
		require.NoError(t, err)
		_, err = io.WriteString(f, members[i+1])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// The parts of pickles.
func pickled(ops string) string { return "\x80\x02" + ops + "." }

func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func integer(n int) string {
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}

func tuple(items ...string) string { return "(" + strings.Join(items, "") + "t" }

func sizes(n ...int) string {
	var items []string
	for _, v := range n {
		items = append(items, integer(v))
	}
	return tuple(items...)
}

func storage(class, key string, n int) string {
	return tuple(text("storage"), "ctorch\n"+class+"\n", text(key), text("cpu"), integer(n)) + "Q"
}

func view(storage string, offset int, shape, strides string) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n" + tuple(storage, integer(offset), shape, strides, "\x89", "ccollections\nOrderedDict\n)R") + "R"
}

func dict(items ...string) string { return "}(" + strings.Join(items, "") + "u" }

func TestPyTorchFaults(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", name+".pth"))
		require.NoError(t, err)
		return b
	}
	data := func(pickle string, more ...string) []byte {
		return archive(t, zip.Store, append([]string{"x/data.pkl", pickle, "x/byteorder", "little"}, more...)...)
	}
	legacy := func(pickles ...string) []byte {
		return []byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19." + strings.Join(pickles, ""))
	}
	// Of one tensor that fits, a bias; others are missing.
	bias := func(tensor string) string { return pickled(dict(text("classifier.bias"), tensor)) }
	seven := view(storage("FloatStorage", "0", 7), 0, sizes(7), sizes(1))
	system := pickled(dict(text("little_endian"), "\x88"))
	version := pickled("M\xe9\x03")
	// A state dict in which every tensor is of one storage.
	whole := func(storage string) string {
		var items []string
		for _, tensor := range []struct {
			name  string
			shape []int
		}{
			{"stem.0.weight", []int{4, 3, 3, 3}}, {"stem.1.weight", []int{4}}, {"stem.1.bias", []int{4}}, {"stem.1.running_mean", []int{4}},
			{"stem.1.running_var", []int{4}}, {"classifier.weight", []int{7, 4}}, {"classifier.bias", []int{7}},
		} {
			items = append(items, text(tensor.name), view(storage, 0, sizes(tensor.shape...), sizes(make([]int, len(tensor.shape))...)))
		}
		return pickled(dict(items...))
	}
	one := whole(storage("FloatStorage", "0", 1))
	p, err := smallNet(1)
	require.NoError(t, err)
	require.NoError(t, p.ReadPyTorch(bytes.NewReader(data(one, "x/data/0", "\x00\x00\x80\x3f")), int64(len(data(one, "x/data/0", "1234")))), "the forger can make good files")
	for _, v := range values(p) {
		require.InDelta(t, 1, v, 0)
	}
	p, err = smallNet(1)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"empty":                     {nil, "not a file of torch.save: neither a zip archive nor a pickle"},
		"web page":                  {[]byte("<!DOCTYPE html>"), "not a file of torch.save: neither"},
		"no archive":                {[]byte("PK\x03\x04 and no more"), "zip: not a valid zip file"},
		"no pickle":                 {archive(t, zip.Store, "x/y", ""), "data.pkl in the archive: missing; save the state dict of the network with torch.save(net.state_dict(), path)"},
		"compressed":                {archive(t, zip.Deflate, "x/data.pkl", one), "x/data.pkl in the archive: compressed"},
		"big-endian":                {archive(t, zip.Store, "x/data.pkl", one, "x/byteorder", "big"), `byte order "big", want little`},
		"whole network":             {read("network"), `the name "__main__.Small"`},
		"integers":                  {read("integers"), "1 not of floats:\n  classifier.bias of type I64"},
		"code":                      {data(pickled("cos\nsystem\n" + tuple(text("ls")) + "R")), `opcode GLOBAL at offset 2: the name "os.system" is not allowed; it is not run`},
		"code of builtins":          {legacy(pickled("c__builtin__\neval\n" + tuple(text("1")) + "R")), `the name "__builtin__.eval"`},
		"class as a function":       {data(pickled("ctorch\nFloatStorage\n)R")), "call of torch.FloatStorage with a tuple"},
		"list":                      {data(pickled("]")), "the file holds a list, want a state dict"},
		"no tensors":                {data(pickled(dict(text("epoch"), "K\x01", text("lr"), "K\x02"))), `PyTorch: neither tensors nor a state dict as model_state, state_dict, model_state_dict, model, but ["epoch" "lr"]`},
		"no tensors within":         {data(pickled(dict(text("model"), dict(text("x"), "N")))), `model: neither tensors nor`},
		"other values":              {data(pickled(dict(text("model"), dict(text("a"), seven, text("version"), "K\x01")))), "model: version is a number, want a tensor"},
		"dictionary of itself":      {data(pickled("}q\x00(" + text("model") + "h\x00u")), "model: neither tensors"},
		"list of itself":            {data(pickled(dict(text("model"), "]q\x00h\x00a"))), "PyTorch: neither tensors"},
		"missing":                   {data(bias(seven)), "6 missing in the file:\n  stem.0.weight [4 3 3 3]\n  stem.1.weight [4]"},
		"unknown":                   {data(pickled(dict(text("fc.bias"), seven))), "1 missing in the network:\n  fc.bias [7]"},
		"other shape":               {data(bias(view(storage("FloatStorage", "0", 7), 0, sizes(7, 1), sizes(1, 1)))), "1 of another shape:\n  classifier.bias [7 1], in the network [7]"},
		"huge storage":              {data(bias(view(storage("FloatStorage", "0", 1<<40), 0, sizes(7), sizes(1)))), `storage "0" of 1099511627776 elements, F32, in a file of `},
		"huger storage":             {data(bias(view(storage("FloatStorage", "0", math.MaxInt), 0, sizes(7), sizes(1)))), `storage "0" of 9223372036854775807 elements`},
		"negative storage":          {data(bias(view(storage("FloatStorage", "0", -7), 0, sizes(7), sizes(1)))), `storage "0" of -7 elements`},
		"unknown storage":           {data(bias(view(storage("ComplexFloatStorage", "0", 7), 0, sizes(7), sizes(1)))), `the name "torch.ComplexFloatStorage"`},
		"storage of two sizes":      {data(pickled(dict(text("a"), seven, text("b"), view(storage("FloatStorage", "0", 8), 0, sizes(8), sizes(1))))), `storage "0" has 8 elements, F32, and elsewhere 7, F32`},
		"part of a storage":         {data(bias(view(tuple(text("storage"), "ctorch\nFloatStorage\n", text("0"), text("cpu"), integer(7), sizes(0, 7))+"Q", 0, sizes(7), sizes(1)))), "opcode BINPERSID"},
		"no storage":                {data(bias(view(text("0"), 0, sizes(7), sizes(1)))), "torch._utils._rebuild_tensor_v2: want a storage, an offset, a shape"},
		"negative offset":           {data(bias(view(storage("FloatStorage", "0", 7), -1, sizes(7), sizes(1)))), "torch._utils._rebuild_tensor_v2: want a storage, an offset, a shape"},
		"negative stride":           {data(bias(view(storage("FloatStorage", "0", 7), 6, sizes(7), sizes(-1)))), "as many strides"},
		"no strides":                {data(bias(view(storage("FloatStorage", "0", 7), 0, sizes(7), sizes()))), "as many strides"},
		"many dimensions":           {data(bias(view(storage("FloatStorage", "0", 7), 0, sizes(1, 1, 1, 1, 1, 1, 1, 1, 7), sizes(1, 1, 1, 1, 1, 1, 1, 1, 1)))), "a shape of at most 8 dimensions and as many strides"},
		"beyond its storage":        {data(bias(view(storage("FloatStorage", "0", 7), 1, sizes(7), sizes(1)))), "a tensor of shape [7] and strides [1] from element 1 ends outside of its storage of 7 elements"},
		"stride beyond its storage": {data(bias(view(storage("FloatStorage", "0", 7), 0, sizes(7), sizes(2)))), "ends outside of its storage"},
		"endless stride":            {data(bias(view(storage("FloatStorage", "0", 7), 0, sizes(7), sizes(math.MaxInt)))), "ends outside of its storage"},
		"endless shape":             {data(bias(view(storage("FloatStorage", "0", 7), 0, sizes(1<<40, 1<<40), sizes(1<<40, 1)))), "ends outside of its storage"},
		"endless repetition":        {data(bias(view(storage("FloatStorage", "0", 7), 0, sizes(1<<40, 1<<40), sizes(0, 0)))), "classifier.bias [1099511627776 1099511627776], in the network [7]"},
		"storage that is not there": {data(one), "x/data/0 in the archive: missing"},
		"short storage":             {data(one, "x/data/0", "123"), `storage "0" has 3 bytes, want 4`},
		"long storage":              {data(one, "x/data/0", "12345"), `storage "0" has 5 bytes, want 4`},
		"filled OrderedDict":        {data(pickled("ccollections\nOrderedDict\n" + tuple("]") + "R")), "collections.OrderedDict: OrderedDict with arguments, want an empty one; save the state dict of the network with torch.save(net.state_dict(), path)"},
		"parameter of nothing":      {data(pickled("ctorch._utils\n_rebuild_parameter\n)R")), "torch._utils._rebuild_parameter: a parameter without a tensor"},
		"legacy, other version":     {legacy(pickled("M\xea\x03")), "format version 1002, want 1001"},
		"legacy, big-endian":        {legacy(version, pickled(dict(text("little_endian"), "\x89"))), "big-endian file, want little-endian"},
		"legacy, no keys":           {legacy(version, system, one, pickled("N")), "None instead of the list of storage keys"},
		"legacy, unknown key":       {legacy(version, system, one, pickled("]"+text("1")+"a")), `storage "1" without a tensor`},
		"legacy, no storage":        {legacy(version, system, one, pickled("]")), `storage "0" is missing`},
		"legacy, other size":        {legacy(version, system, one, pickled("]"+text("0")+"a"), "\x02\x00\x00\x00\x00\x00\x00\x00", "12345678"), `storage "0" of 2 elements, want 1`},
		"legacy, short":             {legacy(version, system, one, pickled("]"+text("0")+"a"), "\x01\x00\x00\x00\x00\x00\x00\x00", "123"), "in the last 3 bytes; the file is damaged"},
		"legacy, more":              {legacy(version, system, one, pickled("]"+text("0")+"a"), "\x01\x00\x00\x00\x00\x00\x00\x00", "12345"), "1 bytes after the last storage"},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(values(p))
			err := p.ReadPyTorch(bytes.NewReader(test.file), int64(len(test.file)))
			require.ErrorContains(t, err, test.want)
			assert.True(t, strings.HasPrefix(err.Error(), "ops: PyTorch: "), err)
			assert.Equal(t, before, values(p), "nothing has changed")
		})
	}
	b := read("zip")
	require.ErrorContains(t, ops.NewParams().ReadPyTorch(bytes.NewReader(b), int64(len(b))), "ops: PyTorch: the parameters have no values; call Init first")
	require.Error(t, p.ReadPyTorch(bytes.NewReader(b), -1))
}

// TestListsOfMisfits demands that a long list of names is cut.
func TestListsOfMisfits(t *testing.T) {
	p, err := smallNet(1)
	require.NoError(t, err)
	var items []string
	for i := range 33 {
		items = append(items, text(fmt.Sprintf("layers.%02d.bias", i)), view(storage("FloatStorage", "0", 7), 0, sizes(7), sizes(1)))
	}
	b := archive(t, zip.Store, "x/data.pkl", pickled(dict(items...)))
	err = p.ReadPyTorch(bytes.NewReader(b), int64(len(b)))
	require.ErrorContains(t, err, "7 missing in the file:\n")
	require.ErrorContains(t, err, "33 missing in the network:\n  layers.00.bias [7]\n")
	require.ErrorContains(t, err, "  layers.19.bias [7]\n  and 13 more\nuse the weights of this network, or the network of these weights")
}

func TestReadFile(t *testing.T) {
	p, err := smallNet(1)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "weights")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, p.WriteSafetensors(f, nil))
	require.NoError(t, f.Close())
	other, err := smallNet(2)
	require.NoError(t, err)
	require.NoError(t, other.ReadFile(path))
	assert.Equal(t, values(p), values(other))

	require.ErrorIs(t, p.ReadFile(path+"s"), os.ErrNotExist)
	require.ErrorContains(t, p.ReadFile(filepath.Dir(path)), "not a regular file; want a weight file")
	require.NoError(t, os.WriteFile(path, []byte("\x80\x04\x95"), 0o600))
	require.EqualError(t, p.ReadFile(path), "ops: "+path+": PyTorch: not a file of torch.save: neither a zip archive nor a pickle; save the state dict of the network with torch.save(net.state_dict(), path)")
	require.NoError(t, os.WriteFile(path, pack(t, map[string]int{}, nil), 0o600))
	require.ErrorContains(t, p.ReadFile(path), "ops: "+path+": safetensors: the weights do not fit the network:\n7 missing")
}

// FuzzPyTorch reads arbitrary files. What is refused changes nothing.
func FuzzPyTorch(f *testing.F) {
	files, err := filepath.Glob("testdata/*.pth")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, path := range files {
		b, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(b)
	}
	tensor := view(storage("FloatStorage", "0", 7), 0, sizes(7), sizes(1))
	f.Add(archive(f, zip.Store, "x/data.pkl", pickled(dict(text("classifier.bias"), tensor)), "x/data/0", strings.Repeat("\x00", 28)))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := smallNet(2)
		require.NoError(t, err)
		before := slices.Clone(values(p))
		if err := p.ReadPyTorch(bytes.NewReader(b), int64(len(b))); err != nil {
			require.Equal(t, before, values(p))
		}
	})
}

// Weights that were trained in Python are read from what torch.save wrote.
func ExampleParams_ReadFile() {
	p, err := smallNet(1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.ReadFile("testdata/checkpoint.pth"), p.Data(p.Find("classifier.bias")))
	// Output: <nil> [-0.875 -0.4375 0 0.4375 0.875 1.3125 1.75]
}
