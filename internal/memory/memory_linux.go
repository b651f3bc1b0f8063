package memory

import (
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Total returns the bytes of memory that this program may use, those in use by
// others included, or 0 if they are not known: all that the machine has, or fewer
// if control groups set a limit, as containers do.
func Total() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	total := int64(info.Totalram) * int64(info.Unit)
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil { // a system without control groups
		return total
	}
	return min(total, limit(os.DirFS("/sys/fs/cgroup"), string(groups)))
}

// limit returns the least memory that control groups leave to their members.
// Groups lists them as /proc/self/cgroup does, a line for each hierarchy: its
// number, its controllers, none in version 2, and the group. In a container the
// names may be those outside it, where the root that is seen is the group itself.
func limit(root fs.FS, groups string) int64 {
	least := int64(math.MaxInt64)
	for line := range strings.Lines(groups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		top, file := ".", "memory.max"
		if controllers := fields[1]; controllers != "" {
			if !slices.Contains(strings.Split(controllers, ","), "memory") {
				continue
			}
			top, file = "memory", "memory.limit_in_bytes"
		}
		// The groups that a group is in limit it too.
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			// Where there is no limit, the file says max or is not there.
			text, _ := fs.ReadFile(root, path.Join(top, group, file))
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
				least = min(least, n)
			}
			if group == "/" {
				break
			}
		}
	}
	return least
}
