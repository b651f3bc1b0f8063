package ops_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
)

// smallNet returns the parameters of a small network: a stem with normalisation
// and a linear layer.
func smallNet(seed uint64) (*ops.Params, error) {
	p := ops.NewParams()
	err := ops.Build(func() error {
		g := gorgonia.NewGraph()
		s := ops.NewScope(g, p)
		x, err := ops.Images(g, "images", 2, 6, 5, 3)
		if err != nil {
			return err
		}
		if x, err = s.CIFARStem(x, 4); err != nil {
			return err
		}
		if x, err = ops.GlobalAvgPool(x); err != nil {
			return err
		}
		if _, err = s.Sub("classifier").Linear(x, 1, 7); err != nil {
			return err
		}
		return p.Init(seed)
	})
	return p, err
}

// values returns all values of parameters.
func values(p *ops.Params) []float32 { return slices.Concat(p.Weights(), p.Alphas(), p.Running()) }

// file returns the parts of a safetensors file.
func file(t *testing.T, b []byte) (header map[string]map[string]any, data []byte) {
	t.Helper()
	n := binary.LittleEndian.Uint64(b)
	require.Zero(t, n%8, "the data is aligned")
	require.NoError(t, json.Unmarshal(b[8:8+n], &header))
	return header, b[8+n:]
}

// pack makes a file of its parts.
func pack(t testing.TB, header any, data []byte) []byte {
	text, err := json.Marshal(header)
	require.NoError(t, err)
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), data...)
}

func TestSafetensorsRoundTrip(t *testing.T) {
	p, err := smallNet(1)
	require.NoError(t, err)
	for i := range p.Running() {
		p.Running()[i] = float32(i) + 0.5
	}
	var b bytes.Buffer
	require.NoError(t, p.WriteSafetensors(&b, nil))
	header, data := file(t, b.Bytes())

	// Every element is where a state dict has it.
	floats := func(name string) []float32 {
		require.Contains(t, header, name)
		assert.Equal(t, "F32", header[name]["dtype"])
		at := header[name]["data_offsets"].([]any)
		var v []float32
		for i := int(at[0].(float64)); i < int(at[1].(float64)); i += 4 {
			v = append(v, math.Float32frombits(binary.LittleEndian.Uint32(data[i:])))
		}
		return v
	}
	for _, q := range p.List() {
		want := make([]float32, q.Shape.TotalSize())
		require.NoError(t, q.ToPyTorch(want, p.Data(q)))
		assert.Equal(t, want, floats(q.Name))
		var shape []any
		for _, d := range q.PyTorchShape() {
			shape = append(shape, float64(d))
		}
		assert.Equal(t, shape, header[q.Name]["shape"])
	}
	for _, s := range p.Stats() {
		assert.Equal(t, s.Mean, floats(s.Name+".running_mean"))
		assert.Equal(t, s.Var, floats(s.Name+".running_var"))
	}
	assert.Len(t, header, len(p.List())+2*len(p.Stats()))

	other, err := smallNet(2)
	require.NoError(t, err)
	require.NotEqual(t, values(p), values(other))
	require.NoError(t, other.ReadSafetensors(&b))
	assert.Equal(t, values(p), values(other))
}

func TestSafetensorsOfPyTorch(t *testing.T) {
	p, err := smallNet(1)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, p.WriteSafetensors(&b, nil))
	header, data := file(t, b.Bytes())
	// Counts of batches and metadata are in files that PyTorch's users make.
	end := len(data)
	header["stem.1.num_batches_tracked"] = map[string]any{"dtype": "I64", "shape": []int{}, "data_offsets": []int{end, end + 8}}
	// So is the auxiliary head of a network that was trained.
	header["auxiliary_head.classifier.bias"] = map[string]any{"dtype": "F32", "shape": []int{3}, "data_offsets": []int{end + 8, end + 20}}
	header["__metadata__"] = map[string]any{"format": "pt"}
	other, err := smallNet(2)
	require.NoError(t, err)
	require.NoError(t, other.ReadSafetensors(bytes.NewReader(pack(t, header, append(data, make([]byte, 20)...)))))
	assert.Equal(t, values(p), values(other))
}

