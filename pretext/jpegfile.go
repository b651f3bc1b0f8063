package pretext

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"sync"
)

// Markers of JPEG files (ITU-T T.81, table B.1).
const (
	markTEM  = 0x01
	markSOF0 = 0xc0 // baseline
	markSOF2 = 0xc2 // progressive
	markDHT  = 0xc4
	markJPG  = 0xc8
	markDAC  = 0xcc
	markRST0 = 0xd0
	markRST7 = 0xd7
	markSOI  = 0xd8
	markEOI  = 0xd9
	markSOS  = 0xda
	markDQT  = 0xdb
	markDRI  = 0xdd
	markAPP0 = 0xe0
	markAPP1 = 0xe1
	markAdob = 0xee // APP14
)

// A jpegFile is the contents of the segments of a JPEG file, without its coefficients.
type jpegFile struct {
	*stream
	at int // offset of the next byte to parse

	sof           byte // marker of the frame, 0 before it
	sofAt         int  // offset of its components
	precision     int
	width, height int
	components    []jpegComponent
	jfif, adobe   bool
	transform     byte // of an Adobe segment
	orientation   int  // of Exif data, 1 to 8, or 0

	scans      int
	partial    bool // the first scan lacks some of the components
	restart    int  // blocks or groups of them between restart markers
	quantised  [4]bool
	coded      [2][4]bool // defined Huffman tables, of DC and AC
	uncoded    bool       // a scan uses an undefined Huffman table
	unrestored bool       // image/jpeg miscounts the restart intervals of a scan
}

type jpegComponent struct {
	id   byte
	h, v int  // sampling factors
	tq   byte // quantisation table
	seen bool // a scan contains it
}

