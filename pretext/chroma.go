package pretext

import "image"

// fromYCbCr fills the image with a JPEG image. Chroma of half the width or
// height is interpolated as libjpeg does it: of the two samples around a pixel
// the nearer one weighs 3/4 and the other 1/4, along each axis. Chroma of a
// quarter of the width, which is rare, is repeated.
func (m *Image) fromYCbCr(src *image.YCbCr) {
	h, v := 1, 1 // pixels of a chroma sample, across and down
	switch src.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		h, v = 2, 2
	case image.YCbCrSubsampleRatio422:
		h = 2
	case image.YCbCrSubsampleRatio440:
		v = 2
	case image.YCbCrSubsampleRatio411:
		h = 4
	case image.YCbCrSubsampleRatio410:
		h, v = 4, 2
	}
	width, height := (m.Width+h-1)/h, (m.Height+v-1)/v // of a chroma plane
	blue, red := make([]int32, h*width), make([]int32, h*width)
	m.eachRow(func(y int, row []uint8) {
		near := y / v
		far := near
		if v == 2 && h != 4 {
			far = min(max(near-1+y%2*2, 0), height-1)
		}
		n, f := near*src.CStride, far*src.CStride
		stretch(blue, src.Cb[n:][:width], src.Cb[f:][:width], h, v, y)
		stretch(red, src.Cr[n:][:width], src.Cr[f:][:width], h, v, y)
		for x, l := range src.Y[y*src.YStride:][:m.Width] {
			setRGB(row[3*x:3*x+3], int32(l), blue[x]-128, red[x]-128)
		}
	})
}

// stretch computes the chroma of row y of the image from the two rows of samples
// around it, the nearer one first; a sample covers h by v pixels. What rounds a
// sum differs between neighbours, as it does in libjpeg, so that errors do not
// add up to a tint.
func stretch(out []int32, near, far []uint8, h, v, y int) {
	blend := func(i int) int32 { return 3*int32(near[i]) + int32(far[i]) }
	if h != 2 {
		for i := range near {
			c := (blend(i) + 1 + int32(y%2)) >> 2
			for k := range h {
				out[h*i+k] = c
			}
		}
		return
	}
	first, second := int32(4), int32(8)
	if v == 2 {
		first, second = 8, 7
	}
	left, here := blend(0), blend(0)
	for i := range near {
		right := blend(min(i+1, len(near)-1))
		out[2*i] = (3*here + left + first) >> 4
		out[2*i+1] = (3*here + right + second) >> 4
		left, here = here, right
	}
}

// setRGB converts a pixel by the equations of JFIF in fixed point of 16 bits;
// blue and red are its chroma, centred on zero.
func setRGB(p []uint8, luma, blue, red int32) {
	const half = 1 << 15
	p[0] = clamp(luma + (91881*red+half)>>16)            // 1.402
	p[1] = clamp(luma + (half-22554*blue-46802*red)>>16) // 0.344136, 0.714136
	p[2] = clamp(luma + (116130*blue+half)>>16)          // 1.772
}

func clamp(v int32) uint8 { return uint8(min(max(v, 0), 255)) }
