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

// A checkpoint is the state that a run resumes from. Random numbers depend only on the
// seed, the epoch and the image, so it has no generator state. All numbers are
// little-endian:
//
//	16 bytes          magic
//	uint32            version
//	uint32            length of the header
//	header            JSON
//	float32, ...      the arrays listed in the header
//	uint32            CRC-32C of all bytes before it
//
// Magic, version and checksum are the same in every version, to distinguish another
// version from a damaged file.
const (
	magic      = "unnas checkpoint"
	version    = 1
	prefixLen  = len(magic) + 8
	trailerLen = 4
	// MaxHeader is the largest header in bytes.
	MaxHeader = 1 << 20
)

// ErrOther is the error of a valid checkpoint of another run. Earlier ones are of the
// same run, so they are not tried.
var ErrOther = errors.New("not of this run")

// An Array is an array of a checkpoint. Its JSON form, for the header, has no data.
type Array struct {
	Name string    `json:"name"`
	Len  int       `json:"len"`
	Data []float32 `json:"-"`
}

// ArrayOf returns a named array.
func ArrayOf(name string, data []float32) Array { return Array{name, len(data), data} }

// Checksum returns the CRC-32C of the data.
func (a Array) Checksum() uint32 {
	sum := crc32.New(castagnoli)
	_ = writeFloats(sum, a.Data) // a hash never fails
	return sum.Sum32()
}

// Write writes a checkpoint. header is JSON that lists the arrays.
func Write(w io.Writer, header []byte, arrays []Array) error {
	if len(header) > MaxHeader {
		return fmt.Errorf("hyperparameters and scores take %d bytes as JSON; want at most %d", len(header), MaxHeader)
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

// ReadHeader verifies a checkpoint of size bytes and decodes its header. The arrays
// follow in r. A damaged file cannot make it allocate much memory.
func ReadHeader(r io.ReadSeeker, size int64, header any) error {
	prefix := make([]byte, prefixLen)
	if _, err := io.ReadFull(r, prefix); err != nil {
		return fmt.Errorf("the file is truncated: %w", err)
	}
	numbers, isOurs := bytes.CutPrefix(prefix, []byte(magic))
	if !isOurs {
		return errors.New("not a checkpoint file: wrong first bytes")
	}
	saved, length := binary.LittleEndian.Uint32(numbers), binary.LittleEndian.Uint32(numbers[4:])
	body := size - int64(prefixLen) - trailerLen
	if body < 0 {
		return errors.New("the file is truncated")
	}
	sum := crc32.New(castagnoli)
	_, _ = sum.Write(prefix) // a hash never fails
	if _, err := io.CopyN(sum, r, body); err != nil {
		return fmt.Errorf("the file is truncated: %w", err)
	}
	var trailer [trailerLen]byte
	if _, err := io.ReadFull(r, trailer[:]); err != nil {
		return fmt.Errorf("the file is truncated: %w", err)
	}
	switch {
	case binary.LittleEndian.Uint32(trailer[:]) != sum.Sum32():
		return errors.New("wrong checksum")
	case saved != version:
		return fmt.Errorf("%w: format version %d, want %d; resume with the program that started the run", ErrOther, saved, version)
	case length > MaxHeader || int64(length) > body:
		return fmt.Errorf("header of %d bytes is too long", length)
	}
	text := make([]byte, length)
	if _, err := r.Seek(int64(prefixLen), io.SeekStart); err != nil {
		return err
	}
	if _, err := io.ReadFull(r, text); err != nil {
		return err
	}
	if err := json.Unmarshal(text, header); err != nil {
		return fmt.Errorf("invalid JSON header: %w", err)
	}
	return nil
}

// Match returns an error unless the arrays listed in a header are the given ones and
// fill the rest of a checkpoint of size bytes after its header.
func Match(r io.Seeker, size int64, listed, arrays []Array) error {
	rest := size - trailerLen
	if here, err := r.Seek(0, io.SeekCurrent); err == nil {
		rest -= here
	}
	for i, a := range arrays {
		if len(listed) != len(arrays) || listed[i].Name != a.Name || listed[i].Len != a.Len {
			return errors.New("the arrays are not those of the network")
		}
		rest -= 4 * int64(a.Len)
	}
	if rest != 0 {
		return fmt.Errorf("%d bytes do not match the size of the arrays", size)
	}
	return nil
}

// ReadArrays reads arrays that match, after the header.
func ReadArrays(r io.Reader, arrays []Array) error {
	for _, a := range arrays {
		if err := readFloats(r, a.Data); err != nil {
			return err
		}
	}
	return nil
}

// chunk is the number of floats converted at once.
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