// header reads up to the first scan.
func (j *jpegFile) header() error {
	j.at = 2
	for j.scans == 0 {
		more, err := j.segment()
		switch {
		case errors.Is(err, errTooFar):
			return invalid("image header of more than %d bytes; remove previews and profiles from the file", j.most)
		case errors.Is(err, io.EOF), err == nil && !more:
			return invalid("image header: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return err
		}
	}
	return nil
}

// rest parses the scans after the first, once the file was read. Truncation and damage
// there are left to the decoder.
func (j *jpegFile) rest() error {
	for {
		more, err := j.segment()
		switch {
		case errors.Is(err, ErrInvalidImage):
			return err
		case err != nil || !more:
			return nil
		}
	}
}

// segment parses the next marker and its segment. It reports whether more may follow.
func (j *jpegFile) segment() (more bool, err error) {
	marker, err := j.marker()
	if err != nil || marker == markEOI {
		return false, err
	}
	if marker == markSOI {
		return true, nil
	}
	if err := j.fill(j.at + 2); err != nil {
		return false, err
	}
	size := int(binary.BigEndian.Uint16(j.file[j.at:]))
	if size < 2 {
		return false, invalid("image header: segment %#x of %d bytes", marker, size)
	}
	if err := j.fill(j.at + size); err != nil {
		return false, err
	}
	body := j.file[j.at+2 : j.at+size]
	j.at += size
	switch {
	case marker == markSOS:
		return true, j.scan(body)
	case marker == markDHT:
		j.tables(body, 17, func(class, id byte, p []byte) int {
			j.coded[class&1][id&3] = true
			n := 17
			for _, codes := range p[1:17] {
				n += int(codes)
			}
			return n
		})
	case marker == markDQT:
		j.tables(body, 65, func(wide, id byte, _ []byte) int {
			j.quantised[id&3] = true
			return 65 + 64*int(wide&1)
		})
	case marker == markDRI && len(body) >= 2:
		j.restart = int(binary.BigEndian.Uint16(body))
	case marker == markAPP0 && bytes.HasPrefix(body, []byte("JFIF\x00")):
		j.jfif = true
	case marker == markAPP1 && j.orientation == 0 && bytes.HasPrefix(body, []byte(exifMagic)):
		j.orientation = orientation(body[len(exifMagic):])
	case marker == markAdob && len(body) >= 12 && bytes.HasPrefix(body, []byte("Adobe")):
		j.adobe, j.transform = true, body[11]
	case marker >= markSOF0 && marker < markSOF0+16 && marker != markJPG && marker != markDAC:
		return true, j.frame(marker, body)
	}
	return true, nil
}

// marker returns the next marker. Like libjpeg it skips scan data and anything else before
// it.
func (j *jpegFile) marker() (byte, error) {
	for {
		if err := j.fill(j.at + 2); err != nil {
			return 0, err
		}
		skip := bytes.IndexByte(j.file[j.at:len(j.file)-1], 0xff)
		if skip < 0 {
			j.at = len(j.file) - 1
			continue
		}
		j.at += skip
		switch m := j.file[j.at+1]; {
		case m == 0xff: // fill byte
			j.at++
		case m == 0, m == markTEM, m >= markRST0 && m <= markRST7:
			j.at += 2
		default:
			j.at += 2
			return m, nil
		}
	}
}

// tables calls f with each table of a segment, of at least least bytes. f gets the halves of
// the first byte and the remaining data, and returns the size of the table.
func (j *jpegFile) tables(body []byte, least int, f func(high, low byte, p []byte) int) {
	for len(body) >= least {
		n := f(body[0]>>4, body[0]&15, body)
		body = body[min(n, len(body)):]
	}
}

// frame reads the image size and the components.
func (j *jpegFile) frame(marker byte, body []byte) error {
	if j.sof != 0 {
		return invalid("image header: two frames, want one")
	}
	if len(body) < 6 || len(body) != 6+3*int(body[5]) {
		return invalid("image header: frame of %d bytes for its components", len(body))
	}
	j.sof, j.precision = marker, int(body[0])
	j.height, j.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	j.sofAt = j.at - len(body) + 6
	if n := body[5]; n != 1 && n != 3 && n != 4 {
		return invalid("image header: %d components, want 1, 3 or 4", n)
	}
	for p := body[6:]; len(p) > 0; p = p[3:] {
		c := jpegComponent{id: p[0], h: int(p[1] >> 4), v: int(p[1] & 15), tq: p[2]}
		if min(c.h, c.v) < 1 || max(c.h, c.v) > 4 || c.tq > 3 {
			return invalid("image header: component with sampling factors %d and %d and quantisation table %d, want 1 to 4 and 0 to 3", c.h, c.v, c.tq)
		}
		j.components = append(j.components, c)
	}
	return nil
}

// scan counts a scan and checks the tables of its components.
func (j *jpegFile) scan(body []byte) error {
	if j.sof == 0 {
		return invalid("image header: no frame before the first scan")
	}
	if len(body) < 1 || len(body) != 4+2*int(body[0]) {
		return invalid("image header: scan of %d bytes for its components", len(body))
	}
	n := int(body[0])
	first, high := body[1+2*n], body[3+2*n]>>4
	if j.scans++; j.scans == 1 {
		j.partial = n < len(j.components)
	}
	for p := body[1 : 1+2*n]; len(p) > 0; p = p[2:] {
		for i := range j.components {
			c := &j.components[i]
			if c.id != p[0] {
				continue
			}
			if !c.seen && !j.quantised[c.tq] {
				return invalid("image header: no quantisation table %d for component %d", c.tq, c.id)
			}
			c.seen = true
			if n == 1 && j.restart > 0 && len(j.components) > 1 && c.h*c.v > 1 {
				j.unrestored = true
			}
			dc := !j.progressive() || first == 0 && high == 0
			ac := !j.progressive() || first > 0
			if dc && !j.coded[0][p[1]>>4&3] || ac && !j.coded[1][p[1]&3] {
				j.uncoded = true
			}
		}
	}
	return nil
}

func (j *jpegFile) progressive() bool { return j.sof&3 == markSOF2&3 }

// memory returns the bytes that decoding takes with either decoder: the result, planes of
// samples, the coefficients of several scans, CMYK pixels.
func (j *jpegFile) memory() int64 {
	samples, h, v := 0, 1, 1
	for _, c := range j.components {
		samples, h, v = samples+c.h*c.v, max(h, c.h), max(v, c.v)
	}
	if len(j.components) == 1 {
		h, v = j.components[0].h, j.components[0].v
	}
	// Decoders work on whole groups of blocks.
	planes := roundUp(j.width, 8*h) * roundUp(j.height, 8*v) * int64(samples) / int64(h*v)
	bytes := 3*int64(j.width)*int64(j.height) + planes
	if j.progressive() || j.partial {
		bytes += 4 * planes
	}
	if len(j.components) == 4 {
		bytes += 4 * int64(j.width) * int64(j.height)
	}
	return bytes
}

func roundUp(n, of int) int64 { return int64((n + of - 1) / of * of) }

// work returns an error if decoding the scans would take minutes.
func (j *jpegFile) work() error {
	if pixels := int64(j.width) * int64(j.height); int64(j.scans) > maxWork/pixels {
		return invalid("image of %d by %d pixels in %d scans, want at most %d scans of this size; save it anew with fewer", j.width, j.height, j.scans, maxWork/pixels)
	}
	return nil
}

// decodeJPEG decodes a file with the first bytes of a JPEG file.
func (d *Decoder) decodeJPEG(ctx context.Context, s *stream, upright bool) (*Image, error) {
	j := &jpegFile{stream: s}
	if err := j.header(); err != nil {
		return nil, err
	}
	need := j.memory()
	if !upright || j.orientation < 2 {
		j.orientation = 1
	} else { // the decoded and the turned image at the same time
		need = max(need, 6*int64(j.width)*int64(j.height))
	}
	release, err := s.load(j.width, j.height, need)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := j.rest(); err != nil {
		return nil, err
	}
	if err := j.work(); err != nil {
		return nil, err
	}
	img, err := d.pixels(ctx, j)
	if err != nil {
		return nil, err
	}
	return img.turned(j.orientation), nil
}

// pixels decodes the image in its stored orientation.
func (d *Decoder) pixels(ctx context.Context, j *jpegFile) (*Image, error) {
	refused, remedy := "", "; use libjpeg-turbo (package turbojpeg), or save the image anew"
	if d != nil && d.jpeg != nil {
		img := &Image{Width: j.width, Height: j.height, Pix: make([]uint8, 3*j.width*j.height), Label: -1}
		if d.jpeg(img.Pix, j.file, j.width, j.height, len(j.components)) {
			return img, nil
		}
		refused, remedy = d.name+" cannot decode it, nor can image/jpeg: ", "; save the image anew"
	}
	m, err := jpeg.Decode(&contextReader{ctx, j.forGo()})
	unsupported := j.unsupported()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && unsupported != "":
		err = jpeg.UnsupportedError(unsupported)
		fallthrough
	case errors.As(err, new(jpeg.UnsupportedError)):
		return nil, invalid("decoding image: %s%w%s", refused, err, remedy)
	case err != nil:
		return nil, invalid("decoding image: %w", err)
	}
	if planes, is := m.(*image.YCbCr); is && j.rgb() {
		return fromRGBPlanes(planes), nil
	}
	return toRGB(m), nil
}

