package mpi

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// A library makes the calls of an MPI library, all of them on one thread.
type library interface {
	fmt.Stringer // the version and the path, for messages
	version() string
	initialize() (rank, size int, err error)
	allToAll(recv, send []float32) error
	allGather(recv, send []float32) error
	broadcast(data []float32, root int) error
	barrier() error
	finalize() error
	abort()
	abortWait() // makes the thread abort if it waits; any thread may call it
}

// The application binary interfaces of MPI libraries, which differ in their handles.
type family int

const (
	standardFamily family = iota // since MPI 5
	mpichFamily
	openMPIFamily
)

// files are the names of libraries by system and family, in the order of trials.
// Those with a path are Homebrew's, which the system does not search.
var files = map[string][3][]string{
	"linux": {
		standardFamily: {"libmpi_abi.so.1", "libmpi_abi.so.0"}, // MPICH 5.0 has the latter
		mpichFamily: {
			"libmpich.so.12",       // Debian
			"libmpi.so.12",         // MPICH, Intel MPI, MVAPICH, Cray's cray-mpich-abi
			"libmpi_cray.so.12",    // Cray MPICH
			"libmpi_gnu_123.so.12", // … for GCC 12.3 and later
			"libmpi_gnu_91.so.12",  // … for GCC 9.1 and later
		},
		openMPIFamily: {"libmpi.so.40"},
	},
	"darwin": {
		standardFamily: {"libmpi_abi.1.dylib", "libmpi_abi.0.dylib"},
		mpichFamily: {
			"libmpi.12.dylib",
			"/opt/homebrew/opt/mpich/lib/libmpi.12.dylib",
			"/usr/local/opt/mpich/lib/libmpi.12.dylib",
		},
		openMPIFamily: {
			"libmpi.40.dylib",
			"/opt/homebrew/opt/open-mpi/lib/libmpi.40.dylib",
			"/usr/local/opt/open-mpi/lib/libmpi.40.dylib",
		},
	},
}

// candidates returns the names of the libraries that may fit a launcher, the likeliest
// first.
func candidates(system string, l launcher) []string {
	names := files[system]
	order := []family{standardFamily, mpichFamily, openMPIFamily}
	switch {
	case l.project == openMPI:
		order = []family{standardFamily, openMPIFamily}
	case l.project == mpich:
		order = []family{standardFamily, mpichFamily}
	case l.pmix:
		order = []family{standardFamily, openMPIFamily, mpichFamily}
	}
	var all []string
	for _, f := range order {
		all = append(all, names[f]...)
	}
	return all
}

// familyOf returns the family of a library. has returns whether it exports a symbol.
func familyOf(file string, has func(symbol string) bool) family {
	switch {
	case strings.Contains(filepath.Base(file), "mpi_abi") && has("MPI_Abi_get_version"):
		return standardFamily
	case has("ompi_mpi_comm_world"): // a library of the standard ABI may have it, too
		return openMPIFamily
	}
	return mpichFamily
}

// project returns the project of a library from its version text. Intel MPI, Cray MPICH
// and MVAPICH are of MPICH's.
func project(version string) string {
	if strings.Contains(version, openMPI) {
		return openMPI
	}
	return mpich
}

// errAbsent is the error of a library that is not installed.
var errAbsent = errors.New("not found")

// choose returns the first of the files that opens as a library of the launcher's project.
func choose(names []string, l launcher, open func(name string) (library, error)) (library, error) {
	var faults []string
	for _, name := range names {
		lib, err := open(name)
		if err == nil && l.project != anyProject && project(lib.version()) != l.project {
			err = fmt.Errorf("%s is not of %s", lib, l.project)
		}
		if err == nil {
			return lib, nil
		}
		if !errors.Is(err, errAbsent) {
			faults = append(faults, "; "+err.Error())
		}
	}
	packages := []string{"openmpi-bin", "mpich"}
	if l.project != anyProject {
		packages = slices.DeleteFunc(packages, func(p string) bool { return (p == "mpich") != (l.project == mpich) })
	}
	return nil, fmt.Errorf("%s started this process, but no MPI library for it was found (tried %s%s); "+
		"install %s (Debian, Ubuntu) on every host, or set %s to the path of the library",
		l.name, strings.Join(names, ", "), strings.Join(faults, ""), strings.Join(packages, " or "), variable)
}
