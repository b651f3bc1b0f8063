//go:build ((linux && !android) || darwin) && (amd64 || arm64)

package mpi

import (
	"bytes"
	"fmt"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// An abi has the constants of a family.
type abi struct {
	world, float, errorsReturn uintptr
	threadFunneled             int32
}

// constants of the families. Handles are addresses in Open MPI's, which newBinding looks up.
var constants = [...]abi{
	// MPI: A Message-Passing Interface Standard, version 5.0 (2025), section 20.
	standardFamily: {0x101, 0x210, 0x142, 1024},
	mpichFamily:    {0x44000000, 0x4c00040a, 0x54000001, 1},
	openMPIFamily:  {threadFunneled: 1},
}

// A binding is an opened library.
type binding struct {
	text, path string
	size       int
	abi

	getLibraryVersion func(text *byte, length *int32) int32
	initThread        func(argc, argv uintptr, required int32, provided *int32) int32
	commRank          func(comm uintptr, rank *int32) int32
	commSize          func(comm uintptr, size *int32) int32
	commSetErrhandler func(comm, handler uintptr) int32
	errorString       func(code int32, text *byte, length *int32) int32
	mpiAlltoall       func(send unsafe.Pointer, sends int32, sendType uintptr, recv unsafe.Pointer, recvs int32, recvType, comm uintptr) int32
	mpiAllgather      func(send unsafe.Pointer, sends int32, sendType uintptr, recv unsafe.Pointer, recvs int32, recvType, comm uintptr) int32
	mpiBcast          func(data unsafe.Pointer, n int32, dataType uintptr, root int32, comm uintptr) int32
	mpiBarrier        func(comm uintptr) int32
	mpiAbort          func(comm uintptr, code int32) int32
	mpiFinalize       func() int32
}

// maxText is at least MPI_MAX_LIBRARY_VERSION_STRING and MPI_MAX_ERROR_STRING of all
// families.
const maxText = 8192

// open opens the library of a name or path.
func open(file string) (library, error) {
	at, err := purego.Dlopen(file, purego.RTLD_LAZY|purego.RTLD_LOCAL)
	if err != nil {
		if text := err.Error(); strings.HasPrefix(text, file+": cannot open") || strings.Contains(text, "no such file") {
			return nil, fmt.Errorf("%s: %w", file, errAbsent)
		}
		return nil, err
	}
	b, err := bind(file, at)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// bind finds the functions and constants of a library.
func bind(file string, at uintptr) (*binding, error) {
	has := func(symbol string) bool { _, err := purego.Dlsym(at, symbol); return err == nil }
	f := familyOf(file, has)
	b := &binding{path: file, abi: constants[f]}
	for name, f := range map[string]any{
		"MPI_Get_library_version": &b.getLibraryVersion,
		"MPI_Init_thread":         &b.initThread,
		"MPI_Comm_rank":           &b.commRank,
		"MPI_Comm_size":           &b.commSize,
		"MPI_Comm_set_errhandler": &b.commSetErrhandler,
		"MPI_Error_string":        &b.errorString,
		"MPI_Alltoall":            &b.mpiAlltoall,
		"MPI_Allgather":           &b.mpiAllgather,
		"MPI_Bcast":               &b.mpiBcast,
		"MPI_Barrier":             &b.mpiBarrier,
		"MPI_Abort":               &b.mpiAbort,
		"MPI_Finalize":            &b.mpiFinalize,
	} {
		symbol, err := purego.Dlsym(at, name)
		if err != nil {
			return nil, fmt.Errorf("%s is not a library of MPI 3 or later: %w", file, err)
		}
		purego.RegisterFunc(f, symbol)
	}
	if f == openMPIFamily {
		for name, handle := range map[string]*uintptr{
			"ompi_mpi_comm_world":    &b.world,
			"ompi_mpi_float":         &b.float,
			"ompi_mpi_errors_return": &b.errorsReturn,
		} {
			var err error
			if *handle, err = purego.Dlsym(at, name); err != nil {
				return nil, fmt.Errorf("%s is not a library of %s: %w", file, openMPI, err)
			}
		}
	}
	if symbol, err := purego.Dlsym(at, "MPI_Init_thread"); err == nil {
		b.path = pathOf(symbol, file)
	}
	text := make([]byte, maxText)
	var length int32
	if code := b.getLibraryVersion(&text[0], &length); code != 0 {
		return nil, fmt.Errorf("%s: MPI_Get_library_version returns code %d", b.path, code)
	}
	b.text = string(bytes.TrimRight(text[:max(0, min(int(length), len(text)))], "\x00"))
	return b, nil
}

// pathOf returns the path of the library that a symbol is in, or otherwise.
func pathOf(symbol uintptr, otherwise string) string {
	at, err := purego.Dlsym(purego.RTLD_DEFAULT, "dladdr")
	if err != nil {
		return otherwise
	}
	var dladdr func(address uintptr, info *[4]*byte) int32 // of struct Dl_info, the first is the path
	purego.RegisterFunc(&dladdr, at)
	var info [4]*byte
	if dladdr(symbol, &info) == 0 || info[0] == nil {
		return otherwise
	}
	path := unsafe.Slice(info[0], 4096)
	for i, c := range path {
		if c == 0 {
			return string(path[:i])
		}
	}
	return otherwise
}

func (b *binding) version() string { return b.text }

// String returns the first line or sentence of the version, and the path.
func (b *binding) String() string {
	text, _, _ := strings.Cut(b.text, "\n")
	text, _, _ = strings.Cut(text, ", ")
	return fmt.Sprintf("%s (%s)", strings.Join(strings.Fields(text), " "), b.path)
}

// initialize joins the job.
func (b *binding) initialize() (rank, size int, err error) {
	// Plug-ins of Open MPI need its symbols.
	if _, err := purego.Dlopen(b.path, purego.RTLD_NOW|purego.RTLD_GLOBAL); err != nil {
		return 0, 0, err
	}
	var provided, r, s int32
	if code := b.initThread(0, 0, b.threadFunneled, &provided); code != 0 {
		return 0, 0, fmt.Errorf("MPI_Init_thread of %s returns code %d", b, code)
	}
	if provided < b.threadFunneled {
		return 0, 0, fmt.Errorf("%s is built without MPI_THREAD_FUNNELED, which programs with threads need", b)
	}
	for _, code := range []int32{
		b.commSetErrhandler(b.world, b.errorsReturn), b.commRank(b.world, &r), b.commSize(b.world, &s),
	} {
		if err := b.check(code); err != nil {
			return 0, 0, err
		}
	}
	b.size = int(s)
	return int(r), b.size, nil
}

// handlers returns a function that restores the signal handlers of now. Libraries install
// their own when they are opened, such as UCX of Open MPI's for SIGSEGV: it would end the
// program where Go makes a panic, and would run on the small stacks of goroutines.
func handlers() (restore func()) {
	at, err := purego.Dlsym(purego.RTLD_DEFAULT, "sigaction")
	if err != nil {
		return func() {}
	}
	type action [32]uint64 // longer than struct sigaction, which begins with the handler
	var sigaction func(signal int32, change, old *action) int32
	purego.RegisterFunc(&sigaction, at)
	var before [32]action
	for s := range before {
		sigaction(int32(s), nil, &before[s])
	}
	return func() {
		for s := range before {
			var after action
			if sigaction(int32(s), nil, &after) == 0 && after[0] != before[s][0] {
				sigaction(int32(s), &before[s], nil)
			}
		}
	}
}

// check turns a code into an error.
func (b *binding) check(code int32) error {
	if code == 0 {
		return nil
	}
	text := make([]byte, maxText)
	var length int32
	if b.errorString(code, &text[0], &length) != 0 {
		return fmt.Errorf("%s returns code %d", b, code)
	}
	return fmt.Errorf("%s: %s", b, text[:max(0, min(int(length), len(text)))])
}

func (b *binding) allToAll(recv, send []float32) error {
	n := int32(len(send) / b.size)
	return b.check(b.mpiAlltoall(data(send), n, b.float, data(recv), n, b.float, b.world))
}

func (b *binding) allGather(recv, send []float32) error {
	n := int32(len(send))
	return b.check(b.mpiAllgather(data(send), n, b.float, data(recv), n, b.float, b.world))
}

func (b *binding) broadcast(values []float32, root int) error {
	return b.check(b.mpiBcast(data(values), int32(len(values)), b.float, int32(root), b.world))
}

func (b *binding) barrier() error  { return b.check(b.mpiBarrier(b.world)) }
func (b *binding) abort()          { b.mpiAbort(b.world, 1) }
func (b *binding) finalize() error { return b.check(b.mpiFinalize()) }

func data(s []float32) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }
