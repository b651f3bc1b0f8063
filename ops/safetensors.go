package ops

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// A safetensors file is a length (uint64, little-endian), a JSON object of that
// length, and data. The object has a member for each tensor: type, shape, and
// where in the data it begins and ends. Tensors lie one after the other.
const (
	tensorsMeta      = "__metadata__"         // a member that is no tensor
	tensorsMaxHeader = 16 << 20               // bytes; a supernet needs some hundred thousand
	tensorsAlign     = 8                      // of the data
	float32Name      = "F32"                  // the type of all our tensors
	meanSuffix       = ".running_mean"        // of the names of statistics
	varSuffix        = ".running_var"         // of the same
	batchesTracked   = ".num_batches_tracked" // a count of PyTorch's that nothing here needs
	auxiliaryHead    = "auxiliary_head."      // begins the names of what only training has
)

// dtypes are the bytes that one element of a type takes.
var dtypes = map[string]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
	"I32": 4, "U32": 4, float32Name: 4, "F64": 8, "I64": 8, "U64": 8,
}

// entry is a member of the header.
type entry struct {
	Type    string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`

	name string
}

// published is a tensor of a state dict: how it is read from the parameters, and
// how they take it.
type published struct {
	shape []int
	get   func(dst []float32) error
	set   func(src []float32) error
}

func (t published) len() int {
	n := 1
	for _, d := range t.shape {
		n *= d
	}
	return n
}

// published returns all tensors of the state dict and their names in order.
func (p *Params) published() (map[string]published, []string, error) {
	if !p.ready {
		return nil, nil, errors.New("ops: safetensors: the parameters have no values yet; call Init first")
	}
	all := map[string]published{}
	var names []string
	add := func(name string, t published) {
		all[name] = t
		names = append(names, name)
	}
	for _, q := range p.list {
		data := p.Data(q)
		add(q.Name, published{q.PublishedShape(),
			func(dst []float32) error { return q.Publish(dst, data) },
			func(src []float32) error { return q.Adopt(data, src) }})
	}
	for _, s := range p.stats {
		for _, of := range []struct {
			suffix string
			data   []float32
		}{{meanSuffix, s.Mean}, {varSuffix, s.Var}} {
			add(s.Name+of.suffix, published{[]int{s.channels},
				func(dst []float32) error { copy(dst, of.data); return nil },
				func(src []float32) error { copy(of.data, src); return nil }})
		}
	}
	return all, names, nil
}

// WriteSafetensors writes all parameters and running statistics in the format of
// safetensors, with the names, shapes and order of a PyTorch state dict: weights
// of convolutions as [out, in, rows, columns], of linear layers as [out, in], and
// statistics as running_mean and running_var. It fails before Init.
func (p *Params) WriteSafetensors(w io.Writer) error {
	all, names, err := p.published()
	if err != nil {
		return err
	}
	header := map[string]entry{}
	at := int64(0)
	for _, name := range names {
		t := all[name]
		end := at + 4*int64(t.len())
		header[name] = entry{Type: float32Name, Shape: t.shape, Offsets: [2]int64{at, end}}
		at = end
	}
	text, err := json.Marshal(header)
	if err != nil {
		return fmt.Errorf("ops: safetensors: %w", err)
	}
	for len(text)%tensorsAlign > 0 {
		text = append(text, ' ')
	}
	out := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	for _, name := range names {
		if _, err := w.Write(out); err != nil {
			return fmt.Errorf("ops: safetensors: %w", err)
		}
		out = out[:0]
		values := make([]float32, all[name].len())
		if err := all[name].get(values); err != nil {
			return err
		}
		for _, v := range values {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
	}
	if _, err := w.Write(out); err != nil {
		return fmt.Errorf("ops: safetensors: %w", err)
	}
	return nil
}

// ReadSafetensors sets all parameters and running statistics to those in a file
// as WriteSafetensors makes it, or as saved of a PyTorch network of the same
// names. All must be there, as float32 and in their published shapes, and nothing
// else but num_batches_tracked and, where this network has no auxiliary head, that
// of the trained one, which are passed over. Statistics that several normalisations
// share must be equal to the bit in the file. After an error all are what they
// were. It fails before Init.
func (p *Params) ReadSafetensors(r io.Reader) error {
	all, names, err := p.published()
	if err != nil {
		return err
	}
	fault := func(format string, args ...any) error {
		return fmt.Errorf("ops: safetensors: "+format, args...)
	}
	list, err := tensorList(r)
	if err != nil {
		return fault("%w", err)
	}
	// What is wrong with a file is found before anything is read into memory, and
	// that is no more than the parameters themselves take.
	seen := map[string]bool{}
	for _, e := range list {
		t, known := all[e.name]
		switch seen[e.name] = true; {
		case !known && (strings.HasSuffix(e.name, batchesTracked) || strings.HasPrefix(e.name, auxiliaryHead)):
		case !known:
			return fault("the network has no %s; read the file into the network that it is of", e.name)
		case e.Type != float32Name:
			return fault("%s is of type %s; save it as %s, float32", e.name, e.Type, float32Name)
		case !slices.Equal(e.Shape, t.shape):
			return fault("%s has the shape %v and in this network %v; read the file into the network that it is of", e.name, e.Shape, t.shape)
		}
	}
	for _, name := range names {
		if !seen[name] {
			return fault("%s is missing; the file is of another network", name)
		}
	}
	values := map[string][]float32{}
	for _, e := range list {
		t, known := all[e.name]
		if !known {
			if _, err := io.CopyN(io.Discard, r, e.Offsets[1]-e.Offsets[0]); err != nil {
				return fault("%s is cut short: %w", e.name, err)
			}
			continue
		}
		b := make([]byte, 4*t.len())
		if _, err := io.ReadFull(r, b); err != nil {
			return fault("%s is cut short: %w", e.name, err)
		}
		v := make([]float32, t.len())
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		values[e.name] = v
	}
	switch n, err := io.ReadFull(r, make([]byte, 1)); {
	case n > 0:
		return fault("there is more behind the last tensor; the file is damaged")
	case err != io.EOF:
		return fault("%w", err)
	}
	for _, s := range p.stats {
		for _, suffix := range []string{meanSuffix, varSuffix} {
			if s.same == nil {
				continue
			}
			one, other := s.same.Name+suffix, s.Name+suffix
			if i := differ(values[one], values[other]); i >= 0 {
				return fault("%s and %s are statistics of one map and must be equal, but are %v and %v in channel %d; read the file into the network that it is of", one, other, values[one][i], values[other][i], i)
			}
		}
	}
	for _, name := range names {
		if err := all[name].set(values[name]); err != nil {
			return err
		}
	}
	return nil
}

// differ returns the first index at which a and b have other bits, or -1.
func differ(a, b []float32) int {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return i
		}
	}
	return -1
}

// tensorList reads the header of a file and returns the tensors in the order of
// their data, which begins at 0 and has no holes.
func tensorList(r io.Reader) ([]entry, error) {
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, fmt.Errorf("the file is cut short: %w", err)
	}
	length := binary.LittleEndian.Uint64(prefix[:])
	if length > tensorsMaxHeader {
		return nil, fmt.Errorf("a header of %d bytes, may be %d; the file is damaged or no safetensors file", length, tensorsMaxHeader)
	}
	// The memory taken grows with what is there, not with what is promised.
	text, err := io.ReadAll(io.LimitReader(r, int64(length)))
	if err != nil {
		return nil, err
	}
	if uint64(len(text)) < length {
		return nil, fmt.Errorf("the file is cut short: %w", io.ErrUnexpectedEOF)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("the header is no JSON object: %w", err)
	}
	delete(members, tensorsMeta)
	var list []entry
	for name, text := range members {
		e := entry{name: name}
		if err := json.Unmarshal(text, &e); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", name, err)
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b entry) int {
		// Empty tensors lie where the next begins.
		return cmp.Or(cmp.Compare(a.Offsets[0], b.Offsets[0]), cmp.Compare(a.Offsets[1], b.Offsets[1]), cmp.Compare(a.name, b.name))
	})
	at := int64(0)
	for _, e := range list {
		size, err := e.size()
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", e.name, err)
		}
		if e.Offsets[0] != at || e.Offsets[1]-at != size {
			return nil, fmt.Errorf("tensor %s takes the bytes from %d to %d, must take %d from %d; the file is damaged", e.name, e.Offsets[0], e.Offsets[1], size, at)
		}
		if at += size; at < 0 {
			return nil, fmt.Errorf("tensor %s ends beyond all files; the file is damaged", e.name)
		}
	}
	return list, nil
}

// size returns the bytes that a tensor takes.
func (e entry) size() (int64, error) {
	n, ok := dtypes[e.Type]
	if !ok {
		return 0, fmt.Errorf("unknown type %q", e.Type)
	}
	for _, d := range e.Shape {
		if d < 0 || d > 0 && n > math.MaxInt64/int64(d) {
			return 0, fmt.Errorf("the shape %v is out of range", e.Shape)
		}
		n *= int64(d)
	}
	return n, nil
}
