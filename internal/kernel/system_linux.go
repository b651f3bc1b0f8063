package kernel

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sleep suspends the thread. Unlike a yielding thread, a sleeping one keeps its claim
// to the time that it has not used.
func sleep(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // too short a sleep does no harm
}

// hugePages asks for pages of 2 MiB for the memory of x, where the administrator leaves
// the choice to programs: the tables of small pages do not fit into the caches.
func hugePages(x []float32) {
	const page = 4096
	from := (uintptr(unsafe.Pointer(&x[0])) + page - 1) / page * page
	to := (uintptr(unsafe.Pointer(&x[len(x)-1])) + 4) / page * page
	at := int(from-uintptr(unsafe.Pointer(&x[0]))) / 4
	whole := unsafe.Slice((*byte)(unsafe.Pointer(&x[at])), to-from)
	_ = unix.Madvise(whole, unix.MADV_HUGEPAGE) // without them it is slower, not wrong
}

// preemptions returns how often the thread has lost its core to another one.
func preemptions() int64 {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &usage) != nil {
		return 0
	}
	return usage.Nivcsw
}
