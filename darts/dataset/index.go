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

// shorten returns a short form of the name of an image, given its class: "10026" for
// n01440764_10026.JPEG, and the whole name after a slash if it has another form.
func shorten(class, image string) string {
	if s, ok := strings.CutPrefix(image, class+"_"); ok {
		if s, ok := strings.CutSuffix(s, ".JPEG"); ok {
			return s
		}
	}
	return "/" + image
}

// lengthen is the inverse of shorten.
func lengthen(class, short string) string {
	if image, ok := strings.CutPrefix(short, "/"); ok {
		return image
	}
	return class + "_" + short + ".JPEG"
}

// names stores many short strings without line breaks compactly, with fast access by index.
type names struct {
	n     int
	text  []byte // all strings, each followed by a line break
	marks []int  // offset of every 64th string
}

const marked = 64

// forbidden are the characters that would let a name leave its folder or its line.
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

// maxIndex limits the bytes of all names; those of the published data set take 90 MB.
const maxIndex = 1 << 30

const maxClasses = 1 << 20 // in an index

// An index file holds, in little-endian order, the magic bytes, the SHA-256 sum of what
// follows, an indexHead, an indexClass per class, and the text of the names.
const indexMagic = "unnas22k"

type indexHead struct {
	Classes, Images, Text uint64 // number of classes and of images, bytes of the names
}

type indexClass struct {
	ID       uint32 // the digits of the WordNet id
	Images   uint32
	Modified int64 // modification time of the folder in Unix nanoseconds
}

const (
	indexStart      = int64(len(indexMagic) + sha256.Size + 3*8)
	indexClassBytes = 16
)

// index is the contents of an index file.
type index struct {
	classes []indexClass
	names   names
	path    string
}

// errNoIndex reports a file that is not an index, not even a damaged one.
var errNoIndex = errors.New("the file is not an index of ImageNet-22K")

func newIndex(classes []string, modified []int64, ends []int, s names) *index {
	x := &index{names: s}
	start := 0
	for i, class := range classes {
		id, _ := strconv.ParseUint(class[1:], 10, 32) // isWordNetID checked for eight digits
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

// fits returns an error if the index is not that of these class folders.
func (x *index) fits(root string, classes []string, modified []int64) error {
	if len(classes) != len(x.classes) {
		return fmt.Errorf("index %s is stale: it has %d classes, %s has %d", x.path, len(x.classes), root, len(classes))
	}
	for i, c := range x.classes {
		if class := fmt.Sprintf("n%08d", c.ID); class != classes[i] {
			return fmt.Errorf("index %s is stale: its class %d is %s, that of %s is %s", x.path, i, class, root, classes[i])
		}
		if c.Modified != modified[i] {
			return fmt.Errorf("index %s is stale: folder %s of %s has changed", x.path, classes[i], root)
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

// readIndex reads an index file. The memory it takes is bounded by the size of the file.
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
		return nil, errors.New("wrong checksum")
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

// splitNames locates the names in a text. None may leave its class folder.
func splitNames(text []byte) (names, error) {
	s := names{text: text}
	for at := 0; at < len(text); s.n++ {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			return names{}, errors.New("the last name is truncated")
		}
		if name := text[at : at+end]; bytes.ContainsAny(bytes.TrimPrefix(name, []byte("/")), forbidden) {
			return names{}, fmt.Errorf("name %q of image %d is a path", name, s.n)
		}
		if s.n%marked == 0 {
			s.marks = append(s.marks, at)
		}
		at += end + 1
	}
	s.text = slices.Clip(text)
	return s, nil
}
