package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
)

// The assembler lacks the instructions of AVX512-BF16. They are written with their names,
// for registers to be allocated, and then replaced by their bytes (Intel, Software
// Developer's Manual, volume 2, sections 2.7 and 5).

// native emits such an instruction; z is the result.
func native(name string, x, y, z Op, reads ...Op) {
	Instruction(&ir.Instruction{Opcode: name, Operands: []Op{x, y, z}, Inputs: append(reads, x, y), Outputs: []Op{z}})
}

// coded are the prefixes and the codes of the instructions.
var coded = map[string]struct{ prefix, code uint8 }{
	"VDPBF16PS":      {2, 0x52},
	"VCVTNE2PS2BF16": {3, 0x72},
}

var written = regexp.MustCompile(`(?m)^\t(VDPBF16PS|VCVTNE2PS2BF16) +([YZ])(\d+), [YZ](\d+), [YZ](\d+)$`)

// encode replaces the instructions in a file.
func encode(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	text = written.ReplaceAllFunc(text, func(line []byte) []byte {
		m := written.FindStringSubmatch(string(line))
		register := func(i int) uint8 {
			n, err := strconv.ParseUint(m[i], 10, 5)
			if err != nil {
				panic(err)
			}
			return uint8(n)
		}
		x, y, z, c := register(3), register(4), register(5), coded[m[1]]
		bit := func(r, i uint8) uint8 { return r >> i & 1 }
		length := uint8(1)
		if m[2] == "Z" {
			length = 2
		}
		b := [6]uint8{
			0x62,
			^(bit(z, 3)<<7|bit(x, 4)<<6|bit(x, 3)<<5|bit(z, 4)<<4)&0xf0 | 2,
			^(y&15<<3)&0x78 | 4 | c.prefix,
			length<<5 | (1-bit(y, 4))<<3,
			c.code,
			0xc0 | z&7<<3 | x&7,
		}
		return fmt.Appendf(nil, "\tLONG $0x%02x%02x%02x%02x; WORD $0x%02x%02x // %s", b[3], b[2], b[1], b[0], b[5], b[4], line[1:])
	})
	if err := os.WriteFile(path, text, 0o644); err != nil {
		panic(err)
	}
}