// rgb reports whether the components are red, green and blue, by libjpeg's rules.
func (j *jpegFile) rgb() bool {
	c := j.components
	switch {
	case len(c) != 3 || j.jfif:
		return false
	case j.adobe:
		return j.transform == 0
	}
	return c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B'
}

// unsupported names a feature for which image/jpeg has no own error, or is empty.
func (j *jpegFile) unsupported() string {
	switch {
	case j.sof&3 == 3:
		return "lossless coding"
	case j.sof > markSOF0+8:
		return "arithmetic coding"
	case j.sof > markSOF2:
		return "hierarchical coding"
	case j.unrestored:
		return "restart intervals in scans of one component with several samples"
	}
	return ""
}

// forGo returns the file with the segments that image/jpeg needs to decode it like libjpeg.
func (j *jpegFile) forGo() io.Reader {
	var more []byte
	if j.uncoded {
		more = append(more, huffmanTables()...)
	}
	switch {
	case j.rgb(): // otherwise subsampled planes would be repeated
		more = append(more, "\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"...)
	case len(j.components) == 4 && !j.adobe: // otherwise the colour space would be unknown
		more = append(more, "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"...)
	}
	if len(j.components) == 1 { // sampling factors of one component have no meaning
		j.file[j.sofAt+1] = 0x11
	}
	return io.MultiReader(bytes.NewReader(j.file[:2]), bytes.NewReader(more), bytes.NewReader(j.file[2:]))
}

// huffmanTables returns a segment with the default tables of T.81 annex K.3, for files
// without tables. image/jpeg encodes with them.
var huffmanTables = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	m := image.NewRGBA(image.Rect(0, 0, 1, 1))
	m.Set(0, 0, color.Black)
	if err := jpeg.Encode(&b, m, nil); err != nil {
		return nil
	}
	at := bytes.Index(b.Bytes(), []byte{0xff, markDHT})
	if at < 0 {
		return nil
	}
	file := b.Bytes()[at:]
	return file[:2+int(binary.BigEndian.Uint16(file[2:]))]
})

// contextReader fails once its context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, fmt.Errorf("pretext: %w", err)
	}
	return c.r.Read(p)
}
