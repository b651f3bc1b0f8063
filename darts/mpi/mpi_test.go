//go:build unix

package mpi

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An installation is a launcher, with the library of its project.
type installation struct {
	project string
	command []string
	library string
}

// installations returns what is installed here.
func installations(t *testing.T) (all []installation) {
	t.Helper()
	for _, c := range []struct {
		project, version string
		commands         []string
		library          string
	}{
		{openMPI, `Open MPI|OpenRTE`, []string{"mpirun.openmpi", "mpirun"}, "libmpi.so.40"},
		{mpich, `HYDRA`, []string{"mpiexec.hydra", "mpiexec"}, "libmpich.so.12"},
	} {
		for _, command := range c.commands {
			out, err := exec.Command(command, "--version").CombinedOutput()
			if err == nil && regexp.MustCompile(c.version).Match(out) {
				in := installation{c.project, []string{command}, c.library}
				if c.project == openMPI {
					in.command = append(in.command, "--oversubscribe", "--allow-run-as-root")
				}
				all = append(all, in)
				break
			}
		}
	}
	return all
}

// each runs a test with each installation.
func each(t *testing.T, f func(t *testing.T, in installation)) {
	all := installations(t)
	if len(all) == 0 {
		t.Skip("no MPI is installed; install openmpi-bin or mpich to run ranks")
	}
	for _, in := range all {
		t.Run(strings.ReplaceAll(in.project, " ", ""), func(t *testing.T) {
			t.Parallel()
			f(t, in)
		})
	}
}

// A job is a running program of several ranks.
type job struct {
	*exec.Cmd
	out  *bufio.Reader
	errs bytes.Buffer
}

// launch starts a program of ranks, which ends after three minutes at the latest.
func launch(t *testing.T, in installation, ranks int, program string, env ...string) *job {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	args := append(in.command[1:len(in.command):len(in.command)], "-n", strconv.Itoa(ranks), os.Args[0])
	j := &job{Cmd: exec.CommandContext(ctx, in.command[0], args...)}
	j.Env = append(append(os.Environ(), rankProgram+"="+program), env...)
	j.Cancel = func() error { return j.Process.Signal(syscall.SIGTERM) } // ends the ranks, too
	j.WaitDelay = 5 * time.Second
	j.Stderr = &j.errs
	pipe, err := j.StdoutPipe()
	require.NoError(t, err)
	j.out = bufio.NewReader(pipe)
	require.NoError(t, j.Start())
	t.Cleanup(func() {
		if assert.NoError(t, ctx.Err(), "%s did not end", program); t.Failed() {
			t.Logf("standard error:\n%s", j.errs.String())
		}
	})
	return j
}

// pids waits until all ranks are ready, and returns their processes.
func (j *job) pids(t *testing.T, ranks int) []int {
	t.Helper()
	pids := make([]int, ranks)
	for range ranks {
		line, err := j.out.ReadString('\n')
		require.NoError(t, err)
		var rank, pid int
		_, err = fmt.Sscanf(line, "ready %d %d", &rank, &pid)
		require.NoError(t, err, line)
		pids[rank] = pid
	}
	return pids
}

// end returns what the job has printed, and how it ended.
func (j *job) end() (out, errs string, err error) {
	text, _ := io.ReadAll(j.out)
	err = j.Wait()
	return string(text), j.errs.String(), err
}

func TestCollectives(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, in installation) {
		for _, ranks := range []int{2, 3, 4} {
			_, _, err := launch(t, in, ranks, "collectives").end()
			assert.NoError(t, err, "%d ranks", ranks)
		}
	})
}

func TestForcedLibrary(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, in installation) {
		_, _, err := launch(t, in, 2, "collectives", variable+"="+in.library).end()
		assert.NoError(t, err)
	})
}

// TestPieces makes the calls of the jobs' test over libraries within this process.
func TestPieces(t *testing.T) {
	const size = 3
	h := &hub{data: make([][]float32, size)}
	h.all.L = &h.Mutex
	var group sync.WaitGroup
	for rank := range size {
		group.Go(func() {
			f := &fake{text: "fake", hub: h, rank: rank}
			c := &Comm{rank: rank, size: size, library: f, calls: make(chan func()), most: most}
			go serve(c.calls)
			assert.NoError(t, collectives(c))
			assert.LessOrEqual(t, f.most, 50_000)
			assert.NoError(t, c.Close())
			assert.EqualError(t, c.Barrier(), fmt.Sprintf("mpi: Barrier on rank %d of 3: the communicator is closed", rank))
		})
	}
	group.Wait()
}

