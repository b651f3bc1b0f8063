// Package pass holds the transformations of programs (package ir) between their
// construction and their execution. Each is a function in a file of its own. In the order
// in which the CPU executor applies them:
//
//   - Merge computes common subexpressions once.
//   - Epilogues let the kernel that makes a map also sum it up.
//   - Prune drops what no result needs.
//   - Defer stores no map that all its readers can form themselves.
//   - FuseSiblings makes one step of several that read one map.
//   - Rematerialise computes maps twice rather than keep them.
//   - RoundOperands lets convolutions multiply bfloat16.
//   - Compress keeps maps in half of the memory.
//   - Schedule finds which steps may run at the same time.
//   - InPlace finds which new values of states overwrite the old ones.
//   - Liveness finds how long each value is needed.
//   - Assign gives each value its memory.
//
// What the kernels of an executor can do is known to the passes as Traits.
package pass
