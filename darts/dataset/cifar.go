package dataset

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"unnas/internal/text"
	"unnas/pretext"
)

// A CIFAR-10 record is the class and 32×32 pixels, first all red values, then green,
// then blue. Files of the binary version are sequences of records.
const (
	cifarSide    = 32
	cifarPlane   = cifarSide * cifarSide
	cifarRecord  = 1 + 3*cifarPlane
	cifarClasses = 10
	cifarBinary  = "cifar-10-batches-bin" // folder in cifar-10-binary.tar.gz
	cifarPython  = "cifar-10-batches-py"  // folder in cifar-10-python.tar.gz
	cifarRemedy  = "unpack cifar-10-binary.tar.gz again"
	// maxCIFAR limits the size of the files; the published ones have 180 MB.
	maxCIFAR = 1 << 30
)

// CIFAR10 is the CIFAR-10 data set (Krizhevsky, 2009): images of 32×32 pixels in 10
// classes, all in memory.
type CIFAR10 struct {
	records []byte // [Len, cifarRecord]
	classes []string
}

// OpenCIFAR10 reads CIFAR-10 from dir, or from cifar-10-batches-bin or
// cifar-10-batches-py in it: data_batch_1 to data_batch_5 for split Train, test_batch
// for Test; there are no others. It reads the binary version, files with the extension
// .bin, or otherwise the Python version, pickles without extension; both give the same
// images. Files may be shortened to whole records; RandomSubset draws fewer images.
// Class names come from batches.meta.txt or batches.meta, or are the published ones.
//
// It returns an error that names the file if a file is missing, if the size of a binary
// file is not a multiple of 3073 bytes, if all together exceed 1 GiB, if an image has a
// class above 9, or if a pickle is not a batch of CIFAR-10. No code in a pickle is run.
func OpenCIFAR10(ctx context.Context, dir string, split Split, o Options) (*CIFAR10, error) {
	if err := errors.Join(lacks("CIFAR-10", split, Train, Test), o.check("CIFAR-10")); err != nil {
		return nil, err
	}
	files, err := findCIFAR(dir, split)
	if err != nil {
		return nil, err
	}
	d := new(CIFAR10)
	read, namesOf := readCIFAR, cifarNames
	if files.pickles {
		read, namesOf = readPickles, pickledNames
	}
	begin := func(done int) error {
		o.progress(done, len(files.names))
		return ctx.Err()
	}
	if d.records, err = read(files.dir, files.names, begin); err != nil {
		return nil, err
	}
	if d.classes, err = namesOf(files.dir); err != nil {
		return nil, err
	}
	o.progress(len(files.names), len(files.names))
	return d, nil
}

// cifarFiles are the files of one split.
type cifarFiles struct {
	dir     string
	names   []string
	pickles bool
}

// findCIFAR returns the files of one split. The folders of the archives take precedence
// over dir itself, and the binary version over the Python version.
func findCIFAR(dir string, split Split) (cifarFiles, error) {
	names := []string{"test_batch"}
	if split == Train {
		names = []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"}
	}
	var incomplete error
	for _, in := range []string{filepath.Join(dir, cifarBinary), filepath.Join(dir, cifarPython), dir} {
		if in != dir && !isDir(in) {
			continue
		}
		if _, err := os.ReadDir(in); err != nil {
			return cifarFiles{}, fmt.Errorf("dataset: CIFAR-10: %w; want the folder that contains %s or %s", err, cifarBinary, cifarPython)
		}
		for _, ending := range []string{".bin", ""} {
			files := cifarFiles{dir: in, pickles: ending == ""}
			var missing []string
			for _, name := range names {
				if name += ending; exists(filepath.Join(in, name)) {
					files.names = append(files.names, name)
				} else {
					missing = append(missing, name)
				}
			}
			switch {
			case missing == nil:
				return files, nil
			case files.names != nil && incomplete == nil:
				incomplete = fmt.Errorf("dataset: CIFAR-10: %s lacks %s; %s", in, strings.Join(missing, ", "), files.remedy())
			}
		}
	}
	if incomplete != nil {
		return cifarFiles{}, incomplete
	}
	return cifarFiles{}, fmt.Errorf("dataset: CIFAR-10: %w: no file %s.bin in %s, and no pickle %[2]s; unpack cifar-10-binary.tar.gz or cifar-10-python.tar.gz there", errNoCIFAR, names[0], dir)
}

