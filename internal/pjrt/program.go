package pjrt

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// A Program is a compiled program.
type Program struct {
	plugin  *Plugin
	handle  uintptr // of PJRT_Executable
	outputs int
}

// CompileAbsent compiles a program in StableHLO for devices that need not be present. XLA for
// NVIDIA GPUs wants the options target_config, a GpuTargetConfigProto as text, and topology, such
// as 1x1x1; libtpu wants a topology, such as v5e:1x1, and TPU_SKIP_MDS_QUERY=1 in the environment
// in which the process starts. Devices of the options are not used.
func (p *Plugin) CompileAbsent(text, topology string, options map[string]any, o CompileOptions) (*Program, error) {
	encoded, err := o.encode(nil)
	if err != nil {
		return nil, err
	}
	var pins runtime.Pinner
	defer pins.Unpin()
	list, err := namedValues(options, &pins)
	if err != nil {
		return nil, err
	}
	create := &topologyArgs{name: textData(topology), nameN: uintptr(len(topology)), options: data(list), optionsN: uintptr(len(list))}
	if err := topologyCreate.call(p, create); err != nil {
		return nil, err
	}
	defer topologyDestroy.invoke(p, &handleArgs{handle: create.topology})
	compile := &absentArgs{topology: create.topology, program: stableHLO(text), options: data(encoded), optionsN: uintptr(len(encoded))}
	if err := topologyCompile.call(p, compile); err != nil {
		return nil, err
	}
	return newProgram(p, compile.executable)
}

// stableHLO returns a program for the plugin.
func stableHLO(text string) *programArgs {
	const format = "mlir"
	return &programArgs{sized[programArgs](), textData(text), uintptr(len(text)), textData(format), uintptr(len(format))}
}

// newProgram owns the handle.
func newProgram(p *Plugin, handle uintptr) (*Program, error) {
	program := &Program{plugin: p, handle: handle}
	outputs := &getArgs{handle: handle}
	if err := executableNumOutputs.call(p, outputs); err != nil {
		program.Close()
		return nil, err
	}
	program.outputs = int(outputs.result)
	return program, nil
}

// NumOutputs returns how many results the program has.
func (p *Program) NumOutputs() int { return p.outputs }

// Serialize returns the compiled program, for [Client.Load].
func (p *Program) Serialize() ([]byte, error) {
	a := &serializeArgs{executable: p.handle}
	if err := executableSerialize.call(p.plugin, a); err != nil {
		return nil, err
	}
	defer library.Call(a.destroy, unsafe.Pointer(pointer[byte](a.owner)))
	return []byte(goString(a.bytes, a.n)), nil
}

// Optimized returns the program as XLA's passes leave it, and its format, such as hlo, which
// is a serialized HloModuleProto.
func (p *Program) Optimized() (code []byte, format string, err error) {
	a := &optimizedArgs{executable: p.handle, program: &programArgs{header: sized[programArgs]()}}
	if err := executableOptimized.call(p.plugin, a); err != nil { // for its size
		return nil, "", err
	}
	code = make([]byte, a.program.codeN)
	a.program.code = data(code)
	if err := executableOptimized.call(p.plugin, a); err != nil {
		return nil, "", err
	}
	return code, goString(uintptr(a.program.format), a.program.formatN), nil
}

// Memory has the numbers of bytes that a program needs on each device.
type Memory struct {
	Arguments, Outputs int64
	Aliased            int64 // of outputs that are in memory of donated arguments
	Temporary          int64
	Code               int64
}

// Total returns the most memory that a run takes.
func (m Memory) Total() int64 { return m.Arguments + m.Outputs - m.Aliased + m.Temporary + m.Code }

// Memory returns the memory that a run takes. The error is errors.ErrUnsupported for plugins
// that do not plan it.
func (p *Program) Memory() (Memory, error) {
	a := &memoryArgs{executable: p.handle}
	if err := compiledMemoryStats.call(p.plugin, a); err != nil {
		return Memory{}, err
	}
	return Memory{a.arguments, a.outputs, a.aliased, a.temporary, a.code}, nil
}

// Close frees the program.
func (p *Program) Close() {
	if p.handle != 0 {
		executableDestroy.invoke(p.plugin, &handleArgs{handle: p.handle})
	}
	p.handle = 0
}

// An Executable is a program on devices of a client.
type Executable struct {
	*Program
	client  *Client
	loaded  uintptr // of PJRT_LoadedExecutable
	devices []int   // of each replica
	results []shape
}

// Compile compiles a program in StableHLO, as text, for devices of the client. An argument of
// main with the attribute tf.aliasing_output is donated: its memory becomes that of the output.
func (c *Client) Compile(text string, o CompileOptions) (*Executable, error) {
	if o.Devices != nil && len(o.Devices) != o.replicas() {
		return nil, fmt.Errorf("pjrt: %d devices for %d replicas", len(o.Devices), o.replicas())
	}
	var ids []int
	for _, d := range o.Devices {
		if d < 0 || d >= len(c.devices) {
			return nil, fmt.Errorf("pjrt: no device %d, the client has %d", d, len(c.devices))
		}
		ids = append(ids, c.devices[d].ID)
	}
	encoded, err := o.encode(ids)
	if err != nil {
		return nil, err
	}
	a := &compileArgs{client: c.handle, program: stableHLO(text), options: data(encoded), optionsN: uintptr(len(encoded))}
	if err := clientCompile.call(c.plugin, a); err != nil {
		return nil, c.plugin.explain(err)
	}
	return c.load(a.executable)
}

