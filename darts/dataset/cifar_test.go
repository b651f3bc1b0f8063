package dataset_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
	"unnas/pretext"
)

const record = 3073

// cifarImage returns a record whose red, green and blue planes start with first,
// first+1, first+2 and count up along the rows.
func cifarImage(class, first byte) []byte {
	b := []byte{class}
	for c := range 3 {
		for p := range 1024 {
			b = append(b, first+byte(c)+byte(p%32))
		}
	}
	return b
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, content, 0o644))
}

// writeBatches writes what a folder lacks of the files for training, of an image
// each, with an ending.
func writeBatches(t testing.TB, dir, ending string, content []byte) {
	t.Helper()
	for _, n := range "12345" {
		path := filepath.Join(dir, "data_batch_"+string(n)+ending)
		if _, err := os.Stat(path); err != nil {
			write(t, path, content)
		}
	}
}

func TestCIFAR10(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "odd [name]*")
	write(t, filepath.Join(dir, "data_batch_2.bin"), cifarImage(7, 100))
	write(t, filepath.Join(dir, "data_batch_1.bin"), append(cifarImage(3, 1), cifarImage(9, 50)...))
	write(t, filepath.Join(dir, "test_batch.bin"), cifarImage(0, 200))
	write(t, filepath.Join(dir, "readme.html"), []byte("text"))
	write(t, filepath.Join(dir, "data_batch_1 (1).bin"), cifarImage(3, 1)) // downloaded twice
	write(t, filepath.Join(dir, "data_batch_10.bin"), cifarImage(3, 1))
	writeBatches(t, dir, ".bin", cifarImage(6, 7))

	train, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Train, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, 6, train.Len())
	assert.Equal(t, "airplane", train.Classes()[0], "the published names serve where the file is missing")
	assert.Len(t, train.Classes(), 10)
	for i, want := range []struct {
		label int
		first uint8
	}{{3, 1}, {9, 50}, {7, 100}} {
		img := load(t, train, i)
		assert.Equal(t, [2]int{32, 32}, [2]int{img.Width, img.Height})
		assert.Equal(t, want.label, img.Label)
		assert.Nil(t, img.Mask)
		require.Len(t, img.Pix, 3072)
		for p := range 1024 {
			v := want.first + uint8(p%32)
			require.Equal(t, []uint8{v, v + 1, v + 2}, img.Pix[3*p:3*p+3], "image %d pixel %d", i, p)
		}
	}
	testLoadErrors(t, train, 6)

	// An image belongs to the caller.
	load(t, train, 0).Pix[0] = 99
	assert.Equal(t, uint8(1), load(t, train, 0).Pix[0])

	test, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Test, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, 1, test.Len())
	assert.Equal(t, 0, load(t, test, 0).Label)
}

func TestCIFAR10Folder(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "cifar-10-batches-bin")
	write(t, filepath.Join(sub, "test_batch.bin"), cifarImage(4, 0))
	write(t, filepath.Join(sub, "batches.meta.txt"), []byte("\ufeffa\nb\r\nc\nd\ne\nf\ng\nh\ni\nj\n\n"))
	d, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Test, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, d.Classes())
	d.Classes()[0] = "changed"
	assert.Equal(t, "a", d.Classes()[0])
}

