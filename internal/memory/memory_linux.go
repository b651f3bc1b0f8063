package memory

import "golang.org/x/sys/unix"

// Total returns the bytes of memory of the machine, or 0 if they are not known.
func Total() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}
