// Package cpu says which vector instructions the kernels may use.
//
// The best set that the processor offers is chosen when the program starts.
// The environment variable UNNAS_KERNEL, set to generic, avx2, avx512 or avx512_bf16,
// forces one of them, for tests and for comparisons.
package cpu
