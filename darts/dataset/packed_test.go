package dataset_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
	"unnas/internal/atomicfile"
	"unnas/internal/filelock"
	"unnas/pretext"
)

var update = flag.Bool("update", false, "write the golden files anew")

// album is a data set of images of different sizes, every other one with a mask.
type album struct{ drawn }

func newAlbum(n int) album {
	var a album
	for i := range n {
		img := draw(n, 7+i, 5+2*i)[i]
		img.Label = i%3 - 1
		if i%2 == 1 {
			img.Mask = nil
		}
		a.drawn = append(a.drawn, img)
	}
	return a
}

func (album) Classes() []string   { return []string{"cat", "dög"} }
func (album) Decoder() string     { return "mine 1.2" }
func (album) Fingerprint() string { return "album" }

// three are options for three images in a shard.
var three = dataset.PackOptions{Name: "pets", ShardImages: 3, Workers: 2}

// packs packs into a new folder.
func packs(t testing.TB, src pretext.Source, o dataset.PackOptions) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "odd [name]*", "packed")
	require.NoError(t, dataset.Pack(t.Context(), src, dir, o))
	return dir
}

// opens opens what was packed.
func opens(t testing.TB, dir string) *dataset.Packed {
	t.Helper()
	d, err := dataset.OpenPacked(t.Context(), dir, dataset.All, dataset.Options{})
	require.NoError(t, err)
	return d
}

// contents returns the files of a folder.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	files := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		files[e.Name()] = string(b)
	}
	return files
}

func TestPacked(t *testing.T) {
	images := newAlbum(7)
	dir := packs(t, images, three)
	d := opens(t, dir)
	require.Equal(t, 7, d.Len())
	assert.Equal(t, []string{"cat", "dög"}, d.Classes())
	assert.Equal(t, "packed, original size, mine 1.2", d.Decoder())
	assert.Equal(t, "album", d.Original())
	assert.False(t, d.DecodesImages())
	for i, want := range images.drawn {
		require.Equal(t, want, load(t, d, i), "image %d", i)
	}
	testLoadErrors(t, d, 7)

	name, packed, err := dataset.PackedName(dir)
	require.NoError(t, err)
	assert.True(t, packed)
	assert.Equal(t, "pets", name)

	bare, err := dataset.OpenPacked(t.Context(), dir, dataset.All, dataset.Options{NoMasks: true})
	require.NoError(t, err)
	img := load(t, bare, 2)
	assert.Nil(t, img.Mask)
	assert.Equal(t, images.drawn[2].Pix, img.Pix)

	// The fingerprint is that of the images, however they lie in shards.
	four := three
	four.ShardImages, four.Name = 4, ""
	assert.Equal(t, d.Fingerprint(), opens(t, packs(t, images, four)).Fingerprint())
	assert.NotEqual(t, d.Fingerprint(), bare.Fingerprint())
	images.drawn[6].Pix[3]++
	assert.NotEqual(t, d.Fingerprint(), opens(t, packs(t, images, three)).Fingerprint())
}

func TestPackedSize(t *testing.T) {
	images := newAlbum(4) // of 7×5, 8×7, 9×9 and 10×11 pixels
	o := three
	o.Size = 7
	d := opens(t, packs(t, images, o))
	assert.Equal(t, "packed, shorter side 7, mine 1.2", d.Decoder())
	var sizes [][2]int
	for i := range 4 {
		img := load(t, d, i)
		sizes = append(sizes, [2]int{img.Width, img.Height})
		if i < 2 {
			assert.Equal(t, images.drawn[i], img, "no image is enlarged")
		}
	}
	assert.Equal(t, [][2]int{{7, 5}, {8, 7}, {7, 7}, {7, 8}}, sizes)
}

