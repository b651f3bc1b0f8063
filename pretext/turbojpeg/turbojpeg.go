package turbojpeg

import (
	"embed"
	"fmt"
	"hash/crc32"
	"sync"

	"unnas/pretext"
)

// decoder is what pretext.SetJPEGDecoder takes.
type decoder = func(pix, file []byte, width, height int) bool

// probes are pictures of 37 by 19 pixels, one for each way that chroma is stored
// at half size.
//
//go:embed probes
var probes embed.FS

var load = sync.OnceValues(func() (named, error) {
	decode, err := open()
	if err != nil {
		return named{}, fmt.Errorf("turbojpeg: %w", err)
	}
	return probe(decode)
})

type named struct {
	name   string
	decode decoder
}

// Use makes [pretext.Decode] use libjpeg-turbo for JPEG files with grey or YCbCr
// colours that have no flaw. The transform is the accurate one of integers, and
// chroma is interpolated: pixels are those of OpenCV and Pillow. Other files,
// such as CMYK and damaged ones, go to image/jpeg as before. So truncated files
// are errors, unlike with OpenCV, and limits of size hold. Of damage within a file
// libjpeg-turbo notices less: of the files with a changed byte that image/jpeg
// refuses it takes some 3 % for sound.
//
// The library cannot tell its version. [pretext.JPEGDecoder] has a checksum of
// pixels that it decoded instead, which is equal where the results are.
//
// It returns an error, and changes nothing, if the library is not installed, is
// older than version 2, or cannot be called on this system.
func Use() error {
	d, err := load()
	if err != nil {
		return err
	}
	pretext.SetJPEGDecoder(d.name, d.decode)
	return nil
}

// probe decodes the probes and names the decoder by their pixels.
func probe(decode decoder) (named, error) {
	entries, err := probes.ReadDir("probes") // sorted
	if err != nil {
		return named{}, fmt.Errorf("turbojpeg: %w", err)
	}
	sum := crc32.NewIEEE()
	const width, height = 37, 19
	pix := make([]byte, 3*width*height)
	for _, e := range entries {
		file, err := probes.ReadFile("probes/" + e.Name())
		if err != nil {
			return named{}, fmt.Errorf("turbojpeg: %w", err)
		}
		if !decode(pix, file, width, height) {
			return named{}, fmt.Errorf("turbojpeg: libjpeg-turbo failed to decode %s, which is sound; install version 2 or later", e.Name())
		}
		sum.Write(pix)
	}
	return named{fmt.Sprintf("libjpeg-turbo, pixels %08x", sum.Sum32()), decode}, nil
}
