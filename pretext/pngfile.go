package pretext

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image/png"
	"io"
	"strings"
)

const (
	pngMagic  = "\x89PNG\r\n\x1a\n"
	pngHeader = len(pngMagic) + 4 + 4 + 13 + 4 // with the chunk IHDR: length, name, data and checksum
	pngEnd    = "\x00\x00\x00\x00IEND\xae\x42\x60\x82"
)

// decodePNG decodes a file whose first bytes say that it is PNG.
func decodePNG(ctx context.Context, s *stream) (*Image, error) {
	err := s.fill(pngHeader)
	switch {
	case errors.Is(err, io.EOF):
		return nil, invalid("image header: %w", io.ErrUnexpectedEOF)
	case err != nil:
		return nil, err
	case string(s.file[8:16]) != "\x00\x00\x00\x0dIHDR":
		return nil, invalid("image header: a PNG file begins with % x, want IHDR", s.file[8:16])
	}
	h := s.file[16:]
	width, height := binary.BigEndian.Uint32(h), binary.BigEndian.Uint32(h[4:])
	if max(width, height) > maxPixels {
		return nil, invalid("image of %d by %d pixels, want 1 to %d pixels in all", width, height, maxPixels)
	}
	depth, colours, interlaced := int64(h[8]), h[9], h[12] != 0
	pixel := map[byte]int64{0: 1, 2: 4, 3: 1, 4: 4, 6: 4}[colours] * max(1, depth/8) // bytes of the decoder
	if interlaced {
		pixel += pixel / 2 // of the last pass
	}
	release, err := s.load(int(width), int(height), int64(width)*int64(height)*(3+pixel))
	if err != nil {
		return nil, err
	}
	defer release()
	m, err := png.Decode(&contextReader{ctx, pixelsOf(s.file)})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, invalid("decoding image: %w", err)
	}
	return toRGB(m), nil
}

// pixelsOf returns the PNG file with what its pixels need alone, and an end if they
// do not lack any. So damage elsewhere does not matter, as it does not to libpng.
func pixelsOf(file []byte) io.Reader {
	parts := []io.Reader{bytes.NewReader(file[:pngHeader])}
	end := ""
	for at := pngHeader; at+8 <= len(file); {
		size, name := int64(binary.BigEndian.Uint32(file[at:])), string(file[at+4:at+8])
		next := int64(at) + 12 + size
		if name == "IEND" {
			break
		}
		if critical := name[0]&0x20 == 0; critical {
			parts = append(parts, bytes.NewReader(file[at:min(next, int64(len(file)))]))
			if next > int64(len(file)) {
				end = ""
				break
			}
		}
		if name == "IDAT" {
			end = pngEnd
		}
		at = int(min(next, int64(len(file))))
	}
	return io.MultiReader(append(parts, strings.NewReader(end))...)
}
