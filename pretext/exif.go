package pretext

import "encoding/binary"

// exifMagic starts an APP1 segment of Exif data (CIPA DC-008). A TIFF header follows.
const exifMagic = "Exif\x00\x00"

// orientation returns the orientation in Exif data, 1 to 8, or 0 if there is none or the
// data is damaged.
func orientation(exif []byte) int {
	const (
		entryBytes     = 12
		tagOrientation = 0x0112
		typeShort      = 3
	)
	if len(exif) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(exif[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	at := int64(order.Uint32(exif[4:])) // of the first directory
	if at+2 > int64(len(exif)) {
		return 0
	}
	entries := exif[at+2:]
	for range order.Uint16(exif[at:]) {
		if len(entries) < entryBytes {
			return 0
		}
		e := entries[:entryBytes]
		entries = entries[entryBytes:]
		if order.Uint16(e) != tagOrientation {
			continue
		}
		if v := order.Uint16(e[8:]); order.Uint16(e[2:]) == typeShort && order.Uint32(e[4:]) == 1 && v <= 8 {
			return int(v)
		}
		return 0
	}
	return 0
}

// turned returns the image with an Exif orientation applied: mirrored and rotated so that
// row 0 and column 0 are at the top and left. Orientation 1 is the image itself.
func (m *Image) turned(orientation int) *Image {
	if orientation == 1 {
		return m
	}
	// Pixel (x, y) of the result is pixel (u, v) of m: x and y are swapped first, then each
	// may count from the other side.
	swap := orientation >= 5
	right := orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8
	bottom := orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7
	out := &Image{Width: m.Width, Height: m.Height, Pix: make([]uint8, len(m.Pix)), Label: m.Label}
	if swap {
		out.Width, out.Height = m.Height, m.Width
	}
	out.eachRow(func(y int, row []uint8) {
		for x := range out.Width {
			u, v := x, y
			if swap {
				u, v = v, u
			}
			if right {
				u = m.Width - 1 - u
			}
			if bottom {
				v = m.Height - 1 - v
			}
			copy(row[3*x:3*x+3], m.Pix[3*(v*m.Width+u):])
		}
	})
	return out
}
