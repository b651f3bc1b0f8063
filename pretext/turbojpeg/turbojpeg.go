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

// decoder is what pretext.NewDecoder takes.
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

// Decoder returns a decoder that uses libjpeg-turbo for JPEG files. The transform is the
// accurate one of integers, and chroma is interpolated: pixels are those of OpenCV
// and Pillow. What the library finds damaged goes to image/jpeg. So truncated files
// are errors, unlike with OpenCV, and limits of size hold. Of damage within a file
// libjpeg-turbo notices less: of the files with a changed byte that image/jpeg
// refuses it takes some 3 % for sound. Files with arithmetic coding, with samples of
// any sampling factors and with other inks than image/jpeg knows are decoded too.
//
// The library cannot tell its version. [pretext.Decoder.String] has a checksum of
// pixels that it decoded instead, which is equal where the results are.
//
// It returns an error if the library is not installed, is older than version 2, or
// cannot be called on this system. The decoder is always the same.
func Decoder() (*pretext.Decoder, error) { return load() }

// try decodes a picture.
func try(decode decoder) error {
	m := image.NewRGBA(image.Rect(0, 0, 37, 19))
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, nil); err != nil {
		return err
	}
	if pix := make([]byte, 3*37*19); !decode(pix, file.Bytes(), 37, 19, 3) {
		return errors.New("libjpeg-turbo failed to decode a file that is sound; install version 2 or later")
	}
	return nil
}
