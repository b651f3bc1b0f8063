package session_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset/scenes"
	"unnas/examples/unnas/internal/session"
	"unnas/pretext"
	"unnas/pretext/turbojpeg"
)

func TestRunDir(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, want := range []string{"runs/sample-1", "runs/sample-2"} {
		d, err := session.Options{}.RunDir("sample")
		require.NoError(t, err)
		assert.Equal(t, filepath.FromSlash(want), d.Path())
		require.NoError(t, d.Close())
	}
	_, err := session.Options{Out: "runs/other", Resume: true}.RunDir("sample")
	require.ErrorContains(t, err, "holds no run")
}

func TestJPEG(t *testing.T) {
	d, err := turbojpeg.Decoder()
	if err != nil {
		t.Skip(err)
	}
	inGo, inTurbo := (*pretext.Decoder)(nil).String(), d.String()
	for _, test := range []struct {
		j              session.JPEG
		recorded, want string
	}{
		{"", "", inTurbo},
		{session.AutoJPEG, "", inTurbo},
		{session.AutoJPEG, inTurbo, inTurbo},
		{session.AutoJPEG, inGo, inGo},
		{session.GoJPEG, "", inGo},
		{session.GoJPEG, inGo, inGo},
		{session.TurboJPEG, "", inTurbo},
		{session.TurboJPEG, inTurbo, inTurbo},
	} {
		d, err := test.j.Decoder(test.recorded)
		require.NoError(t, err, "%v", test)
		assert.Equal(t, test.want, d.String(), "%v", test)
	}
	for _, test := range []struct {
		j        session.JPEG
		recorded string
		want     []string
	}{
		{session.AutoJPEG, "image/jpeg go1.1", []string{inTurbo, inGo}},
		{session.GoJPEG, inTurbo, []string{inGo, "give -jpeg auto"}},
		{session.TurboJPEG, inGo, []string{inTurbo, "give -jpeg auto"}},
	} {
		_, err := test.j.Decoder(test.recorded)
		for _, want := range append(test.want, "the run began with "+test.recorded) {
			assert.ErrorContains(t, err, want)
		}
	}
}

func TestSubset(t *testing.T) {
	for subset, want := range map[string]int{"": 40, "5": 5, "10%": 4, "0.1%": 1, "100%": 40, "1.4%": 1} {
		n, err := session.SubsetSize(subset, 40)
		require.NoError(t, err, subset)
		assert.Equal(t, want, n, subset)
	}
	for _, subset := range []string{"0", "-1", "x", "0%", "101%", "NaN%", "1.5", "%"} {
		_, err := session.SubsetSize(subset, 40)
		assert.ErrorContains(t, err, "-subset is", subset)
	}
	src, err := scenes.New(40, 16, 16, 1)
	require.NoError(t, err)
	part, err := session.Subset(src, "25%", 1)
	require.NoError(t, err)
	assert.Equal(t, 10, part.Len())
	_, err = session.Subset(src, "41", 1)
	assert.ErrorContains(t, err, "-subset 41: ")
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	write := func(text string, end error) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return errors.Join(err, end)
		}
	}
	require.NoError(t, session.WriteFile(path, write("one", nil)))
	require.Error(t, session.WriteFile(path, write("two", io.ErrUnexpectedEOF)))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "one", string(text))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "nothing of the file that failed")
	t.Chdir(dir)
	path = filepath.Join("nodir", "a")
	require.EqualError(t, session.WriteFile(path, write("one", nil)), path+": no folder nodir; make it, or choose another path")
}
