package pretext_test

import (
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/pretext"
)

// tables are facts about the permutations that the paper's authors published.
var tables = []struct {
	count     int
	begin     string // the first three
	end       string // the last
	hash      string // SHA-256 of all, each on a line
	nearest   int    // smallest distance of two
	distances int    // sum of the distances of all pairs
}{
	{1000, "816350427 021435678 102543786", "541623807",
		"4e539f384d95ffc456e14dda2c91189978e1737aefd17a4a8b23ca0308b210cd", 2, 3999996},
	{2000, "341726085 012345678 103254867", "583612740",
		"7cc5bdcd6f0de1e71b9bf4d36219e1b1e725f727277c8ed7903103bc83b511de", 2, 15999993},
}

func jigsaw(permutations int) pretext.Jigsaw {
	return pretext.Jigsaw{Transform: plain(9, 9, pretext.CropNone), Grid: 3, Permutations: permutations}
}

// skipLong leaves out the table of 2000 in short tests: with the race detector it
// takes long to compute.
func skipLong(t *testing.T, count int) {
	t.Helper()
	if testing.Short() && count > 1000 {
		t.Skip("2000 permutations in short tests")
	}
}

func TestPermutations(t *testing.T) {
	for _, want := range tables {
		t.Run(fmt.Sprint(want.count), func(t *testing.T) {
			skipLong(t, want.count)
			var lines []string
			orders := jigsaw(want.count).Orders()
			for _, p := range orders {
				line := ""
				for _, d := range p {
					line += fmt.Sprint(d)
				}
				lines = append(lines, line)
			}
			require.Len(t, lines, want.count)
			assert.Equal(t, want.begin, strings.Join(lines[:3], " "))
			assert.Equal(t, want.end, lines[len(lines)-1])
			assert.Equal(t, want.hash, fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(lines, "\n")+"\n"))))

			nearest, sum := 9, 0
			for i, p := range orders {
				for _, q := range orders[:i] {
					d := 0
					for k := range p {
						if p[k] != q[k] {
							d++
						}
					}
					nearest = min(nearest, d)
					sum += d
				}
			}
			assert.Equal(t, want.nearest, nearest)
			assert.Equal(t, want.distances, sum)
		})
	}
}

// TestPermutationsRowForRow compares with the published tables, where they are.
func TestPermutationsRowForRow(t *testing.T) {
	shared := os.Getenv("UNNAS_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "shared")
	}
	for _, want := range tables {
		t.Run(fmt.Sprint(want.count), func(t *testing.T) {
			skipLong(t, want.count)
			name := fmt.Sprintf("hamming_perms_%d.csv", want.count)
			f, err := os.Open(filepath.Join(shared, "data", "reference", name))
			if os.IsNotExist(err) {
				t.Skipf("no %s in ../shared or UNNAS_SHARED", filepath.Join("data", "reference", name))
			}
			require.NoError(t, err)
			defer f.Close()
			rows, err := csv.NewReader(f).ReadAll()
			require.NoError(t, err)
			orders := jigsaw(want.count).Orders()
			require.Len(t, rows, len(orders))
			for i, row := range rows {
				got := make([]string, len(orders[i]))
				for k, d := range orders[i] {
					got[k] = fmt.Sprint(d)
				}
				require.Equal(t, row, got, "row %d", i)
			}
		})
	}
}

func TestPermutationsOf4(t *testing.T) {
	orders := pretext.JigsawCIFAR10().Orders()
	require.Len(t, orders, 24)
	assert.Equal(t, []uint8{0, 1, 2, 3}, orders[0])
	assert.Equal(t, []uint8{0, 1, 3, 2}, orders[1])
	assert.Equal(t, []uint8{1, 2, 0, 3}, orders[8])
	assert.Equal(t, []uint8{3, 2, 1, 0}, orders[23])
	for i := 1; i < len(orders); i++ {
		assert.Negative(t, strings.Compare(string(orders[i-1]), string(orders[i])), "ascending at %d", i)
	}
}
