package pretext_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/pretext"
)

// exif returns Exif data with a short of each tag.
func exif(order binary.AppendByteOrder, mark string, tags ...[2]uint16) []byte {
	b := []byte("Exif\x00\x00" + mark)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, uint16(len(tags)))
	for _, t := range tags {
		b = order.AppendUint16(b, t[0])
		b = order.AppendUint16(b, 3)
		b = order.AppendUint32(b, 1)
		b = order.AppendUint16(b, t[1])
		b = order.AppendUint16(b, 0)
	}
	return order.AppendUint32(b, 0)
}

func oriented(orientation uint16) []byte {
	return exif(binary.BigEndian, "MM\x00*", [2]uint16{0x0100, 7}, [2]uint16{0x0112, orientation})
}

// withSegment returns a JPEG file with an APP1 segment behind its first marker.
func withSegment(file, segment []byte) []byte {
	app1 := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(2+len(segment)))
	return slices.Concat(file[:2], app1, segment, file[2:])
}

// quarters is a JPEG file of 32 by 16 pixels: black and dark above, bright and white
// below.
func quarters(t testing.TB) []byte {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 32, 16))
	for y := range 16 {
		for x := range 32 {
			m.SetGray(x, y, color.Gray{Y: uint8(85 * (y/8*2 + x/16))})
		}
	}
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, &jpeg.Options{Quality: 100}))
	return b.Bytes()
}

// corners returns the number of the quarter that each corner of the image shows, row
// by row.
func corners(img *pretext.Image) (all [4]int) {
	for i := range all {
		x, y := i%2*(img.Width-1), i/2*(img.Height-1)
		all[i] = (int(img.Pix[3*(y*img.Width+x)]) + 42) / 85
	}
	return all
}

// TestDecodeUpright turns an image as each orientation says: the side where row 0 is
// shown, and that where column 0 is.
func TestDecodeUpright(t *testing.T) {
	for orientation, want := range map[uint16][4]int{
		1: {0, 1, 2, 3}, // top, left
		2: {1, 0, 3, 2}, // top, right
		3: {3, 2, 1, 0}, // bottom, right
		4: {2, 3, 0, 1}, // bottom, left
		5: {0, 2, 1, 3}, // left, top
		6: {2, 0, 3, 1}, // right, top
		7: {3, 1, 2, 0}, // right, bottom
		8: {1, 3, 0, 2}, // left, bottom
	} {
		for name, data := range map[string][]byte{
			"big":    oriented(orientation),
			"little": exif(binary.LittleEndian, "II*\x00", [2]uint16{0x0112, orientation}, [2]uint16{0x0128, 2}),
		} {
			file := withSegment(quarters(t), data)
			img, err := pretext.DecodeUpright(t.Context(), bytes.NewReader(file))
			require.NoError(t, err)
			assert.Equal(t, want, corners(img), "orientation %d, %s end first", orientation, name)
			size := [2]int{32, 16}
			if orientation >= 5 {
				size = [2]int{16, 32}
			}
			assert.Equal(t, size, [2]int{img.Width, img.Height}, "orientation %d", orientation)
			assert.Equal(t, -1, img.Label)

			img, err = pretext.Decode(t.Context(), bytes.NewReader(file))
			require.NoError(t, err)
			assert.Equal(t, [4]int{0, 1, 2, 3}, corners(img), "as stored")
		}
	}
}

// TestDecodeUprightPixels compares each pixel of an odd image that is turned by 90°.
func TestDecodeUprightPixels(t *testing.T) {
	file := withSegment(encodeJPEG(t, ramp(23, 18)), oriented(6))
	stored, err := pretext.Decode(t.Context(), bytes.NewReader(file))
	require.NoError(t, err)
	upright, err := pretext.DecodeUpright(t.Context(), bytes.NewReader(file))
	require.NoError(t, err)
	for y := range 23 {
		for x := range 18 {
			require.Equal(t, stored.At(y, 17-x), upright.At(x, y))
		}
	}
}

// TestDamagedExif leaves an image as it is stored.
func TestDamagedExif(t *testing.T) {
	good := oriented(6)
	at := func(i int, v ...byte) []byte {
		b := slices.Clone(good)
		copy(b[i:], v)
		return b
	}
	first := len(good) - 4 - 12 // the entry of the orientation
	for name, data := range map[string][]byte{
		"empty":                  {},
		"magic alone":            good[:6],
		"cut header":             good[:13],
		"cut directory":          good[:15],
		"cut entry":              good[:len(good)-8],
		"no byte order":          at(6, 'X'),
		"no mark of TIFF":        at(9, 0),
		"directory far away":     at(10, 0xff, 0xff, 0xff, 0xff),
		"directory at the end":   at(10, 0, 0, 0, byte(len(good)-6)),
		"fewer entries":          at(14, 0, 1),
		"no entries":             at(14, 0, 0),
		"orientation of 0":       oriented(0),
		"orientation of 9":       oriented(9),
		"orientation of no type": at(first+2, 0, 9),
		"two orientations":       at(first+4, 0, 0, 0, 2),
		"other data":             append([]byte("http"), good[4:]...),
	} {
		t.Run(name, func(t *testing.T) {
			img, err := pretext.DecodeUpright(t.Context(), bytes.NewReader(withSegment(quarters(t), data)))
			require.NoError(t, err)
			assert.Equal(t, [4]int{0, 1, 2, 3}, corners(img))
		})
	}
	t.Run("more entries than there are", func(t *testing.T) { // the one that is there will do
		img, err := pretext.DecodeUpright(t.Context(), bytes.NewReader(withSegment(quarters(t), at(14, 0xff, 0xff))))
		require.NoError(t, err)
		assert.Equal(t, [4]int{2, 0, 3, 1}, corners(img))
	})
	t.Run("the first segment counts", func(t *testing.T) {
		file := withSegment(withSegment(quarters(t), oriented(3)), oriented(6))
		img, err := pretext.DecodeUpright(t.Context(), bytes.NewReader(file))
		require.NoError(t, err)
		assert.Equal(t, [4]int{2, 0, 3, 1}, corners(img))
	})
}

// FuzzExif gives any Exif data to an image, which keeps its pixels.
func FuzzExif(f *testing.F) {
	f.Add(oriented(6)[6:])
	f.Add(exif(binary.LittleEndian, "II*\x00", [2]uint16{0x0112, 8})[6:])
	f.Add([]byte("MM\x00*\xff\xff\xff\xff"))
	file := quarters(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<15 {
			return
		}
		segment := append([]byte("Exif\x00\x00"), data...)
		img, err := pretext.DecodeUpright(t.Context(), bytes.NewReader(withSegment(file, segment)))
		require.NoError(t, err)
		all := corners(img)
		slices.Sort(all[:])
		require.Equal(t, [4]int{0, 1, 2, 3}, all)
	})
}
