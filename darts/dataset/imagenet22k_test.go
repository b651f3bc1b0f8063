package dataset_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
)

// manyClasses writes images of three classes, each of its own grey, and returns
// their greys and labels in the order of the data set.
func manyClasses(t testing.TB, root string) (greys []uint8, labels []int) {
	t.Helper()
	tree(t, root, map[string][]byte{
		tench + "/" + tench + "_10.JPEG":      picture(t, 10, "jpeg"),
		tench + "/" + tench + "_007.JPEG":     picture(t, 20, "jpeg"),
		tench + "/" + tench + "_9.JPEG":       picture(t, 30, "jpeg"),
		goldfish + "/odd name.png":            picture(t, 40, "png"),
		goldfish + "/_8.JPEG":                 picture(t, 50, "jpeg"),
		goldfish + "/" + goldfish + "_8.JPEG": picture(t, 60, "jpeg"),
		goldfish + "/" + goldfish + "_8.jpg":  picture(t, 70, "jpeg"),
		goldfish + "/notes.txt":               nil,
		shark + "/" + tench + "_10.JPEG":      picture(t, 80, "jpeg"),
		"lists/" + tench + "_1.JPEG":          nil,
		"readme.txt":                          nil,
	})
	return []uint8{20, 10, 30, 50, 60, 70, 40, 80}, []int{0, 0, 0, 1, 1, 1, 1, 2}
}

func open22K(t testing.TB, root string, o dataset.Options) *dataset.ImageNet22K {
	t.Helper()
	d, err := dataset.OpenImageNet22K(context.Background(), root, o)
	require.NoError(t, err)
	return d
}

// requireImages checks greys and labels of all images, and that all were read.
func requireImages(t testing.TB, d *dataset.ImageNet22K, greys []uint8, labels []int) {
	t.Helper()
	require.Equal(t, len(greys), d.Len())
	for i := range greys {
		img := load(t, d, i)
		require.InDelta(t, greys[i], img.Pix[0], 1, "image %d", i)
		require.Equal(t, labels[i], img.Label, "image %d", i)
	}
	n, first := d.Unreadable()
	require.Zero(t, n)
	require.Empty(t, first)
}

func TestImageNet22K(t *testing.T) {
	root := filepath.Join(t.TempDir(), "odd [name]*")
	greys, labels := manyClasses(t, root)
	var calls [][2]int64
	o := dataset.Options{Progress: func(done, total int64) { calls = append(calls, [2]int64{done, total}) }}

	d := open22K(t, root, o)
	assert.Equal(t, []string{tench, goldfish, shark}, d.Classes())
	requireImages(t, d, greys, labels)
	require.NoError(t, d.RebuildReason())
	assert.Equal(t, [][2]int64{{1, 3}, {2, 3}, {3, 3}}, calls)
	testLoadErrors(t, d, len(greys))
	d.Classes()[0] = "changed"
	assert.Equal(t, tench, d.Classes()[0])

	calls = nil
	again := open22K(t, root, o)
	requireImages(t, again, greys, labels)
	require.NoError(t, again.RebuildReason())
	assert.Empty(t, calls, "the index serves")

	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	assert.Equal(t, []string{".imagenet22k-index", "lists", tench, goldfish, shark, "readme.txt"}, names, "nothing else was left")
}

// change adds a file to a class folder, and makes sure that the folder's time
// tells, however coarse clocks are.
func change(t testing.TB, path string, content []byte) {
	write(t, path, content)
	later := time.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(filepath.Dir(path), later, later))
}

