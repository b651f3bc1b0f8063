package turbojpeg_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/pretext"
	"unnas/pretext/turbojpeg"
)

// turbo returns the decoder, or skips the test where the library is not installed.
func turbo(t testing.TB) *pretext.Decoder {
	t.Helper()
	d, err := turbojpeg.Decoder()
	if err != nil {
		require.ErrorContains(t, err, "turbojpeg: ")
		t.Skip(err)
	}
	return d
}

// inGo decodes a file with image/jpeg.
func inGo(file []byte) (*pretext.Image, error) {
	return pretext.Decode(context.Background(), bytes.NewReader(file))
}

// inTurbo decodes a file with libjpeg-turbo if that can.
func inTurbo(t testing.TB, file []byte) (*pretext.Image, error) {
	return turbo(t).Decode(context.Background(), bytes.NewReader(file))
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

// samples returns the JPEG files beside the tests of pretext, by name.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("../testdata/*.jpg")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	all := map[string][]byte{}
	for _, name := range names {
		all[strings.TrimSuffix(filepath.Base(name), ".jpg")] = read(t, name)
	}
	return all
}

// picture returns a file of a smooth picture with an edge, in grey or in colours
// with chroma of half the width and height.
func picture(t testing.TB, w, h int, grey bool) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{uint8(3*x + y), uint8(200 - 2*y), uint8(x * y / 4), 255}
			if x > 2*y {
				c = color.RGBA{200, 30, uint8(90 + x), 255}
			}
			m.Set(x, y, c)
		}
	}
	var from image.Image = m
	if grey {
		g := image.NewGray(m.Rect)
		for i := range g.Pix {
			g.Pix[i] = m.Pix[4*i+1]
		}
		from = g
	}
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, from, &jpeg.Options{Quality: 90}))
	return b.Bytes()
}

// farthest returns the largest difference of two images of the same size.
func farthest(t testing.TB, a, b *pretext.Image) (most int) {
	t.Helper()
	require.Equal(t, [2]int{a.Width, a.Height}, [2]int{b.Width, b.Height})
	require.Len(t, b.Pix, len(a.Pix))
	for i := range a.Pix {
		most = max(most, int(a.Pix[i])-int(b.Pix[i]), int(b.Pix[i])-int(a.Pix[i]))
	}
	return most
}

func TestDecoder(t *testing.T) {
	d := turbo(t)
	assert.Regexp(t, "^libjpeg-turbo, pixels [0-9a-f]{8}$", d.String())
	again, err := turbojpeg.Decoder()
	require.NoError(t, err)
	assert.Same(t, d, again)
}

// TestExact compares with the pixels that Pillow decodes, which are kept as PNG.
func TestExact(t *testing.T) {
	turbo(t)
	for name, file := range samples(t) {
		t.Run(name, func(t *testing.T) {
			got, err := inTurbo(t, file)
			require.NoError(t, err)
			want, err := inGo(read(t, "../testdata/"+name+".png"))
			require.NoError(t, err)
			assert.Equal(t, -1, got.Label)
			assert.Zero(t, farthest(t, want, got))
		})
	}
}

// TestField demands the pixels of libjpeg of the files that decoders differ about, and
// an error of those that are damaged.
func TestField(t *testing.T) {
	turbo(t)
	lines := strings.Split(strings.TrimSpace(string(read(t, "../testdata/field.txt"))), "\n")
	require.Greater(t, len(lines), 28)
	for _, line := range lines {
		parts := strings.Fields(line)
		t.Run(parts[0], func(t *testing.T) {
			file, err := base64.StdEncoding.DecodeString(parts[2])
			require.NoError(t, err)
			if parts[1] == "-" && !bytes.HasPrefix(file, []byte("\xff\xd8")) {
				return // pixels of others
			}
			img, err := inTurbo(t, file)
			if parts[1] == "-" {
				require.ErrorIs(t, err, pretext.ErrInvalidImage)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, parts[1], fmt.Sprintf("%08x", crc32.ChecksumIEEE(img.Pix)))
		})
	}
}

// TestStored pins pixels of a larger picture, chroma of odd sizes included.
func TestStored(t *testing.T) {
	turbo(t)
	img, err := inTurbo(t, picture(t, 123, 77, false))
	require.NoError(t, err)
	sum := sha256.Sum256(img.Pix)
	assert.Equal(t, "0c0e890936419440", hex.EncodeToString(sum[:8]))
}

// TestLikeGo compares with image/jpeg.
func TestLikeGo(t *testing.T) {
	turbo(t)
	differ := false
	for _, size := range [][2]int{{1, 1}, {1, 2}, {2, 1}, {3, 17}, {4, 5}, {5, 4}, {16, 16}, {17, 16}, {255, 3}, {123, 77}} {
		for _, grey := range []bool{false, true} {
			file := picture(t, size[0], size[1], grey)
			a, err := inGo(file)
			require.NoError(t, err)
			b, err := inTurbo(t, file)
			require.NoError(t, err)
			require.LessOrEqual(t, farthest(t, a, b), 3, "%v, grey %t", size, grey)
			differ = differ || farthest(t, a, b) > 0
		}
	}
	assert.True(t, differ, "one decoder did it all")
}

