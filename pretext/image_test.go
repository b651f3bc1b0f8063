package pretext_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/quota"
	"unnas/pretext"
)

// TestDecodeJPEG compares with the pixels of libjpeg, see testdata/gen_images.py.
func TestDecodeJPEG(t *testing.T) {
	for _, name := range []string{"444", "422", "440", "420", "411", "progressive", "grey", "cmyk"} {
		t.Run(name, func(t *testing.T) {
			got := decodeFile(t, name+".jpg")
			want := decodeFile(t, name+".png")
			require.Equal(t, [2]int{37, 19}, [2]int{got.Width, got.Height})
			require.Len(t, got.Pix, 3*37*19)
			assert.Equal(t, -1, got.Label)
			assert.Nil(t, got.Mask)
			// The inverse transforms differ by 1 in a sample, which colour
			// conversion can double.
			for i := range got.Pix {
				require.InDelta(t, want.Pix[i], got.Pix[i], 3, "byte %d", i)
			}
		})
	}
}

func decodeFile(t *testing.T, name string) *pretext.Image {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	defer f.Close()
	img, err := pretext.Decode(t.Context(), f)
	require.NoError(t, err)
	return img
}

func TestDecodePNG(t *testing.T) {
	// Two pixels beside each other, three rows; only the last pixel is not black.
	r := image.Rect(0, 0, 2, 3)
	palette := color.Palette{color.RGBA{A: 255}, color.NRGBA{R: 200, G: 100, B: 50, A: 7}}
	for _, c := range []struct {
		name string
		m    interface {
			image.Image
			Set(x, y int, c color.Color)
		}
		set  color.Color
		want [3]uint8
	}{
		{"grey", image.NewGray(r), color.Gray{Y: 77}, [3]uint8{77, 77, 77}},
		{"grey of 16 bits", image.NewGray16(r), color.Gray16{Y: 0x12ff}, [3]uint8{0x12, 0x12, 0x12}},
		{"colour", image.NewRGBA(r), color.RGBA{1, 2, 3, 255}, [3]uint8{1, 2, 3}},
		{"colour of 16 bits", image.NewRGBA64(r), color.RGBA64{0x12ff, 0x3400, 0x5680, 0xffff}, [3]uint8{0x12, 0x34, 0x56}},
		{"transparent", image.NewNRGBA(r), color.NRGBA{9, 8, 7, 1}, [3]uint8{9, 8, 7}},
		{"transparent of 16 bits", image.NewNRGBA64(r), color.NRGBA64{0x0900, 0x08ff, 0x0701, 0}, [3]uint8{9, 8, 7}},
		{"palette", image.NewPaletted(r, palette), palette[1], [3]uint8{200, 100, 50}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for y := range 3 { // opaque, as RGBA is written without transparency then
				c.m.Set(0, y, color.Black)
				c.m.Set(1, y, color.Black)
			}
			c.m.Set(1, 2, c.set)
			img, err := pretext.Decode(t.Context(), bytes.NewReader(encodePNG(t, c.m)))
			require.NoError(t, err)
			require.Equal(t, [2]int{2, 3}, [2]int{img.Width, img.Height})
			assert.Equal(t, make([]uint8, 15), img.Pix[:15])
			assert.Equal(t, c.want[:], img.Pix[15:])
		})
	}
}

func encodePNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	return b.Bytes()
}

func encodeJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, nil))
	return b.Bytes()
}

// ramp is a picture with something in every pixel.
func ramp(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.RGBA{uint8(5 * x), uint8(9 * y), uint8(x * y), 255})
		}
	}
	return m
}

func TestDecodeTruncated(t *testing.T) {
	for name, file := range map[string][]byte{
		"jpeg": encodeJPEG(t, ramp(11, 17)),
		"png":  encodePNG(t, ramp(11, 17)),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pretext.Decode(t.Context(), bytes.NewReader(file))
			require.NoError(t, err)
			whole := len(file)
			if name == "png" {
				whole -= 12 // what says that it ends
			}
			for n := range whole {
				img, err := pretext.Decode(t.Context(), bytes.NewReader(file[:n]))
				require.ErrorContains(t, err, "pretext: ", "cut to %d bytes", n)
				require.Nil(t, img)
			}
		})
	}
}

