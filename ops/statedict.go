package ops

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
)

// Suffixes of the names in a PyTorch state dict.
const (
	meanSuffix     = ".running_mean"        // statistics
	varSuffix      = ".running_var"         // statistics
	batchesTracked = ".num_batches_tracked" // unused
)

// wrappers are the prefixes of a network wrapped by PyTorch: for several devices, or
// compiled.
var wrappers = []string{"module.", "_orig_mod."}

// unwrap returns the tensors under the names of the network itself.
func unwrap(list []stored) []stored {
	list = slices.Clone(list)
	for i := 0; i < len(wrappers); i++ {
		prefix := wrappers[i]
		if len(list) == 0 || slices.ContainsFunc(list, func(t stored) bool { return !strings.HasPrefix(t.name, prefix) }) {
			continue
		}
		for k := range list {
			list[k].name = strings.TrimPrefix(list[k].name, prefix)
		}
		i = -1 // one wrapper may hold another
	}
	return list
}

// AuxiliaryHead is the scope of the auxiliary head of a network, which is only used in
// training. Weight files may have one that the network lacks.
const AuxiliaryHead = "auxiliary_head"

// elementBytes are the sizes of element types, by their safetensors names.
var elementBytes = map[string]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, float16Name: 2, bfloat16Name: 2,
	"I32": 4, "U32": 4, float32Name: 4, float64Name: 8, "I64": 8, "U64": 8,
}

// The readable floating-point types; all tensors here are float32.
const (
	float32Name  = "F32"
	float16Name  = "F16"
	bfloat16Name = "BF16"
	float64Name  = "F64"
)

// floats decode one element.
var floats = map[string]func(b []byte) float32{
	float32Name:  func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) },
	float16Name:  func(b []byte) float32 { return fromHalf(binary.LittleEndian.Uint16(b)) },
	bfloat16Name: func(b []byte) float32 { return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16) },
	float64Name:  func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) },
}

// fromHalf returns the value of a half-precision float: a sign, 5 bits of exponent and
// 10 of mantissa.
func fromHalf(h uint16) float32 {
	sign, exponent, mantissa := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 0: // zero or subnormal
		return math.Float32frombits(sign | math.Float32bits(float32(mantissa)/(1<<24)))
	case 31: // infinity, or not a number
		exponent = 255 - (127 - 15)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | mantissa<<13)
}

// published is a tensor of a state dict, with functions that read and write the parameter.
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
		return nil, nil, errors.New("the parameters have no values; call Init first")
	}
	all := map[string]published{}
	var names []string
	add := func(name string, t published) {
		all[name] = t
		names = append(names, name)
	}
	for _, q := range p.list {
		data := p.Data(q)
		add(q.Name, published{q.PyTorchShape(),
			func(dst []float32) error { return q.ToPyTorch(dst, data) },
			func(src []float32) error { return q.FromPyTorch(data, src) }})
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

// ReadFile sets all parameters and running statistics from a weight file: of PyTorch
// (ReadPyTorch) or safetensors (ReadSafetensors), recognised by its first bytes.
func (p *Params) ReadFile(path string) error {
	_, err := p.ReadPretrained(path)
	return err
}

// ReadPretrained is ReadFile for a network with another head, as for fine-tuning.
// Parameters and running statistics in the scopes head, such as "classifier", keep
// their values if the file lacks them or has them in another shape, and are ignored if
// the network lacks them. It returns the names of those that keep their values, in the
// order of the state dict. All others are required, as for ReadFile.
func (p *Params) ReadPretrained(path string, head ...string) (kept []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("ops: weights: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file; want a weight file")
	}
	if err == nil {
		if isSafetensors(f) {
			kept, err = p.readSafetensors(bufio.NewReader(f), head)
		} else {
			kept, err = p.readPyTorch(f, info.Size(), head)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ops: %s: %w", path, err)
	}
	return kept, nil
}

// below reports whether a parameter is in one of the scopes.
func below(name string, scopes []string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return strings.HasPrefix(name, s+".") })
}

