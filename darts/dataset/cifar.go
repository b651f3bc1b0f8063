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

// A record of CIFAR-10 is the class and 32 by 32 pixels, all red ones before all
// green ones before all blue ones. The binary version is made of records.
const (
	cifarSide    = 32
	cifarPlane   = cifarSide * cifarSide
	cifarRecord  = 1 + 3*cifarPlane
	cifarClasses = 10
	cifarBinary  = "cifar-10-batches-bin" // what cifar-10-binary.tar.gz unpacks to
	cifarPython  = "cifar-10-batches-py"  // what cifar-10-python.tar.gz unpacks to
	cifarRemedy  = "unpack cifar-10-binary.tar.gz again"
	// maxCIFAR bounds the memory that a folder can ask for; the real files take
	// 180 MB in all.
	maxCIFAR = 1 << 30
)

// CIFAR10 is the CIFAR-10 data set (Krizhevsky, 2009): images of 32 by 32 pixels
// in 10 classes. It holds all of them in memory.
type CIFAR10 struct {
	records []byte // [Len, cifarRecord]
	classes []string
}

// OpenCIFAR10 reads CIFAR-10 from dir, or from the folder cifar-10-batches-bin or
// cifar-10-batches-py in it: data_batch_1 to data_batch_5 of split Train, test_batch of
// Test; it has no other. It takes the binary version, files that end in .bin, or else the Python
// version, pickles without an ending; both give the same images. Parts of the files
// will do, as long as records are whole; RandomSubset draws fewer images of whole
// ones. Class names come from batches.meta.txt or batches.meta, or are the
// published ones if that is missing.
//
// It returns an error that names the file if one is missing, if the size of a
// binary file is not a multiple of 3073 bytes, if all together exceed 1 GiB, if an
// image has a class above 9, or if a pickle holds something else than a batch of
// CIFAR-10. No code in a pickle is run.
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

// cifarFiles are the files of one split: names in a folder.
type cifarFiles struct {
	dir     string
	names   []string
	pickles bool
}

// findCIFAR returns the files of one split. Folders that an archive unpacks to
// come before dir itself, and the binary version before the other.
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
			return cifarFiles{}, fmt.Errorf("dataset: CIFAR-10: %w; give the folder that %s or %s is unpacked to", err, cifarBinary, cifarPython)
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

// remedy says how files that are missing are made.
func (f cifarFiles) remedy() string {
	if f.pickles {
		return pickleRemedy
	}
	return cifarRemedy
}

// exists returns whether there is a file or folder of a path.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readCIFAR returns the records of all files of the binary version. It calls begin with
// the number of each file before it reads that.
func readCIFAR(dir string, names []string, begin func(k int) error) ([]byte, error) {
	var total int64
	ends := make([]int64, len(names)) // of the files among the records
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

// publishedCIFAR returns the names of the classes where no file has them.
func publishedCIFAR() []string {
	return strings.Fields("airplane automobile bird cat deer dog frog horse ship truck")
}

// cifarNames reads the class names of the binary version, one a line.
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

// Load returns image i, 0 to Len-1. The image is a copy, its class the label.
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