// TestPackedSplits opens splits, and says which there are.
func TestPackedSplits(t *testing.T) {
	dir := t.TempDir()
	_, packed, err := dataset.PackedName(dir)
	require.NoError(t, err)
	assert.False(t, packed)
	require.NoError(t, dataset.Pack(t.Context(), newAlbum(5), filepath.Join(dir, "train"), three))
	require.NoError(t, dataset.Pack(t.Context(), newAlbum(2), filepath.Join(dir, "test"), three))
	for split, n := range map[dataset.Split]int{dataset.Train: 5, dataset.Test: 2, dataset.Val: 0} {
		has, err := dataset.HasSplit(dir, split)
		require.NoError(t, err)
		assert.Equal(t, n > 0, has)
		d, err := dataset.OpenPacked(t.Context(), dir, split, dataset.Options{})
		if n > 0 {
			require.NoError(t, err)
			assert.Equal(t, n, d.Len())
		} else {
			assert.ErrorContains(t, err, `it has split "train", split "test"`)
		}
	}
	src, err := dataset.OpenTrain(t.Context(), dir, dataset.Options{Decoder: white()})
	require.NoError(t, err)
	assert.Equal(t, 5, src.Len())
	src, err = dataset.OpenTrain(t.Context(), filepath.Join(dir, "test"), dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, 2, src.Len())
	name, packed, err := dataset.PackedName(dir)
	require.NoError(t, err)
	assert.True(t, packed)
	assert.Equal(t, "pets", name)
	_, err = dataset.OpenPacked(t.Context(), t.TempDir(), dataset.All, dataset.Options{})
	assert.ErrorContains(t, err, "it has none in its folders either")
}

// TestPackWorkers packs the same bytes with any number of workers.
func TestPackWorkers(t *testing.T) {
	images := newAlbum(11)
	o := three
	o.Size = 6
	want := contents(t, packs(t, images, o))
	require.Len(t, want, 5)
	for _, o.Workers = range []int{0, 1, 3, 16} {
		var done, total int64
		o.Progress = func(d, n int64) {
			assert.Equal(t, done+1, d)
			done, total = d, n
		}
		require.Equal(t, want, contents(t, packs(t, images, o)), "%d workers", o.Workers)
		assert.Equal(t, [2]int64{11, 11}, [2]int64{done, total})
	}
}

// TestPackedGolden compares a packed data set with files that were kept.
func TestPackedGolden(t *testing.T) {
	const golden = "testdata/packed"
	dir := packs(t, newAlbum(4), three)
	if *update {
		require.NoError(t, os.RemoveAll(golden))
		require.NoError(t, os.CopyFS(golden, os.DirFS(dir)))
	}
	assert.Equal(t, contents(t, golden), contents(t, dir), "-update writes them anew; so does a new version of the format")
	assert.Equal(t, newAlbum(4).drawn[2], load(t, opens(t, golden), 2))
}

// TestPackResumes keeps complete shards and makes missing and damaged ones anew.
func TestPackResumes(t *testing.T) {
	images := newAlbum(11)
	dir := packs(t, images, three)
	want := contents(t, dir)
	shard := func(i int) string { return filepath.Join(dir, fmt.Sprintf("%06d.shard", i)) }
	require.NoError(t, os.Remove(shard(1)))
	require.NoError(t, os.WriteFile(shard(3), []byte(want["000003.shard"][:100]), 0o644))
	write(t, filepath.Join(dir, ".000001.shard.0123456789abcdef.tmp"), []byte("left"))
	kept, err := os.Stat(shard(2))
	require.NoError(t, err)

	var loads atomic.Int32
	o := three
	var first int64
	o.Progress = func(done, _ int64) {
		if first == 0 {
			first = done
		}
	}
	require.NoError(t, dataset.Pack(t.Context(), counted{images, &loads}, dir, o))
	assert.Equal(t, want, contents(t, dir))
	assert.EqualValues(t, 3+2, loads.Load())
	assert.EqualValues(t, 3, first)
	same, err := os.Stat(shard(2))
	require.NoError(t, err)
	assert.True(t, os.SameFile(kept, same))
}

// counted counts loads.
type counted struct {
	album
	loads *atomic.Int32
}

func (c counted) Load(ctx context.Context, i int) (*pretext.Image, error) {
	c.loads.Add(1)
	return c.album.Load(ctx, i)
}

