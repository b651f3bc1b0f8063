package tfrecord

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

const (
	headBytes = 8 + 4
	tailBytes = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func masked(data []byte) uint32 {
	sum := crc32.Checksum(data, castagnoli)
	return (sum>>15 | sum<<17) + 0xa282ead8
}

// Append adds a record to b.
func Append(b, data []byte) []byte {
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(append(b, length...), masked(length))
	b = append(b, data...)
	return binary.LittleEndian.AppendUint32(b, masked(data))
}

// ErrFormat reports a file that is not a TFRecord file, not even a damaged one.
var ErrFormat = errors.New("not a TFRecord file: it does not start with the length of a record and its checksum")

// Reader reads records in sequence. It takes memory for the longest.
type Reader struct {
	r       *bufio.Reader
	limit   int
	records int
	offset  int64
	data    []byte
}

// NewReader returns a reader of records with at most limit bytes of data.
func NewReader(r io.Reader, limit int) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 1<<16), limit: limit}
}

// Next returns the data of the next record, valid until the next call, and io.EOF at
// the end. A file that ends within a record gives an error that wraps
// io.ErrUnexpectedEOF; a damaged or overlong record, or another format, gives one with
// the index of the record, from 0, and its offset.
func (r *Reader) Next() ([]byte, error) {
	data, err := r.next()
	switch {
	case err == nil:
		r.records++
		r.offset += headBytes + int64(len(data)) + tailBytes
		return data, nil
	case err == io.EOF || errors.Is(err, ErrFormat):
		return nil, err
	}
	return nil, fmt.Errorf("record %d, at byte %d: %w", r.records, r.offset, err)
}

func (r *Reader) next() ([]byte, error) {
	var head [headBytes]byte
	if _, err := io.ReadFull(r.r, head[:]); err == io.EOF {
		return nil, err
	} else if err != nil {
		return nil, truncated(err)
	}
	if masked(head[:8]) != binary.LittleEndian.Uint32(head[8:]) {
		if r.records == 0 {
			return nil, ErrFormat
		}
		return nil, errors.New("wrong checksum of its length: the file is damaged")
	}
	length := binary.LittleEndian.Uint64(head[:])
	if length > uint64(r.limit) {
		return nil, fmt.Errorf("%d bytes of data, want at most %d", length, r.limit)
	}
	n := int(length) + tailBytes
	if cap(r.data) < n {
		r.data = make([]byte, n)
	}
	r.data = r.data[:n]
	if _, err := io.ReadFull(r.r, r.data); err != nil {
		return nil, truncated(err)
	}
	data := r.data[:length]
	if masked(data) != binary.LittleEndian.Uint32(r.data[length:]) {
		return nil, errors.New("wrong checksum of its data: the file is damaged")
	}
	return data, nil
}

// truncated translates an error of a read within a record.
func truncated(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("the file is truncated: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// Offset returns the number of bytes of the records so far.
func (r *Reader) Offset() int64 { return r.offset }
