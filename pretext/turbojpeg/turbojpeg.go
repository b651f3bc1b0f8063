package turbojpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"sync"

	"unnas/pretext"
)

// decoder is the argument of pretext.NewDecoder.
type decoder = func(pix, file []byte, width, height, components int) bool

var load = sync.OnceValues(func() (*pretext.Decoder, error) {
	decode, err := open()
	if err == nil {
		err = try(decode)
	}
	if err != nil {
		return nil, fmt.Errorf("turbojpeg: %w", err)
	}
	return pretext.NewDecoder("libjpeg-turbo", decode), nil
})

// Decoder returns a decoder that uses libjpeg-turbo for JPEG files, with the accurate
// integer DCT and interpolated chroma: the pixels of OpenCV and Pillow. Files that the
// library reports as damaged go to image/jpeg. Truncated files are therefore errors,
// unlike with OpenCV, and size limits hold. Within a file libjpeg-turbo detects less
// damage: it accepts about 3 % of the files with a changed byte that image/jpeg
// refuses. It also decodes arithmetic coding, any sampling factors and other CMYK
// encodings than image/jpeg.
//
// The library does not report its version. [pretext.Decoder.String] has a checksum of
// decoded pixels instead.
//
// It returns an error if the library is not installed, is older than version 2, or cannot be
// called on this system. All calls return the same decoder.
func Decoder() (*pretext.Decoder, error) { return load() }

// try decodes a test image.
func try(decode decoder) error {
	m := image.NewRGBA(image.Rect(0, 0, 37, 19))
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, nil); err != nil {
		return err
	}
	if pix := make([]byte, 3*37*19); !decode(pix, file.Bytes(), 37, 19, 3) {
		return errors.New("libjpeg-turbo cannot decode a valid file; install version 2 or later")
	}
	return nil
}