// TestPackFaults fails each operation on the disk in turn. The next call completes the
// data set.
func TestPackFaults(t *testing.T) {
	t.Cleanup(func() { atomicfile.Fault = nil })
	images := newAlbum(5)
	want := contents(t, packs(t, images, three))
	full := errors.New("no space left")
	for _, operation := range []string{"create", "write", "sync", "rename"} {
		for fails := 1; ; fails++ {
			dir := filepath.Join(t.TempDir(), "packed")
			n := 0
			atomicfile.Fault = func(what, _ string) error {
				if what == operation {
					if n++; n == fails {
						return full
					}
				}
				return nil
			}
			err := dataset.Pack(t.Context(), images, dir, three)
			atomicfile.Fault = nil
			if n < fails {
				require.NoError(t, err)
				require.Greater(t, fails, 3, "%s is of each file", operation)
				break
			}
			require.ErrorIs(t, err, full, "%s %d", operation, fails)
			require.ErrorContains(t, err, dir)
			_, err = dataset.OpenPacked(t.Context(), dir, dataset.All, dataset.Options{})
			if err != nil { // else all was written but not known to be on the disk
				require.ErrorContains(t, err, dir)
			}
			require.NoError(t, dataset.Pack(t.Context(), images, dir, three))
			require.Equal(t, want, contents(t, dir))
		}
	}
}

// faulty fails to load some images.
type faulty struct {
	album
	bad map[int]error
}

func (f faulty) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if err := f.bad[i]; err != nil {
		return nil, err
	}
	return f.album.Load(ctx, i)
}