// TestMismatch starts ranks with the launcher of one project and the library of another.
func TestMismatch(t *testing.T) {
	t.Parallel()
	all := installations(t)
	if len(all) < 2 {
		t.Skip("only one MPI is installed; install openmpi-bin and mpich")
	}
	for i, in := range all {
		other := all[1-i]
		_, errs, err := launch(t, in, 2, "collectives", variable+"="+other.library).end()
		assert.Error(t, err)
		assert.Contains(t, errs, in.project+" started 2 processes")
		assert.Contains(t, errs, other.library)
		assert.Contains(t, errs, "counts 1; use the launcher of that library, or set UNNAS_MPI to a library of "+in.project)
	}
}

func TestNoLibrary(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, in installation) {
		_, errs, err := launch(t, in, 2, "collectives", variable+"=libnone.so").end()
		assert.Error(t, err)
		assert.Contains(t, errs, "mpi: environment variable UNNAS_MPI: libnone.so: not found")
	})
}

func TestOff(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, in installation) {
		out, _, err := launch(t, in, 2, "cores", variable+"="+off).end()
		assert.NoError(t, err)
		assert.Equal(t, 2, strings.Count(out, "rank 0 of 1 "), out)
	})
}

// TestFault has an error of the library, whose text is returned.
func TestFault(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, in installation) {
		out, _, err := launch(t, in, 2, "fault").end()
		assert.NoError(t, err)
		assert.Equal(t, 2, strings.Count(out, in.library+"): "), out)
		assert.Contains(t, out, "nvalid root")
	})
}

func TestKilledRank(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, in installation) {
		for _, program := range []string{"vote", "wait"} {
			j := launch(t, in, 3, program)
			require.NoError(t, syscall.Kill(j.pids(t, 3)[1], syscall.SIGKILL))
			_, _, err := j.end()
			assert.Error(t, err)
		}
	})
}

// TestSignals sends signals to the launcher, which passes them on, and to a rank. All ranks
// end at the same step.
func TestSignals(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, in installation) {
		j := launch(t, in, 3, "vote")
		require.NoError(t, syscall.Kill(j.pids(t, 3)[1], syscall.SIGTERM))
		out, _, err := j.end()
		assert.NoError(t, err)
		assert.Equal(t, 3, strings.Count(out, "stops, rank 1 got a signal"), out)

		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
			j := launch(t, in, 3, "vote")
			j.pids(t, 3)
			require.NoError(t, j.Process.Signal(s))
			out, _, _ := j.end() // Open MPI's launcher reports a failure
			assert.Equal(t, 3, strings.Count(out, " stops, "), out)
		}
	})
}

func TestAbort(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, in installation) {
		for program, message := range map[string]string{
			"abort": "rank 1 of 3 on .*: no space left",
			"late":  "rank 0 of 3 on .*: a second signal",
		} {
			_, errs, err := launch(t, in, 3, program).end()
			assert.Error(t, err)
			assert.Regexp(t, message, errs)
		}
	})
}

// TestPanic has the panic of a nil pointer on all ranks, and one that ends rank 1.
func TestPanic(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, in installation) {
		_, errs, err := launch(t, in, 3, "panic").end()
		assert.Error(t, err)
		assert.Contains(t, errs, "a fault of rank 1")
		assert.NotContains(t, errs, "a nil pointer makes no panic")
	})
}

// TestLeave has rank 1 end without Close. MPICH's launcher may report a success.
func TestLeave(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, in installation) {
		out, _, _ := launch(t, in, 3, "leave").end()
		assert.NotContains(t, out, "continued")
	})
}

func TestCores(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, in installation) {
		cores := max(1, runtime.GOMAXPROCS(0)/2)
		out, _, err := launch(t, in, 2, "cores", "OMPI_MCA_hwloc_base_binding_policy=none").end()
		assert.NoError(t, err)
		for rank := range 2 {
			assert.Contains(t, out, fmt.Sprintf("rank %d of 2 uses %d cores\n", rank, cores))
		}
		out, _, err = launch(t, in, 2, "cores", "GOMAXPROCS=5").end()
		assert.NoError(t, err)
		assert.Equal(t, 2, strings.Count(out, "uses 5 cores"), out)
	})
}