func TestSafetensorsFaults(t *testing.T) {
	p, err := smallNet(1)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, p.WriteSafetensors(&b, nil))
	whole := b.Bytes()
	type parts = map[string]map[string]any
	changed := func(change func(h parts)) []byte {
		h, data := file(t, whole)
		change(h)
		return pack(t, h, data)
	}
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"empty":          {nil, "cut short"},
		"no header":      {whole[:8], "cut short"},
		"half a header":  {whole[:100], "cut short"},
		"half":           {whole[:len(whole)/2], "cut short"},
		"a byte less":    {whole[:len(whole)-1], "cut short"},
		"a byte more":    {append(slices.Clone(whole), 0), "data after the last tensor"},
		"huge header":    {bytes.Repeat([]byte{255}, 50), "a header of 18446744073709551615 bytes"},
		"no JSON":        {pack(t, "weights", nil), "the header is not a JSON object"},
		"no tensor":      {pack(t, map[string]int{"stem.0.weight": 3}, nil), "tensor stem.0.weight"},
		"no tensors":     {pack(t, map[string]int{}, nil), "missing"},
		"missing":        {pack(t, parts{"classifier.bias": {"dtype": "F32", "shape": []int{7}, "data_offsets": []int{0, 28}}}, make([]byte, 28)), "6 missing in the file:\n  stem.0.weight [4 3 3 3]\n"},
		"unknown":        {pack(t, parts{"fc.bias": {"dtype": "F32", "shape": []int{7}, "data_offsets": []int{0, 28}}}, make([]byte, 28)), "1 missing in the network:\n  fc.bias [7]\n"},
		"other shape":    {changed(func(h parts) { h["stem.0.weight"]["shape"] = []int{3, 4, 3, 3} }), "1 of another shape:\n  stem.0.weight [3 4 3 3], in the network [4 3 3 3]\n"},
		"whole numbers":  {changed(func(h parts) { h["stem.0.weight"]["dtype"] = "I32" }), "1 not of floats:\n  stem.0.weight of type I32"},
		"unknown type":   {changed(func(h parts) { h["stem.0.weight"]["dtype"] = "F31" }), `unknown type "F31"`},
		"negative shape": {changed(func(h parts) { h["stem.0.weight"]["shape"] = []int{-4, -3, 3, 3} }), "out of range"},
		"endless shape":  {changed(func(h parts) { h["stem.0.weight"]["shape"] = []int{1 << 40, 1 << 40} }), "out of range"},
		"hole":           {changed(func(h parts) { h["stem.0.weight"]["data_offsets"] = []int{4, 436} }), "to 436, want 432 from 0"},
		"too long":       {changed(func(h parts) { h["stem.0.weight"]["data_offsets"] = []int{0, 436} }), "to 436, want 432 from 0"},
		"overlap": {changed(func(h parts) {
			for _, e := range h {
				e["data_offsets"] = []int{0, 28}
			}
		}), "damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(values(p))
			err := p.ReadSafetensors(bytes.NewReader(test.file))
			require.ErrorContains(t, err, test.want)
			assert.True(t, strings.HasPrefix(err.Error(), "ops: safetensors: "), err)
			assert.Equal(t, before, values(p), "nothing has changed")
		})
	}
	early := ops.NewParams()
	assert.ErrorContains(t, early.WriteSafetensors(&b, nil), "Init")
	assert.ErrorContains(t, early.ReadSafetensors(&b), "Init")
	full := errors.New("no space left")
	assert.ErrorIs(t, p.WriteSafetensors(failing{full}, nil), full)
}

// failing is a writer that fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// FuzzSafetensors reads arbitrary files. What is refused changes nothing; what is
// taken is written again with the same values.
func FuzzSafetensors(f *testing.F) {
	first, err := smallNet(1)
	require.NoError(f, err)
	var b bytes.Buffer
	require.NoError(f, first.WriteSafetensors(&b, nil))
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:b.Len()-5])
	f.Add(pack(f, map[string]any{"x": map[string]any{"dtype": "F32", "shape": []int{1 << 62, 4}, "data_offsets": []int{0, 4}}}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := smallNet(2)
		require.NoError(t, err)
		before := slices.Clone(values(p))
		if err := p.ReadSafetensors(bytes.NewReader(b)); err != nil {
			require.Equal(t, before, values(p))
			return
		}
		var again bytes.Buffer
		require.NoError(t, p.WriteSafetensors(&again, nil))
		q, err := smallNet(3)
		require.NoError(t, err)
		require.NoError(t, q.ReadSafetensors(&again))
		for i, v := range values(p) {
			require.Equal(t, math.Float32bits(v), math.Float32bits(values(q)[i]))
		}
	})
}