func TestImageNet22KStaleIndex(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(root string)
		want   string
		images int
	}{
		{"image", func(root string) { change(t, filepath.Join(root, goldfish, "new.JPEG"), picture(t, 1, "jpeg")) }, "is stale: folder " + goldfish + " of ", 9},
		{"new class", func(root string) { write(t, filepath.Join(root, "n02000000", "1.JPEG"), picture(t, 1, "jpeg")) }, "is stale: it has 3 classes, ", 9},
		{"no class", func(root string) { require.NoError(t, os.RemoveAll(filepath.Join(root, tench))) }, "is stale: it has 3 classes, ", 5},
		{"other class", func(root string) {
			require.NoError(t, os.Rename(filepath.Join(root, shark), filepath.Join(root, "n01000000")))
		}, "is stale: its class 0 is " + tench + ", that of ", 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			manyClasses(t, root)
			open22K(t, root, dataset.Options{})
			c.change(root)
			d := open22K(t, root, dataset.Options{})
			require.ErrorContains(t, d.RebuildReason(), "dataset: ImageNet-22K: index "+filepath.Join(root, ".imagenet22k-index")+" "+c.want)
			assert.Equal(t, c.images, d.Len())
			require.NoError(t, open22K(t, root, dataset.Options{}).RebuildReason())
		})
	}
}

// TestImageNet22KDamagedIndex checks that damage is noticed, named and repaired.
func TestImageNet22KDamagedIndex(t *testing.T) {
	root := t.TempDir()
	greys, labels := manyClasses(t, root)
	o := dataset.Options{Index: filepath.Join(t.TempDir(), "names")}
	open22K(t, root, o)
	whole, err := os.ReadFile(o.Index)
	require.NoError(t, err)
	spoilt := bytes.Clone(whole)
	spoilt[len(spoilt)-3] ^= 1
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":  {nil, "0 bytes: EOF"},
		"cut":    {whole[:len(whole)-1], " bytes of names of 8 images do not fill "},
		"spoilt": {spoilt, "wrong checksum"},
	} {
		require.NoError(t, os.WriteFile(o.Index, c.file, 0o644))
		d := open22K(t, root, o)
		require.ErrorContains(t, d.RebuildReason(), "dataset: ImageNet-22K: index "+o.Index+" is damaged: ", name)
		require.ErrorContains(t, d.RebuildReason(), c.want)
		require.ErrorContains(t, d.RebuildReason(), "; it was rebuilt")
		requireImages(t, d, greys, labels)
		now, err := os.ReadFile(o.Index)
		require.NoError(t, err)
		require.Equal(t, whole, now)
	}

	// What does not begin as an index is replaced only where no one else would
	// put a file.
	require.NoError(t, os.WriteFile(o.Index, []byte("my list of images"), 0o644))
	_, err = dataset.OpenImageNet22K(t.Context(), root, o)
	require.ErrorContains(t, err, "index "+o.Index+": the file is not an index of ImageNet-22K; name another file for the index, or remove this one")
	kept, err := os.ReadFile(o.Index)
	require.NoError(t, err)
	require.Equal(t, "my list of images", string(kept))

	write(t, filepath.Join(root, ".imagenet22k-index"), []byte("zeros"))
	require.ErrorContains(t, open22K(t, root, dataset.Options{}).RebuildReason(), "the file is not an index of ImageNet-22K; it was rebuilt")
}

