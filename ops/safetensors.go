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
)

// A safetensors file is a length (uint64, little-endian), a JSON object of that length,
// and data. The object has a member per tensor: type, shape, and the start and end of
// its data. Tensors are contiguous.
const (
	tensorsMeta      = "__metadata__" // not a tensor
	tensorsMaxHeader = 16 << 20       // bytes; a supernet takes some hundred thousand
	tensorsAlign     = 8              // alignment of the data in bytes
)

// entry is a member of the header.
type entry struct {
	Type    string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`

	name string
}

// WriteSafetensors writes all parameters and running statistics in the safetensors
// format, with the names, shapes and order of a PyTorch state dict: weights of
// convolutions as [out, in, rows, columns], of linear layers as [out, in], and
// statistics as running_mean and running_var. metadata may be nil; ReadMetadata reads
// it. It fails before Init.
//
// Differs: a batch normalisation whose output is unused keeps its initial statistics,
// since a plan leaves it out; PyTorch runs it.
func (p *Params) WriteSafetensors(w io.Writer, metadata map[string]string) error {
	all, names, err := p.published()
	if err != nil {
		return fmt.Errorf("ops: safetensors: %w", err)
	}
	header := map[string]any{}
	if metadata != nil {
		header[tensorsMeta] = metadata
	}
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
	if len(text) > tensorsMaxHeader {
		return fmt.Errorf("ops: safetensors: a header of %d bytes, want at most %d; reduce the metadata", len(text), tensorsMaxHeader)
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

// ReadSafetensors sets all parameters and running statistics from a file that
// WriteSafetensors wrote, or that was saved from a PyTorch network with the same names.
// The file must have exactly these tensors, as floats of 16, 32 or 64 bits and in
// PyTorch's shapes; the error lists missing tensors, unknown ones, and those of another
// shape. Ignored are num_batches_tracked and, if the network has none, an
// AuxiliaryHead; a prefix "module." or, from torch.compile, "_orig_mod." of all names
// is removed. Numbers outside the range of float32 are an error. Statistics shared by
// several normalisations must have equal bits in the file. After an error all values
// are unchanged. It fails before Init.
func (p *Params) ReadSafetensors(r io.Reader) error {
	if _, err := p.readSafetensors(r, nil); err != nil {
		return fmt.Errorf("ops: %w", err)
	}
	return nil
}

// readSafetensors also returns the names of tensors that keep their values; see collect.
func (p *Params) readSafetensors(r io.Reader, head []string) (kept []string, err error) {
	entries, err := tensorList(r)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	at := int64(0) // offset of the next read
	skip := func(to int64) error {
		n, err := io.CopyN(io.Discard, r, to-at)
		at += n
		return cut(err)
	}
	var list []stored
	end := int64(0)
	for _, e := range entries {
		list = append(list, stored{e.name, e.Shape, e.Type, func(dst []byte) error {
			if err := skip(e.Offsets[0]); err != nil {
				return err
			}
			n, err := io.ReadFull(r, dst)
			at += int64(n)
			return cut(err)
		}})
		end = e.Offsets[1]
	}
	values, kept, err := p.collect(list, head)
	if err == nil {
		err = skip(end)
	}
	if err == nil {
		switch n, e := io.ReadFull(r, make([]byte, 1)); {
		case n > 0:
			err = errors.New("data after the last tensor; the file is damaged")
		case e != io.EOF:
			err = e
		}
	}
	if err == nil {
		err = p.adopt(values)
	}
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	return kept, nil
}

// ReadMetadata returns the metadata of a safetensors file, empty if there is none. It
// reads only the header.
func ReadMetadata(r io.Reader) (map[string]string, error) {
	members, err := tensorsHeader(r)
	if err != nil {
		return nil, fmt.Errorf("ops: safetensors: %w", err)
	}
	metadata := map[string]string{}
	if text, ok := members[tensorsMeta]; ok {
		if err := json.Unmarshal(text, &metadata); err != nil {
			return nil, fmt.Errorf("ops: safetensors: %s: %w", tensorsMeta, err)
		}
	}
	return metadata, nil
}

// isSafetensors reports whether a JSON object follows a length.
func isSafetensors(r io.ReaderAt) bool {
	var b [9]byte
	_, err := r.ReadAt(b[:], 0)
	return (err == nil || err == io.EOF) && b[8] == '{'
}

// cut describes an early end of a file.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the file is cut short: %w", err)
	}
	return err
}

// tensorList reads the header of a file and returns the tensors in the order of their
// data, which starts at 0 and has no gaps.
func tensorList(r io.Reader) ([]entry, error) {
	members, err := tensorsHeader(r)
	if err != nil {
		return nil, err
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
		// Empty tensors lie where the next one starts.
		return cmp.Or(cmp.Compare(a.Offsets[0], b.Offsets[0]), cmp.Compare(a.Offsets[1], b.Offsets[1]), cmp.Compare(a.name, b.name))
	})
	at := int64(0)
	for _, e := range list {
		size, err := e.size()
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", e.name, err)
		}
		if e.Offsets[0] != at || e.Offsets[1]-at != size {
			return nil, fmt.Errorf("tensor %s has the bytes from %d to %d, want %d from %d; the file is damaged", e.name, e.Offsets[0], e.Offsets[1], size, at)
		}
		if at += size; at < 0 {
			return nil, fmt.Errorf("tensor %s is too large; the file is damaged", e.name)
		}
	}
	return list, nil
}

// tensorsHeader reads the header of a file.
func tensorsHeader(r io.Reader) (map[string]json.RawMessage, error) {
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, fmt.Errorf("the file is cut short: %w", err)
	}
	length := binary.LittleEndian.Uint64(prefix[:])
	if length > tensorsMaxHeader {
		return nil, fmt.Errorf("a header of %d bytes, want at most %d; the file is damaged or not a safetensors file", length, tensorsMaxHeader)
	}
	// Memory grows with the data read, not with the promised length.
	text, err := io.ReadAll(io.LimitReader(r, int64(length)))
	if err != nil {
		return nil, err
	}
	if uint64(len(text)) < length {
		return nil, fmt.Errorf("the file is cut short: %w", io.ErrUnexpectedEOF)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("the header is not a JSON object: %w", err)
	}
	return members, nil
}

// size returns the size of a tensor in bytes.
func (e entry) size() (int64, error) {
	n, ok := elementBytes[e.Type]
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
