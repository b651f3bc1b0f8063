package pretext

import "image"

// fromRGBPlanes converts a JPEG image whose planes are red, green and blue; the last two
// may be subsampled like chroma.
func fromRGBPlanes(src *image.YCbCr) *Image {
	b := src.Bounds()
	m := &Image{Width: b.Dx(), Height: b.Dy(), Pix: make([]uint8, 3*b.Dx()*b.Dy()), Label: -1}
	m.fromPlanes(src, func(luma []uint8, second, third []int32, row []uint8) {
		for x, l := range luma {
			row[3*x], row[3*x+1], row[3*x+2] = l, uint8(second[x]), uint8(third[x])
		}
	})
	return m
}

// fromYCbCr fills the image from a JPEG image.
func (m *Image) fromYCbCr(src *image.YCbCr) {
	m.fromPlanes(src, func(luma []uint8, blue, red []int32, row []uint8) {
		for x, l := range luma {
			// The equations of JFIF in fixed point of 16 bits.
			l, b, r := int32(l)<<16+1<<15, blue[x]-128, red[x]-128
			p := (*[3]uint8)(row[3*x:])
			p[0] = clamp(l + 91881*r)           // 1.402
			p[1] = clamp(l - 22554*b - 46802*r) // 0.344136, 0.714136
			p[2] = clamp(l + 116130*b)          // 1.772
		}
	})
}

// fromPlanes calls convert with the samples of each row of the image. Chroma subsampled
// by two in width or height is interpolated as libjpeg does: along each axis the nearer
// of the two surrounding samples has weight 3/4 and the other 1/4. Chroma subsampled by
// four in width, which is rare, is repeated, as are two columns subsampled by two.
func (m *Image) fromPlanes(src *image.YCbCr, convert func(luma []uint8, blue, red []int32, row []uint8)) {
	h, v := 1, 1 // pixels per chroma sample, across and down
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
		if v == 2 && (h == 1 || smooth(h, width)) {
			far = min(max(near-1+y%2*2, 0), height-1)
		}
		n, f := near*src.CStride, far*src.CStride
		stretch(blue, src.Cb[n:][:width], src.Cb[f:][:width], h, v, y)
		stretch(red, src.Cr[n:][:width], src.Cr[f:][:width], h, v, y)
		luma := src.Y[y*src.YStride:][:m.Width]
		convert(luma, blue[:len(luma)], red[:len(luma)], row)
	})
}

// smooth reports whether libjpeg interpolates a row of width chroma samples that cover h
// pixels each.
func smooth(h, width int) bool { return h == 2 && width > 2 }

// stretch computes the chroma of row y of the image from the two nearest rows of samples,
// the nearer one first; a sample covers h×v pixels. As in libjpeg the rounding offset
// alternates between neighbours, so that rounding does not add a tint.
func stretch(out []int32, near, far []uint8, h, v, y int) {
	far = far[:len(near)] // removes a bounds check
	blend := func(i int) int32 { return 3*int32(near[i]) + int32(far[i]) }
	if !smooth(h, len(near)) {
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
		right := here
		if i+1 < len(near) {
			right = blend(i + 1)
		}
		pair := (*[2]int32)(out[2*i:])
		pair[0] = (3*here + left + first) >> 4
		pair[1] = (3*here + right + second) >> 4
		left, here = here, right
	}
}

// clamp rounds a fixed-point number down to a byte.
func clamp(v int32) uint8 {
	if uint32(v)>>24 == 0 { // nearly always
		return uint8(v >> 16)
	}
	return uint8(^(v >> 31)) // 0 below, 255 above
}
