package ops

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"strings"

	"unnas/internal/pickle"
)

// A PyTorch file is a pickle whose tensors are views of storages, arrays outside of the
// pickle. Since version 1.6 it is an uncompressed zip archive of data.pkl and a file
// data/KEY per storage. Before, it was a sequence of pickles: a magic number, a
// version, sizes of types, the saved object and the list of keys; then for each key the
// number of elements (uint64) and the elements.
const (
	torchProtocol = 1001
	torchRemedy   = "save the state dict of the network with torch.save(net.state_dict(), path)"
)

// torchStates are the keys of the state dict in a checkpoint.
var torchStates = []string{"model_state", "state_dict", "model_state_dict", "model"}

// torchTypes maps storage types to element types.
var torchTypes = map[pickle.Global]string{
	"torch.FloatStorage": float32Name, "torch.HalfStorage": float16Name, "torch.BFloat16Storage": bfloat16Name,
	"torch.DoubleStorage": float64Name, "torch.LongStorage": "I64", "torch.IntStorage": "I32", "torch.ShortStorage": "I16",
	"torch.CharStorage": "I8", "torch.ByteStorage": "U8", "torch.BoolStorage": "BOOL",
}

// torchFile is a PyTorch file while it is read.
type torchFile struct {
	r        io.ReaderAt
	size     int64
	storages map[string]*torchStorage
	loaded   *torchStorage // storage in memory
	data     []byte
}

// torchStorage is an array of elements that tensors are views of.
type torchStorage struct {
	key      string
	kind     string
	elements int64
	load     func() ([]byte, error) // nil until located
}

// torchTensor is a view of a storage.
type torchTensor struct {
	of             *torchStorage
	offset         int // in elements, as the strides
	shape, strides []int
}

// String describes the value for errors.
func (*torchTensor) String() string { return "a tensor" }

// ReadPyTorch sets all parameters and running statistics from a file of size bytes that
// torch.save wrote, in the zip format of PyTorch 1.6 or in the older one. The file
// holds a state dict, or a checkpoint, a dictionary with the state dict as model_state,
// as in the authors' release, state_dict, model_state_dict or model. ReadSafetensors
// describes which tensors are required and which are ignored. Tensors may be views with
// any strides.
//
// No code in the file is run: a checkpoint with objects other than tensors, numbers,
// strings and containers is an error that names them. After an error all values are
// unchanged. It fails before Init.
func (p *Params) ReadPyTorch(r io.ReaderAt, size int64) error {
	if _, err := p.readPyTorch(r, size, nil); err != nil {
		return fmt.Errorf("ops: %w", err)
	}
	return nil
}

// readPyTorch also returns the names of tensors that keep their values; see collect.
func (p *Params) readPyTorch(r io.ReaderAt, size int64, head []string) (kept []string, err error) {
	f := &torchFile{r: r, size: size, storages: map[string]*torchStorage{}}
	saved, err := f.read()
	var list []stored
	if err == nil {
		list, err = f.stateDict(saved)
	}
	if err != nil {
		return nil, fmt.Errorf("PyTorch: %w; %s", err, torchRemedy)
	}
	values, kept, err := p.collect(list, head)
	if err == nil {
		err = p.adopt(values)
	}
	if err != nil {
		return nil, fmt.Errorf("PyTorch: %w", err)
	}
	return kept, nil
}

// read returns the saved object, in either format.
func (f *torchFile) read() (any, error) {
	switch {
	case pickle.IsTorchZip(f.r):
		return f.readZip()
	case pickle.IsTorchPickles(f.r):
		return f.readPickles()
	}
	return nil, errors.New("not a file of torch.save: neither a zip archive nor a pickle")
}

// readZip returns the object saved in a zip archive.
func (f *torchFile) readZip() (any, error) {
	archive, err := zip.NewReader(f.r, f.size)
	if err != nil {
		return nil, err
	}
	files := map[string]*zip.File{}
	folder := ""
	for _, z := range archive.File {
		files[z.Name] = z
		if dir, name := path.Split(z.Name); name == "data.pkl" {
			folder = dir
		}
	}
	load := func(name string) ([]byte, error) {
		b, err := f.member(files[folder+name])
		if err != nil {
			return nil, fmt.Errorf("%s%s in the archive: %w", folder, name, err)
		}
		return b, nil
	}
	if files[folder+"byteorder"] != nil {
		if order, err := load("byteorder"); err != nil || string(order) != "little" {
			return nil, cmp.Or(err, fmt.Errorf("elements of byte order %.10q, want little", order))
		}
	}
	b, err := load("data.pkl")
	if err != nil {
		return nil, err
	}
	saved, err := f.decoder(bytes.NewReader(b), 0, int64(len(b))).Decode()
	for _, s := range f.storages {
		s.load = func() ([]byte, error) { return load("data/" + s.key) }
	}
	return saved, err
}

