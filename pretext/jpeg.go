package pretext

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
)

// maxJPEG bounds what a decoder other than image/jpeg gets, in bytes.
const maxJPEG = 1 << 28

// otherJPEG is what Decode tries before image/jpeg, nil if there is nothing.
var otherJPEG atomic.Pointer[jpegDecoder]

type jpegDecoder struct {
	name   string
	decode func(pix, file []byte, width, height int) bool
}

// SetJPEGDecoder makes [Decode] try decode first for JPEG files, whole in memory
// and with a header of the given size. It fills pix, [height, width, 3], and
// reports whether it could; if not, image/jpeg decodes the file or says what is
// wrong with it. It keeps neither slice and is called by many goroutines at once.
// The name tells the decoder and its version, see [JPEGDecoder]. If decode is nil,
// image/jpeg decodes all files again.
//
// Package turbojpeg has such a decoder. Choose before images are loaded: pixels
// differ in the last bits between decoders.
func SetJPEGDecoder(name string, decode func(pix, file []byte, width, height int) bool) {
	if decode == nil {
		otherJPEG.Store(nil)
		return
	}
	otherJPEG.Store(&jpegDecoder{name, decode})
}

// JPEGDecoder returns the name and version of what decodes JPEG files, such as
// "image/jpeg go1.26.8". Where it is equal, [Decode] gives equal pixels.
func JPEGDecoder() string {
	if d := otherJPEG.Load(); d != nil {
		return d.name
	}
	return "image/jpeg " + runtime.Version()
}

// DecodesJPEG says whether images of a source may come from JPEG files, so that
// their pixels depend on the decoder. They may unless the source has a method
// DecodesJPEG() bool that says no.
func DecodesJPEG(src Source) bool {
	s, tells := src.(interface{ DecodesJPEG() bool })
	return !tells || s.DecodesJPEG()
}

// try decodes the file that head and then r hold. If it could not, the image is
// nil and head holds what has been read.
func (d *jpegDecoder) try(head *bytes.Buffer, r io.Reader, width, height int) (*Image, error) {
	if _, err := head.ReadFrom(io.LimitReader(r, int64(maxJPEG-head.Len()))); err != nil {
		return nil, fmt.Errorf("pretext: reading image: %w", err)
	}
	img := &Image{Width: width, Height: height, Pix: make([]uint8, 3*width*height), Label: -1}
	if head.Len() == maxJPEG || !d.decode(img.Pix, head.Bytes(), width, height) {
		return nil, nil
	}
	return img, nil
}
