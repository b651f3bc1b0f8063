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

// Total returns the memory that this program may use in bytes, whether or not others
// use it, or 0 if unknown: that of the machine, or less if control groups set a limit,
// as in containers.
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

// limit returns the smallest memory limit of control groups. groups lists them as
// /proc/self/cgroup does, a line per hierarchy: its number, its controllers, none in
// version 2, and the group. In a container the names may be those outside of it, while
// the visible root is the group itself.
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
		// Parent groups limit a group too.
		for group := path.Clean("/" + fields[2]); ; group = path.Dir(group) {
			// Without a limit, the file contains max or does not exist.
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