func TestImageNet22KErrors(t *testing.T) {
	good := picture(t, 1, "jpeg")
	for _, c := range []struct {
		name  string
		files map[string][]byte
		want  []string
	}{
		{"empty", nil, []string{"no class folder such as n01440764 in ", "; unpack the data set there; want\n", ": nothing"}},
		{"above", map[string][]byte{"fall11/" + tench + "/1.JPEG": good}, []string{"no class folder such as n01440764 in ", ": fall11"}},
		{"packed", map[string][]byte{tench + "/1.JPEG": good, shark + ".tar": nil}, []string{"are not unpacked: " + shark + ".tar; unpack each into a folder of its name; want\n"}},
		{"flat", map[string][]byte{tench + "_1.JPEG": good}, []string{"are not sorted into class folders: " + tench + "_1.JPEG"}},
		{"empty class", map[string][]byte{tench + "/1.JPEG": good, shark + "/1.txt": nil}, []string{"no images in class folder ", shark + "; unpack it again or remove it"}},
		{"line break", map[string][]byte{tench + "/1\n2.JPEG": good}, []string{`the name "1\n2.JPEG" in `, "has a line break or a backslash; rename or remove the file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			tree(t, root, c.files)
			d, err := dataset.OpenImageNet22K(t.Context(), root, dataset.Options{})
			require.Nil(t, d)
			for _, want := range append(c.want, "dataset: ", root) {
				require.ErrorContains(t, err, want)
			}
			require.NoFileExists(t, filepath.Join(root, ".imagenet22k-index"))
		})
	}
	t.Run("absent", func(t *testing.T) {
		_, err := dataset.OpenImageNet22K(t.Context(), filepath.Join(t.TempDir(), "absent"), dataset.Options{})
		require.ErrorIs(t, err, os.ErrNotExist)
	})

	root := t.TempDir()
	manyClasses(t, root)
	for name, c := range map[string]struct {
		index, want string
	}{
		"no folder":  {filepath.Join(root, "absent", "index"), "the index cannot be written: "},
		"a folder":   {filepath.Join(root, tench), tench + " is not a regular file; choose another file"},
		"in a file":  {filepath.Join(root, "readme.txt", "index"), "readme.txt"},
		"both given": {"x", "both a list " + filepath.Join(root, "readme.txt") + " and an index x; leave the index empty"},
	} {
		t.Run(name, func(t *testing.T) {
			o := dataset.Options{Index: c.index, Progress: func(_, _ int64) { t.Error("nothing should be listed") }}
			if name == "both given" {
				o.List = filepath.Join(root, "readme.txt")
			}
			_, err := dataset.OpenImageNet22K(t.Context(), root, o)
			require.ErrorContains(t, err, "dataset: ImageNet-22K: ")
			require.ErrorContains(t, err, c.want)
		})
	}
}

