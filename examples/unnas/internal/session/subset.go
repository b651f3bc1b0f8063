package session

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"unnas/darts"
	"unnas/darts/dataset"
)

// SubsetSize returns how many of n images a subset is: a number, such as 5000, a share,
// such as 10%, or all if it is empty.
func SubsetSize(subset string, n int) (int, error) {
	if subset == "" {
		return n, nil
	}
	if percent, ok := strings.CutSuffix(subset, "%"); ok {
		if x, err := strconv.ParseFloat(percent, 64); err == nil && x > 0 && x <= 100 {
			return max(1, int(math.Round(float64(n)*x/100))), nil
		}
	} else if x, err := strconv.Atoi(subset); err == nil && x > 0 {
		return x, nil
	}
	return 0, fmt.Errorf("-subset is %.80q; give a number of images, such as 5000, or a share above 0%% and up to 100%%, such as 10%%", subset)
}

// Subset returns a random subset of images.
func Subset(src darts.Source, subset string, seed uint64) (darts.Source, error) {
	if subset == "" {
		return src, nil
	}
	n, err := SubsetSize(subset, src.Len())
	if err != nil {
		return nil, err
	}
	images, err := dataset.RandomSubset(src, n, seed)
	if err != nil {
		return nil, fmt.Errorf("-subset %s: %w", subset, err)
	}
	return images, nil
}
