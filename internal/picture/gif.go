package picture

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io"
	"maps"
	"slices"
	"time"

	"gonum.org/v1/plot/vg/vgimg"
)

// GIFDPI is the resolution of GIF images, half of DPI, and MaxGIFPixels the largest
// number of pixels of all frames together.
const (
	GIFDPI       = DPI / 2
	MaxGIFPixels = 1 << 26
)

// GIF writes drawings of one size as an endless animation on a white background. Each
// is shown for frame, the last one for last. It fails if there are no drawings, if
// their sizes differ, or if they have too many pixels.
func GIF(w io.Writer, frames []Drawing, frame, last time.Duration) error {
	if len(frames) == 0 {
		return errors.New("no frames: want at least one")
	}
	width, height := frames[0].Size()
	if pixels := width.Dots(GIFDPI) * height.Dots(GIFDPI) * float64(len(frames)); pixels > MaxGIFPixels {
		return fmt.Errorf("%.0f pixels in %d frames: want at most %d; take fewer frames", pixels, len(frames), MaxGIFPixels)
	}
	// Each frame after the first contains only the changed part.
	var parts []*image.RGBA
	count := map[color.RGBA]int{}
	var before *image.RGBA
	for i, d := range frames {
		if w, h := d.Size(); w != width || h != height {
			return fmt.Errorf("frame %d differs in size from the first", i)
		}
		c := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(GIFDPI))
		d.Draw(c)
		now, ok := c.Image().(*image.RGBA)
		if !ok {
			return fmt.Errorf("frame %d is drawn as %T: want *image.RGBA", i, c.Image())
		}
		part := now
		if before != nil {
			part = now.SubImage(difference(before, now)).(*image.RGBA)
		}
		each(part, func(_, _ int, paint color.RGBA) { count[paint]++ })
		parts = append(parts, part)
		before = now
	}
	palette := frequent(count, 256)
	nearest := map[color.RGBA]uint8{}
	for paint := range count {
		nearest[paint] = uint8(palette.Index(paint))
	}
	out := gif.GIF{Config: image.Config{ColorModel: palette, Width: parts[0].Rect.Dx(), Height: parts[0].Rect.Dy()}}
	for i, part := range parts {
		p := image.NewPaletted(part.Rect, palette)
		each(part, func(x, y int, paint color.RGBA) { p.SetColorIndex(x, y, nearest[paint]) })
		stay := frame
		if i == len(parts)-1 {
			stay = last
		}
		out.Image = append(out.Image, p)
		out.Delay = append(out.Delay, int(stay/(10*time.Millisecond)))
	}
	return gif.EncodeAll(w, &out)
}

// each calls f for all pixels of an image.
func each(img *image.RGBA, f func(x, y int, paint color.RGBA)) {
	for y := img.Rect.Min.Y; y < img.Rect.Max.Y; y++ {
		for x := img.Rect.Min.X; x < img.Rect.Max.X; x++ {
			f(x, y, img.RGBAAt(x, y))
		}
	}
}

// difference returns the smallest rectangle, of at least one pixel, outside of which
// two images are equal.
func difference(a, b *image.RGBA) image.Rectangle {
	var r image.Rectangle
	each(b, func(x, y int, paint color.RGBA) {
		if a.RGBAAt(x, y) != paint {
			r = r.Union(image.Rect(x, y, x+1, y+1))
		}
	})
	if r.Empty() {
		r = image.Rectangle{b.Rect.Min, b.Rect.Min.Add(image.Pt(1, 1))}
	}
	return r
}

// frequent returns the n most frequent colours, or all if there are fewer.
func frequent(count map[color.RGBA]int, n int) color.Palette {
	all := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B), cmp.Compare(a.A, b.A))
	})
	var palette color.Palette
	for _, paint := range all[:min(n, len(all))] {
		palette = append(palette, paint)
	}
	return palette
}
