package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
)

// A checkpoint is all that a run needs to go on. What is drawn depends on the
// seed, the epoch and the image, so no state of a generator is among it. All
// numbers are little-endian:
//
//	16 bytes          magic
//	uint32            version
//	uint32            length of the header
//	header            JSON
//	float32, ...      the arrays that the header lists, one after the other
//	uint32            CRC-32C of all bytes before it
//
// Magic, version and checksum are the same in every version, so that a file of
// another version can be told from a damaged one.
const (
	magic      = "unnas checkpoint"
	version    = 1
	prefixLen  = len(magic) + 8
	trailerLen = 4
	// MaxHeader is the largest header in bytes.
	MaxHeader = 1 << 20
)

// ErrOther is the error of a checkpoint that is whole, but not of this run. Others
// before it are not either, so none is tried.
var ErrOther = errors.New("not of this run")

// An Array is one of the arrays of a checkpoint. Its JSON form, which belongs into the
// header, has no data.
type Array struct {
	Name string    `json:"name"`
	Len  int       `json:"len"`
	Data []float32 `json:"-"`
}

// ArrayOf returns an array of a name.
func ArrayOf(name string, data []float32) Array { return Array{name, len(data), data} }

// Write writes a checkpoint. The header is JSON that lists the arrays.
func Write(w io.Writer, header []byte, arrays []Array) error {
	if len(header) > MaxHeader {
		return fmt.Errorf("the settings and scores take %d bytes as JSON; a checkpoint has room for %d", len(header), MaxHeader)
	}
	sum := crc32.New(castagnoli)
	out := io.MultiWriter(w, sum)
	prefix := []byte(magic)
	prefix = binary.LittleEndian.AppendUint32(prefix, version)
	prefix = binary.LittleEndian.AppendUint32(prefix, uint32(len(header)))
	if _, err := out.Write(append(prefix, header...)); err != nil {
		return err
	}
	for _, a := range arrays {
		if err := writeFloats(out, a.Data); err != nil {
			return err
		}
	}
	_, err := w.Write(binary.LittleEndian.AppendUint32(nil, sum.Sum32()))
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ReadHeader checks a checkpoint of size bytes as a whole and decodes its header.
// What it reads next are the arrays. It takes no memory that a damaged file
// could ask for.
func ReadHeader(r io.ReadSeeker, size int64, header any) error {
	prefix := make([]byte, prefixLen)
	if _, err := io.ReadFull(r, prefix); err != nil {
		return fmt.Errorf("it is cut short: %w", err)
	}
	numbers, isOurs := bytes.CutPrefix(prefix, []byte(magic))
	if !isOurs {
		return errors.New("it is no checkpoint file: its first bytes are others")
	}
	saved, length := binary.LittleEndian.Uint32(numbers), binary.LittleEndian.Uint32(numbers[4:])
	body := size - int64(prefixLen) - trailerLen
	if body < 0 {
		return errors.New("it is cut short")
	}
	sum := crc32.New(castagnoli)
	_, _ = sum.Write(prefix) // a hash takes everything
	if _, err := io.CopyN(sum, r, body); err != nil {
		return fmt.Errorf("it is cut short: %w", err)
	}
	var trailer [trailerLen]byte
	if _, err := io.ReadFull(r, trailer[:]); err != nil {
		return fmt.Errorf("it is cut short: %w", err)
	}
	switch {
	case binary.LittleEndian.Uint32(trailer[:]) != sum.Sum32():
		return errors.New("its checksum is wrong")
	case saved != version:
		return fmt.Errorf("%w: its format has version %d, and this program reads version %d; resume with the program that began the run", ErrOther, saved, version)
	case length > MaxHeader || int64(length) > body:
		return fmt.Errorf("a header of %d bytes is too long", length)
	}
	text := make([]byte, length)
	if _, err := r.Seek(int64(prefixLen), io.SeekStart); err != nil {
		return err
	}
	if _, err := io.ReadFull(r, text); err != nil {
		return err
	}
	if err := json.Unmarshal(text, header); err != nil {
		return fmt.Errorf("its header is no JSON of ours: %w", err)
	}
	return nil
}

// Match returns an error unless the arrays that a header lists are those to be read, and
// take what is left of a checkpoint of size bytes behind its header.
func Match(r io.Seeker, size int64, listed, arrays []Array) error {
	rest := size - trailerLen
	if here, err := r.Seek(0, io.SeekCurrent); err == nil {
		rest -= here
	}
	for i, a := range arrays {
		if len(listed) != len(arrays) || listed[i].Name != a.Name || listed[i].Len != a.Len {
			return errors.New("its arrays are not those of the network")
		}
		rest -= 4 * int64(a.Len)
	}
	if rest != 0 {
		return fmt.Errorf("%d bytes are not as many as its arrays take", size)
	}
	return nil
}

// ReadArrays reads arrays that match, behind the header.
func ReadArrays(r io.Reader, arrays []Array) error {
	for _, a := range arrays {
		if err := readFloats(r, a.Data); err != nil {
			return err
		}
	}
	return nil
}

// chunk is how many floats are turned into bytes, or bytes into floats, at once.
const chunk = 1 << 13

func writeFloats(w io.Writer, data []float32) error {
	b := make([]byte, 0, 4*chunk)
	for part := range slices.Chunk(data, chunk) {
		b = b[:0]
		for _, v := range part {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func readFloats(r io.Reader, data []float32) error {
	b := make([]byte, 4*chunk)
	for part := range slices.Chunk(data, chunk) {
		b := b[:4*len(part)]
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		for i := range part {
			part[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	}
	return nil
}
