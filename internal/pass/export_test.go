package pass

import "unnas/internal/ir"

// RepeatAll returns a program of which every step runs twice that may, and whose output is
// idle for long enough.
func RepeatAll(p *ir.Program, t Target) *ir.Program {
	p = splitSums(p)
	return repeat(p, t, candidates(p, t))
}
