package tfrecord_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/internal/tfrecord"
)

// crc32c computes the checksum bit by bit, as the reader and the writer do not.
func crc32c(b []byte) uint32 {
	c := ^uint32(0)
	for _, v := range b {
		c ^= uint32(v)
		for range 8 {
			c = c>>1 ^ 0x82f63b78&-(c&1)
		}
	}
	return ^c
}

func TestAppend(t *testing.T) {
	require.EqualValues(t, 0xe3069283, crc32c([]byte("123456789")), "the check value of CRC-32C")
	data := "brain.Event:2 and so on." // as long as the first record of an event file
	b := tfrecord.Append([]byte("before"), []byte(data))
	require.Len(t, b, 6+12+24+4)
	assert.Equal(t, "before\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7f\x4b\x22"+data, string(b[:6+12+24]), "so begin all event files")
	c := crc32c([]byte(data))
	c = (c>>15 | c<<17) + 0xa282ead8
	assert.Equal(t, []byte{byte(c), byte(c >> 8), byte(c >> 16), byte(c >> 24)}, b[6+12+24:])
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var file []byte
		all := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 0, 9).Draw(t, "records")
		for _, data := range all {
			file = tfrecord.Append(file, data)
		}
		r := tfrecord.NewReader(iotest.HalfReader(bytes.NewReader(file)), 300)
		for _, want := range all {
			got, err := r.Next()
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		}
		_, err := r.Next()
		require.Equal(t, io.EOF, err)
		require.EqualValues(t, len(file), r.Offset())
	})
}

func TestDamage(t *testing.T) {
	one := tfrecord.Append(nil, []byte("first"))
	two := tfrecord.Append(one, []byte("second"))
	for _, c := range []struct {
		name string
		file []byte
		want string
		is   error
	}{
		{"another format", []byte("a text of more than twelve bytes"), "not a TFRecord file", tfrecord.ErrFormat},
		{"a few bytes", one[:3], "record 0, at byte 0: the file is truncated", io.ErrUnexpectedEOF},
		{"no data", two[:len(one)+12], "record 1, at byte 21: the file is truncated", io.ErrUnexpectedEOF},
		{"no checksum", two[:len(two)-4], "record 1, at byte 21: the file is truncated", io.ErrUnexpectedEOF},
		{"a length", flip(two, len(one)), "record 1, at byte 21: wrong checksum of its length: the file is damaged", nil},
		{"data", flip(two, len(one)+12), "record 1, at byte 21: wrong checksum of its data: the file is damaged", nil},
		{"the checksum of data", flip(one, len(one)-1), "record 0, at byte 0: wrong checksum of its data", nil},
		{"an overlong record", tfrecord.Append(nil, []byte(strings.Repeat("x", 7))), "record 0, at byte 0: 7 bytes of data, want at most 6", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := drain(tfrecord.NewReader(bytes.NewReader(c.file), 6))
			require.ErrorContains(t, err, c.want)
			if c.is != nil {
				assert.ErrorIs(t, err, c.is)
			}
		})
	}
	broken := errors.New("broken disk")
	err := drain(tfrecord.NewReader(io.MultiReader(bytes.NewReader(two[:30]), iotest.ErrReader(broken)), 6))
	assert.ErrorIs(t, err, broken)
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 8
	return b
}

// drain reads all records and returns the error in the end, nil at that of the file.
func drain(r *tfrecord.Reader) error {
	for {
		if _, err := r.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(tfrecord.Append(tfrecord.Append(nil, []byte("first")), nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, file []byte) {
		r := tfrecord.NewReader(bytes.NewReader(file), 1<<10)
		var again []byte
		for {
			data, err := r.Next()
			if err != nil {
				require.EqualValues(t, len(again), r.Offset())
				require.Equal(t, string(again), string(file[:len(again)]), "what was read is what was written")
				if err == io.EOF {
					require.Len(t, file, len(again))
				}
				return
			}
			again = tfrecord.Append(again, data)
		}
	})
}

func ExampleReader() {
	file := tfrecord.Append(tfrecord.Append(nil, []byte("first")), []byte("second"))
	r := tfrecord.NewReader(bytes.NewReader(file), 100)
	for {
		data, err := r.Next()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(string(data))
	}
	// Output:
	// first
	// second
	// EOF
}
