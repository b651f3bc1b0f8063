package loader

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		name    string
		n       int
		portion float64
		w       int
	}{
		{"odd", 11, 0.5, 5},
		{"even", 12, 0.5, 6},
		{"all", 7, 1, 7},
		{"none", 7, 0, 0},
		{"published", 50, 0.9, 45},
		{"empty", 0, 0.5, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w, alpha := Split(test.n, test.portion, 1)
			require.Len(t, w, test.w)
			require.Len(t, alpha, test.n-test.w)
			assert.True(t, slices.IsSorted(w))
			assert.True(t, slices.IsSorted(alpha))
			all := slices.Concat(w, alpha)
			slices.Sort(all)
			for i, image := range all {
				require.Equal(t, i, image, "every image is in one half")
			}
		})
	}
	w, alpha := Split(8, 0.5, 7)
	assert.Equal(t, []int{0, 2, 5, 7}, w, "the split of a seed never changes")
	_ = append(w, 99)
	assert.Equal(t, []int{1, 3, 4, 6}, alpha, "the halves do not share memory")
	other, _ := Split(8, 0.5, 8)
	assert.NotEqual(t, w, other)
}