// member returns the contents of a member of the archive.
func (f *torchFile) member(z *zip.File) ([]byte, error) {
	switch {
	case z == nil:
		return nil, errors.New("missing")
	case z.Method != zip.Store || z.CompressedSize64 != z.UncompressedSize64:
		return nil, errors.New("compressed, unlike files of torch.save")
	case z.UncompressedSize64 > uint64(f.size):
		return nil, fmt.Errorf("%d bytes, more than the file with %d; the file is damaged", z.UncompressedSize64, f.size)
	}
	r, err := z.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b := make([]byte, z.UncompressedSize64)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, cut(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != io.EOF { // checks the checksum
		return nil, fmt.Errorf("the file is damaged: %w", err)
	}
	return b, nil
}

// readPickles returns the object saved in the older format.
func (f *torchFile) readPickles() (any, error) {
	at := pickle.TorchPickles
	d := f.decoder(io.NewSectionReader(f.r, at, f.size-at), at, f.size)
	version, err := d.Decode()
	if err != nil {
		return nil, err
	}
	if version != torchProtocol {
		return nil, fmt.Errorf("format version %v, want %d", version, torchProtocol)
	}
	system, err := d.Decode()
	if err != nil {
		return nil, err
	}
	if about, ok := system.(*pickle.Dict); !ok || about.Values["little_endian"] != true {
		return nil, errors.New("big-endian file, want little-endian")
	}
	saved, err := d.Decode()
	if err != nil {
		return nil, err
	}
	last, err := d.Decode()
	if err != nil {
		return nil, err
	}
	keys, ok := last.(*pickle.List)
	if !ok {
		return nil, fmt.Errorf("%s instead of the list of storage keys", pickle.Kind(last))
	}
	at = d.Offset()
	for _, k := range keys.Items {
		key, _ := k.(string)
		s := f.storages[key]
		if s == nil {
			return nil, fmt.Errorf("storage %.40q without a tensor", key)
		}
		var count [8]byte
		if _, err := f.r.ReadAt(count[:], at); err != nil {
			return nil, fmt.Errorf("storage %.40q: %w", key, cut(err))
		}
		at += int64(len(count))
		n := s.elements * elementBytes[s.kind]
		if got := binary.LittleEndian.Uint64(count[:]); got != uint64(s.elements) || n > f.size-at {
			return nil, fmt.Errorf("storage %.40q of %d elements, want %d, in the last %d bytes; the file is damaged", key, got, s.elements, f.size-at)
		}
		from := at
		s.load = func() ([]byte, error) {
			b := make([]byte, n)
			_, err := io.ReadFull(io.NewSectionReader(f.r, from, n), b)
			return b, cut(err)
		}
		at += n
	}
	if at != f.size {
		return nil, fmt.Errorf("%d bytes after the last storage; the file is damaged", f.size-at)
	}
	return saved, nil
}

// decoder returns a decoder of pickles with tensors.
func (f *torchFile) decoder(r io.Reader, at, size int64) *pickle.Decoder {
	allowed := pickle.Allowed{
		"collections.OrderedDict":         newOrderedDict,
		"torch._utils._rebuild_tensor":    newTensor,
		"torch._utils._rebuild_tensor_v2": newTensor,
		"torch._utils._rebuild_parameter": newParameter,
	}
	for name := range torchTypes {
		allowed[name] = nil
	}
	d := pickle.NewDecoder(r, at, size, allowed)
	d.Persistent = f.storage
	return d
}

func newOrderedDict(args pickle.Tuple) (any, error) {
	if len(args) > 0 {
		return nil, errors.New("OrderedDict with arguments, want an empty one")
	}
	return pickle.NewDict(), nil
}

// storage returns the storage with an id ("storage", type, key, device, elements),
// followed by None in older files.
func (f *torchFile) storage(id any) (any, error) {
	t, _ := id.(pickle.Tuple)
	if len(t) < 5 || len(t) > 6 || t[0] != "storage" || len(t) == 6 && t[5] != nil {
		return nil, errors.New("not a reference to a whole storage")
	}
	class, _ := t[1].(pickle.Global)
	kind, known := torchTypes[class]
	key, named := t[2].(string)
	n, counted := t[4].(int)
	if !known || !named || !counted {
		return nil, fmt.Errorf("storage with type %s, key %s and size %s", pickle.Kind(t[1]), pickle.Kind(t[2]), pickle.Kind(t[4]))
	}
	s := &torchStorage{key: key, kind: kind, elements: int64(n)}
	if s.elements < 0 || s.elements > f.size/elementBytes[kind] {
		return nil, fmt.Errorf("storage %.40q of %d elements, %s, in a file of %d bytes", key, n, kind, f.size)
	}
	if old := f.storages[key]; old != nil {
		if old.kind != s.kind || old.elements != s.elements {
			return nil, fmt.Errorf("storage %.40q has %d elements, %s, and elsewhere %d, %s", key, s.elements, s.kind, old.elements, old.kind)
		}
		return old, nil
	}
	f.storages[key] = s
	return s, nil
}

// newTensor returns the tensor of (storage, offset, shape, strides, …).
func newTensor(args pickle.Tuple) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("%d arguments, want storage, offset, shape and strides", len(args))
	}
	of, isStorage := args[0].(*torchStorage)
	offset, isNumber := args[1].(int)
	shape, isShape := whole(args[2])
	strides, areStrides := whole(args[3])
	if !isStorage || !isNumber || offset < 0 || !isShape || !areStrides || len(shape) != len(strides) {
		return nil, fmt.Errorf("want a storage, an offset, a shape of at most %d dimensions and as many strides", maxDims)
	}
	t := &torchTensor{of, offset, shape, strides}
	return t, t.check()
}

