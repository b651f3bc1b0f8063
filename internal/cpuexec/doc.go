// Package cpuexec executes programs (package ir) on the CPU.
//
// Compile runs the passes (package pass) over a program, and lays all values into one
// arena, where they share memory if they are not needed at the same time. A Plan bound to
// memory is an Executable: it runs the program level by level; the steps of a level run at
// the same time and share the cores of a thread pool (package kernel). States take their
// new values after a run, or during it if Options.Overwrite is set. After the first few
// runs, a run allocates nothing, unless an operator of another library does. Results do not
// depend on the number of cores.
//
// Each operator of package ir has a kernel here, found by its type in kernelOf. An
// operator of another package brings its own (Kernel), or calls another library (Host).
package cpuexec