func TestDecodeHugeHeader(t *testing.T) {
	pngFile := encodePNG(t, ramp(3, 2))
	binary.BigEndian.PutUint32(pngFile[16:], 1<<17) // width and height follow the name of the chunk
	binary.BigEndian.PutUint32(pngFile[20:], 1<<13)
	binary.BigEndian.PutUint32(pngFile[29:], crc32.ChecksumIEEE(pngFile[12:29]))

	jpegFile := encodeJPEG(t, ramp(3, 2))
	sof := bytes.Index(jpegFile, []byte{0xff, 0xc0})
	require.Positive(t, sof)
	binary.BigEndian.PutUint16(jpegFile[sof+5:], 1<<13)
	binary.BigEndian.PutUint16(jpegFile[sof+7:], 1<<14)

	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"png":  {pngFile, "131072 by 8192 pixels"},
		"jpeg": {jpegFile, "16384 by 8192 pixels"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pretext.Decode(t.Context(), bytes.NewReader(c.file))
			require.ErrorContains(t, err, c.want)
		})
	}
}

// TestDecodeEndlessHeader feeds comments for ever: reading must stop.
func TestDecodeEndlessHeader(t *testing.T) {
	comment := append([]byte{0xff, 0xfe, 0xff, 0xff}, make([]byte, 0xffff-2)...)
	r := io.MultiReader(strings.NewReader("\xff\xd8"), &repeat{data: comment})
	_, err := pretext.Decode(t.Context(), r)
	require.ErrorContains(t, err, "pretext: image header of more than 16777216 bytes; remove previews and profiles")
	require.ErrorIs(t, err, pretext.ErrInvalidImage)
}

// repeat is an endless stream of the same bytes.
type repeat struct {
	data []byte
	at   int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.data[r.at:])
	r.at = (r.at + n) % len(r.data)
	return n, nil
}

func TestDecodeOtherBytes(t *testing.T) {
	_, err := pretext.Decode(t.Context(), strings.NewReader("GIF89a and more"))
	require.ErrorContains(t, err, "not a JPEG or PNG image: its first bytes are [47 49 46 38 39 61 20 61]")
	_, err = pretext.Decode(t.Context(), strings.NewReader(""))
	require.ErrorContains(t, err, "the file is empty")
}

func TestDecodeReadError(t *testing.T) {
	broken := errors.New("disk on fire")
	_, err := pretext.Decode(t.Context(), iotest.ErrReader(broken))
	require.ErrorIs(t, err, broken)
	for name, file := range map[string][]byte{"png": encodePNG(t, ramp(5, 4)), "jpeg": encodeJPEG(t, ramp(5, 4))} {
		for _, n := range []int{1, 20, 60, len(file) - 1, len(file)} {
			_, err = pretext.Decode(t.Context(), io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(broken)))
			require.ErrorIs(t, err, broken, "%s, %d bytes", name, n)
			require.NotErrorIs(t, err, pretext.ErrInvalidImage, "%s, %d bytes", name, n)
		}
	}
}

// TestDecodeContext ends while a file is read, and in the middle of its scans.
func TestDecodeContext(t *testing.T) {
	for name, file := range map[string][]byte{"png": encodePNG(t, ramp(400, 300)), "jpeg": encodeJPEG(t, ramp(400, 300))} {
		for n := range 4 {
			ctx, cancel := context.WithCancel(t.Context())
			r := &stopper{bytes.NewReader(file), n, cancel}
			img, err := pretext.Decode(ctx, r)
			require.ErrorIs(t, err, context.Canceled, "%s after %d reads", name, n)
			require.NotErrorIs(t, err, pretext.ErrInvalidImage)
			require.Nil(t, img)
		}
	}
}

// A stopper ends a context after some reads of 1000 bytes at most.
type stopper struct {
	r    io.Reader
	left int
	stop func()
}

func (s *stopper) Read(p []byte) (int, error) {
	if s.left == 0 {
		s.stop()
	}
	s.left--
	return s.r.Read(p[:min(len(p), 1000)])
}

// resized returns a JPEG file whose header has another size.
func resized(t *testing.T, file []byte, marker byte, width, height int) []byte {
	file = bytes.Clone(file)
	at := bytes.Index(file, []byte{0xff, marker, 0})
	require.Positive(t, at)
	binary.BigEndian.PutUint16(file[at+5:], uint16(height))
	binary.BigEndian.PutUint16(file[at+7:], uint16(width))
	return file
}

// TestDecodeManyScans refuses files of which the scans would take minutes, and leaves
// as many scans of a small image to the decoder.
func TestDecodeManyScans(t *testing.T) {
	file, err := os.ReadFile("testdata/progressive.jpg")
	require.NoError(t, err)
	last := bytes.LastIndex(file, []byte{0xff, 0xda})
	scan := file[last : len(file)-2]
	file = append(file[:len(file)-2], bytes.Repeat(scan, 90)...)
	file = append(file, 0xff, 0xd9)
	_, err = pretext.Decode(t.Context(), bytes.NewReader(resized(t, file, 0xc2, 8000, 6000)))
	require.ErrorContains(t, err, "pretext: image of 8000 by 6000 pixels in 100 scans, want at most 44 scans of this size")
	require.ErrorIs(t, err, pretext.ErrInvalidImage)
	_, err = pretext.Decode(t.Context(), bytes.NewReader(file))
	require.ErrorContains(t, err, "too many coefficients")
}

