package pretext

import (
	"image/color"
	"math"
)

// A tint is the chromaticity of a CIELAB colour: a runs from green to red, b from blue to
// yellow.
type tint struct{ a, b float64 }

// lab converts a colour from sRGB to CIELAB with illuminant D65 and the 2° observer; the
// lightness runs from 0 to 100. The constants are those of scikit-image.
func lab(red, green, blue uint8) (lightness float64, t tint) {
	r, g, b := linear[red], linear[green], linear[blue]
	x := compress((float64(0.412453*r) + float64(0.357580*g) + float64(0.180423*b)) / 0.95047)
	y := compress(float64(0.212671*r) + float64(0.715160*g) + float64(0.072169*b))
	z := compress((float64(0.019334*r) + float64(0.119193*g) + float64(0.950227*b)) / 1.08883)
	return float64(116*y) - 16, tint{500 * (x - y), 200 * (y - z)}
}

// linear is the linear light of each sRGB level, from 0 to 1. The table avoids a power per
// channel and pixel, which would dominate the conversion.
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

// compress is the cube root of CIELAB, with its linear part near black.
func compress(light float64) float64 {
	if light > 0.008856 {
		return math.Cbrt(light)
	}
	return float64(7.787*light) + 16./116
}

// rgb converts a colour from CIELAB to sRGB, the inverse of lab; colours outside sRGB are
// clipped.
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

// expand is the inverse of compress.
func expand(v float64) float64 {
	if v > 0.206893 {
		return v * v * v
	}
	return (v - 16./116) / 7.787
}

// encode returns the sRGB level of linear light, the inverse of linear.
func encode(light float64) uint8 {
	v := 12.92 * light
	if light > 0.0031308 {
		v = float64(1.055*math.Pow(light, 1/2.4)) - 0.055
	}
	return uint8(math.Round(255 * min(max(v, 0), 1)))
}
