// Package pjrt compiles programs in StableHLO and runs them on CPUs, GPUs and TPUs through
// plugins of the PJRT C API, without cgo.
//
// A plugin is a shared library that exports GetPjrtApi, such as XLA for CPUs or NVIDIA GPUs
// and libtpu. [Find] looks for plugins where pip installs them, [Open] loads one,
// [Plugin.NewClient] opens its devices, [Client.Compile] compiles a program for them, and
// [Executable.Run] runs it on buffers that [ToDevice] makes:
//
//	p, err := pjrt.Open(path)
//	c, err := p.NewClient(nil)
//	e, err := c.Compile(text, pjrt.CompileOptions{})
//	x, err := pjrt.ToDevice(c, 0, []float32{1, 2, 3, 4}, 2, 2)
//	out, err := e.Run([][]*pjrt.Buffer{{x}})
//	err = pjrt.ToHost(out[0][0], y)
//
// The C API (pjrt_c_api.h of OpenXLA) is a table of functions. Each takes the address of one
// struct that begins with its size, from which the plugin knows the version of the caller. New
// functions and fields come at the end. This package has the structs of version 0.81 and takes
// plugins of that version and later ones of major version 0.
//
// Buffers, executables, programs and clients are memory of the plugin, which the garbage
// collector does not free: close them. Their methods may be called from several goroutines, and
// Close last. Plugins log to standard error, and XLA aborts the process where it finds itself in
// an impossible state.
//
// The package omits programs that span processes, partitioning by shardings, callbacks and
// custom calls.
package pjrt
