//go:build ((linux && !android) || darwin) && (amd64 || arm64)

package mpi

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"
)

// An abi has the constants of a family.
type abi struct {
	world, float, errorsReturn uintptr
	statusIgnore               uintptr
	threadFunneled             int32
}

// constants of the families. In Open MPI's, handles are addresses that bind finds.
var constants = [...]abi{
	// MPI: A Message-Passing Interface Standard, version 5.0 (2025), chapter 20.
	standardFamily: {0x101, 0x210, 0x142, 0, 1024},
	mpichFamily:    {0x44000000, 0x4c00040a, 0x54000001, 1, 1},
	openMPIFamily:  {threadFunneled: 1},
}

// A binding is an opened library.
type binding struct {
	file, path, text string
	size             int
	abi

	getLibraryVersion func(text *byte, length *int32) int32
	initThread        func(argc, argv uintptr, required int32, provided *int32) int32
	commRank          func(comm uintptr, rank *int32) int32
	commSize          func(comm uintptr, size *int32) int32
	commSetErrhandler func(comm, handler uintptr) int32
	errorString       func(code int32, text *byte, length *int32) int32
	mpiAlltoall       func(send unsafe.Pointer, sends int32, sendType uintptr, recv unsafe.Pointer, recvs int32, recvType, comm uintptr) int32
	mpiIalltoall      func(send unsafe.Pointer, sends int32, sendType uintptr, recv unsafe.Pointer, recvs int32, recvType, comm uintptr, r *request) int32
	mpiAllgather      func(send unsafe.Pointer, sends int32, sendType uintptr, recv unsafe.Pointer, recvs int32, recvType, comm uintptr) int32
	mpiIallgather     func(send unsafe.Pointer, sends int32, sendType uintptr, recv unsafe.Pointer, recvs int32, recvType, comm uintptr, r *request) int32
	mpiBcast          func(data unsafe.Pointer, n int32, dataType uintptr, root int32, comm uintptr) int32
	mpiIbcast         func(data unsafe.Pointer, n int32, dataType uintptr, root int32, comm uintptr, r *request) int32
	mpiIbarrier       func(comm uintptr, r *request) int32
	mpiAbort          func(comm uintptr, code int32) int32
	mpiFinalize       func() int32

	mpiTest  uintptr
	aborting atomic.Bool
}

// A request is an MPI_Request, which is a pointer or an int.
type request uintptr

// maxText is at least MPI_MAX_LIBRARY_VERSION_STRING and MPI_MAX_ERROR_STRING of all
// families.
const maxText = 8192

// callable returns an error if libraries cannot be called on this system.
func callable() error { return nil }

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
	b := &binding{file: file, abi: constants[f]}
	for name, function := range map[string]any{
		"MPI_Get_library_version": &b.getLibraryVersion,
		"MPI_Init_thread":         &b.initThread,
		"MPI_Comm_rank":           &b.commRank,
		"MPI_Comm_size":           &b.commSize,
		"MPI_Comm_set_errhandler": &b.commSetErrhandler,
		"MPI_Error_string":        &b.errorString,
		"MPI_Alltoall":            &b.mpiAlltoall,
		"MPI_Ialltoall":           &b.mpiIalltoall,
		"MPI_Allgather":           &b.mpiAllgather,
		"MPI_Iallgather":          &b.mpiIallgather,
		"MPI_Bcast":               &b.mpiBcast,
		"MPI_Ibcast":              &b.mpiIbcast,
		"MPI_Ibarrier":            &b.mpiIbarrier,
		"MPI_Abort":               &b.mpiAbort,
		"MPI_Finalize":            &b.mpiFinalize,
	} {
		symbol, err := purego.Dlsym(at, name)
		if err != nil {
			return nil, fmt.Errorf("%s is not a library of MPI 3 or later: %w", file, err)
		}
		purego.RegisterFunc(function, symbol)
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
	var err error
	if b.mpiTest, err = purego.Dlsym(at, "MPI_Test"); err != nil {
		return nil, fmt.Errorf("%s is not an MPI library: %w", file, err)
	}
	b.path = pathOf(b.mpiTest, file)
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
	if _, err := purego.Dlopen(b.file, purego.RTLD_NOW|purego.RTLD_GLOBAL); err != nil {
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

// small is the number of elements up to which a call of all ranks does not block.
const small = 4096

func (b *binding) allToAll(recv, send []float32) error {
	n := int32(len(send) / b.size)
	return b.exchange(len(send), func(r *request) int32 {
		return b.mpiIalltoall(data(send), n, b.float, data(recv), n, b.float, b.world, r)
	}, func() int32 {
		return b.mpiAlltoall(data(send), n, b.float, data(recv), n, b.float, b.world)
	})
}

func (b *binding) allGather(recv, send []float32) error {
	n := int32(len(send))
	return b.exchange(len(recv), func(r *request) int32 {
		return b.mpiIallgather(data(send), n, b.float, data(recv), n, b.float, b.world, r)
	}, func() int32 {
		return b.mpiAllgather(data(send), n, b.float, data(recv), n, b.float, b.world)
	})
}

func (b *binding) broadcast(values []float32, root int) error {
	n := int32(len(values))
	return b.exchange(len(values), func(r *request) int32 {
		return b.mpiIbcast(data(values), n, b.float, int32(root), b.world, r)
	}, func() int32 {
		return b.mpiBcast(data(values), n, b.float, int32(root), b.world)
	})
}

func (b *binding) barrier() error {
	return b.wait(func(r *request) int32 { return b.mpiIbarrier(b.world, r) })
}

// exchange makes a collective call that moves n elements. Calls that block poll without a
// pause, which would take a core from other goroutines while this rank waits for a slower
// one, and would not see Abort. So a blocking one comes after a barrier.
func (b *binding) exchange(n int, start func(*request) int32, block func() int32) error {
	defer runtime.KeepAlive(start) // and with it what the library reads and writes
	if n <= small {
		return b.wait(start)
	}
	if err := b.barrier(); err != nil {
		return err
	}
	return b.check(block())
}

// wait starts a call and waits until it has been completed. For a millisecond it polls without
// a pause. Then it sleeps between polls, in Go, so that other goroutines have the core.
func (b *binding) wait(start func(*request) int32) error {
	var r request
	var done int32
	if err := b.check(start(&r)); err != nil {
		return err
	}
	for began := time.Now(); !b.aborting.Load(); {
		for range 100 {
			code, _, _ := purego.SyscallN(b.mpiTest, uintptr(unsafe.Pointer(&r)), uintptr(unsafe.Pointer(&done)), b.statusIgnore)
			if err := b.check(int32(code)); err != nil || done != 0 {
				return err
			}
		}
		if time.Since(began) > time.Millisecond {
			time.Sleep(500 * time.Microsecond)
		}
	}
	b.abort()
	return errors.New("the rank is aborted")
}

func (b *binding) abort()          { b.mpiAbort(b.world, 1) }
func (b *binding) abortWait()      { b.aborting.Store(true) }
func (b *binding) finalize() error { return b.check(b.mpiFinalize()) }

func data(s []float32) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }
