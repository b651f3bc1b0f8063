package pjrt

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"unsafe"
)

// The version of the C API that the structs of this package have.
const (
	majorVersion = 0
	minorVersion = 81
	functions    = 118 // of its table
)

// A table is PJRT_Api, the functions of a plugin.
type table struct {
	header
	version struct {
		header
		major, minor int32
	}
	functions [functions]uintptr
}

// A function is the place of a function in the table. T is the struct of its arguments.
type function[T any] int

const (
	errorDestroy          function[handleArgs]      = 0
	errorMessage          function[textArgs]        = 1
	errorGetCode          function[codeArgs]        = 2
	pluginInitialize      function[header]          = 3
	pluginAttributes      function[attributesArgs]  = 4
	eventDestroy          function[handleArgs]      = 5
	eventAwait            function[handleArgs]      = 8
	clientCreate          function[createArgs]      = 10
	clientDestroy         function[handleArgs]      = 11
	clientPlatformName    function[textArgs]        = 12
	clientPlatformVersion function[textArgs]        = 14
	clientDevices         function[listArgs]        = 16 // PJRT_Client_AddressableDevices
	clientCompile         function[compileArgs]     = 20
	clientFromHost        function[fromHostArgs]    = 22 // PJRT_Client_BufferFromHostBuffer
	descriptionID         function[idArgs]          = 23
	descriptionKind       function[textArgs]        = 26
	deviceDescription     function[getArgs]         = 29
	deviceMemoryStats     function[deviceStatsArgs] = 34
	executableDestroy     function[handleArgs]      = 40
	executableNumOutputs  function[getArgs]         = 44
	executableOptimized   function[optimizedArgs]   = 48
	executableSerialize   function[serializeArgs]   = 49
	loadedDestroy         function[handleArgs]      = 50
	loadedGetExecutable   function[getArgs]         = 51
	loadedDevices         function[listArgs]        = 52 // PJRT_LoadedExecutable_AddressableDevices
	loadedExecute         function[executeArgs]     = 55
	deserializeAndLoad    function[loadArgs]        = 56
	bufferDestroy         function[handleArgs]      = 58
	bufferIsDeleted       function[isArgs]          = 68
	bufferToHost          function[toHostArgs]      = 70
	topologyCreate        function[topologyArgs]    = 82
	topologyDestroy       function[handleArgs]      = 83
	topologyCompile       function[absentArgs]      = 89 // PJRT_Compile
	outputElementTypes    function[listArgs]        = 90
	outputDimensions      function[dimensionsArgs]  = 91
	compiledMemoryStats   function[memoryArgs]      = 96
)

// A header begins every struct.
type header struct {
	size uintptr
	_    uintptr // extension_start
}

func (h *header) setSize(n uintptr) { h.size = n }

// A structure has a header.
type structure interface{ setSize(uintptr) }

// The structs of arguments. A field that points to Go's memory is an unsafe.Pointer, so that
// the collector keeps it; what the plugin owns is a uintptr.
type (
	handleArgs struct { // what to destroy or await
		header
		handle uintptr
	}
	getArgs struct { // what is asked, and a pointer or number
		header
		handle, result uintptr
	}
	idArgs struct {
		header
		handle uintptr
		id     int32
	}
	codeArgs struct {
		header
		handle uintptr
		code   int32
	}
	isArgs struct {
		header
		handle uintptr
		is     bool
	}
	textArgs struct {
		header
		handle, text, n uintptr
	}
	listArgs struct {
		header
		handle, list, n uintptr
	}
	attributesArgs struct {
		header
		list, n uintptr
	}
	namedValue struct {
		header
		name  unsafe.Pointer
		nameN uintptr
		kind  int32
		value uint64 // a union, of pointers too
		n     uintptr
	}
	createArgs struct {
		header
		options  unsafe.Pointer
		optionsN uintptr
		_        [4]uintptr // callbacks
		client   uintptr
		_        [2]uintptr
	}
	deviceStatsArgs struct {
		header
		device uintptr
		inUse  int64
		stats  [10]struct { // peak, allocations, largest allocation, limit, reserved, …
			value int64
			set   bool
		}
	}
	programArgs struct { // PJRT_Program
		header
		code    unsafe.Pointer
		codeN   uintptr
		format  unsafe.Pointer
		formatN uintptr
	}
	compileArgs struct {
		header
		client     uintptr
		program    *programArgs
		options    unsafe.Pointer
		optionsN   uintptr
		executable uintptr
	}
	absentArgs struct { // PJRT_Compile_Args
		header
		topology   uintptr
		program    *programArgs
		options    unsafe.Pointer
		optionsN   uintptr
		_          uintptr // client
		executable uintptr
	}
	topologyArgs struct {
		header
		name     unsafe.Pointer
		nameN    uintptr
		options  unsafe.Pointer
		optionsN uintptr
		topology uintptr
	}
	optimizedArgs struct {
		header
		executable uintptr
		program    *programArgs
	}
	serializeArgs struct {
		header
		executable     uintptr
		bytes, n       uintptr
		owner, destroy uintptr
	}
	loadArgs struct {
		header
		client     uintptr
		code       unsafe.Pointer
		codeN      uintptr
		executable uintptr
		_          [2]uintptr // options that replace those it was compiled with
	}
	memoryArgs struct {
		header
		executable uintptr
		code       int64
		arguments  int64
		outputs    int64
		aliased    int64
		temporary  int64
		_          [6]int64 // of the host, and the peak
	}
	dimensionsArgs struct {
		header
		executable uintptr
		outputs    uintptr
		dims       uintptr
		ranks      uintptr
	}
	fromHostArgs struct {
		header
		client    uintptr
		data      unsafe.Pointer
		element   int32
		dims      unsafe.Pointer
		dimsN     uintptr
		_         [2]uintptr // strides
		semantics int32
		device    uintptr
		_         [2]uintptr // memory and layout
		done      uintptr
		buffer    uintptr
	}
	layoutArgs struct { // PJRT_Buffer_MemoryLayout with PJRT_Buffer_MemoryLayout_Tiled
		header
		tiled struct {
			header
			minorToMajor  unsafe.Pointer
			minorToMajorN uintptr
			_             [3]uintptr // tiles
		}
		kind int32
	}
	toHostArgs struct {
		header
		buffer uintptr
		layout *layoutArgs
		data   unsafe.Pointer
		n      uintptr
		event  uintptr
	}
	executeOptions struct {
		header
		_        [4]uintptr     // callbacks
		_        int32          // launch_id
		_        [3]uintptr     // inputs not to donate, and context
		location unsafe.Pointer // a C string; plugins do not expect NULL
		_        [3]uintptr     // tasks
	}
	executeArgs struct {
		header
		executable uintptr
		options    *executeOptions
		arguments  unsafe.Pointer
		devicesN   uintptr
		argumentsN uintptr
		outputs    unsafe.Pointer
		events     unsafe.Pointer
		device     uintptr
	}
)

