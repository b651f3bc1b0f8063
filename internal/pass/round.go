package pass

import "unnas/internal/ir"

// RoundOperands lets convolutions and their gradients round the operands of their products
// to bfloat16.
func RoundOperands(p *ir.Program) *ir.Program {
	p = shallow(p)
	for _, s := range p.Steps {
		switch op := s.Op.(type) {
		case ir.Conv:
			op.BFloat16 = true
			s.Op = op
		case ir.ConvGrad:
			op.Of.BFloat16 = true
			s.Op = op
		case ir.SeparableConv:
			op.BFloat16 = true
			s.Op = op
		case ir.SeparableConvGrad:
			op.BFloat16 = true
			s.Op = op
		}
	}
	return p
}
