package pretext_test

import (
	"encoding/json"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/pretext"
)

// reference reads a file of facts that stays out of the repository, or skips the
// test.
func reference(t *testing.T, elem ...string) []byte {
	t.Helper()
	shared := os.Getenv("UNNAS_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "shared")
	}
	name := filepath.Join(append([]string{"data"}, elem...)...)
	data, err := os.ReadFile(filepath.Join(shared, name))
	if os.IsNotExist(err) {
		t.Skipf("no %s in ../shared or UNNAS_SHARED", name)
	}
	require.NoError(t, err)
	return data
}

// TestLab compares with scikit-image 0.19.3, and with its equations worked out for
// the ends of the scale and for the straight parts of its curves.
func TestLab(t *testing.T) {
	for _, c := range []struct {
		rgb [3]uint8
		lab [3]float64
	}{
		{[3]uint8{172, 47, 117}, [3]float64{41.35928595, 56.18693831, -10.95156250}},
		{[3]uint8{192, 67, 251}, [3]float64{54.22415787, 75.57088241, -68.92499633}},
		{[3]uint8{195, 103, 9}, [3]float64{53.30406548, 31.60614806, 59.54768694}},
		{[3]uint8{36, 87, 70}, [3]float64{33.20701648, -21.79304574, 4.75802525}},
		{[3]uint8{202, 244, 151}, [3]float64{91.45640091, -28.86115326, 40.45805667}},
		{[3]uint8{36, 10, 86}, [3]float64{11.02035622, 32.53088545, -40.25280750}},
		{[3]uint8{2, 51, 80}, [3]float64{19.88043544, -2.92593525, -21.96863781}},
		{[3]uint8{0, 0, 0}, [3]float64{0, 0, 0}},
		{[3]uint8{3, 2, 1}, [3]float64{0.58686892, 0.12242068, 0.47062806}},
		{[3]uint8{255, 255, 255}, [3]float64{100.00000000, -0.00245494, 0.00465342}},
	} {
		l, a, b := pretext.Lab(c.rgb[0], c.rgb[1], c.rgb[2])
		assert.InDeltaSlice(t, c.lab[:], []float64{l, a, b}, 1e-8, "%v", c.rgb)
	}
}

func TestLabOfReference(t *testing.T) {
	var pairs struct {
		RGB [][3]uint8
		Lab [][3]float64
	}
	require.NoError(t, json.Unmarshal(reference(t, "reference", "rgb2lab_64.json"), &pairs))
	require.Len(t, pairs.RGB, 64)
	for i, p := range pairs.RGB {
		l, a, b := pretext.Lab(p[0], p[1], p[2])
		assert.InDeltaSlice(t, pairs.Lab[i][:], []float64{l, a, b}, 1e-8, "%v", p)
	}
}

// TestRGB reverses the conversion of colours throughout the cube.
func TestRGB(t *testing.T) {
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 17 {
			for b := 0; b < 256; b += 5 {
				got := pretext.RGB(pretext.Lab(uint8(r), uint8(g), uint8(b)))
				require.InDelta(t, r, got.R, 1, "%d %d %d", r, g, b)
				require.InDelta(t, g, got.G, 1, "%d %d %d", r, g, b)
				require.InDelta(t, b, got.B, 1, "%d %d %d", r, g, b)
			}
		}
	}
}

func TestClassColor(t *testing.T) {
	task := pretext.Colorization{}
	for class, bin := range pretext.Bins() {
		if math.Abs(bin[0]) > 20 || math.Abs(bin[1]) > 20 { // not all of those are on a screen
			continue
		}
		c := task.ClassColor(int32(class))
		l, a, b := pretext.Lab(c.R, c.G, c.B)
		assert.InDelta(t, 70, l, 1, "bin %d", class)
		assert.InDelta(t, bin[0], a, 1, "bin %d", class)
		assert.InDelta(t, bin[1], b, 1, "bin %d", class)
	}
	for _, class := range []int32{-1, 313} {
		assert.Equal(t, color.NRGBA{A: 255}, task.ClassColor(class))
	}
}
