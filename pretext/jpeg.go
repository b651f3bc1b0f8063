package pretext

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"hash/crc32"
	"io/fs"
	"sync"
	"sync/atomic"
)

// otherJPEG is what Decode tries before image/jpeg, nil if there is nothing.
var otherJPEG atomic.Pointer[jpegDecoder]

type jpegDecoder struct {
	name     string
	decode   func(pix, file []byte, width, height, components int) bool
	identity func() string
}

// SetJPEGDecoder makes [Decode] try decode first for JPEG files, whole in memory
// and with a header of the given size and number of components: 1, 3, or 4, which
// are inks. It fills pix, [height, width, 3], and reports whether it could; if not,
// image/jpeg decodes the file or says what is wrong with it. It keeps neither slice
// and is called by many goroutines at once. The name identifies the decoder, see
// [JPEGDecoder]. If decode is nil, image/jpeg
// decodes all files again.
//
// Package turbojpeg has such a decoder. Choose before images are loaded: pixels
// differ in the last bits between decoders.
func SetJPEGDecoder(name string, decode func(pix, file []byte, width, height, components int) bool) {
	if decode == nil {
		otherJPEG.Store(nil)
		return
	}
	d := &jpegDecoder{name: name, decode: decode}
	d.identity = sync.OnceValue(func() string { return identity(name, d) })
	otherJPEG.Store(d)
}

// JPEGDecoder returns the name of what decodes JPEG files and a checksum of pixels
// that it makes of files in the library, such as "image/jpeg, pixels 1c291ca3". Where
// it is equal, [Decode] gives equal pixels, whatever the versions are.
func JPEGDecoder() string {
	if d := otherJPEG.Load(); d != nil {
		return d.identity()
	}
	return identityInGo()
}

// probes are pictures of 37 by 19 pixels: one for each way that chroma is stored at
// half size, a grey and a progressive one.
//
//go:embed probes
var probes embed.FS

var identityInGo = sync.OnceValue(func() string { return identity("image/jpeg", nil) })

// identity names a decoder by the pixels that it makes of the probes.
func identity(name string, d *jpegDecoder) string {
	sum := crc32.NewIEEE()
	err := fs.WalkDir(probes, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		file, err := probes.ReadFile(path)
		if err != nil {
			return err
		}
		img, err := decode(context.Background(), bytes.NewReader(file), d)
		if err != nil {
			return err
		}
		_, err = sum.Write(img.Pix)
		return err
	})
	if err != nil {
		return fmt.Sprintf("%s, which fails: %v", name, err)
	}
	return fmt.Sprintf("%s, pixels %08x", name, sum.Sum32())
}

// DecodesImages says whether Load of a source decodes files by [Decode], so that a
// run has to count the memory of that: such a source has a method DecodesImages()
// bool that says yes.
func DecodesImages(src Source) bool {
	s, ok := src.(interface{ DecodesImages() bool })
	return ok && s.DecodesImages()
}

// DecodesJPEG says whether images of a source come from JPEG files, so that their
// pixels depend on the decoder: a source of which they do has a method
// DecodesJPEG() bool that says yes.
func DecodesJPEG(src Source) bool {
	s, ok := src.(interface{ DecodesJPEG() bool })
	return ok && s.DecodesJPEG()
}
