package pretext

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/png"
	"io"
	"strings"
)

const (
	pngMagic  = "\x89PNG\r\n\x1a\n"
	pngHeader = len(pngMagic) + 4 + 4 + 13 + 4 // with the chunk IHDR: length, name, data and checksum
	pngEnd    = "\x00\x00\x00\x00IEND\xae\x42\x60\x82"
)

// decodePNG decodes a file with the first bytes of a PNG file.
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
	if err == errTooMuch {
		m, err = decodeEnough(ctx, s.file)
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, invalid("decoding image: %w", err)
	}
	return toRGB(m), nil
}

// errTooMuch is the error of image/png for data after the last pixel, which libpng ignores.
const errTooMuch = png.FormatError("too much pixel data")

// decodeEnough decodes a file without its data after the last pixel.
func decodeEnough(ctx context.Context, file []byte) (image.Image, error) {
	var packed []io.Reader
	var damage error
	eachChunk(file, func(name string, chunk []byte) {
		end := len(chunk) - 4
		if name == "IDAT" {
			packed = append(packed, bytes.NewReader(chunk[8:end]))
			if crc32.ChecksumIEEE(chunk[4:end]) != binary.BigEndian.Uint32(chunk[end:]) {
				damage = png.FormatError("invalid checksum")
			}
		}
	})
	if damage != nil {
		return nil, damage
	}
	pixels, err := zlib.NewReader(io.MultiReader(packed...))
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	defer r.Close() // which ends the goroutine too
	go func() {
		z, err := zlib.NewWriterLevel(chunkWriter{w}, zlib.NoCompression)
		if err == nil {
			_, err = io.CopyN(z, pixels, rawSize(file))
			err = errors.Join(err, z.Close())
		}
		w.CloseWithError(err)
	}()
	parts := []io.Reader{bytes.NewReader(file[:pngHeader])}
	eachChunk(file, func(name string, chunk []byte) {
		if name == "PLTE" {
			parts = append(parts, bytes.NewReader(chunk))
		}
	})
	return png.Decode(&contextReader{ctx, io.MultiReader(append(parts, r, strings.NewReader(pngEnd))...)})
}

// A chunkWriter writes IDAT chunks.
type chunkWriter struct{ w io.Writer }

func (c chunkWriter) Write(p []byte) (int, error) {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(p)))
	chunk = append(append(chunk, "IDAT"...), p...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	if _, err := c.w.Write(chunk); err != nil {
		return 0, err
	}
	return len(p), nil
}

// rawSize returns the uncompressed size of the pixels of a file.
func rawSize(file []byte) (size int64) {
	h := file[16:]
	width, height := int(binary.BigEndian.Uint32(h)), int(binary.BigEndian.Uint32(h[4:]))
	bits := int(h[8]) * map[byte]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[h[9]]
	passes := [][4]int{{0, 0, 1, 1}} // offset of the first pixel and distances to the next
	if h[12] != 0 {
		passes = [][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
	}
	for _, p := range passes {
		w, h := (width-p[0]+p[2]-1)/p[2], (height-p[1]+p[3]-1)/p[3]
		if w > 0 && h > 0 {
			size += int64(h) * int64(1+(w*bits+7)/8)
		}
	}
	return size
}

// eachChunk calls f with the complete chunks of a file after its header.
func eachChunk(file []byte, f func(name string, chunk []byte)) {
	for at := pngHeader; at+8 <= len(file); {
		next := int64(at) + 12 + int64(binary.BigEndian.Uint32(file[at:]))
		if next > int64(len(file)) {
			return
		}
		f(string(file[at+4:at+8]), file[at:next])
		at = int(next)
	}
}

// pixelsOf returns the PNG file with only the chunks that its pixels need, followed by an
// end if they are complete. Damage elsewhere is thus ignored, as libpng does.
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
