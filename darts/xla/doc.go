// Package xla lets a program run searches and trainings on GPUs and TPUs, through plugins of
// XLA:
//
//	import _ "unnas/darts/xla"
//
// Then darts.Runtime.Device names an accelerator, and darts.Devices lists what there is.
//
// The plugins are shared libraries, loaded at run time without cgo. A program that imports
// this package needs the loader of the system's C library even when it is built without cgo,
// so it does not start on a system without one; it runs on Alpine with the package gcompat.
package xla
