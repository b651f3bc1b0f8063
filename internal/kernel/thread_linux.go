package kernel

import (
	"time"

	"golang.org/x/sys/unix"
)

// sleep suspends the thread. Unlike a yielding thread, a sleeping one keeps its claim
// to the time that it has not used.
func sleep(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // too short a sleep does no harm
}

// preemptions returns how often the thread has lost its core to another one.
func preemptions() int64 {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_THREAD, &usage) != nil {
		return 0
	}
	return usage.Nivcsw
}
