package mpi

import (
	"fmt"
	"strconv"
)

// variable names the library to load. Its value is a path, or off.
const variable = "UNNAS_MPI"

// off is the value of the variable for one rank, whatever started the process.
const off = "off"

// The projects that libraries and launchers come from. A library joins a job only if both
// are of one project, unless the launcher speaks to any.
const (
	anyProject = ""
	openMPI    = "Open MPI"
	mpich      = "MPICH"
)

// unknown is a rank or a size that no environment variable has.
const unknown = -1

// A launcher is what started this process, as its environment has it.
type launcher struct {
	name       string // empty without a launcher
	project    string
	pmix       bool // the job talks PMIx, which every Open MPI does and few MPICH
	rank, size int
}

// launchers has the variables of each launcher. The first whose size, or whose rank if it
// has no variable for sizes, is set is taken: mpirun may itself have been started by srun.
var launchers = []struct {
	name, project string
	rank, size    string
}{
	{"mpirun of Open MPI", openMPI, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
	{"mpiexec of MPICH", mpich, "PMI_RANK", "PMI_SIZE"},
	{"srun", anyProject, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"},
	{"a PMIx launcher", anyProject, "PMIX_RANK", ""},
}

// launched returns the launcher that an environment is of.
func launched(lookup func(string) (string, bool)) (launcher, error) {
	has := func(name string) bool { _, ok := lookup(name); return ok }
	number := func(name string) (int, error) {
		text, ok := lookup(name)
		if !ok {
			return unknown, nil
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("environment variable %s is %q, want a number", name, text)
		}
		return n, nil
	}
	for _, l := range launchers {
		if !has(l.size) && (l.size != "" || !has(l.rank)) {
			continue
		}
		if l.project == mpich && has("SLURM_STEP_NUM_TASKS") && !has("MPI_LOCALNRANKS") {
			continue // srun --mpi=pmi2, which Open MPI may speak, too
		}
		rank, err := number(l.rank)
		if err != nil {
			return launcher{}, err
		}
		size, err := number(l.size)
		if err != nil {
			return launcher{}, err
		}
		return launcher{l.name, l.project, has("PMIX_RANK"), rank, size}, nil
	}
	return launcher{rank: 0, size: 1}, nil
}

// agree returns an error if a library counts other processes than the launcher started.
// Otherwise each would be rank 0 of 1, and run on its own.
func (l launcher) agree(lib library, rank, size int) error {
	counts := ""
	switch {
	case l.size != unknown && l.size != size:
		counts = fmt.Sprintf("%s started %d processes, but %s counts %d", l.name, l.size, lib, size)
	case l.rank != unknown && l.rank != rank:
		counts = fmt.Sprintf("%s started rank %d, but for %s it is rank %d", l.name, l.rank, lib, rank)
	default:
		return nil
	}
	switch {
	case l.project != anyProject && project(lib.version()) != l.project:
		return fmt.Errorf("%s; use the launcher of that library, or set %s to a library of %s", counts, variable, l.project)
	case l.name == "srun":
		return fmt.Errorf("%s; start with srun --mpi=pmix (srun --mpi=list shows what there is), "+
			"set %s to the library that this cluster uses, or to %s where the processes are not one job", counts, variable, off)
	}
	return fmt.Errorf("%s; set %s to the library that the launcher is of", counts, variable)
}
