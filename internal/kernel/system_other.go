//go:build !linux

package kernel

import "time"

func sleep(d time.Duration) { time.Sleep(d) }

func hugePages([]float32) {}

// preemptions returns zero where the operating system does not say how often the
// thread has lost its core to another one.
func preemptions() int64 { return 0 }
