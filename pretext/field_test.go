package pretext_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/pretext"
)

// fieldFiles returns the files of testdata/field.txt, with the names of their pixels
// among them, "-" where the file is damaged.
func fieldFiles(t testing.TB) (files map[string][]byte, pixels map[string]string) {
	t.Helper()
	f, err := os.Open("testdata/field.txt")
	require.NoError(t, err)
	defer f.Close()
	files, pixels = map[string][]byte{}, map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		parts := strings.Fields(lines.Text())
		require.Len(t, parts, 3)
		files[parts[0]], err = base64.StdEncoding.DecodeString(parts[2])
		require.NoError(t, err)
		pixels[parts[0]] = parts[1]
	}
	require.NoError(t, lines.Err())
	return files, pixels
}

// TestDecodeField holds the pixels of image/jpeg against those of libjpeg, and names
// what it cannot decode.
func TestDecodeField(t *testing.T) {
	const other = "; use libjpeg-turbo (package turbojpeg), or save the image anew"
	refused := map[string]string{
		"ycc_2x2,1x1,1x2":           "pretext: decoding image: unsupported JPEG feature: luma/chroma subsampling ratio" + other,
		"ycc_1x1,2x1,2x1":           "luma/chroma subsampling ratio" + other,
		"ycc_2x2,2x1,1x2":           "luma/chroma subsampling ratio" + other,
		"ycc_3x1,1x1,1x1":           "luma/chroma subsampling ratio" + other,
		"ycc_1x4,1x1,1x1":           "luma/chroma subsampling ratio" + other,
		"cmyk_subsampled":           "luma/chroma subsampling ratio" + other,
		"arithmetic":                "unsupported JPEG feature: arithmetic coding" + other,
		"arithmetic_progressive":    "unsupported JPEG feature: arithmetic coding" + other,
		"progressive_restarts":      "restart intervals in scans of one component with several samples" + other,
		"no_quantisation_table":     "image header: no quantisation table 0 for component 1",
		"cut":                       "pretext: decoding image: invalid JPEG format: short Huffman data",
		"png_bad_pixels":            "pretext: decoding image: ",
		"png_damaged_too_many_rows": "invalid checksum",
	}
	files, pixels := fieldFiles(t)
	require.Greater(t, len(files), 28)
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			got, err := pretext.Decode(t.Context(), bytes.NewReader(file))
			if want, is := refused[name]; is {
				assert.ErrorContains(t, err, want)
				require.ErrorIs(t, err, pretext.ErrInvalidImage)
				return
			}
			require.NoError(t, err)
			if pixels[name] == "-" { // pixels themselves
				return
			}
			want, err := pretext.Decode(t.Context(), bytes.NewReader(files[pixels[name]]))
			require.NoError(t, err)
			require.Equal(t, [2]int{61, 43}, [2]int{got.Width, got.Height})
			most := 0
			for i, v := range want.Pix {
				most = max(most, int(v)-int(got.Pix[i]), int(got.Pix[i])-int(v))
			}
			if name == "few_scans" { // which libjpeg smooths
				assert.Greater(t, most, 3)
				return
			}
			assert.LessOrEqual(t, most, 3)
		})
	}
}
