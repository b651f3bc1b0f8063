package benchmark_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell/benchmark"
)

// TestTorchFile reads files of torch.save with the structure of NAS-Bench-201's, which
// testdata/make.py writes, in both formats.
func TestTorchFile(t *testing.T) {
	for _, name := range []string{"legacy.pth", "zip.pth"} {
		table, err := benchmark.Open(filepath.Join("testdata", name))
		require.NoError(t, err, name)
		assert.Equal(t, 2, table.Len())
		assert.Equal(t, []string{
			"cifar10_test", "cifar10_val", "cifar100_test", "cifar100_val",
			"cifar10_test_12ep", "cifar10_val_12ep", "cifar100_test_12ep", "cifar100_val_12ep",
		}, table.Metrics(), "those that all cells have")
		for arch, notation := range []string{
			"|none~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|", "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|avg_pool_3x3~1|none~2|",
		} {
			g := genotype(t, notation)
			assert.Equal(t, g, table.Cell(arch))
			// The accuracy of make.py: cell, lengths of the names, seed, last epoch.
			for metric, want := range map[string]float64{
				"cifar10_test":       7 + 0.8 + (0.777+0.888)/2 + 19.0/64,
				"cifar10_val":        13 + 0.7 + (0.777+0.888)/2 + 19.0/64,
				"cifar100_test":      8 + 0.6 + (0.777+0.888)/2 + 19.0/64,
				"cifar100_val_12ep":  8 + 0.7 + 0.777 + 11.0/64,
				"cifar10_test_12ep":  7 + 0.8 + 0.777 + 11.0/64,
				"cifar100_test_12ep": 8 + 0.6 + 0.777 + 11.0/64,
			} {
				score, err := table.Score(g, metric)
				require.NoError(t, err)
				assert.InDelta(t, 10*float64(arch)+want, score.Value, 1e-9, "%s of %s", metric, notation)
			}
		}
	}
}

// TestTorchFileDamaged cuts and breaks a file at every place.
func TestTorchFileDamaged(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join("testdata", "legacy.pth"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "damaged.pth")
	for at := 20; at < len(whole); at += 997 {
		require.NoError(t, os.WriteFile(path, whole[:at], 0o644))
		_, err := benchmark.Open(path)
		assert.Error(t, err, "cut at %d", at)
		broken := append([]byte{}, whole...)
		broken[at] ^= 0x5a
		require.NoError(t, os.WriteFile(path, broken, 0o644))
		_, _ = benchmark.Open(path) // any result but a panic: it may be a number
	}
	require.NoError(t, os.WriteFile(path, []byte("PK\x03\x04"), 0o644))
	_, err = benchmark.Open(path)
	assert.ErrorContains(t, err, "not a file of NAS-Bench-201's API")
	require.NoError(t, os.WriteFile(path, []byte("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02K\x01.\x80\x02}.\x80\x02}."), 0o644))
	_, err = benchmark.Open(path)
	assert.ErrorContains(t, err, "no results of cells (arch2infos)")
}
