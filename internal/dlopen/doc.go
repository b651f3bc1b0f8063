// Package dlopen loads shared libraries at run time and calls their functions, without cgo.
// It is on Linux and macOS, amd64 and arm64.
//
// A program that links it needs the loader of the system's C library, also when it is built
// without cgo. So only packages that programs choose to import do.
package dlopen
