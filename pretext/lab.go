package pretext

import "math"

// A tint is a colour of CIELAB without its lightness: a runs from green to red, b
// from blue to yellow.
type tint struct{ a, b float64 }

// lab converts a colour from sRGB to CIELAB under the illuminant D65, seen by the
// observer of 2 degrees; the lightness runs from 0 to 100. The constants are those
// of scikit-image.
func lab(red, green, blue uint8) (lightness float64, t tint) {
	r, g, b := linear[red], linear[green], linear[blue]
	x := compress((0.412453*r + 0.357580*g + 0.180423*b) / 0.95047)
	y := compress(0.212671*r + 0.715160*g + 0.072169*b)
	z := compress((0.019334*r + 0.119193*g + 0.950227*b) / 1.08883)
	return 116*y - 16, tint{500 * (x - y), 200 * (y - z)}
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
	return 7.787*light + 16./116
}
