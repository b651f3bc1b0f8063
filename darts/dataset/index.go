package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"unnas/internal/atomicfile"
)

// shorten returns what remains of the name of an image, given its class:
// "10026" of n01440764_10026.JPEG, and the whole name behind a slash if it has
// another form.
func shorten(class, image string) string {
	if s, ok := strings.CutPrefix(image, class+"_"); ok {
		if s, ok := strings.CutSuffix(s, ".JPEG"); ok {
			return s
		}
	}
	return "/" + image
}

// lengthen undoes shorten.
func lengthen(class, short string) string {
	if image, ok := strings.CutPrefix(short, "/"); ok {
		return image
	}
	return class + "_" + short + ".JPEG"
}

// names holds many short strings without line breaks, and finds any of them
// fast, in one piece of memory.
type names struct {
	n     int
	text  []byte // all strings, each with a line break behind it
	marks []int  // where every 64th string begins
}

const marked = 64

// forbidden are the characters that no name of an image may have, so that it
// stays in its folder and on its line.
const forbidden = "/\\\n"

func (s *names) add(name string) {
	if s.n%marked == 0 {
		s.marks = append(s.marks, len(s.text))
	}
	s.text = append(append(s.text, name...), '\n')
	s.n++
}

// at returns string i.
func (s *names) at(i int) string {
	rest := s.text[s.marks[i/marked]:]
	for range i % marked {
		rest = rest[bytes.IndexByte(rest, '\n')+1:]
	}
	return string(rest[:bytes.IndexByte(rest, '\n')])
}

// maxIndex bounds the bytes of all names; those of the real data set take
// 90 MB.
const maxIndex = 1 << 30

const maxClasses = 1 << 20 // of an index

// An index file holds, all numbers in little-endian order, the magic bytes, the
// SHA-256 sum of what follows them, an indexHead, an indexClass for each class
// and the text of the names.
const indexMagic = "unnas22k"

type indexHead struct {
	Classes, Images, Text uint64 // number of classes and of images, bytes of the names
}

type indexClass struct {
	ID       uint32 // the digits of the WordNet id
	Images   uint32
	Modified int64 // time of the last change of the folder, in Unix nanoseconds
}

const (
	indexStart      = int64(len(indexMagic) + sha256.Size + 3*8)
	indexClassBytes = 16
)

// index is what an index file holds.
type index struct {
	classes []indexClass
	names   names
	path    string
}

// errNoIndex says that a file is no index, not even a damaged one.
var errNoIndex = errors.New("it is not an index of ImageNet-22K")

func newIndex(classes []string, modified []int64, ends []int, s names) *index {
	x := &index{names: s}
	start := 0
	for i, class := range classes {
		id, _ := strconv.ParseUint(class[1:], 10, 32) // isWordNetID has seen that they are eight digits
		x.classes = append(x.classes, indexClass{ID: uint32(id), Images: uint32(ends[i] - start), Modified: modified[i]})
		start = ends[i]
	}
	return x
}

// ends returns the number of images up to the end of each class.
func (x *index) ends() []int {
	ends := make([]int, len(x.classes))
	n := 0
	for i, c := range x.classes {
		n += int(c.Images)
		ends[i] = n
	}
	return ends
}

// fits returns an error that says why the index is not that of these class
// folders.
func (x *index) fits(root string, classes []string, modified []int64) error {
	if len(classes) != len(x.classes) {
		return fmt.Errorf("index %s is stale: it has %d classes, %s has %d", x.path, len(x.classes), root, len(classes))
	}
	for i, c := range x.classes {
		if class := fmt.Sprintf("n%08d", c.ID); class != classes[i] {
			return fmt.Errorf("index %s is stale: its class %d is %s, that of %s is %s", x.path, i, class, root, classes[i])
		}
		if c.Modified != modified[i] {
			return fmt.Errorf("index %s is stale: folder %s of %s was changed", x.path, classes[i], root)
		}
	}
	return nil
}

func (x *index) write(path string) error {
	body := func(w io.Writer) error {
		head := indexHead{Classes: uint64(len(x.classes)), Images: uint64(x.names.n), Text: uint64(len(x.names.text))}
		for _, v := range []any{head, x.classes, x.names.text} {
			if err := binary.Write(w, binary.LittleEndian, v); err != nil {
				return err
			}
		}
		return nil
	}
	sum := sha256.New()
	if err := body(sum); err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		if _, err := w.Write(sum.Sum([]byte(indexMagic))); err != nil {
			return err
		}
		return body(w)
	})
}

// readIndex reads an index file. Memory is taken for what the file holds, not for
// what it says.
func readIndex(path string) (*index, error) {
	size, err := fileSize(path)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	defer f.Close()
	x, err := parseIndex(f, size)
	if errors.Is(err, errNoIndex) {
		return nil, fmt.Errorf("index %s: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("index %s is damaged: %w", path, err)
	}
	x.path = path
	return x, nil
}

// parseIndex reads an index file of size bytes.
func parseIndex(r io.Reader, size int64) (*index, error) {
	head := make([]byte, len(indexMagic)+sha256.Size)
	n, err := io.ReadFull(r, head)
	if n > 0 && !strings.HasPrefix(indexMagic, string(head[:min(n, len(indexMagic))])) {
		return nil, errNoIndex
	}
	if err != nil {
		return nil, fmt.Errorf("%d bytes: %w", size, err)
	}
	sum := sha256.New()
	r = io.TeeReader(r, sum)
	var h indexHead
	if err := binary.Read(r, binary.LittleEndian, &h); err != nil {
		return nil, fmt.Errorf("%d bytes: %w", size, err)
	}
	if h.Classes > maxClasses || h.Text > maxIndex {
		return nil, fmt.Errorf("%d classes and %d bytes of names, want at most %d and %d", h.Classes, h.Text, maxClasses, maxIndex)
	}
	if h.Images > h.Text || int64(h.Classes)*indexClassBytes+int64(h.Text) != size-indexStart {
		return nil, fmt.Errorf("%d classes and %d bytes of names of %d images do not fill %d bytes", h.Classes, h.Text, h.Images, size)
	}
	x := &index{classes: make([]indexClass, h.Classes)}
	if err := binary.Read(r, binary.LittleEndian, x.classes); err != nil {
		return nil, err
	}
	text := make([]byte, h.Text)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, err
	}
	if !bytes.Equal(sum.Sum(nil), head[len(indexMagic):]) {
		return nil, errors.New("its checksum is wrong")
	}
	if x.names, err = splitNames(text); err != nil {
		return nil, err
	}
	var images uint64
	for _, c := range x.classes {
		images += uint64(c.Images)
	}
	if images != h.Images || x.names.n != int(h.Images) {
		return nil, fmt.Errorf("%d names, %d images in its classes, %d in all", x.names.n, images, h.Images)
	}
	return x, nil
}

// splitNames finds the names in a text. None may lead out of its class folder.
func splitNames(text []byte) (names, error) {
	s := names{text: text}
	for at := 0; at < len(text); s.n++ {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			return names{}, errors.New("its last name is cut")
		}
		if name := text[at : at+end]; bytes.ContainsAny(bytes.TrimPrefix(name, []byte("/")), forbidden) {
			return names{}, fmt.Errorf("name %q of image %d is that of a path", name, s.n)
		}
		if s.n%marked == 0 {
			s.marks = append(s.marks, at)
		}
		at += end + 1
	}
	s.text = slices.Clip(text)
	return s, nil
}
