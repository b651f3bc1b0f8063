package sweep_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/sweep"
)

// The calls of the system that change files, by their numbers.
var changes = map[uint64]string{
	1: "write", 18: "pwrite64", 74: "fsync", 77: "ftruncate", 82: "rename", 257: "openat", 258: "mkdirat",
	263: "unlinkat", 264: "renameat", 265: "linkat", 316: "renameat2",
}

// changing reports whether a thread is about to change a file.
func changing(thread int) (string, bool) {
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(thread, &regs) != nil || int64(regs.Rax) != -int64(syscall.ENOSYS) { // it returns from a call
		return "", false
	}
	name := changes[regs.Orig_rax]
	creates := regs.Rdx&syscall.O_CREAT != 0
	return name, name != "" && (name != "openat" || creates) && (name != "write" || regs.Rdi > 2)
}

// next waits until a traced thread stops or ends, and returns it.
func next(t *testing.T, pid int, status *syscall.WaitStatus) (thread int) {
	for {
		thread, err := syscall.Wait4(pid, status, syscall.WALL, nil)
		if err != syscall.EINTR {
			require.NoError(t, err)
			return thread
		}
	}
}

// killBefore runs a worker with one job, and kills it before its n-th change of a
// file. It returns what that change is, or "" if the worker ended before.
func killBefore(t *testing.T, dir string, n int) (change string) {
	runtime.LockOSThread() // which traces
	defer runtime.UnlockOSThread()
	w := worker(t, dir, workerJobs+"=1")
	w.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := w.Start(); err != nil {
		t.Skip("processes cannot be traced here:", err)
	}
	pid := w.Process.Pid
	defer func() { _ = w.Process.Release() }() // Wait4 below waits for it
	var status syscall.WaitStatus
	next(t, pid, &status)
	const system, exitKill = 0x80, 0x100000
	require.NoError(t, syscall.PtraceSetOptions(pid, syscall.PTRACE_O_TRACECLONE|syscall.PTRACE_O_TRACESYSGOOD|exitKill))
	for thread := pid; ; {
		signal := 0
		if status.Stopped() {
			switch stop := status.StopSignal(); stop {
			case syscall.SIGTRAP | system:
				if name, yes := changing(thread); yes && change == "" {
					if n--; n == 0 {
						change = name
						require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
					}
				}
			case syscall.SIGTRAP, syscall.SIGSTOP:
			default:
				signal = int(stop)
			}
			_ = syscall.PtraceSyscall(thread, signal) // fails for a thread that was killed
		}
		thread = next(t, -1, &status)
		if thread == pid && (status.Exited() || status.Signaled()) {
			return change
		}
	}
}

// TestKilledBeforeEveryChange kills a worker before each change of a file that it
// makes. Another one does the job, unless there is a result, and leaves nothing.
func TestKilledBeforeEveryChange(t *testing.T) {
	seen := map[string]int{}
	changes := []string{"write", "fsync", "mkdirat", "linkat", "pwrite64", "unlinkat"}
	// Writes by which the runtime wakes threads count too, so a round may skip a change.
	for range 5 {
		killBeforeEachChange(t, seen)
		if !slices.ContainsFunc(changes, func(name string) bool { return seen[name] == 0 }) {
			break
		}
	}
	for _, name := range changes {
		assert.Positive(t, seen[name], "no %s was seen", name)
	}
	t.Log(seen)
}

// killBeforeEachChange counts the changes.
func killBeforeEachChange(t *testing.T, seen map[string]int) {
	for n := 1; ; n++ {
		dir := t.TempDir()
		change := killBefore(t, dir, n)
		at := fmt.Sprintf("killed before change %d, %s", n, change)
		s := open(t, dir, numbers(1))
		want := 1 - len(results(t, s))
		calls := 0
		require.NoError(t, s.Run(t.Context(), sweep.Options{}, func(ctx context.Context, job sweep.Job, d string) (any, error) {
			calls++
			return square(ctx, job, d)
		}), at)
		require.Equal(t, want, calls, at)
		require.Equal(t, map[string]string{"job-00": "0"}, results(t, s), at)
		left, err := os.ReadDir(filepath.Join(dir, "work"))
		require.NoError(t, err)
		require.Empty(t, left, at)
		state, err := s.State()
		require.NoError(t, err)
		require.Equal(t, sweep.State{Jobs: 1, Done: 1}, state, at)
		if change == "" {
			return
		}
		seen[change]++
	}
}