// stored is a tensor of a file.
type stored struct {
	name  string
	shape []int
	kind  string // element type
	// read fills dst with the elements in the order of the shape.
	read func(dst []byte) error
}

// collect reads the values of all tensors of the state dict from a file, in the order
// of list. It skips tensors in the scopes head that do not fit and returns their names.
// It validates the file before it reads data, and takes little more memory than the
// parameters.
func (p *Params) collect(list []stored, head []string) (values map[string][]float32, kept []string, err error) {
	all, names, err := p.published()
	if err != nil {
		return nil, nil, err
	}
	auxiliary := AuxiliaryHead + "."
	hasAuxiliary := slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, auxiliary) })
	var wanted []stored
	var missing, unknown, reshaped, retyped []string
	seen := map[string]bool{}
	for _, t := range unwrap(list) {
		ours, known := all[t.name]
		switch {
		case below(t.name, head) && (!known || !slices.Equal(t.shape, ours.shape)):
		case known:
			wanted = append(wanted, t)
			seen[t.name] = true
			if !slices.Equal(t.shape, ours.shape) {
				reshaped = append(reshaped, fmt.Sprintf("%.200s %v, in the network %v", t.name, t.shape, ours.shape))
			} else if floats[t.kind] == nil {
				retyped = append(retyped, fmt.Sprintf("%.200s of type %s", t.name, t.kind))
			}
		case strings.HasSuffix(t.name, batchesTracked):
		case strings.HasPrefix(t.name, auxiliary) && !hasAuxiliary:
		default:
			unknown = append(unknown, fmt.Sprintf("%.200s %v", t.name, t.shape))
		}
	}
	for _, name := range names {
		switch {
		case seen[name]:
		case below(name, head):
			kept = append(kept, name)
		default:
			missing = append(missing, fmt.Sprintf("%s %v", name, all[name].shape))
		}
	}
	faults := listed("missing in the file", missing) + listed("missing in the network", unknown) +
		listed("of another shape", reshaped) + listed("not of floats", retyped)
	if faults != "" {
		return nil, nil, fmt.Errorf("the weights do not fit the network:%s\nuse the weights of this network, or the network of these weights", faults)
	}
	values = map[string][]float32{}
	for _, t := range wanted {
		v := make([]float32, all[t.name].len())
		size := int(elementBytes[t.kind])
		b := make([]byte, len(v)*size)
		if err := t.read(b); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", t.name, err)
		}
		for i := range v {
			v[i] = floats[t.kind](b[i*size:])
			if t.kind == float64Name && math.IsInf(float64(v[i]), 0) {
				if x := math.Float64frombits(binary.LittleEndian.Uint64(b[i*size:])); !math.IsInf(x, 0) {
					return nil, nil, fmt.Errorf("%s: element %d is %g, out of the range of float32; the training may have diverged", t.name, i, x)
				}
			}
		}
		values[t.name] = v
	}
	return values, kept, nil
}

// maxListed is the number of tensors of a kind that an error lists.
const maxListed = 20

// listed returns lines that list tensors, or "" if there are none.
func listed(what string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	text := fmt.Sprintf("\n%d %s:", len(names), what)
	for _, name := range names[:min(len(names), maxListed)] {
		text += "\n  " + name
	}
	if more := len(names) - maxListed; more > 0 {
		text += fmt.Sprintf("\n  and %d more", more)
	}
	return text
}

// adopt sets the parameters and statistics to the collected values.
func (p *Params) adopt(values map[string][]float32) error {
	for _, s := range p.stats {
		for _, suffix := range []string{meanSuffix, varSuffix} {
			if s.same == nil {
				continue
			}
			one, other := s.same.Name+suffix, s.Name+suffix
			if i := differ(values[one], values[other]); i >= 0 {
				return fmt.Errorf("%s and %s are statistics of one map, but differ in channel %[5]d: %[3]v and %[4]v; use the weights of this network", one, other, values[one][i], values[other][i], i)
			}
		}
	}
	all, names, err := p.published()
	if err != nil {
		return err
	}
	for _, name := range names {
		if v, ok := values[name]; ok {
			if err := all[name].set(v); err != nil {
				return err
			}
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