func TestCIFAR10Errors(t *testing.T) {
	good := cifarImage(1, 0)
	for _, c := range []struct {
		name  string
		files map[string][]byte
		want  string
	}{
		{"nothing", map[string][]byte{"test_batch.bin": good}, "no file data_batch_1.bin in"},
		{"empty file", map[string][]byte{"data_batch_1.bin": {}}, "data_batch_1.bin has 0 bytes, want a multiple of 3073; unpack cifar-10-binary.tar.gz again"},
		{"cut", map[string][]byte{"data_batch_1.bin": good, "data_batch_3.bin": good[:3072]}, "data_batch_3.bin has 3072 bytes"},
		{"too long", map[string][]byte{"data_batch_1.bin": append([]byte{0}, good...)}, "data_batch_1.bin has 3074 bytes"},
		{"class", map[string][]byte{"data_batch_1.bin": append(good[:record:record], cifarImage(10, 0)...)}, "data_batch_1.bin: record 1 has class 10, want 0 to 9; unpack"},
		{"names", map[string][]byte{"data_batch_1.bin": good, "batches.meta.txt": []byte("cat\ndog\n")}, "batches.meta.txt names 2 classes, want 10"},
		{"endless name", map[string][]byte{"data_batch_1.bin": good, "batches.meta.txt": bytes.Repeat([]byte("x"), 1<<17)}, "batches.meta.txt: bufio.Scanner: token too long"},
		{"folder", map[string][]byte{"data_batch_1.bin/x": good}, "data_batch_1.bin is not a regular file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range c.files {
				write(t, filepath.Join(dir, name), content)
			}
			if c.name != "nothing" {
				writeBatches(t, dir, ".bin", good)
			}
			d, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Train, dataset.Options{})
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, dir)
			require.Nil(t, d)
		})
	}
	_, err := dataset.OpenCIFAR10(t.Context(), filepath.Join(t.TempDir(), "absent"), dataset.Train, dataset.Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestCIFAR10Incomplete names the files that are missing, unless the other version is
// whole.
func TestCIFAR10Incomplete(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"1", "2", "4"} {
		write(t, filepath.Join(dir, "data_batch_"+n+".bin"), cifarImage(1, 0))
	}
	_, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Train, dataset.Options{})
	require.EqualError(t, err, "dataset: CIFAR-10: "+dir+" lacks data_batch_3.bin, data_batch_5.bin; unpack cifar-10-binary.tar.gz again")
	write(t, filepath.Join(dir, "data_batch_1"), pickledBatch(cifarImage(2, 0)))
	_, err = dataset.OpenCIFAR10(t.Context(), dir, dataset.Train, dataset.Options{})
	require.ErrorContains(t, err, "lacks data_batch_3.bin, data_batch_5.bin; ")
	writeBatches(t, dir, "", pickledBatch(cifarImage(2, 0)))
	d, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Train, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, 2, load(t, d, 0).Label)
}

// TestCIFAR10Huge opens files that are larger than memory should be asked for;
// they are sparse and take no room on disk.
func TestCIFAR10Huge(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"data_batch_1.bin", "data_batch_2.bin"} {
		write(t, filepath.Join(dir, name), nil)
		require.NoError(t, os.Truncate(filepath.Join(dir, name), 200000*record))
	}
	writeBatches(t, dir, ".bin", cifarImage(1, 0))
	_, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Train, dataset.Options{})
	require.ErrorContains(t, err, "data_batch_2.bin the files have more than 1073741824 bytes")
}

// FuzzCIFAR10 checks that any file is either refused or read in full.
func FuzzCIFAR10(f *testing.F) {
	f.Add(cifarImage(9, 3))
	f.Add(append(cifarImage(0, 3), cifarImage(10, 3)...))
	f.Add([]byte{})
	f.Add(make([]byte, record-1))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "test_batch.bin"), b)
		d, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Test, dataset.Options{})
		if err != nil {
			return
		}
		require.Equal(t, len(b), d.Len()*record)
		for i := range d.Len() {
			img := load(t, d, i)
			require.Equal(t, int(b[i*record]), img.Label)
			require.Less(t, img.Label, 10)
			for p := range 1024 {
				for c := range 3 {
					require.Equal(t, b[i*record+1+1024*c+p], img.Pix[3*p+c])
				}
			}
		}
	})
}

func load(t testing.TB, d interface {
	Load(context.Context, int) (*pretext.Image, error)
}, i int) *pretext.Image {
	t.Helper()
	img, err := d.Load(context.Background(), i)
	require.NoError(t, err)
	return img
}

// testLoadErrors checks what every data set of n images must refuse.
func testLoadErrors(t *testing.T, d interface {
	Load(context.Context, int) (*pretext.Image, error)
}, n int) {
	t.Helper()
	for _, i := range []int{-1, n} {
		_, err := d.Load(context.Background(), i)
		require.ErrorContains(t, err, fmt.Sprintf("dataset: image %d, want 0 to %d", i, n-1))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := d.Load(ctx, 0)
	require.ErrorIs(t, err, context.Canceled)
}