// TestImageNet22KCancelled stops the listing after the first class.
func TestImageNet22KCancelled(t *testing.T) {
	root := t.TempDir()
	manyClasses(t, root)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := dataset.OpenImageNet22K(ctx, root, dataset.Options{Progress: func(done, _ int64) {
		require.Equal(t, int64(1), done)
		cancel()
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "listing class "+goldfish)
	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	assert.Equal(t, "lists", entries[0].Name(), "neither an index nor a temporary file")
	_, err = dataset.OpenImageNet22K(ctx, root, dataset.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestImageNet22KList(t *testing.T) {
	root := t.TempDir()
	manyClasses(t, root)
	list := filepath.Join(t.TempDir(), "list.txt")
	o := dataset.Options{List: list}
	write(t, list, []byte("\ufeff"+strings.Join([]string{
		shark + "/" + tench + "_10.JPEG", "", tench + "_9", "  " + tench + "_10.JPEG\r", goldfish + "/odd name.png", tench + "/" + tench + "_007",
	}, "\n")))
	d := open22K(t, root, o)
	requireImages(t, d, []uint8{20, 10, 30, 40, 80}, []int{0, 0, 0, 1, 2})
	assert.NoFileExists(t, filepath.Join(root, ".imagenet22k-index"))

	write(t, list, []byte(goldfish+"_8.jpg"))
	d = open22K(t, root, o)
	requireImages(t, d, []uint8{70}, []int{1})
	assert.Len(t, d.Classes(), 3, "labels mean the same for every list")
}

func TestImageNet22KListErrors(t *testing.T) {
	root := t.TempDir()
	manyClasses(t, root)
	list := filepath.Join(t.TempDir(), "list.txt")
	for name, c := range map[string]struct {
		content, want string
	}{
		"empty":       {"\n \n", "has no images; omit it for all images"},
		"class":       {tench + "_1\nn00000001_1\n", `line 2: "n00000001_1" is not an image in a class folder of ` + root},
		"no class":    {"1.JPEG", `line 1: "1.JPEG" is not an image`},
		"folder":      {tench + "/", "is not an image"},
		"deeper":      {tench + "/a/b.JPEG", "is not an image"},
		"elsewhere":   {tench + "/../../secret.png", "is not an image"},
		"absolute":    {"/" + tench + "/1.JPEG", "is not an image"},
		"twice":       {tench + "_1.JPEG\n" + shark + "_1\n" + tench + "/" + tench + "_1\n", "names image " + tench + "_1.JPEG of class " + tench + " twice; remove one of the lines"},
		"endless":     {strings.Repeat("x", 1<<17), "token too long"},
		"binary file": {"\x00\x01\n", `line 1: "\x00\x01" is not an image`},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, list, []byte(c.content))
			d, err := dataset.OpenImageNet22K(t.Context(), root, dataset.Options{List: list})
			require.Nil(t, d)
			require.ErrorContains(t, err, "dataset: ImageNet-22K: list "+list)
			require.ErrorContains(t, err, c.want)
		})
	}
	_, err := dataset.OpenImageNet22K(t.Context(), root, dataset.Options{List: root})
	require.ErrorContains(t, err, "list: "+root+" is not a regular file")
	_, err = dataset.OpenImageNet22K(t.Context(), root, dataset.Options{List: filepath.Join(root, "absent")})
	require.ErrorIs(t, err, os.ErrNotExist)
}

// FuzzImageNet22KList checks that any list is either refused or gives images
// that stay in their folders.
func FuzzImageNet22KList(f *testing.F) {
	root := f.TempDir()
	manyClasses(f, root)
	f.Add([]byte(tench + "_9\n" + shark + "/x.png\n"))
	f.Add([]byte(tench + "/../" + shark + "/1\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		list := filepath.Join(t.TempDir(), "list")
		write(t, list, b)
		d, err := dataset.OpenImageNet22K(t.Context(), root, dataset.Options{List: list})
		if err != nil {
			require.ErrorContains(t, err, "dataset: ImageNet-22K: list "+list)
			return
		}
		require.Positive(t, d.Len())
		require.LessOrEqual(t, d.Len(), bytes.Count(b, []byte("\n"))+1)
	})
}

// damaged writes a class of 40 images, every fourth of which is spoilt, and
// returns the paths of those.
func damaged(t testing.TB, root string) (paths []string) {
	for i := range 40 {
		path := filepath.Join(root, tench, tench+"_"+string([]byte{'1', byte('0' + i/10), byte('0' + i%10)})+".JPEG")
		content := picture(t, uint8(100+i), "jpeg")
		if i%4 == 1 {
			content = content[:len(content)/2]
			paths = append(paths, path)
		}
		write(t, path, content)
	}
	return paths
}

func TestImageNet22KReplaces(t *testing.T) {
	root := t.TempDir()
	spoilt := damaged(t, root)
	write(t, filepath.Join(root, goldfish, "1.JPEG"), picture(t, 6, "jpeg"))
	o := dataset.Options{Seed: 3}
	d := open22K(t, root, o)
	others := map[uint8]bool{}
	for i := range d.Len() {
		img := load(t, d, i)
		if i < 40 && i%4 == 1 {
			others[img.Pix[0]] = true
			require.NotEqual(t, 1, int(img.Pix[0])%4, "an image that can be read")
			require.Equal(t, img.Pix[0] == 6, img.Label == 1, "the label is that of the image shown")
		} else if i < 40 {
			require.Equal(t, uint8(100+i), img.Pix[0])
		}
	}
	require.Greater(t, len(others), 3, "not always the same one")
	n, first := d.Unreadable()
	assert.Equal(t, len(spoilt), n)
	assert.Equal(t, spoilt, first)

	// In another order, at once, and in an instance of its own it is the same.
	again, seeded := open22K(t, root, o), open22K(t, root, dataset.Options{Seed: 4})
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := d.Len() - 1 - w; i >= 0; i -= 4 {
				want, err := d.Load(context.Background(), i)
				assert.NoError(t, err)
				got, err := again.Load(context.Background(), i)
				assert.NoError(t, err)
				assert.Equal(t, want, got, "image %d", i)
				again.Unreadable()
			}
		})
	}
	all.Wait()
	n, first = again.Unreadable()
	assert.Equal(t, len(spoilt), n, "each counts once")
	assert.Equal(t, spoilt, first)

	differ := false
	for i := 1; i < 40; i += 4 {
		differ = differ || load(t, d, i).Pix[0] != load(t, seeded, i).Pix[0]
	}
	assert.True(t, differ, "the seed matters")
}

