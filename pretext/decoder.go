package pretext

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"sync"
)

// A Decoder decodes image files, JPEG files by a function that [NewDecoder] was given.
// A nil Decoder decodes them by image/jpeg. Pixels differ in the last bits between
// decoders.
type Decoder struct {
	name     string
	jpeg     func(pix, file []byte, width, height, components int) bool
	identity func() string
}

// NewDecoder returns a decoder that tries jpeg first for JPEG files, whole in memory
// and with a header of the given size and number of components: 1, 3, or 4, which
// are inks. It fills pix, [height, width, 3], and reports whether it could; if not,
// image/jpeg decodes the file or says what is wrong with it. It keeps neither slice
// and is called by many goroutines at once. The name identifies the decoder, see
// [Decoder.String].
//
// Package turbojpeg has such a decoder.
func NewDecoder(name string, jpeg func(pix, file []byte, width, height, components int) bool) *Decoder {
	d := &Decoder{name: name, jpeg: jpeg}
	d.identity = sync.OnceValue(d.probe)
	return d
}

// String returns the name of what decodes JPEG files and a checksum of pixels
// that it makes of files in the library, such as "image/jpeg, pixels 1c291ca3". Where
// it is equal, [Decoder.Decode] gives equal pixels, whatever the versions are.
func (d *Decoder) String() string {
	if d == nil {
		return inGo().identity()
	}
	return d.identity()
}

// inGo is what a nil Decoder is.
var inGo = sync.OnceValue(func() *Decoder { return NewDecoder("image/jpeg", nil) })

// Decode is the function [Decode], with JPEG files decoded by d.
func (d *Decoder) Decode(ctx context.Context, r io.Reader) (*Image, error) {
	return d.decode(ctx, r, false)
}

// DecodeUpright is Decode, and turns a JPEG image as the orientation in its Exif data
// asks for, so that a photograph is shown the right way up. An image without such
// data, or with damaged data, stays as it is, and so does a PNG image.
func (d *Decoder) DecodeUpright(ctx context.Context, r io.Reader) (*Image, error) {
	return d.decode(ctx, r, true)
}

// probes are pictures of 37 by 19 pixels: one for each way that chroma is stored at
// half size, a grey and a progressive one.
//
//go:embed probes
var probes embed.FS

// probe names the decoder by the pixels that it makes of the probes.
func (d *Decoder) probe() string {
	sum := crc32.NewIEEE()
	err := fs.WalkDir(probes, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		file, err := probes.ReadFile(path)
		if err != nil {
			return err
		}
		img, err := d.Decode(context.Background(), bytes.NewReader(file))
		if err != nil {
			return err
		}
		_, err = sum.Write(img.Pix)
		return err
	})
	if err != nil {
		return fmt.Sprintf("%s, which fails: %v", d.name, err)
	}
	return fmt.Sprintf("%s, pixels %08x", d.name, sum.Sum32())
}
