package dataset_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
)

// sharedData returns a folder of real data beside the repository, or in the
// folder that UNNAS_SHARED names. The test is skipped where there is none.
func sharedData(t *testing.T, name string) string {
	t.Helper()
	shared := os.Getenv("UNNAS_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	dir := filepath.Join(shared, "data", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no real data in %s", dir)
	}
	return dir
}

func TestRealCIFAR10(t *testing.T) {
	dir := sharedData(t, "cifar10_lossless")
	train, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Train, dataset.Options{})
	require.NoError(t, err)
	test, err := dataset.OpenCIFAR10(t.Context(), dir, dataset.Test, dataset.Options{})
	require.NoError(t, err)
	assert.Equal(t, []int{5170, 1017}, []int{train.Len(), test.Len()})
	assert.Equal(t, []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}, train.Classes())

	counts := make([]int, 10)
	for i := range test.Len() {
		counts[load(t, test, i).Label]++
	}
	assert.Equal(t, []int{105, 93, 100, 104, 92, 87, 114, 102, 110, 110}, counts)

	var sums [3]float64
	for i := range train.Len() {
		for p, v := range load(t, train, i).Pix {
			sums[p%3] += float64(v)
		}
	}
	for c, want := range []float64{125.9093, 123.6371, 114.3525} {
		assert.InDelta(t, want, sums[c]/float64(train.Len()*1024), 1e-3, "mean of channel %d", c)
	}
}

// TestRealImageNet decodes photographs, progressive and grey ones among them.
func TestRealImageNet(t *testing.T) {
	dir := sharedData(t, "imagenet_mini")
	for split, each := range map[string]int{"train": 4, "val": 1} {
		t.Run(split, func(t *testing.T) {
			d, err := dataset.OpenFolder(t.Context(), filepath.Join(dir, split), dataset.All, dataset.Options{})
			require.NoError(t, err)
			require.Len(t, d.Classes(), 20)
			assert.Equal(t, "n02129604", d.Classes()[0])
			require.Equal(t, 20*each, d.Len())
			for i := range d.Len() {
				img := load(t, d, i)
				require.Equal(t, i/each, img.Label)
				require.Len(t, img.Pix, 3*img.Width*img.Height)
			}
		})
	}
}