// Weights travel to PyTorch and back in safetensors files.
func ExampleParams_WriteSafetensors() {
	p, err := smallNet(1)
	if err != nil {
		fmt.Println(err)
		return
	}
	var file bytes.Buffer
	if err := p.WriteSafetensors(&file, nil); err != nil {
		fmt.Println(err)
		return
	}
	q, err := smallNet(2)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(q.ReadSafetensors(&file), slices.Equal(p.Weights(), q.Weights()))
	// Output: <nil> true
}

// TestSafetensorsSharedStatistics refuses a file in which the statistics of one
// map, which two normalisations share, are not equal: one of them would be lost.
func TestSafetensorsSharedStatistics(t *testing.T) {
	n := newNet(t)
	p := ops.NewParams()
	n.Scope = ops.NewScope(n.Graph(), p)
	x := n.maps("x", 4, 3, 5, 2)
	for _, name := range []string{"a", "b"} {
		_, err := n.Sub(name).BatchNorm(x, false)
		require.NoError(t, err)
	}
	require.NoError(t, p.Init(1))
	for i := range p.Running() {
		p.Running()[i] = float32(i) + 0.5
	}
	var b bytes.Buffer
	require.NoError(t, p.WriteSafetensors(&b, nil))
	before := values(p)
	require.NoError(t, p.ReadSafetensors(bytes.NewReader(b.Bytes())))
	for _, suffix := range []string{".running_mean", ".running_var"} {
		header, data := file(t, b.Bytes())
		data = slices.Clone(data)
		at := int(header["b"+suffix]["data_offsets"].([]any)[0].(float64))
		binary.LittleEndian.PutUint32(data[at+4:], math.Float32bits(9))
		err := p.ReadSafetensors(bytes.NewReader(pack(t, header, data)))
		require.ErrorContains(t, err, "ops: safetensors: a"+suffix+" and b"+suffix)
		assert.ErrorContains(t, err, "are statistics of one map, but differ in channel 1")
		assert.Equal(t, before, values(p), "nothing has changed")
	}
}

// TestSafetensorsTypes reads every float of half precision, and some of the other
// types.
func TestSafetensorsTypes(t *testing.T) {
	p := ops.NewParams()
	g := gorgonia.NewGraph()
	require.NoError(t, ops.Build(func() error {
		_, err := ops.NewScope(g, p).Param("v", ops.Vector, tensor.Shape{1 << 16}, ops.Constant(0))
		return err
	}))
	require.NoError(t, p.Init(1))
	read := func(dtype string, b []byte) []float32 {
		entry := map[string]any{"dtype": dtype, "shape": []int{1 << 16}, "data_offsets": []int{0, len(b)}}
		require.NoError(t, p.ReadSafetensors(bytes.NewReader(pack(t, map[string]any{"v": entry}, b))))
		return p.Weights()
	}
	var half, double []byte
	for i := range 1 << 16 {
		half = binary.LittleEndian.AppendUint16(half, uint16(i))
		double = binary.LittleEndian.AppendUint64(double, math.Float64bits(float64(i)/3))
	}
	for i, got := range read("F16", half) {
		sign, exponent, mantissa := 1-2*float64(i>>15), i>>10&31, float64(i&1023)
		want := sign * math.Ldexp(1024+mantissa, exponent-25)
		switch exponent {
		case 0:
			want = sign * math.Ldexp(mantissa, -24)
		case 31:
			want = math.Inf(int(sign))
			if mantissa != 0 {
				want = math.NaN()
			}
		}
		require.True(t, float64(got) == want || math.IsNaN(want) && math.IsNaN(float64(got)), "%#x: %v, want %v", i, got, want)
		require.Equal(t, i>>15 == 1, math.Signbit(float64(got)), "%#x", i)
	}
	for i, got := range read("BF16", half) {
		require.Equal(t, uint32(i)<<16, math.Float32bits(got), "%#x", i)
	}
	for i, got := range read("F64", double) {
		require.Equal(t, float32(float64(i)/3), got)
	}
}