// Load loads what [Program.Serialize] returns for the same version of the plugin and the same
// kind of device. It runs on the devices that it was compiled for.
func (c *Client) Load(code []byte) (*Executable, error) {
	a := &loadArgs{client: c.handle, code: data(code), codeN: uintptr(len(code))}
	if err := deserializeAndLoad.call(c.plugin, a); err != nil {
		return nil, err
	}
	return c.load(a.executable)
}

// load owns the handle.
func (c *Client) load(handle uintptr) (*Executable, error) {
	e := &Executable{client: c, loaded: handle}
	c.open.Add(1)
	err := e.describe()
	if err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// describe asks for what the executable is.
func (e *Executable) describe() error {
	p := e.client.plugin
	get := &getArgs{handle: e.loaded}
	if err := loadedGetExecutable.call(p, get); err != nil {
		return err
	}
	var err error
	if e.Program, err = newProgram(p, get.result); err != nil {
		return err
	}
	devices := &listArgs{handle: e.loaded}
	if err := loadedDevices.call(p, devices); err != nil {
		return err
	}
	for _, handle := range goSlice[uintptr](devices.list, devices.n) {
		for i, d := range e.client.devices {
			if d.handle == handle {
				e.devices = append(e.devices, i)
			}
		}
	}
	if len(e.devices) == 0 {
		return errors.New("pjrt: the program runs on no device of this process")
	}
	types, dims := &listArgs{handle: e.handle}, &dimensionsArgs{executable: e.handle}
	if err := outputElementTypes.call(p, types); err != nil {
		return err
	}
	if err := outputDimensions.call(p, dims); err != nil {
		return err
	}
	ranks := goSlice[uintptr](dims.ranks, dims.outputs)
	for i, element := range goSlice[int32](types.list, types.n) {
		e.results = append(e.results, shape{element, append([]int64{}, goSlice[int64](dims.dims, ranks[i])...)})
		dims.dims += ranks[i] * unsafe.Sizeof(int64(0))
	}
	if len(e.results) != e.outputs {
		return fmt.Errorf("pjrt: the program has %d outputs but %d shapes", e.outputs, len(e.results))
	}
	return nil
}

// Devices returns the index of the device of each replica.
func (e *Executable) Devices() []int { return append([]int(nil), e.devices...) }

// Run runs the program. arguments[r] are those of replica r, on its device. It returns the
// outputs of each replica once they are computed. A buffer that was donated can only be
// closed.
func (e *Executable) Run(arguments [][]*Buffer) ([][]*Buffer, error) {
	outputs, wait, err := e.Start(arguments)
	if err != nil {
		return nil, err
	}
	if err := wait(); err != nil {
		closeAll(outputs)
		return nil, err
	}
	return outputs, nil
}

// Start is Run, except that it returns before the outputs are computed. They can be arguments
// of other runs meanwhile. The caller must call wait once, before it closes the executable;
// it returns when the run has ended, and the error of the run.
func (e *Executable) Start(arguments [][]*Buffer) (outputs [][]*Buffer, wait func() error, err error) {
	if err := e.check(arguments); err != nil {
		return nil, nil, err
	}
	n := len(e.devices)
	in, out := make([]unsafe.Pointer, n), make([]unsafe.Pointer, n)
	results := make([][]uintptr, n)
	for r, list := range arguments {
		handles := make([]uintptr, len(list))
		for i, b := range list {
			handles[i] = b.handle
		}
		results[r] = make([]uintptr, e.outputs)
		in[r], out[r] = data(handles), data(results[r])
	}
	events := make([]uintptr, n)
	a := &executeArgs{
		executable: e.loaded,
		options:    &executeOptions{header: sized[executeOptions](), location: textData("\x00")},
		arguments:  data(in), devicesN: uintptr(n), argumentsN: uintptr(len(arguments[0])),
		outputs: data(out), events: data(events),
	}
	if err := loadedExecute.call(e.plugin, a); err != nil {
		return nil, nil, err
	}
	outputs = make([][]*Buffer, n)
	for r := range results {
		for i, handle := range results[r] {
			outputs[r] = append(outputs[r], e.client.buffer(handle, e.devices[r], e.results[i]))
		}
	}
	return outputs, func() error {
		var first error
		for _, event := range events {
			if err := e.plugin.wait(event); first == nil {
				first = err
			}
		}
		return first
	}, nil
}

// check returns what is wrong with arguments that a plugin would find on one replica, while
// others wait for it for ever.
func (e *Executable) check(arguments [][]*Buffer) error {
	if e.loaded == 0 {
		return errors.New("pjrt: the executable is closed")
	}
	if len(arguments) != len(e.devices) {
		return fmt.Errorf("pjrt: arguments of %d replicas, want %d", len(arguments), len(e.devices))
	}
	for r, list := range arguments {
		if len(list) != len(arguments[0]) {
			return fmt.Errorf("pjrt: replica %d has %d arguments, replica 0 has %d", r, len(list), len(arguments[0]))
		}
		for i, b := range list {
			if err := b.usable(); err != nil {
				return fmt.Errorf("pjrt: argument %d of replica %d %w", i, r, err)
			}
			if b.device != e.devices[r] {
				return fmt.Errorf("pjrt: argument %d of replica %d is on device %d, want %d", i, r, b.device, e.devices[r])
			}
			if first := arguments[0][i]; !b.shape.equal(first.shape) {
				return fmt.Errorf("pjrt: argument %d of replica %d is %s, that of replica 0 is %s", i, r, b.shape, first.shape)
			}
		}
	}
	return nil
}

// Close frees the executable.
func (e *Executable) Close() {
	if e.loaded == 0 {
		return
	}
	if e.Program != nil {
		e.Program.Close()
	}
	loadedDestroy.invoke(e.client.plugin, &handleArgs{handle: e.loaded})
	e.loaded = 0
	e.client.open.Add(-1)
}
