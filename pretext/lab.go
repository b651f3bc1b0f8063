package pretext

import (
	"image/color"
	"math"
)

// A tint is a colour of CIELAB without its lightness: a runs from green to red, b
// from blue to yellow.
type tint struct{ a, b float64 }

// lab converts a colour from sRGB to CIELAB under the illuminant D65, seen by the
// observer of 2 degrees; the lightness runs from 0 to 100. The constants are those
// of scikit-image.
func lab(red, green, blue uint8) (lightness float64, t tint) {
	r, g, b := linear[red], linear[green], linear[blue]
	x := compress((float64(0.412453*r) + float64(0.357580*g) + float64(0.180423*b)) / 0.95047)
	y := compress(float64(0.212671*r) + float64(0.715160*g) + float64(0.072169*b))
	z := compress((float64(0.019334*r) + float64(0.119193*g) + float64(0.950227*b)) / 1.08883)
	return float64(116*y) - 16, tint{500 * (x - y), 200 * (y - z)}
}

// linear holds the light of each level of sRGB, from 0 to 1. A power for each
// channel of each pixel would take most of the time of a conversion.
var linear = func() (light [256]float64) {
	for i := range light {
		v := float64(i) / 255
		if v > 0.04045 {
			light[i] = math.Pow((v+0.055)/1.055, 2.4)
		} else {
			light[i] = v / 12.92
		}
	}
	return light
}()

// compress is the cube root by which CIELAB follows the eye, with a straight line
// in the dark.
func compress(light float64) float64 {
	if light > 0.008856 {
		return math.Cbrt(light)
	}
	return float64(7.787*light) + 16./116
}

// rgb converts a colour from CIELAB to sRGB, the reverse of lab; what sRGB cannot
// show is cut off.
func rgb(lightness float64, t tint) color.NRGBA {
	y := (lightness + 16) / 116
	x, z := 0.95047*expand(y+t.a/500), 1.08883*expand(y-t.b/200)
	y = expand(y)
	return color.NRGBA{
		R: encode(float64(3.240479*x) - float64(1.537150*y) - float64(0.498535*z)),
		G: encode(float64(-0.969256*x) + float64(1.875992*y) + float64(0.041556*z)),
		B: encode(float64(0.055648*x) - float64(0.204043*y) + float64(1.057311*z)),
		A: 255,
	}
}

// expand is the reverse of compress.
func expand(v float64) float64 {
	if v > 0.206893 {
		return v * v * v
	}
	return (v - 16./116) / 7.787
}

// encode returns the level of sRGB of light, the reverse of linear.
func encode(light float64) uint8 {
	v := 12.92 * light
	if light > 0.0031308 {
		v = float64(1.055*math.Pow(light, 1/2.4)) - 0.055
	}
	return uint8(math.Round(255 * min(max(v, 0), 1)))
}
