package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"unnas/internal/pickle"
)

// The Python version of CIFAR-10 consists of pickles of protocol 2 written by Python 2:
// dictionaries of strings, integers, lists, and one numpy array of bytes.

const pickleRemedy = "unpack cifar-10-python.tar.gz again"

// readPickles is readCIFAR for the Python version.
func readPickles(dir string, names []string, begin func(k int) error) ([]byte, error) {
	var records []byte
	for k, name := range names {
		path := filepath.Join(dir, name)
		if err := begin(k); err != nil {
			return nil, fmt.Errorf("dataset: CIFAR-10: %s: %w", path, err)
		}
		batch, err := readPickle(path, maxCIFAR-int64(len(records)))
		if err == nil {
			records, err = appendBatch(records, batch)
		}
		if err != nil {
			return nil, fmt.Errorf("dataset: CIFAR-10: %s: %w; %s", path, err, pickleRemedy)
		}
	}
	return records, nil
}

// readPickle returns the dictionary in a file of at most limit bytes.
func readPickle(path string, limit int64) (*pickle.Dict, error) {
	size, err := fileSize(path)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("the file has %d bytes, want at most %d", size, limit)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := pickle.NewDecoder(f, 0, size, pickle.Allowed{
		"numpy.core.multiarray._reconstruct": newArray,
		"numpy.ndarray":                      nil,
		"numpy.dtype":                        newBytes,
	})
	v, err := d.Decode()
	if err != nil {
		return nil, err
	}
	if rest := size - d.Offset(); rest > 0 {
		return nil, fmt.Errorf("pickle: %d bytes after its end at offset %d", rest, d.Offset())
	}
	dict, ok := v.(*pickle.Dict)
	if !ok {
		return nil, fmt.Errorf("pickle of %s, want a dictionary", pickle.Kind(v))
	}
	return dict, nil
}

// array is a numpy array of bytes in C order.
type array struct {
	shape []int
	data  string
}

// newArray returns an empty array.
func newArray(args pickle.Tuple) (any, error) {
	if len(args) != 3 || args[0] != any(pickle.Global("numpy.ndarray")) {
		return nil, errors.New("not a numpy array")
	}
	return new(array), nil
}

// SetState sets the shape and elements of an array.
func (a *array) SetState(state any) error {
	s, _ := state.(pickle.Tuple)
	if len(s) != 5 || s[0] != 1 || s[2] != any(elementBytes{}) || s[3] != false {
		return errors.New("the state of the array is not (1, shape, dtype u1, False, elements)")
	}
	shape, _ := s[1].(pickle.Tuple)
	data, ok := s[4].(string)
	if !ok || len(shape) == 0 || len(shape) > 4 {
		return errors.New("the state of the array has no shape of 1 to 4 sizes, or no elements")
	}
	sizes, rest := make([]int, len(shape)), len(data)
	for i, v := range shape {
		n, ok := v.(int)
		if !ok || n <= 0 || rest%n != 0 {
			return fmt.Errorf("size %d of the array's shape does not divide its %d bytes", i, len(data))
		}
		sizes[i], rest = n, rest/n
	}
	if rest != 1 {
		return fmt.Errorf("an array of shape %v has %d bytes", sizes, len(data))
	}
	a.shape, a.data = sizes, data
	return nil
}

// elementBytes is the element type of arrays.
type elementBytes struct{}

func newBytes(args pickle.Tuple) (any, error) {
	if len(args) != 3 || args[0] != "u1" {
		return nil, errors.New("not the type of bytes (u1)")
	}
	return elementBytes{}, nil
}

// SetState ignores the state.
func (elementBytes) SetState(any) error { return nil }

// appendBatch appends the images of a batch to records.
func appendBatch(records []byte, batch *pickle.Dict) ([]byte, error) {
	data, ok := batch.Values["data"].(*array)
	if !ok || len(data.shape) != 2 || data.shape[1] != 3*cifarPlane {
		return nil, fmt.Errorf("no array data with rows of %d bytes", 3*cifarPlane)
	}
	labels, ok := batch.Values["labels"].(*pickle.List)
	if !ok || len(labels.Items) != data.shape[0] {
		return nil, fmt.Errorf("no list labels of %d classes, one per row of data", data.shape[0])
	}
	records = slices.Grow(records, data.shape[0]*cifarRecord)
	for i, v := range labels.Items {
		label, ok := v.(int)
		if !ok {
			return nil, fmt.Errorf("label %d is %s, want an integer", i, pickle.Kind(v))
		}
		if label < 0 || label >= cifarClasses {
			return nil, fmt.Errorf("label %d is class %d, want 0 to %d", i, label, cifarClasses-1)
		}
		records = append(records, byte(label))
		records = append(records, data.data[i*3*cifarPlane:][:3*cifarPlane]...)
	}
	return records, nil
}

// pickledNames reads the class names of the Python version.
func pickledNames(dir string) ([]string, error) {
	path := filepath.Join(dir, "batches.meta")
	meta, err := readPickle(path, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return publishedCIFAR(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: CIFAR-10: %s: %w; %s", path, err, pickleRemedy)
	}
	var names []string
	if list, ok := meta.Values["label_names"].(*pickle.List); ok {
		for _, v := range list.Items {
			if name, ok := v.(string); ok {
				names = append(names, name)
			}
		}
	}
	if len(names) != cifarClasses {
		return nil, fmt.Errorf("dataset: CIFAR-10: %s has a list label_names of %d strings, want %d; %s", path, len(names), cifarClasses, pickleRemedy)
	}
	return names, nil
}
