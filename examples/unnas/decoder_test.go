package main

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/pretext"
	"unnas/pretext/turbojpeg"
)

// TestResumeKeepsTheDecoder resumes with the JPEG decoder that a run began with, though
// auto would choose another.
func TestResumeKeepsTheDecoder(t *testing.T) {
	d, err := turbojpeg.Decoder()
	if err != nil {
		t.Skip(err)
	}
	inGo, inTurbo := (*pretext.Decoder)(nil).String(), d.String()
	data, dir := imageNet(t, 4), filepath.Join(t.TempDir(), "run")
	args := func(dir string, more ...string) []string {
		return brief(dir, append([]string{"-data", data, "-dataset", "folder", "-size", "32", "-epochs", "2"}, more...)...)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := &stopper{text: "epoch 1/2", stop: cancel}
	require.ErrorIs(t, run(ctx, args(dir, "-jpeg", "go"), first), context.Canceled)
	assert.NotContains(t, first.out.String(), inTurbo)
	assert.ErrorContains(t, fails(t, args(dir, "-resume", "-jpeg", "turbo")...), "the run began with "+inGo)
	assert.NotContains(t, prints(t, args(dir, "-resume")...), inTurbo)
	assert.Contains(t, prints(t, args(dir+"2")...), "JPEG files are decoded by "+inTurbo+"\n")
}
