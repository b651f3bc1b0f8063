package cpu

import (
	"fmt"
	"os"

	"golang.org/x/sys/cpu"
)

// Level is a set of vector instructions; a higher one includes the lower.
type Level int

// The levels, in rising order. Generic is plain Go.
const (
	Generic    Level = iota
	AVX2             // AVX2 with FMA3
	AVX512           // AVX-512 F, VL, BW and DQ, with BMI2
	AVX512BF16       // AVX512 with BF16
)

// Variable is the environment variable that forces a level.
const Variable = "UNNAS_KERNEL"

var names = [...]string{Generic: "generic", AVX2: "avx2", AVX512: "avx512", AVX512BF16: "avx512_bf16"}

// String returns the name by which Variable selects the level.
func (l Level) String() string { return names[l] }

// Best returns the highest level that this processor and this build run.
func Best() Level {
	if pure {
		return Generic
	}
	x := cpu.X86
	switch {
	case x.HasAVX512F && x.HasAVX512VL && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX2 && x.HasFMA && x.HasBMI2:
		if x.HasAVX512BF16 {
			return AVX512BF16
		}
		return AVX512
	case x.HasAVX2 && x.HasFMA:
		return AVX2
	}
	return Generic
}

// Select returns the level to use: the one that name asks for, or the best if
// name is empty. It fails if name is unknown or beyond this processor.
func Select(name string) (Level, error) {
	if name == "" {
		return Best(), nil
	}
	for l, n := range names {
		if n != name {
			continue
		}
		if Level(l) > Best() {
			return Generic, fmt.Errorf("cpu: %s=%s, but this processor offers %s at most; unset it", Variable, name, Best())
		}
		return Level(l), nil
	}
	return Generic, fmt.Errorf("cpu: %s=%q is not one of generic, avx2, avx512, avx512_bf16", Variable, name)
}

// Active is the level in use, and Err says why Variable could not be followed: the
// level is Generic then, and whoever starts work must report the error.
var (
	Active Level
	Err    error
)

func init() { Active, Err = Select(os.Getenv(Variable)) }
