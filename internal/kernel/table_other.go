//go:build !amd64 || purego

package kernel

// variants holds the primitives of each level of instructions.
var variants = []primitives{generic}

// active is the variant in use.
var active = generic

// pause passes the time of a few instructions.
func pause() {}