// remedy returns the remedy for missing files.
func (f cifarFiles) remedy() string {
	if f.pickles {
		return pickleRemedy
	}
	return cifarRemedy
}

// exists reports whether a file or folder exists.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readCIFAR returns the records of all files of the binary version. It calls begin with
// the number of each file before reading it.
func readCIFAR(dir string, names []string, begin func(k int) error) ([]byte, error) {
	var total int64
	ends := make([]int64, len(names)) // end of each file among the records
	for k, name := range names {
		path := filepath.Join(dir, name)
		size, err := fileSize(path)
		if err != nil {
			return nil, fmt.Errorf("dataset: CIFAR-10: %w", err)
		}
		if size == 0 || size%cifarRecord != 0 {
			return nil, fmt.Errorf("dataset: CIFAR-10: %s has %d bytes, want a multiple of %d; %s", path, size, cifarRecord, cifarRemedy)
		}
		if size > maxCIFAR-total {
			return nil, fmt.Errorf("dataset: CIFAR-10: with %s the files have more than %d bytes; keep only those of the archive", path, maxCIFAR)
		}
		total += size
		ends[k] = total
	}
	records := make([]byte, total)
	start := int64(0)
	for k, name := range names {
		path := filepath.Join(dir, name)
		if err := begin(k); err != nil {
			return nil, fmt.Errorf("dataset: CIFAR-10: %s: %w", path, err)
		}
		if err := readRecords(records[start:ends[k]], path); err != nil {
			return nil, fmt.Errorf("dataset: CIFAR-10: %s: %w; %s", path, err, cifarRemedy)
		}
		start = ends[k]
	}
	return records, nil
}

// readRecords fills dst with records from a file and checks their classes.
func readRecords(dst []byte, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.ReadFull(f, dst); err != nil {
		return err
	}
	for i := 0; i < len(dst); i += cifarRecord {
		if dst[i] >= cifarClasses {
			return fmt.Errorf("record %d has class %d, want 0 to %d", i/cifarRecord, dst[i], cifarClasses-1)
		}
	}
	return nil
}

// publishedCIFAR returns the published class names.
func publishedCIFAR() []string {
	return strings.Fields("airplane automobile bird cat deer dog frog horse ship truck")
}

// cifarNames reads the class names of the binary version, one per line.
func cifarNames(dir string) ([]string, error) {
	path := filepath.Join(dir, "batches.meta.txt")
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return publishedCIFAR(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: CIFAR-10: %w", err)
	}
	defer f.Close()
	var names []string
	lines := bufio.NewScanner(text.NewReader(f))
	for lines.Scan() {
		if name := strings.TrimSpace(lines.Text()); name != "" {
			names = append(names, name)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("dataset: CIFAR-10: %s: %w", path, err)
	}
	if len(names) != cifarClasses {
		return nil, fmt.Errorf("dataset: CIFAR-10: %s names %d classes, want %d; %s", path, len(names), cifarClasses, cifarRemedy)
	}
	return names, nil
}

// Len returns the number of images.
func (d *CIFAR10) Len() int { return len(d.records) / cifarRecord }

// Classes returns the names of the 10 classes in order.
func (d *CIFAR10) Classes() []string { return slices.Clone(d.classes) }

// Load returns image i, 0 to Len-1, as a copy with its class as label.
func (d *CIFAR10) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if err := checkLoad(ctx, i, d.Len()); err != nil {
		return nil, err
	}
	record := d.records[i*cifarRecord:][:cifarRecord]
	img := &pretext.Image{
		Width: cifarSide, Height: cifarSide,
		Pix:   make([]uint8, 3*cifarPlane),
		Label: int(record[0]),
	}
	for c := range 3 {
		for p, v := range record[1+c*cifarPlane:][:cifarPlane] {
			img.Pix[3*p+c] = v
		}
	}
	return img, nil
}
