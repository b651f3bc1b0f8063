package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "123": 123, "7b": 7, "2kB": 2000, "3KiB": 3072, "5MB": 5_000_000, "1.5 MiB": 3 << 19,
		"32GB": 32_000_000_000, "32GiB": 32 << 30, " 8gib ": 8 << 30, "0.5TB": 500_000_000_000, "2TiB": 2 << 40, "1.9": 1,
	} {
		got, err := parseBytes(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
}

func TestParseBytesRefuses(t *testing.T) {
	for _, text := range []string{"", "GB", "-1GB", "1e9", "1.2.3GB", "32 G", "much", "NaN", "1GB 2", "0x10"} {
		_, err := parseBytes(text)
		require.ErrorContains(t, err, "no amount of memory", text)
		assert.ErrorContains(t, err, "32GB", text)
	}
	_, err := parseBytes("9000000TiB")
	require.ErrorContains(t, err, "more memory than there can be")
	assert.ErrorContains(t, err, "9000000TiB")
}

func FuzzParseBytes(f *testing.F) {
	f.Add("32GB")
	f.Add("1.5 MiB")
	f.Add("-1")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseBytes(text)
		assert.GreaterOrEqual(t, n, int64(0))
		if err != nil {
			assert.Zero(t, n)
		}
	})
}