// TestPackErrors reports the first image that cannot be loaded, whichever worker has it.
func TestPackErrors(t *testing.T) {
	fifth, ninth := errors.New("fifth"), errors.New("ninth")
	for _, workers := range []int{1, 8} {
		o := three
		o.Workers = workers
		dir := t.TempDir()
		err := dataset.Pack(t.Context(), faulty{newAlbum(11), map[int]error{5: fifth, 9: ninth}}, dir, o)
		assert.EqualError(t, err, "dataset: packing into "+dir+": fifth")
		assert.Len(t, contents(t, dir), 2, "the first shard is kept")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	assert.ErrorIs(t, dataset.Pack(ended, newAlbum(5), t.TempDir(), three), context.Canceled)

	for name, c := range map[string]struct {
		change func(*pretext.Image, *dataset.PackOptions)
		want   string
	}{
		"pixels":  {func(m *pretext.Image, _ *dataset.PackOptions) { m.Width++ }, "image 1 of 9 by 7 pixels has 168 bytes, a mask of 0 and label 0"},
		"mask":    {func(m *pretext.Image, _ *dataset.PackOptions) { m.Mask = []uint8{1} }, "a mask of 1"},
		"label":   {func(m *pretext.Image, _ *dataset.PackOptions) { m.Label = 2 }, "image 1: label 2 of 2 classes"},
		"label 3": {func(m *pretext.Image, _ *dataset.PackOptions) { m.Label = -2 }, "label -2"},
		"label 2": {func(m *pretext.Image, _ *dataset.PackOptions) { m.Label = 1 << 40 }, "label 1099511627776"},
		"size":    {func(_ *pretext.Image, o *dataset.PackOptions) { o.Size = -1 }, "size -1, want 0 to 65536"},
		"shards":  {func(_ *pretext.Image, o *dataset.PackOptions) { o.ShardImages = -1 }, "-1 images in a shard"},
		"workers": {func(_ *pretext.Image, o *dataset.PackOptions) { o.Workers = -1 }, "-1 workers, want 0 or more"},
	} {
		images, o := newAlbum(3), three
		c.change(images.drawn[1], &o)
		assert.ErrorContains(t, dataset.Pack(t.Context(), images, filepath.Join(t.TempDir(), "x"), o), c.want, name)
	}
	assert.ErrorContains(t, dataset.Pack(t.Context(), newAlbum(0), t.TempDir(), three), "0 images")
}

// TestPackRefuses refuses folders of something else.
func TestPackRefuses(t *testing.T) {
	photos := t.TempDir()
	write(t, filepath.Join(photos, "1.png"), picture(t, 1, "png"))
	assert.ErrorContains(t, dataset.Pack(t.Context(), newAlbum(3), photos, three), "holds 1.png, which does not belong to a packed data set; choose a new or an empty folder")
	assert.Len(t, contents(t, photos), 1)

	dir := packs(t, newAlbum(3), three)
	want := contents(t, dir)
	o := three
	o.Size = 4
	err := dataset.Pack(t.Context(), newAlbum(3), dir, o)
	assert.EqualError(t, err, "dataset: packing into "+dir+`: the folder holds another packed data set (size "0" → "4"); choose another folder, or remove that one`)
	err = dataset.Pack(t.Context(), classed{greys{1, 2}}, dir, dataset.PackOptions{})
	assert.ErrorContains(t, err, `(name "pets" → "", images "3" → "2", images in a shard "3" → "1024", fingerprint "album" → "greys", classes "[cat dög]" → "[dark bright]")`)
	assert.Equal(t, want, contents(t, dir))

	write(t, filepath.Join(dir, "packed.json"), []byte("{"))
	assert.ErrorContains(t, dataset.Pack(t.Context(), newAlbum(3), dir, three), "packed.json: unexpected end of JSON input; pack the data set anew")

	dir = packs(t, newAlbum(3), three)
	held, err := os.OpenFile(filepath.Join(dir, "packed.json"), os.O_RDWR, 0)
	require.NoError(t, err)
	require.NoError(t, filelock.Lock(held))
	assert.ErrorContains(t, dataset.Pack(t.Context(), newAlbum(3), dir, three), "another process packs into the folder")
	require.NoError(t, held.Close())
	require.NoError(t, dataset.Pack(t.Context(), newAlbum(3), dir, three))

	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	assert.Error(t, dataset.Pack(t.Context(), newAlbum(3), file, three))
}

// TestPackedDamage finds every damaged byte, and every end that is missing.
func TestPackedDamage(t *testing.T) {
	dir := packs(t, newAlbum(4), three)
	try := func() error {
		d, err := dataset.OpenPacked(t.Context(), dir, dataset.All, dataset.Options{})
		if err != nil {
			return err
		}
		var errs []error
		for i := range d.Len() {
			_, err := d.Load(t.Context(), i)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	require.NoError(t, try())
	for name, whole := range contents(t, dir) {
		path := filepath.Join(dir, name)
		for i := range whole {
			damaged := []byte(whole)
			damaged[i] ^= 4
			write(t, path, damaged)
			require.ErrorContains(t, try(), dir, "byte %d of %s", i, name)
			write(t, path, []byte(whole[:i]))
			require.ErrorContains(t, try(), dir, "%d bytes of %s", i, name)
		}
		if name != "packed.json" {
			for _, more := range []string{whole + "x", whole[:32] + "x" + whole[32:]} {
				write(t, path, []byte(more))
				_, err := dataset.OpenPacked(t.Context(), dir, dataset.All, dataset.Options{})
				require.ErrorContains(t, err, path+" is damaged: ")
			}
			require.NoError(t, os.Remove(path))
			require.ErrorContains(t, try(), "pack the data set again, which keeps the shards that are there")
		}
		write(t, path, []byte(whole))
	}
	require.NoError(t, try())

	// A file that shrinks once it is open, and one of another data set.
	d := opens(t, dir)
	shard := filepath.Join(dir, "000001.shard")
	require.NoError(t, os.Truncate(shard, 40))
	_, err := d.Load(t.Context(), 3)
	assert.ErrorContains(t, err, "dataset: "+shard+": image 3: EOF; remove it and pack the data set again")
	require.NoError(t, os.Remove(shard))
	_, err = d.Load(t.Context(), 3)
	assert.ErrorIs(t, err, os.ErrNotExist)
	o := three
	o.Name = "others"
	write(t, shard, []byte(contents(t, packs(t, newAlbum(4), o))["000001.shard"]))
	assert.ErrorContains(t, try(), "it is not a shard of the packed.json beside it")
}

// TestPackedFile refuses what packed.json cannot say.
func TestPackedFile(t *testing.T) {
	dir := packs(t, newAlbum(4), three)
	path := filepath.Join(dir, "packed.json")
	text := contents(t, dir)["packed.json"]
	for change, want := range map[string]string{
		`"version": 1>"version": 2`:              "version 2, want 1; pack the data set anew, or use the release that packed it",
		`"images": 4>"images": 0`:                "0 images, want 1 to",
		`"images": 4>"images": 99999999999`:      "images, want 1 to",
		`"images": 4>"images": 2147483647`:       "000001.shard is damaged",
		`"shard_images": 3>"shard_images": 0`:    "0 images in a shard, want 1 to 1048576",
		`"shard_images": 3>"shard_images": 1e20`: "cannot unmarshal",
		`"size": 0>"size": -1`:                   "size -1, want 0 to 65536",
		`"name">"Name of it"`:                    "unknown field",
	} {
		before, after, _ := strings.Cut(change, ">")
		require.Contains(t, text, before)
		write(t, path, []byte(strings.Replace(text, before, after, 1)))
		_, err := dataset.OpenPacked(t.Context(), dir, dataset.All, dataset.Options{})
		if assert.Error(t, err, change) && !strings.Contains(want, "shard is damaged") {
			assert.ErrorContains(t, err, want)
			assert.ErrorContains(t, err, path)
		}
	}
	require.NoError(t, os.Truncate(path, 1<<26+1))
	_, err := dataset.OpenPacked(t.Context(), dir, dataset.All, dataset.Options{})
	assert.ErrorContains(t, err, "67108865 bytes, want at most 67108864")
	_, packed, err := dataset.PackedName(dir)
	assert.True(t, packed)
	assert.Error(t, err)
}

// FuzzPacked opens any shard beside any packed.json: that is refused, or all images load
// or are damaged.
func FuzzPacked(f *testing.F) {
	files := contents(f, "testdata/packed")
	f.Add([]byte(files["packed.json"]), []byte(files["000000.shard"]), []byte(files["000001.shard"]))
	f.Add([]byte(`{"version":1,"images":2147483647,"shard_images":1048576}`), bytes.Repeat([]byte{0}, 99), []byte{})
	root := f.TempDir()
	f.Fuzz(func(t *testing.T, text, first, second []byte) {
		write(t, filepath.Join(root, "packed.json"), text)
		write(t, filepath.Join(root, "000000.shard"), first)
		write(t, filepath.Join(root, "000001.shard"), second)
		d, err := dataset.OpenPacked(t.Context(), root, dataset.All, dataset.Options{})
		if err != nil {
			require.Nil(t, d)
			return
		}
		for i := range d.Len() {
			if img, err := d.Load(t.Context(), i); err == nil {
				require.Len(t, img.Pix, 3*img.Width*img.Height)
			}
		}
	})
}

// FuzzShard opens a shard of any images with sizes, labels and checksums that fit its head.
func FuzzShard(f *testing.F) {
	dir := packs(f, newAlbum(2), three)
	path := filepath.Join(dir, "000000.shard")
	whole := []byte(contents(f, dir)["000000.shard"])
	const head = 32
	f.Add(whole[head : len(whole)-4])
	f.Add(binary.LittleEndian.AppendUint64(make([]byte, 48), 1<<63))
	f.Fuzz(func(t *testing.T, body []byte) {
		write(t, path, dataset.SealShard(append(bytes.Clone(whole[:head]), body...), 2))
		d, err := dataset.OpenPacked(t.Context(), dir, dataset.All, dataset.Options{})
		if err != nil {
			return
		}
		for i := range d.Len() {
			if img, err := d.Load(t.Context(), i); err == nil {
				require.Len(t, img.Pix, 3*img.Width*img.Height)
				require.Less(t, img.Label, 2)
			}
		}
	})
}
