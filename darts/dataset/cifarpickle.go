package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const pickleRemedy = "unpack cifar-10-python.tar.gz again"

// readPickles returns the records of all files of the Python version.
func readPickles(dir string, names []string) ([]byte, error) {
	var records []byte
	for _, name := range names {
		path := filepath.Join(dir, name)
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
func readPickle(path string, limit int64) (map[string]any, error) {
	size, err := fileSize(path)
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("the file has %d bytes, want at most %d", size, limit)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return unpickle(file)
}

// appendBatch appends the images of a batch to records.
func appendBatch(records []byte, batch map[string]any) ([]byte, error) {
	data, ok := batch["data"].(*pickleArray)
	if !ok || len(data.shape) != 2 || data.shape[1] != 3*cifarPlane {
		return nil, fmt.Errorf("it has no array data of rows of %d bytes", 3*cifarPlane)
	}
	labels, ok := batch["labels"].(*pickleList)
	if !ok || len(labels.items) != data.shape[0] {
		return nil, fmt.Errorf("it has no list labels of %d classes, one for each row of data", data.shape[0])
	}
	records = slices.Grow(records, data.shape[0]*cifarRecord)
	for i, v := range labels.items {
		label, ok := v.(int)
		if !ok {
			return nil, fmt.Errorf("label %d is %s, want an integer", i, kindOf(v))
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
	if list, ok := meta["label_names"].(*pickleList); ok {
		for _, v := range list.items {
			if name, ok := v.([]byte); ok {
				names = append(names, string(name))
			}
		}
	}
	if len(names) != cifarClasses {
		return nil, fmt.Errorf("dataset: CIFAR-10: %s has a list label_names of %d strings, want %d; %s", path, len(names), cifarClasses, pickleRemedy)
	}
	return names, nil
}