// maxDims is the largest number of dimensions of a tensor.
const maxDims = 8

// whole returns a tuple of non-negative integers.
func whole(v any) ([]int, bool) {
	t, ok := v.(pickle.Tuple)
	if len(t) > maxDims {
		return nil, false
	}
	sizes := make([]int, len(t))
	for i, v := range t {
		n, isNumber := v.(int)
		ok = ok && isNumber && n >= 0
		sizes[i] = n
	}
	return sizes, ok
}

// check returns an error if the tensor has elements outside of its storage.
func (t *torchTensor) check() error {
	last := int64(t.offset)
	for i, d := range t.shape {
		if d == 0 {
			return nil
		}
		if s := int64(t.strides[i]); s > 0 && int64(d-1) > (math.MaxInt64-last)/s {
			last = math.MaxInt64
			break
		}
		last += int64(d-1) * int64(t.strides[i])
	}
	if last >= t.of.elements {
		return fmt.Errorf("a tensor of shape %v and strides %v from element %d ends outside of its storage of %d elements", t.shape, t.strides, t.offset, t.of.elements)
	}
	return nil
}

// newParameter returns the tensor of a parameter.
func newParameter(args pickle.Tuple) (any, error) {
	if len(args) > 0 {
		if t, ok := args[0].(*torchTensor); ok {
			return t, nil
		}
	}
	return nil, errors.New("a parameter without a tensor")
}

// stateDict finds the state dict in the saved object and lists its tensors, grouped by
// storage.
func (f *torchFile) stateDict(saved any) ([]stored, error) {
	dict, ok := saved.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("the file holds %s, want a state dict", pickle.Kind(saved))
	}
	within := ""
	for _, key := range torchStates {
		if inner, ok := dict.Values[key].(*pickle.Dict); ok {
			within, dict = key+": ", inner
			break
		}
	}
	if !slices.ContainsFunc(dict.Keys, func(key string) bool { return isTensor(dict.Values[key]) }) {
		return nil, fmt.Errorf("%sneither tensors nor a state dict as %s, but %.40q", within, strings.Join(torchStates, ", "), dict.Keys[:min(len(dict.Keys), maxListed)])
	}
	var list []stored
	order := map[string]int{}
	for _, key := range dict.Keys {
		t, ok := dict.Values[key].(*torchTensor)
		if !ok {
			return nil, fmt.Errorf("%s%.200s is %s, want a tensor", within, key, pickle.Kind(dict.Values[key]))
		}
		if _, known := order[t.of.key]; !known {
			order[t.of.key] = len(order)
		}
		list = append(list, stored{key, t.shape, t.of.kind, func(dst []byte) error { return f.elements(dst, t) }})
	}
	slices.SortStableFunc(list, func(a, b stored) int {
		return cmp.Compare(order[dict.Values[a.name].(*torchTensor).of.key], order[dict.Values[b.name].(*torchTensor).of.key])
	})
	return list, nil
}

func isTensor(v any) bool {
	_, ok := v.(*torchTensor)
	return ok
}

// elements fills dst with the elements of a tensor.
func (f *torchFile) elements(dst []byte, t *torchTensor) error {
	if f.loaded != t.of {
		if t.of.load == nil {
			return fmt.Errorf("storage %.40q is missing; the file is damaged", t.of.key)
		}
		b, err := t.of.load()
		if err != nil {
			return err
		}
		if want := t.of.elements * elementBytes[t.of.kind]; int64(len(b)) != want {
			return fmt.Errorf("storage %.40q has %d bytes, want %d; the file is damaged", t.of.key, len(b), want)
		}
		f.loaded, f.data = t.of, b
	}
	size := int(elementBytes[t.of.kind])
	index := make([]int, len(t.shape))
	from := t.offset
	for at := 0; at < len(dst); at += size {
		copy(dst[at:at+size], f.data[from*size:])
		// Advance to the next element: the last index first.
		for i := len(index) - 1; i >= 0; i-- {
			index[i]++
			from += t.strides[i]
			if index[i] < t.shape[i] {
				break
			}
			from -= index[i] * t.strides[i]
			index[i] = 0
		}
	}
	return nil
}
