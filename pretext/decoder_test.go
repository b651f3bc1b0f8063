package pretext_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/pretext"
)

// TestDecoderString names decoders by the pixels that they make, so that another
// version with the same pixels has the same name. A change of the checksum of
// image/jpeg says that a Go release decodes otherwise: change it here.
func TestDecoderString(t *testing.T) {
	assert.Equal(t, "image/jpeg, pixels 03038535", (*pretext.Decoder)(nil).String())
	d := pretext.NewDecoder("mine 1.2", func([]byte, []byte, int, int, int) bool { return false })
	assert.Equal(t, "mine 1.2, pixels 03038535", d.String())
	black := pretext.NewDecoder("mine 1.2", func(pix, _ []byte, _, _, _ int) bool { return pix[0] == 0 }).String()
	assert.Regexp(t, "^mine 1.2, pixels [0-9a-f]{8}$", black)
	assert.NotEqual(t, "mine 1.2, pixels 03038535", black)
}

func TestDecoder(t *testing.T) {
	want := encodeJPEG(t, ramp(23, 18))
	asked := 0
	d := pretext.NewDecoder("mine 1.2", func(pix, file []byte, width, height, components int) bool {
		asked++
		assert.Equal(t, []int{23, 18, 3, 3 * 23 * 18}, []int{width, height, components, len(pix)})
		assert.Equal(t, want, file, "the file as a whole")
		for i := range pix {
			pix[i] = uint8(i)
		}
		return true
	})
	for name, r := range map[string]io.Reader{"at once": bytes.NewReader(want), "in pieces": iotest.OneByteReader(bytes.NewReader(want))} {
		img, err := d.Decode(t.Context(), r)
		require.NoError(t, err, name)
		require.Equal(t, [4]int{23, 18, -1, 3 * 23 * 18}, [4]int{img.Width, img.Height, img.Label, len(img.Pix)}, name)
		for i := range img.Pix {
			require.Equal(t, uint8(i), img.Pix[i], name)
		}
	}
	_, err := d.Decode(t.Context(), bytes.NewReader(encodePNG(t, ramp(23, 18))))
	require.NoError(t, err)
	_, err = pretext.Decode(t.Context(), bytes.NewReader(want))
	require.NoError(t, err)
	assert.Equal(t, 2, asked, "PNG files are not its business, nor are those that it is not asked to decode")
}

// TestDecoderThatCannot leaves all to image/jpeg, but for what is wrong
// before pixels are decoded.
func TestDecoderThatCannot(t *testing.T) {
	file := encodeJPEG(t, ramp(23, 18))
	want, err := pretext.Decode(t.Context(), bytes.NewReader(file))
	require.NoError(t, err)
	_, wantErr := pretext.Decode(t.Context(), bytes.NewReader(file[:len(file)-9]))
	require.Error(t, wantErr)
	asked := 0
	d := pretext.NewDecoder("mine 1.2", func(pix, _ []byte, _, _, _ int) bool {
		asked++
		copy(pix, "what it left")
		return false
	})
	got, err := d.Decode(t.Context(), bytes.NewReader(file))
	require.NoError(t, err)
	assert.Equal(t, want, got)
	img, err := d.Decode(t.Context(), bytes.NewReader(file[:len(file)-9]))
	assert.Nil(t, img)
	require.EqualError(t, err, wantErr.Error())
	assert.Equal(t, 2, asked)

	img, err = d.Decode(t.Context(), bytes.NewReader(file[:9]))
	assert.Nil(t, img)
	require.ErrorContains(t, err, "pretext: image header")
	broken := errors.New("disk on fire")
	img, err = d.Decode(t.Context(), io.MultiReader(bytes.NewReader(file[:len(file)-9]), iotest.ErrReader(broken)))
	assert.Nil(t, img)
	require.ErrorIs(t, err, broken)
	assert.Equal(t, 2, asked)
}

func TestDecoderThatPanics(t *testing.T) {
	d := pretext.NewDecoder("mine 1.2", func([]byte, []byte, int, int, int) bool { panic("oh") })
	img, err := d.Decode(t.Context(), bytes.NewReader(encodeJPEG(t, ramp(3, 2))))
	assert.Nil(t, img)
	require.EqualError(t, err, "pretext: image decoder failed: oh")
}