// call calls the function of a plugin. Callers set the size of structs within args, sized.
func (f function[T]) call(p *Plugin, args *T) error {
	failure := f.invoke(p, args)
	if failure == 0 {
		return nil
	}
	text := &textArgs{handle: failure}
	errorMessage.invoke(p, text)
	code := &codeArgs{handle: failure}
	errorGetCode.invoke(p, code)
	err := &Error{Code: int(code.code), Text: goString(text.text, text.n)}
	errorDestroy.invoke(p, &handleArgs{handle: failure})
	return err
}

func (f function[T]) invoke(p *Plugin, args *T) (failure uintptr) {
	any(args).(structure).setSize(unsafe.Sizeof(*args))
	return library.Call(p.api.functions[f], unsafe.Pointer(args))
}

// sized returns the header of a struct within the arguments.
func sized[T any]() header {
	var t T
	return header{size: unsafe.Sizeof(t)}
}

// wait waits for an event and destroys it.
func (p *Plugin) wait(event uintptr) error {
	if event == 0 {
		return nil
	}
	defer eventDestroy.invoke(p, &handleArgs{handle: event})
	return eventAwait.call(p, &handleArgs{handle: event})
}

// An Error is what a plugin returns.
type Error struct {
	Code int // of absl::Status
	Text string
}

// Codes of errors that callers treat on their own.
const (
	ResourceExhausted = 8 // such as the memory of a device
	unimplemented     = 12
)

var codes = [...]string{
	1: "cancelled", 2: "unknown", 3: "invalid argument", 4: "deadline exceeded", 5: "not found", 6: "already exists",
	7: "permission denied", 8: "resource exhausted", 9: "failed precondition", 10: "aborted", 11: "out of range",
	12: "unimplemented", 13: "internal", 14: "unavailable", 15: "data loss", 16: "unauthenticated",
}

// Error returns the kind of the error and the text of the plugin.
func (e *Error) Error() string {
	kind := fmt.Sprintf("code %d", e.Code)
	if e.Code > 0 && e.Code < len(codes) {
		kind = codes[e.Code]
	}
	return fmt.Sprintf("pjrt: %s: %s", kind, e.Text)
}

// Is returns whether the target is errors.ErrUnsupported and the plugin does not have the
// function.
func (e *Error) Is(target error) bool {
	return target == errors.ErrUnsupported && e.Code == unimplemented
}

// Kinds of named values.
const (
	stringValue = iota
	int64Value
	int64sValue
	floatValue
	boolValue
)

// namedValues returns options as the plugin reads them. They are right until pins unpins.
func namedValues(options map[string]any, pins *runtime.Pinner) ([]namedValue, error) {
	var list []namedValue
	for name, option := range options {
		v := namedValue{header: sized[namedValue](), name: textData(name), nameN: uintptr(len(name)), n: 1}
		switch o := option.(type) {
		case string:
			v.kind, v.value, v.n = stringValue, pinned(pins, unsafe.StringData(o), len(o)), uintptr(len(o))
		case int:
			v.kind, v.value = int64Value, uint64(o)
		case []int64:
			v.kind, v.value, v.n = int64sValue, pinned(pins, unsafe.SliceData(o), len(o)), uintptr(len(o))
		case float32:
			v.kind, v.value = floatValue, uint64(math.Float32bits(o))
		case bool:
			v.kind = boolValue
			if o {
				v.value = 1
			}
		default:
			return nil, fmt.Errorf("pjrt: option %s has type %T, want string, int, []int64, float32 or bool", name, option)
		}
		list = append(list, v)
	}
	return list, nil
}

// pinned returns the address of n elements as a number, of which the collector knows nothing.
func pinned[T any](pins *runtime.Pinner, first *T, n int) uint64 {
	if n == 0 {
		return 0
	}
	pins.Pin(first)
	return uint64(uintptr(unsafe.Pointer(first)))
}

// data and textData return the address of the first element.
func data[T any](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }
func textData(s string) unsafe.Pointer { return unsafe.Pointer(unsafe.StringData(s)) }

// pointer returns the address of memory that the plugin owns as a pointer. go vet cannot know
// that such a conversion is right.
func pointer[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// goSlice returns n values of the plugin's memory.
func goSlice[T any](address, n uintptr) []T { return unsafe.Slice(pointer[T](address), n) }

// goString returns a copy of a string of the plugin.
func goString(address, n uintptr) string { return string(goSlice[byte](address, n)) }
