package memory

import "golang.org/x/sys/unix"

// Total returns the bytes of memory of the machine, or 0 if they are not known.
func Total() int64 {
	n, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return 0
	}
	return int64(n)
}