// TestWeightsOfTraining reads a file with an auxiliary head, of a network that was
// trained on several devices, into a network that has none.
func TestWeightsOfTraining(t *testing.T) {
	p, err := smallNet(1)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, p.WriteSafetensors(&b, nil))
	header, data := file(t, b.Bytes())
	end := len(data)
	header["auxiliary_head.classifier.bias"] = map[string]any{"dtype": "F32", "shape": []int{7}, "data_offsets": []int{end, end + 28}}
	data = append(data, make([]byte, 28)...)
	parallel := map[string]map[string]any{}
	compiled, both := map[string]map[string]any{}, map[string]map[string]any{}
	for name, e := range header {
		parallel["module."+name] = e
		compiled["_orig_mod."+name] = e
		both["_orig_mod.module."+name] = e
	}
	for _, h := range []map[string]map[string]any{header, parallel, compiled, both} {
		other, err := smallNet(2)
		require.NoError(t, err)
		require.NoError(t, other.ReadSafetensors(bytes.NewReader(pack(t, h, data))))
		assert.Equal(t, values(p), values(other))
	}
	// A network with such a head needs all of it, and no other.
	n := newNet(t)
	n.Scope = ops.NewScope(n.Graph(), ops.NewParams())
	x := n.maps("x", 4, 3, 5, 2)
	_, err = n.Sub(ops.AuxiliaryHead).BatchNorm(x, true)
	require.NoError(t, err)
	require.NoError(t, n.Params().Init(1))
	err = n.Params().ReadSafetensors(bytes.NewReader(pack(t, header, data)))
	require.ErrorContains(t, err, "  auxiliary_head.classifier.bias [7]\n")
	require.ErrorContains(t, err, "4 missing in the file:\n  auxiliary_head.weight [2]\n")
	// One tensor without the prefix, and it belongs to the names.
	delete(parallel, "module.auxiliary_head.classifier.bias")
	parallel["auxiliary_head.classifier.bias"] = header["auxiliary_head.classifier.bias"]
	require.ErrorContains(t, p.ReadSafetensors(bytes.NewReader(pack(t, parallel, data))), "  module.stem.0.weight [4 3 3 3]\n")
}

// TestWeightsBeyondFloat32 refuses numbers that would become infinite.
func TestWeightsBeyondFloat32(t *testing.T) {
	p, err := smallNet(1)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, p.WriteSafetensors(&b, nil))
	header, data := file(t, b.Bytes())
	const name = "stem.0.weight"
	e := header[name]
	offset := int(e["data_offsets"].([]any)[0].(float64))
	n := (int(e["data_offsets"].([]any)[1].(float64)) - offset) / 4
	wide := make([]byte, 8*n)
	for i, x := range map[int]float64{0: math.Inf(1), 1: math.MaxFloat32, 2: -1e39} {
		binary.LittleEndian.PutUint64(wide[8*i:], math.Float64bits(x))
	}
	e["dtype"], e["data_offsets"] = "F64", []int{len(data), len(data) + len(wide)}
	// What was there belongs to a tensor that is passed over.
	header["auxiliary_head.filler"] = map[string]any{"dtype": "F32", "shape": []int{n}, "data_offsets": []int{offset, offset + 4*n}}
	err = p.ReadSafetensors(bytes.NewReader(pack(t, header, append(data, wide...))))
	require.ErrorContains(t, err, "stem.0.weight: element 2 is -1e+39, out of the range of float32")
}

func TestMetadata(t *testing.T) {
	p, err := smallNet(1)
	require.NoError(t, err)
	want := map[string]string{"task": `{"name": "rotation"}`, "empty": ""}
	var b bytes.Buffer
	require.NoError(t, p.WriteSafetensors(&b, want))
	got, err := ops.ReadMetadata(bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	assert.Equal(t, want, got)
	other, err := smallNet(2)
	require.NoError(t, err)
	require.NoError(t, other.ReadSafetensors(bytes.NewReader(b.Bytes())), "metadata are no tensor")
	assert.Equal(t, values(p), values(other))

	none, err := ops.ReadMetadata(bytes.NewReader(pack(t, map[string]any{}, nil)))
	require.NoError(t, err)
	assert.Empty(t, none)
	_, err = ops.ReadMetadata(bytes.NewReader(pack(t, map[string]any{"__metadata__": map[string]any{"a": 1}}, nil)))
	assert.ErrorContains(t, err, "ops: safetensors: __metadata__: json: cannot unmarshal number")
	_, err = ops.ReadMetadata(bytes.NewReader(b.Bytes()[:20]))
	assert.ErrorContains(t, err, "the file is cut short")
	assert.ErrorContains(t, p.WriteSafetensors(&b, map[string]string{"a": strings.Repeat("a", 17<<20)}), "reduce the metadata")
}
