package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.StringMatching(`[0-9/_.a]{0,6}`), 0, 300).Draw(t, "names")
		var s names
		for _, name := range want {
			s.add(name)
		}
		require.Equal(t, len(want), s.n)
		for i := range want {
			require.Equal(t, want[i], s.at(i), "name %d", i)
		}
	})
}

func TestShorten(t *testing.T) {
	assert.Equal(t, "10026", shorten("n01440764", "n01440764_10026.JPEG"))
	assert.Equal(t, "/n01440764_10026.jpg", shorten("n01440764", "n01440764_10026.jpg"))
	rapid.Check(t, func(t *rapid.T) {
		image := rapid.StringMatching(`(n01440764)?[_/.]?[0-9_ n]{0,4}(\.JPEG|\.png)`).Draw(t, "image")
		image = strings.ReplaceAll(image, "/", "")
		require.Equal(t, image, lengthen("n01440764", shorten("n01440764", image)))
	})
}

// TestNamesAreCompact counts what a million images take in memory.
func TestNamesAreCompact(t *testing.T) {
	const n = 1 << 20
	d := ImageNet22K{root: "root"}
	for c := range n / 1024 {
		var images []string
		for i := range 1024 {
			images = append(images, fmt.Sprintf("n%08d_%d.JPEG", c, 10000+i))
		}
		require.NoError(t, d.addClass(fmt.Sprintf("n%08d", c), images))
	}
	require.Equal(t, n, d.Len())
	assert.Less(t, cap(d.names.text)+8*(cap(d.names.marks)+cap(d.ends)), 10*n)
	assert.Equal(t, "10777", d.names.at(5*1024+777))
}

// body returns what follows the checksum of an index.
func body(t testing.TB, head indexHead, classes []indexClass, text string) []byte {
	var b bytes.Buffer
	for _, v := range []any{head, classes, []byte(text)} {
		require.NoError(t, binary.Write(&b, binary.LittleEndian, v))
	}
	return b.Bytes()
}

// summed puts the magic bytes and the checksum before a body.
func summed(body []byte) []byte {
	sum := sha256.Sum256(body)
	return append(append([]byte(indexMagic), sum[:]...), body...)
}

// TestIndexErrors reads indices whose checksum is right: they would come from a
// defect, or from someone who means harm.
func TestIndexErrors(t *testing.T) {
	two := []indexClass{{ID: 1440764, Images: 2}, {ID: 1443537, Images: 1}}
	for _, c := range []struct {
		name string
		body []byte
		want string
	}{
		{"good", body(t, indexHead{2, 3, 6}, two, "1\n2\n3\n"), ""},
		{"more classes", body(t, indexHead{3, 3, 6}, two, "1\n2\n3\n"), "3 classes and 6 bytes of names of 3 images do not fill 102 bytes"},
		{"endless classes", body(t, indexHead{1 << 60, 3, 6}, two, "1\n2\n3\n"), "1152921504606846976 classes and 6 bytes of names, want at most 1048576 and 1073741824"},
		{"wrapping classes", body(t, indexHead{1<<60 + 2, 3, 6}, two, "1\n2\n3\n"), "1152921504606846978 classes"},
		{"huge text", body(t, indexHead{2, 3, 1 << 40}, two, "1\n2\n3\n"), "1099511627776 bytes of names"},
		{"more images than text", body(t, indexHead{2, 7, 6}, two, "1\n2\n3\n"), "6 bytes of names of 7 images"},
		{"fewer names", body(t, indexHead{2, 3, 6}, two, "1\n2345"), "the last name is truncated"},
		{"other count", body(t, indexHead{2, 3, 6}, two, "1\n234\n"), "2 names, 3 images in its classes, 3 in all"},
		{"other sum", body(t, indexHead{2, 3, 6}, []indexClass{{Images: 2}, {Images: 2}}, "1\n2\n3\n"), "3 names, 4 images in its classes, 3 in all"},
		{"path", body(t, indexHead{2, 3, 13}, two, "1\n/../../x\n3\n"), `name "/../../x" of image 1 is a path`},
		{"no head", []byte("short"), "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := summed(c.body)
			x, err := parseIndex(bytes.NewReader(file), int64(len(file)))
			if c.want == "" {
				require.NoError(t, err)
				assert.Equal(t, []int{2, 3}, x.ends())
				return
			}
			require.ErrorContains(t, err, c.want)
			require.Nil(t, x)
		})
	}
}

// TestIndexHuge claims, as a sparse file could, that there is more behind the
// head than memory should be asked for.
func TestIndexHuge(t *testing.T) {
	for _, head := range []indexHead{{2, 3, maxIndex + 1}, {maxClasses + 1, 3, 6}} {
		file := summed(body(t, head, nil, ""))
		_, err := parseIndex(bytes.NewReader(file), indexStart+int64(head.Classes)*indexClassBytes+int64(head.Text))
		require.ErrorContains(t, err, "want at most 1048576 and 1073741824")
	}
}

func TestIndexKeeps(t *testing.T) {
	var s names
	for i := range 200 {
		s.add(fmt.Sprint(i * i))
	}
	x := newIndex([]string{"n00000007", "n99999999"}, []int64{5, -6}, []int{30, 200}, s)
	path := filepath.Join(t.TempDir(), "index")
	require.NoError(t, x.write(path))
	got, err := readIndex(path)
	require.NoError(t, err)
	assert.Equal(t, x.classes, got.classes)
	assert.Equal(t, []int{30, 200}, got.ends())
	assert.Equal(t, s, got.names)
	require.NoError(t, got.fits("root", []string{"n00000007", "n99999999"}, []int64{5, -6}))
	require.ErrorContains(t, got.fits("root", []string{"n00000007", "n99999999"}, []int64{5, 6}), "folder n99999999 of root has changed")
}

// TestDamagedIndex spoils every byte of an index, and cuts it everywhere.
func TestDamagedIndex(t *testing.T) {
	whole := summed(body(t, indexHead{2, 3, 6}, []indexClass{{ID: 1440764, Images: 2, Modified: 77}, {ID: 1443537, Images: 1}}, "1\n2\n3\n"))
	parse := func(file []byte) error {
		_, err := parseIndex(bytes.NewReader(file), int64(len(file)))
		return err
	}
	require.NoError(t, parse(whole))
	for i := range whole {
		for bit := range 8 {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1 << bit
			require.Equal(t, i < len(indexMagic), errors.Is(parse(damaged), errNoIndex), "byte %d", i)
			require.Error(t, parse(damaged), "byte %d", i)
		}
		require.Error(t, parse(whole[:i]), "cut to %d bytes", i)
		require.NotErrorIs(t, parse(whole[:i]), errNoIndex, "what is left of an index")
	}
	require.Error(t, parse(append(bytes.Clone(whole), '\n')))
}

// FuzzIndex parses any body behind a checksum that is right: it is refused, or
// all its names can be found.
func FuzzIndex(f *testing.F) {
	f.Add(body(f, indexHead{2, 3, 6}, []indexClass{{ID: 1, Images: 2}, {ID: 2, Images: 1}}, "1\n2\n3\n"))
	f.Add(body(f, indexHead{0, 0, 0}, nil, ""))
	f.Add(body(f, indexHead{1 << 62, 1, 1}, nil, "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file := summed(b)
		x, err := parseIndex(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			require.Nil(t, x)
			return
		}
		ends := x.ends()
		require.Equal(t, x.names.n, append([]int{0}, ends...)[len(ends)])
		for i := range x.names.n {
			require.NotContains(t, strings.TrimPrefix(x.names.at(i), "/"), "/")
		}
	})
}
