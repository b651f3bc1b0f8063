package mpi

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLaunched(t *testing.T) {
	for _, c := range []struct {
		name, environment string
		want              launcher
		fault             string
	}{
		{"none", "HOME=x", launcher{size: 1}, ""},
		{"Open MPI", "OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=4 PMIX_RANK=2", launcher{"mpirun of Open MPI", openMPI, true, 2, 4}, ""},
		{"Open MPI within Slurm", "SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0 OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_SIZE=4", launcher{"mpirun of Open MPI", openMPI, false, 2, 4}, ""},
		{"MPICH", "MPI_LOCALNRANKS=3 PMI_RANK=1 PMI_SIZE=3", launcher{"mpiexec of MPICH", mpich, false, 1, 3}, ""},
		{"MPICH within Slurm", "SLURM_STEP_NUM_TASKS=1 SLURM_PROCID=0 MPI_LOCALNRANKS=3 PMI_RANK=1 PMI_SIZE=3", launcher{"mpiexec of MPICH", mpich, false, 1, 3}, ""},
		{"srun with PMI-2", "SLURM_STEP_NUM_TASKS=3 SLURM_PROCID=2 PMI_RANK=2 PMI_SIZE=3", launcher{"srun", anyProject, false, 2, 3}, ""},
		{"srun with PMIx", "SLURM_STEP_NUM_TASKS=3 SLURM_PROCID=2 PMIX_RANK=2", launcher{"srun", anyProject, true, 2, 3}, ""},
		{"batch script", "SLURM_NTASKS=3 SLURM_PROCID=0", launcher{size: 1}, ""},
		{"PMIx", "PMIX_RANK=2", launcher{"a PMIx launcher", anyProject, true, 2, unknown}, ""},
		{"word", "PMI_SIZE=x PMI_RANK=1", launcher{}, `environment variable PMI_SIZE is "x", want a number`},
		{"negative", "PMI_SIZE=2 PMI_RANK=-1", launcher{}, `environment variable PMI_RANK is "-1", want a number`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := launched(func(name string) (string, bool) {
				for field := range strings.FieldsSeq(c.environment) {
					if n, value, _ := strings.Cut(field, "="); n == name {
						return value, true
					}
				}
				return "", false
			})
			if c.fault != "" {
				assert.EqualError(t, err, c.fault)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestAgree(t *testing.T) {
	lib := &fake{text: "MPICH Version: 4"}
	for _, c := range []struct {
		name       string
		l          launcher
		rank, size int
		want       string
	}{
		{"same", launcher{"srun", anyProject, true, 1, 3}, 1, 3, ""},
		{"unknown", launcher{"a PMIx launcher", anyProject, true, unknown, unknown}, 1, 3, ""},
		{"other project", launcher{"mpirun of Open MPI", openMPI, true, 1, 3}, 0, 1,
			"mpirun of Open MPI started 3 processes, but MPICH Version: 4 (fake) counts 1; use the launcher of that library, or set UNNAS_MPI to a library of Open MPI"},
		{"srun", launcher{"srun", anyProject, false, 1, 3}, 0, 1,
			"srun started 3 processes, but MPICH Version: 4 (fake) counts 1; start with srun --mpi=pmix (srun --mpi=list shows what there is), " +
				"set UNNAS_MPI to the library that this cluster uses, or to off where the processes are not one job"},
		{"rank", launcher{"a PMIx launcher", anyProject, true, 2, unknown}, 0, 1,
			"a PMIx launcher started rank 2, but for MPICH Version: 4 (fake) it is rank 0; set UNNAS_MPI to the library that the launcher is of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.l.agree(lib, c.rank, c.size); c.want == "" {
				assert.NoError(t, err)
			} else {
				assert.EqualError(t, err, c.want)
			}
		})
	}
}

func TestCandidates(t *testing.T) {
	first := func(l launcher, system string) (got []string) {
		for _, name := range candidates(system, l) {
			switch {
			case strings.Contains(name, "mpi_abi"):
				name = "standard"
			case strings.Contains(name, "40"):
				name = openMPI
			default:
				name = mpich
			}
			if !slices.Contains(got, name) {
				got = append(got, name)
			}
		}
		return got
	}
	for _, system := range []string{"linux", "darwin"} {
		assert.Equal(t, []string{"standard", openMPI}, first(launcher{project: openMPI, pmix: true}, system))
		assert.Equal(t, []string{"standard", mpich}, first(launcher{project: mpich}, system))
		assert.Equal(t, []string{"standard", openMPI, mpich}, first(launcher{pmix: true}, system))
		assert.Equal(t, []string{"standard", mpich, openMPI}, first(launcher{}, system))
	}
	assert.Empty(t, candidates("plan9", launcher{}))
}

func TestFamilyOf(t *testing.T) {
	for _, c := range []struct {
		file    string
		symbols []string
		want    family
	}{
		{"libmpi.so.40", []string{"ompi_mpi_comm_world"}, openMPIFamily},
		{"libmpi.so.12", nil, mpichFamily},
		{"libmpi.so.12", []string{"MPI_Abi_get_version"}, mpichFamily},
		{"lib/libmpi_abi.so.1", []string{"MPI_Abi_get_version"}, standardFamily},
		{"lib/libmpi_abi.so.1", []string{"MPI_Abi_get_version", "ompi_mpi_comm_world"}, standardFamily},
		{"mpi_abi/libmpi.so.12", []string{"MPI_Abi_get_version"}, mpichFamily},
	} {
		got := familyOf(c.file, func(symbol string) bool { return slices.Contains(c.symbols, symbol) })
		assert.Equal(t, c.want, got, "%s with %v", c.file, c.symbols)
	}
}

func TestProject(t *testing.T) {
	for version, want := range map[string]string{
		"Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4": openMPI,
		"MPICH Version:\t4.0.2\nMPICH Release date:\tThu":        mpich,
		"Intel(R) MPI Library 2021.9 for Linux* OS":              mpich,
	} {
		assert.Equal(t, want, project(version), version)
	}
}

func TestChoose(t *testing.T) {
	installed := map[string]string{"b": "MPICH Version: 4", "d": "Open MPI v4.1.4", "e": "Open MPI v5"}
	open := func(name string) (library, error) {
		if version, ok := installed[name]; ok {
			return &fake{text: version}, nil
		}
		if name == "c" {
			return nil, errors.New("c: undefined symbol: x")
		}
		return nil, fmt.Errorf("%s: %w", name, errAbsent)
	}
	lib, err := choose([]string{"a", "b", "c", "d", "e"}, launcher{project: openMPI}, open)
	require.NoError(t, err)
	assert.Equal(t, "Open MPI v4.1.4", lib.version())
	lib, err = choose([]string{"a", "b", "d"}, launcher{}, open)
	require.NoError(t, err)
	assert.Equal(t, "MPICH Version: 4", lib.version())
	_, err = choose([]string{"a", "b", "c"}, launcher{name: "mpirun of Open MPI", project: openMPI}, open)
	assert.EqualError(t, err, "mpirun of Open MPI started this process, but no MPI library for it was found "+
		"(tried a, b, c; MPICH Version: 4 (fake) is not of Open MPI; c: undefined symbol: x); "+
		"install openmpi-bin (Debian, Ubuntu) on every host, or set UNNAS_MPI to the path of the library")
	_, err = choose([]string{"a"}, launcher{name: "srun"}, open)
	assert.ErrorContains(t, err, "install openmpi-bin or mpich (Debian, Ubuntu)")
}

// TestOne does what a program without a launcher does.
func TestOne(t *testing.T) {
	c, err := Start()
	require.NoError(t, err)
	assert.Equal(t, []any{0, 1, ""}, []any{c.Rank(), c.Size(), c.Library()})
	recv, send := make([]float32, 3), []float32{1, 2, 3}
	require.NoError(t, c.AllToAll(recv, send))
	assert.Equal(t, send, recv)
	clear(recv)
	require.NoError(t, c.AllGather(recv, send))
	assert.Equal(t, send, recv)
	require.NoError(t, c.Broadcast(recv, 0))
	require.NoError(t, c.Barrier())
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
}

// TestLengths has calls that would go wrong in a library.
func TestLengths(t *testing.T) {
	c := &Comm{size: 3}
	same := make([]float32, 12)
	for want, err := range map[string]error{
		"mpi: AllToAll sends 4 values to 3 ranks, want a multiple":         c.AllToAll(make([]float32, 4), make([]float32, 4)),
		"mpi: AllToAll receives 3 values and sends 6, want as many":        c.AllToAll(make([]float32, 3), make([]float32, 6)),
		"mpi: AllToAll receives into what it sends, want separate slices":  c.AllToAll(same[:6], same[3:9]),
		"mpi: AllGather receives 5 values, want 6, 2 of each of 3 ranks":   c.AllGather(make([]float32, 5), make([]float32, 2)),
		"mpi: AllGather receives into what it sends, want separate slices": c.AllGather(same, same[8:]),
		"mpi: Broadcast from rank 3, want 0 to 2":                          c.Broadcast(same, 3),
		"mpi: Broadcast from rank -1, want 0 to 2":                         c.Broadcast(same, -1),
	} {
		assert.EqualError(t, err, want)
	}
	assert.NoError(t, c.AllToAll(same[:6], same[6:]))
}

// A hub connects libraries within this process.
type hub struct {
	sync.Mutex
	all   sync.Cond
	data  [][]float32 // what each rank sends
	there int
	turn  int
}

// arrive waits for all ranks.
func (h *hub) arrive() {
	h.Lock()
	defer h.Unlock()
	turn := h.turn
	if h.there++; h.there == len(h.data) {
		h.there, h.turn = 0, h.turn+1
		h.all.Broadcast()
	}
	for h.turn == turn {
		h.all.Wait()
	}
}

// A fake is a library that no other process joins.
type fake struct {
	text string
	*hub
	rank, most int
}

func (f *fake) String() string  { return f.text + " (fake)" }
func (f *fake) version() string { return f.text }

func (f *fake) initialize() (rank, size int, err error) { return f.rank, len(f.data), nil }

// exchange calls receive once all ranks have sent.
func (f *fake) exchange(n int, send []float32, receive func()) error {
	f.most = max(f.most, n)
	f.data[f.rank] = send
	f.arrive()
	receive()
	f.arrive()
	return nil
}

func (f *fake) allToAll(recv, send []float32) error {
	return f.exchange(len(send), send, func() {
		n := len(send) / len(f.data)
		for from, d := range f.data {
			copy(recv[from*n:(from+1)*n], d[f.rank*n:])
		}
	})
}

func (f *fake) allGather(recv, send []float32) error {
	return f.exchange(len(recv), send, func() { copy(recv, slices.Concat(f.data...)) })
}

func (f *fake) broadcast(data []float32, root int) error {
	return f.exchange(len(data), slices.Clone(data), func() { copy(data, f.data[root]) })
}

func (f *fake) barrier() error  { return f.exchange(0, nil, func() {}) }
func (f *fake) finalize() error { return f.barrier() }
func (f *fake) abort()          {}
func (f *fake) abortWait()      {}
