package memory

import (
	"fmt"
	"math"
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLimit(t *testing.T) {
	const none = math.MaxInt64
	for name, test := range map[string]struct {
		groups string
		files  map[string]string
		want   int64
	}{
		"version 2":                           {"0::/a/b\n", map[string]string{"a/b/memory.max": "3000\n", "a/memory.max": "max\n"}, 3000},
		"version 2, a group above is smaller": {"0::/a/b\n", map[string]string{"a/b/memory.max": "3000\n", "a/memory.max": "2000\n"}, 2000},
		"version 2, no limit":                 {"0::/a\n", map[string]string{"a/memory.max": "max\n"}, none},
		"version 2, in a container":           {"0::/\n", map[string]string{"memory.max": "4000\n"}, 4000},
		"version 2, beside the root":          {"0::/../other\n", map[string]string{"memory.max": "5000\n"}, 5000},
		"version 1":                           {"5:cpu,cpuacct:/a\n4:hugetlb,memory:/a/b\n0::/\n", map[string]string{"memory/a/b/memory.limit_in_bytes": "6000\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"}, 6000},
		"version 1, in a container":           {"4:memory:/docker/1234\n", map[string]string{"memory/memory.limit_in_bytes": "7000\n"}, 7000},
		"of another controller":               {"4:cpu:/a\n", map[string]string{"memory/a/memory.limit_in_bytes": "7000\n"}, none},
		"of another group":                    {"0::/a\n", map[string]string{"b/memory.max": "7000\n"}, none},
		"nothing that is known":               {"what:\n\n", map[string]string{"memory.max": "1"}, none},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{}
			for path, text := range test.files {
				files[path] = &fstest.MapFile{Data: []byte(text)}
			}
			assert.Equal(t, test.want, limit(files, test.groups))
		})
	}
}

// TestTotalOfMachine compares with what the kernel prints. Control groups may leave
// less, never more.
func TestTotalOfMachine(t *testing.T) {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Skip(err)
	}
	var kib int64
	_, err = fmt.Sscanf(string(info), "MemTotal: %d kB", &kib)
	require.NoError(t, err)
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil || limit(os.DirFS("/sys/fs/cgroup"), string(groups)) >= kib<<10 {
		assert.Equal(t, kib<<10, Total())
	} else {
		assert.Less(t, Total(), kib<<10)
	}
}
