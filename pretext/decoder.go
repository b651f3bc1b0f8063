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

// A Decoder decodes image files, JPEG files by the function given to [NewDecoder]. A nil
// Decoder uses image/jpeg. The pixels of different decoders differ in the last bits.
type Decoder struct {
	name     string
	jpeg     func(pix, file []byte, width, height, components int) bool
	identity func() string
}

// NewDecoder returns a decoder that tries jpeg first for JPEG files. jpeg gets a whole
// file with a header of the given size and number of components: 1, 3, or 4 (CMYK). It
// fills pix, [height, width, 3], and reports success; otherwise image/jpeg decodes the
// file or returns the error. jpeg must not keep the slices and must be safe for
// concurrent use. name identifies the decoder, see [Decoder.String].
//
// Package turbojpeg has such a decoder.
func NewDecoder(name string, jpeg func(pix, file []byte, width, height, components int) bool) *Decoder {
	d := &Decoder{name: name, jpeg: jpeg}
	d.identity = sync.OnceValue(d.probe)
	return d
}

// String returns the name of the decoder and a checksum of the pixels of JPEG test images,
// such as "image/jpeg, pixels 1c291ca3". Decoders with equal strings decode to equal
// pixels, whatever their versions.
func (d *Decoder) String() string {
	if d == nil {
		return inGo().identity()
	}
	return d.identity()
}

// inGo is the decoder that nil stands for.
var inGo = sync.OnceValue(func() *Decoder { return NewDecoder("image/jpeg", nil) })

// Decode is the function [Decode] with JPEG files decoded by d.
func (d *Decoder) Decode(ctx context.Context, r io.Reader) (*Image, error) {
	return d.decode(ctx, r, false)
}

// DecodeUpright is Decode that applies the Exif orientation of JPEG images, so that
// photographs are upright. Images without Exif data, or with damaged data, and PNG images
// stay as they are.
func (d *Decoder) DecodeUpright(ctx context.Context, r io.Reader) (*Image, error) {
	return d.decode(ctx, r, true)
}

// probes are images of 37×19 pixels: one per kind of chroma subsampling by two, a
// grayscale and a progressive one.
//
//go:embed probes
var probes embed.FS

// probe returns the name of the decoder with a checksum of the decoded probes.
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
