//go:build purego

package cpu

// pure says that the program was built without assembly.
const pure = true
