package benchmark

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzTorch(f *testing.F) {
	for _, name := range []string{"legacy.pth", "zip.pth"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := readTorch(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			require.NotZero(t, table.Len())
			require.NotEmpty(t, table.Metrics())
		}
	})
}