// TestImageNet22KUnreadable loads a data set none of whose files can be read.
func TestImageNet22KUnreadable(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c"} {
		write(t, filepath.Join(root, tench, name+".JPEG"), []byte("<html>"))
	}
	d := open22K(t, root, dataset.Options{})
	img, err := d.Load(t.Context(), 4)
	require.Nil(t, img)
	require.ErrorContains(t, err, "dataset: ImageNet-22K: neither image 4 nor 100 replacements can be decoded; check the files in "+root+":")
	require.ErrorContains(t, err, filepath.Join(root, tench, "5.JPEG")+": pretext: not a JPEG or PNG image")
	for i := range d.Len() {
		_, err := d.Load(t.Context(), i)
		require.Error(t, err)
	}
	n, first := d.Unreadable()
	assert.Equal(t, 12, n)
	require.Len(t, first, 10)
	assert.Equal(t, filepath.Join(root, tench, "1.JPEG"), first[0])
	assert.Equal(t, filepath.Join(root, tench, "a.JPEG"), first[9])
}

// TestImageNet22KReadErrors replaces no image because its file is away for a moment:
// an equal seed would not mean equal images any more.
func TestImageNet22KReadErrors(t *testing.T) {
	root := t.TempDir()
	spoilt := damaged(t, root)
	o := dataset.Options{Seed: 3}
	d := open22K(t, root, o)
	path := filepath.Join(root, tench, tench+"_100.JPEG")
	require.NoError(t, os.Rename(path, path+".away"))
	img, err := d.Load(t.Context(), 0)
	require.Nil(t, img)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "dataset: ImageNet-22K: ")
	n, _ := d.Unreadable()
	assert.Zero(t, n)
	require.NoError(t, os.Rename(path+".away", path))
	assert.Equal(t, uint8(100), load(t, d, 0).Pix[0])

	// Nor is a replacement replaced.
	files, err := os.ReadDir(filepath.Join(root, tench))
	require.NoError(t, err)
	for _, f := range files {
		if name := filepath.Join(root, tench, f.Name()); name != spoilt[0] {
			require.NoError(t, os.Remove(name))
		}
	}
	_, err = d.Load(t.Context(), 1)
	require.ErrorIs(t, err, os.ErrNotExist)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = d.Load(ctx, 1)
	require.ErrorIs(t, err, context.Canceled)
}

// TestImageNet22KReadOnly keeps the index in the user's cache folder where none can be
// beside the data, and does without one where no place is left.
func TestImageNet22KReadOnly(t *testing.T) {
	root, cache := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	greys, labels := manyClasses(t, root)
	require.NoError(t, os.Mkdir(filepath.Join(root, ".imagenet22k-index"), 0o755)) // in the way
	open22K(t, root, dataset.Options{})
	d := open22K(t, root, dataset.Options{Progress: func(_, _ int64) { t.Error("the index of the cache folder serves") }})
	require.NoError(t, d.RebuildReason())
	requireImages(t, d, greys, labels)

	nowhere := filepath.Join(t.TempDir(), "file")
	write(t, nowhere, nil)
	t.Setenv("XDG_CACHE_HOME", nowhere)
	t.Setenv("HOME", nowhere)
	d = open22K(t, root, dataset.Options{})
	require.ErrorContains(t, d.RebuildReason(), "dataset: ImageNet-22K: the index cannot be written, so it is rebuilt each time: ")
	requireImages(t, d, greys, labels)
}
