package pretext

import "image/color"

// Lab is lab without its type.
func Lab(red, green, blue uint8) (l, a, b float64) {
	l, t := lab(red, green, blue)
	return l, t.a, t.b
}

// RGB is rgb without its type.
func RGB(l, a, b float64) color.NRGBA { return rgb(l, tint{a, b}) }

// Bins returns a and b of the bins of gamut.
func Bins() (bins [][2]float64) {
	for _, t := range gamut().bins {
		bins = append(bins, [2]float64{t.a, t.b})
	}
	return bins
}

// NearestBin returns the bin of a tint.
func NearestBin(a, b float64) int32 { return gamut().nearest(tint{a, b}) }

// Orders returns the permutations of a jigsaw.
func (t Jigsaw) Orders() [][]uint8 { return t.orders()() }

// What the colour distortion of Contrastive does.
var (
	Brighten = brighten
	Spread   = spread
	Saturate = saturate
	TurnHue  = turnHue
)