// TestRealLikeGo compares real photographs, if there are any.
func TestRealLikeGo(t *testing.T) {
	turbo(t)
	if testing.Short() {
		t.Skip("takes seconds")
	}
	shared := os.Getenv("UNNAS_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	files, err := filepath.Glob(filepath.Join(shared, "data", "imagenet_mini", "*", "*", "*.JPEG"))
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skipf("no imagenet_mini in %s", shared)
	}
	most, different, all := 0, 0, 0
	for _, name := range files {
		file := read(t, name)
		a, err := inGo(file)
		require.NoError(t, err, name)
		b, err := inTurbo(t, file)
		require.NoError(t, err, name)
		most = max(most, farthest(t, a, b))
		for i := range a.Pix {
			if a.Pix[i] != b.Pix[i] {
				different++
			}
		}
		all += len(a.Pix)
	}
	t.Logf("%d images: %.2f %% of the bytes differ, by %d at most", len(files), 100*float64(different)/float64(all), most)
	assert.LessOrEqual(t, most, 3)
}

// sameError demands that the error with libjpeg-turbo is that without, but for the
// decoders that failed and the remedy.
func sameError(t *testing.T, inGo, inTurbo error) {
	t.Helper()
	require.Error(t, inGo)
	want, unsupported := strings.CutSuffix(inGo.Error(), "; use libjpeg-turbo (package turbojpeg), or save the image anew")
	if unsupported {
		want = strings.Replace(want, "image: ", "image: libjpeg-turbo cannot decode it, nor can image/jpeg: ", 1) + "; save the image anew"
	}
	require.EqualError(t, inTurbo, want)
}

// same demands that a file is an error of the same text for both decoders, or
// an image of the same size.
func same(t *testing.T, file []byte) {
	t.Helper()
	a, errA := inGo(file)
	b, errB := inTurbo(t, file)
	if errA != nil {
		sameError(t, errA, errB)
		require.Nil(t, b)
		return
	}
	require.NoError(t, errB)
	require.Equal(t, [2]int{a.Width, a.Height}, [2]int{b.Width, b.Height})
	require.Len(t, b.Pix, len(a.Pix))
}

func TestTruncated(t *testing.T) {
	turbo(t)
	for name, file := range map[string][]byte{
		"colour": picture(t, 11, 17, false), "grey": picture(t, 11, 17, true), "progressive": samples(t)["progressive"],
	} {
		t.Run(name, func(t *testing.T) {
			for n := range file {
				_, err := inTurbo(t, file[:n])
				require.ErrorContains(t, err, "pretext: ", "cut to %d bytes", n)
				same(t, file[:n])
			}
		})
	}
}

func TestOtherBytes(t *testing.T) {
	turbo(t)
	file := picture(t, 11, 17, false)
	same(t, nil)
	same(t, []byte("GIF89a and more"))
	same(t, append(slices.Clone(file), "a tail that is no image"...))
	same(t, slices.Insert(slices.Clone(file), 2, 0xff, 0xfe, 0, 5, 'h', 'e', 'y'))
}

// TestHuge announces more pixels than the limit; nothing may be taken for them.
func TestHuge(t *testing.T) {
	turbo(t)
	file := picture(t, 3, 2, false)
	sof := bytes.Index(file, []byte{0xff, 0xc0})
	require.Positive(t, sof)
	copy(file[sof+5:], []byte{1 << 5, 0, 1 << 6, 0})
	_, err := inTurbo(t, file)
	require.ErrorContains(t, err, "16384 by 8192 pixels")
	same(t, file)
}

// TestDamaged changes a byte at random. What Decode refuses with libjpeg-turbo it
// refuses without. A little is the other way round: libjpeg-turbo is silent about
// some codes that cannot be, such as those of too many coefficients.
func TestDamaged(t *testing.T) {
	turbo(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	files := samples(t)
	files["small"] = picture(t, 33, 31, false)
	refused, silent := 0, 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for range 200 {
			b := slices.Clone(files[name])
			b[r.IntN(len(b))] = byte(r.IntN(256))
			if large(b) {
				continue
			}
			_, errA := inGo(b)
			_, errB := inTurbo(t, b)
			if errB != nil {
				sameError(t, errA, errB)
				refused++
			} else if errA != nil {
				silent++
			}
		}
	}
	t.Logf("%d refused, %d without libjpeg-turbo alone", refused, silent)
	assert.Less(t, silent, refused/5)
}

// large says whether a file takes long and shows nothing new.
func large(file []byte) bool {
	c, err := jpeg.DecodeConfig(bytes.NewReader(file))
	return err == nil && c.Width > 1<<16/max(c.Height, 1)
}

func TestConcurrent(t *testing.T) {
	turbo(t)
	files := samples(t)
	want := map[string]*pretext.Image{}
	for name, file := range files {
		var err error
		want[name], err = inTurbo(t, file)
		require.NoError(t, err)
	}
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 20 {
				for name, file := range files {
					got, err := inTurbo(t, file)
					if !assert.NoError(t, err, name) || !assert.True(t, slices.Equal(want[name].Pix, got.Pix), name) {
						return
					}
				}
			}
		})
	}
	group.Wait()
}

// FuzzDecode checks that any bytes give either a whole image or the error of
// image/jpeg.
func FuzzDecode(f *testing.F) {
	turbo(f)
	for _, file := range samples(f) {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if large(b) {
			t.Skip("a large image takes long and shows nothing new")
		}
		img, err := inTurbo(t, b)
		if err != nil {
			_, want := inGo(b)
			sameError(t, want, err)
			return
		}
		require.Positive(t, img.Width)
		require.Positive(t, img.Height)
		require.Len(t, img.Pix, 3*img.Width*img.Height)
	})
}
