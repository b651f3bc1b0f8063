package ranking

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/sweep"
	"unnas/examples/unnas/internal/session"
	"unnas/pretext"
)

// cifar writes a data set of a few images.
func cifar(t *testing.T) string {
	dir := t.TempDir()
	for _, name := range []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".bin"), bytes.Repeat([]byte{1}, 3073), 0o644))
	}
	return dir
}

// TestDecoder keeps the JPEG decoder of an experiment, which all of its trainings
// need. One without JPEG files has none.
func TestDecoder(t *testing.T) {
	inGo := (*pretext.Decoder)(nil).String()
	begun := func(recorded string) string {
		dir := filepath.Join(t.TempDir(), "out")
		text, err := json.Marshal(Settings{Decoder: recorded})
		require.NoError(t, err)
		_, err = sweep.Open(dir, sweep.Manifest{Settings: text, Jobs: []sweep.Job{{Name: "a", Spec: json.RawMessage("1")}}})
		require.NoError(t, err)
		return dir
	}
	tr := &trainer{Options: Options{Out: begun(inGo)}}
	d, err := tr.decoder()
	require.NoError(t, err)
	assert.Equal(t, inGo, d.String())
	tr.Out = begun("image/jpeg go1.1")
	_, err = tr.decoder()
	require.ErrorContains(t, err, "the run began with image/jpeg go1.1")

	o := Options{Out: t.TempDir(), Data: cifar(t), JPEG: session.GoJPEG}
	o.Dataset = "cifar10"
	tr, err = newTrainer(t.Context(), o, io.Discard)
	require.NoError(t, err)
	assert.Empty(t, tr.Decoder)
	data := t.TempDir()
	for _, split := range []string{"train", "val"} {
		dir := filepath.Join(data, split, "n01440764")
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "1.JPEG"), nil, 0o644))
	}
	o.Data, o.Dataset = data, "imagenet1k"
	tr, err = newTrainer(t.Context(), o, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, inGo, tr.Decoder)
}
