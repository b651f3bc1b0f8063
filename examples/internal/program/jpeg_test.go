package program_test

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
	"unnas/examples/internal/program"
	"unnas/pretext"
	"unnas/pretext/turbojpeg"
)

// inGo returns the name of image/jpeg.
func inGo() string { return (*pretext.Decoder)(nil).String() }

// turbo returns libjpeg-turbo, or skips the test.
func turbo(t *testing.T) *pretext.Decoder {
	d, err := turbojpeg.Decoder()
	if err != nil {
		t.Skip(err)
	}
	return d
}

func TestJPEG(t *testing.T) {
	inGo, inTurbo := inGo(), turbo(t).String()
	for _, test := range []struct {
		j              program.JPEG
		recorded, want string
	}{
		{"", "", inTurbo},
		{program.AutoJPEG, "", inTurbo},
		{program.AutoJPEG, inTurbo, inTurbo},
		{program.AutoJPEG, inGo, inGo},
		{program.GoJPEG, "", inGo},
		{program.GoJPEG, inGo, inGo},
		{program.TurboJPEG, "", inTurbo},
		{program.TurboJPEG, inTurbo, inTurbo},
	} {
		d, err := test.j.Decoder(test.recorded)
		require.NoError(t, err, "%v", test)
		assert.Equal(t, test.want, d.String(), "%v", test)
	}
	for _, test := range []struct {
		j        program.JPEG
		recorded string
		want     []string
	}{
		{program.AutoJPEG, "image/jpeg go1.1", []string{inTurbo, inGo}},
		{program.GoJPEG, inTurbo, []string{inGo, "give -jpeg auto"}},
		{program.TurboJPEG, inGo, []string{inTurbo, "give -jpeg auto"}},
	} {
		_, err := test.j.Decoder(test.recorded)
		for _, want := range append(test.want, "the run began with "+test.recorded) {
			assert.ErrorContains(t, err, want)
		}
	}
}

func TestJPEGFlag(t *testing.T) {
	f := program.NewFlags("sample", "Samples.\n")
	f.AddJPEG()
	require.NoError(t, f.Parse(nil, nil))
	assert.Equal(t, program.AutoJPEG, f.JPEG)
	require.NoError(t, f.Parse([]string{"-jpeg", "go"}, nil))
	assert.Equal(t, program.GoJPEG, f.JPEG)
	assert.ErrorContains(t, f.Parse([]string{"-jpeg", "fast"}, nil), "give auto, go or turbo")
	for _, number := range []string{"x", "-1", "1.5"} {
		assert.ErrorContains(t, f.Parse([]string{"-seed", number}, nil), `"`+number+`" for flag -seed: give a whole number; see -help`)
	}
}

// photographs makes a folder of JPEG files.
func photographs(t *testing.T) string {
	dir := t.TempDir()
	for i := range 8 {
		img := image.NewGray(image.Rect(0, 0, 40, 30))
		for p := range img.Pix {
			img.Pix[p] = uint8(p * (i + 3) / 7)
		}
		var b bytes.Buffer
		require.NoError(t, jpeg.Encode(&b, img, nil))
		require.NoError(t, os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".jpg"), b.Bytes(), 0o644))
	}
	return dir
}

// stopping are images that end a run when a number of them was loaded.
type stopping struct {
	program.Labelled
	left atomic.Int64
	stop func()
}

// stopAfter returns images that end a run so.
func stopAfter(src program.Labelled, loads int64, stop func()) *stopping {
	s := &stopping{Labelled: src, stop: stop}
	s.left.Store(loads)
	return s
}

func (s *stopping) Decoder() string { return dataset.Wrapper{Source: s.Labelled}.Decoder() }

func (s *stopping) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if s.left.Add(-1) == 0 {
		s.stop()
	}
	return s.Labelled.Load(ctx, i)
}

// searchOf returns a search of a second in a folder.
func searchOf(t *testing.T, dir string, more ...string) *program.Published {
	t.Helper()
	p := published()
	p.AddJPEG()
	require.NoError(t, p.Parse(append([]string{"-data", "d", "-batch", "1", "-epochs", "2", "-workers", "1", "-out", dir}, more...), nil))
	p.Task = pretext.Rotation{View: pretext.ImageNet(32)}
	p.Config.Space.Body.Width, p.Config.Space.Body.Cells, p.Config.Space.Body.Reductions = 2, 3, []int{1, 2}
	return p
}

// TestRunKeepsItsDecoder resumes with the decoder that a run began with, though auto
// would choose the other.
func TestRunKeepsItsDecoder(t *testing.T) {
	inGo, inTurbo := inGo(), turbo(t).String()
	data := photographs(t)
	dir := filepath.Join(t.TempDir(), "run")
	images := func(p *program.Published) (*dataset.Folder, error) {
		decoder, err := p.Decoder()
		if err != nil {
			return nil, err
		}
		return dataset.OpenFolder(t.Context(), data, dataset.All, dataset.Options{Decoder: decoder})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	p := searchOf(t, dir, "-jpeg", "go")
	src, err := images(p)
	require.NoError(t, err)
	require.ErrorIs(t, p.Search(ctx, stopAfter(src, 12, cancel), &out), context.Canceled)
	assert.NotContains(t, out.String(), inTurbo)
	_, err = images(searchOf(t, dir, "-resume", "-jpeg", "turbo"))
	assert.ErrorContains(t, err, "the run began with "+inGo)
	p = searchOf(t, dir, "-resume")
	src, err = images(p)
	require.NoError(t, err)
	require.NoError(t, p.Search(t.Context(), src, &out))
	assert.NotContains(t, out.String(), inTurbo)

	out.Reset()
	p = searchOf(t, dir+"2")
	src, err = images(p)
	require.NoError(t, err)
	require.NoError(t, p.Search(t.Context(), src, &out))
	assert.Contains(t, out.String(), "JPEG files are decoded by "+inTurbo+"\n")
}

// TestQuiet prints the cells that were found, their size and where they are, and
// keeps what the run would have said.
func TestQuiet(t *testing.T) {
	src, err := dataset.OpenFolder(context.Background(), photographs(t), dataset.All, dataset.Options{})
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "run")
	var out bytes.Buffer
	require.NoError(t, searchOf(t, dir, "-quiet").Search(t.Context(), src, &out))
	assert.True(t, strings.HasPrefix(out.String(), "normal: "), out.String())
	assert.Contains(t, out.String(), "\nSee "+dir)
	for _, not := range []string{"epoch", "decoded", "published", "done"} {
		assert.NotContains(t, out.String(), not)
	}
	assert.Equal(t, 1, strings.Count(out.String(), "normal: "))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out.Reset()
	require.ErrorIs(t, searchOf(t, dir+"2", "-quiet").Search(ctx, stopAfter(src, 12, cancel), &out), context.Canceled)
	assert.True(t, strings.HasPrefix(out.String(), "stopped after "), out.String())
	assert.Contains(t, out.String(), "-out "+dir+"2 -resume")
}

func TestQuietError(t *testing.T) {
	var out bytes.Buffer
	err := searchOf(t, filepath.Join(t.TempDir(), "run"), "-quiet").Search(t.Context(), missing{}, &out)
	assert.ErrorContains(t, err, "the image is missing")
	assert.Empty(t, out.String())
}
