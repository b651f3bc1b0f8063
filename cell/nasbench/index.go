package nasbench

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"unnas/internal/atomicfile"
)

// An index file holds, in little-endian order, the magic bytes, the SHA-256 sum of what
// follows, an origin, the number of rows (uint64) and the rows.
const indexMagic = "unnas101"

// origin identifies the table that an index was built from.
type origin struct {
	Size     int64
	Modified int64 // modification time in Unix nanoseconds
	Epochs   int64 // of the runs in the index
}

const (
	rowBytes   = 16 + 8 + 4 + 4 + 8 + 8
	indexStart = len(indexMagic) + sha256.Size
	indexBytes = indexStart + 3*8 + 8 // without rows
)

// errNoIndex reports a file that is not an index, not even a damaged one.
var errNoIndex = errors.New("the file is not an index of NAS-Bench-101")

func (t *Table) writeIndex(path string, of origin) error {
	var body bytes.Buffer
	for _, v := range []any{of, uint64(len(t.rows)), t.rows} {
		if err := binary.Write(&body, binary.LittleEndian, v); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(body.Bytes())
	return atomicfile.Write(path, func(w io.Writer) error {
		for _, part := range [][]byte{[]byte(indexMagic), sum[:], body.Bytes()} {
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
		return nil
	})
}

// readIndex reads an index file. It returns an error if the index is of another table.
func readIndex(path string, of origin) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	defer f.Close()
	t, made, err := parseIndex(f)
	switch {
	case errors.Is(err, errNoIndex):
		return nil, fmt.Errorf("index %s: %w", path, err)
	case err != nil:
		return nil, fmt.Errorf("index %s is damaged: %w", path, err)
	case made != of:
		return nil, fmt.Errorf("index %s is stale: the table has changed", path)
	}
	return t, nil
}

// parseIndex reads an index. The memory it takes is bounded by the size of the file.
func parseIndex(r io.Reader) (*Table, origin, error) {
	const most = indexBytes + maxRows*rowBytes
	data, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	if err != nil {
		return nil, origin{}, err
	}
	if n := min(len(data), len(indexMagic)); n > 0 && string(data[:n]) != indexMagic[:n] {
		return nil, origin{}, errNoIndex
	}
	if len(data) < indexBytes || len(data) > most {
		return nil, origin{}, fmt.Errorf("%d bytes; want %d to %d", len(data), indexBytes, most)
	}
	if sum := sha256.Sum256(data[indexStart:]); !bytes.Equal(sum[:], data[len(indexMagic):indexStart]) {
		return nil, origin{}, errors.New("wrong checksum")
	}
	var head struct {
		Origin origin
		Rows   uint64
	}
	n, err := binary.Decode(data[indexStart:], binary.LittleEndian, &head)
	if err != nil {
		return nil, origin{}, err
	}
	data = data[indexStart+n:]
	if head.Rows == 0 || head.Rows > maxRows || uint64(len(data)) != head.Rows*rowBytes {
		return nil, origin{}, fmt.Errorf("%d rows do not fill %d bytes", head.Rows, len(data))
	}
	t := &Table{epochs: int(head.Origin.Epochs), rows: make([]row, head.Rows)}
	if _, err := binary.Decode(data, binary.LittleEndian, t.rows); err != nil {
		return nil, origin{}, err
	}
	for i, r := range t.rows {
		if err := r.Cell.check(); err != nil {
			return nil, origin{}, fmt.Errorf("row %d: %w", i, err)
		}
		if i > 0 && bytes.Compare(t.rows[i-1].Hash[:], r.Hash[:]) >= 0 {
			return nil, origin{}, fmt.Errorf("row %d is out of order", i)
		}
	}
	return t, head.Origin, nil
}