// large is a file that says it is large.
type large struct{ io.Reader }

func (large) Len() int { return 1 << 30 }

func TestDecodeLargeFile(t *testing.T) {
	for name, file := range map[string][]byte{"png": encodePNG(t, ramp(5, 4)), "jpeg": encodeJPEG(t, ramp(5, 4))} {
		rest := iotest.ErrReader(errors.New("it is read nevertheless"))
		_, err := pretext.Decode(t.Context(), large{io.MultiReader(bytes.NewReader(file[:len(file)-2]), rest)})
		require.ErrorContains(t, err, "pretext: image file of more than 268435456 bytes; shrink it", name)
		require.ErrorIs(t, err, pretext.ErrInvalidImage)
	}
}

// TestDecodeMuchMemory refuses files that take much memory besides their pixels.
func TestDecodeMuchMemory(t *testing.T) {
	file, err := os.ReadFile("testdata/cmyk.jpg")
	require.NoError(t, err)
	file[bytes.Index(file, []byte{0xff, 0xc0})+1] = 0xc2
	_, err = pretext.Decode(t.Context(), bytes.NewReader(resized(t, file, 0xc2, 8192, 8192)))
	require.ErrorContains(t, err, "pretext: image of 8192 by 8192 pixels takes 1811939328 bytes to decode, want at most 1342177280")
	require.ErrorIs(t, err, pretext.ErrInvalidImage)
}

// TestDecodeWaits decodes an image when there is room for it.
func TestDecodeWaits(t *testing.T) {
	files, _ := fieldFiles(t)
	q := quota.New(100_000)
	ctx, end := q.Lease(t.Context())
	_, err := quota.Take(ctx, 90_000)
	require.NoError(t, err)
	for _, name := range []string{"restarts", "png"} {
		ctx, cancel := context.WithTimeout(q.With(t.Context()), 10*time.Millisecond)
		_, err = pretext.Decode(ctx, bytes.NewReader(files[name]))
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		require.NotErrorIs(t, err, pretext.ErrInvalidImage)
		cancel()
	}
	end()
	for _, name := range []string{"restarts", "png"} {
		for range 20 { // what is taken is given back
			_, err = pretext.Decode(q.With(t.Context()), bytes.NewReader(files[name]))
			require.NoError(t, err, name)
		}
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("index out of range") }

func TestDecodePanic(t *testing.T) {
	img, err := pretext.Decode(t.Context(), panicking{})
	require.EqualError(t, err, "pretext: image decoder failed: index out of range")
	require.ErrorIs(t, err, pretext.ErrInvalidImage)
	var fault interface{ Stack() []byte }
	require.ErrorAs(t, err, &fault)
	assert.Contains(t, string(fault.Stack()), "panicking", "where it was")
	require.Nil(t, img)
}

// TestDecodeSmallReads checks that a header read in pieces loses nothing.
func TestDecodeSmallReads(t *testing.T) {
	file := encodeJPEG(t, ramp(23, 18))
	want, err := pretext.Decode(t.Context(), bytes.NewReader(file))
	require.NoError(t, err)
	got, err := pretext.Decode(t.Context(), iotest.OneByteReader(bytes.NewReader(file)))
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// FuzzDecode checks that any bytes give either an error or a whole image.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.[jp][pn]g")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add(encodePNG(f, image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.Black, color.Transparent})))
	fields, _ := fieldFiles(f)
	for _, b := range fields {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, _, configErr := image.DecodeConfig(bytes.NewReader(b))
		if configErr == nil && c.Width > 1<<16/max(c.Height, 1) {
			t.Skip("a large image takes long and shows nothing new")
		}
		img, err := pretext.Decode(t.Context(), bytes.NewReader(b))
		if err != nil {
			require.Nil(t, img)
			require.ErrorIs(t, err, pretext.ErrInvalidImage)
			return
		}
		require.Positive(t, img.Width)
		require.Positive(t, img.Height)
		require.Len(t, img.Pix, 3*img.Width*img.Height)
		if configErr == nil {
			require.Equal(t, [2]int{c.Width, c.Height}, [2]int{img.Width, img.Height})
		}
	})
}
