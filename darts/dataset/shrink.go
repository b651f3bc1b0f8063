package dataset

import "unnas/pretext"

// shrink resizes an image to a shorter side of short pixels; 0 and images that are not
// larger keep it as it is. The filter is a triangle that covers all pixels, as Pillow's
// and torchvision's antialiased bilinear resizing; a mask takes the nearest pixels.
// All arithmetic is of integers, so the result is the same on every machine.
func shrink(img *pretext.Image, short int) *pretext.Image {
	side := min(img.Width, img.Height)
	if short == 0 || side <= short {
		return img
	}
	scaled := func(length int) int {
		return int((2*int64(length)*int64(short) + int64(side)) / (2 * int64(side)))
	}
	to := &pretext.Image{Width: scaled(img.Width), Height: scaled(img.Height), Label: img.Label}
	to.Pix = shrinkRows(shrinkColumns(img, to.Width), 3*to.Width, img.Height, to.Height)
	if img.Mask == nil {
		return to
	}
	to.Mask = make([]uint8, to.Width*to.Height)
	for y := range to.Height {
		row := img.Mask[nearest(y, img.Height, to.Height)*img.Width:]
		for x := range to.Width {
			to.Mask[y*to.Width+x] = row[nearest(x, img.Width, to.Width)]
		}
	}
	return to
}

// nearest returns which of from pixels is nearest to pixel i of fewer.
func nearest(i, from, to int) int { return int((2*int64(i) + 1) * int64(from) / (2 * int64(to))) }

// A blend is the pixels from first on that make up one pixel, and their weights, which
// sum to 1<<16.
type blend struct {
	first   int
	weights []uint32
}

// blends returns how from pixels become fewer.
func blends(from, to int) []blend {
	all := make([]blend, to)
	for i := range all {
		// In units of 1/(2·to) of a pixel, pixel j has its centre at (2j+1)·to and the
		// triangle at (2i+1)·from; it falls to 0 at a distance of 2·from.
		height := func(j int) int64 {
			return 2*int64(from) - abs((2*int64(j)+1)*int64(to)-(2*int64(i)+1)*int64(from))
		}
		first := max(0, nearest(i-1, from, to)-1)
		for height(first) <= 0 {
			first++
		}
		end, sum := first, int64(0)
		for ; end < from && height(end) > 0; end++ {
			sum += height(end)
		}
		weights := make([]uint32, end-first)
		part, before := int64(0), int64(0)
		for k := range weights {
			part += height(first + k)
			up := (part<<16 + sum/2) / sum
			weights[k] = uint32(up - before)
			before = up
		}
		all[i] = blend{first, weights}
	}
	return all
}

func abs(n int64) int64 { return max(n, -n) }

// shrinkColumns returns the rows of an image with fewer pixels, whose samples have 8 bits
// below the point.
func shrinkColumns(img *pretext.Image, width int) []uint16 {
	rows := make([]uint16, 3*width*img.Height)
	columns := blends(img.Width, width)
	for y := range img.Height {
		from, to := img.Pix[3*img.Width*y:][:3*img.Width], rows[3*width*y:][:3*width]
		for x, b := range columns {
			var red, green, blue uint32
			pixels := from[3*b.first:]
			for k, w := range b.weights {
				red += w * uint32(pixels[3*k])
				green += w * uint32(pixels[3*k+1])
				blue += w * uint32(pixels[3*k+2])
			}
			to[3*x], to[3*x+1], to[3*x+2] = uint16(red>>8), uint16(green>>8), uint16(blue>>8)
		}
	}
	return rows
}

// shrinkRows returns the pixels of fewer rows, rounded. A row has n samples.
func shrinkRows(rows []uint16, n, from, to int) []uint8 {
	pix := make([]uint8, n*to)
	sums := make([]uint32, n)
	for y, b := range blends(from, to) {
		for i := range sums {
			sums[i] = 1 << 23 // rounds
		}
		for k, w := range b.weights {
			for i, v := range rows[n*(b.first+k):][:n] {
				sums[i] += w * uint32(v)
			}
		}
		for i, sum := range sums {
			pix[n*y+i] = uint8(sum >> 24)
		}
	}
	return pix
}
