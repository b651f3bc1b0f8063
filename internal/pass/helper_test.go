package pass_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// toy is an operator with given traits. Its outputs have the given shapes; without any, one
// output has that of input 0.
type toy struct {
	name   string
	traits pass.Traits
	out    []ir.Shape
	cost   int64
}

func (o toy) String() string { return o.name }

func (o toy) Infer(in []ir.Shape) ([]ir.Shape, error) {
	if o.out == nil {
		return in[:1], nil
	}
	return o.out, nil
}

func (o toy) Cost([]ir.Shape) ir.Cost { return ir.Cost{ConvMACs: o.cost} }

// target returns the traits of toys. Operators of package ir are pure, and read any form.
func target(s *ir.Step) pass.Traits {
	if o, ok := s.Op.(toy); ok {
		return o.traits
	}
	t := pass.Traits{Pure: true}
	for range s.In {
		t.Reads = append(t.Reads, ir.Affine)
	}
	return t
}

// look is a toy that reads a map in a form.
func look(reads ir.Form) toy {
	return toy{name: fmt.Sprintf("Look{%d}", reads), traits: pass.Traits{Reads: []ir.Form{reads}}}
}

// affine is a toy whose output 0 is its input 0 times factors, plus a shift if shift is
// set. Output 1 has the coefficients [3, C], from row 1 on. It reads its input in a form.
func affine(name string, shift bool, reads ir.Form) toy {
	return toy{
		name: name,
		traits: pass.Traits{
			Reads: []ir.Form{reads},
			Defers: func(i int) (pass.Deferral, bool) {
				return pass.Deferral{P: 0, Q: -1, Coef: 1, Row: 1, Shift: shift}, i == 0
			},
		},
		out: []ir.Shape{mapShape, {3, mapShape.Channels()}},
	}
}

// blend is a toy whose output 0 is a sum of both inputs with coefficients [3, C], which are
// output 1. It reads its inputs in a form.
func blend(name string, reads ...ir.Form) toy {
	return toy{
		name: name,
		traits: pass.Traits{
			Reads: reads,
			Defers: func(i int) (pass.Deferral, bool) {
				return pass.Deferral{P: 0, Q: 1, Coef: 1, Shift: true}, i == 0
			},
		},
		out: []ir.Shape{mapShape, {3, mapShape.Channels()}},
	}
}

// mapShape is the shape of the maps of most tests.
var mapShape = ir.Shape{2, 3, 2, 5}

// program builds a program.
type program struct {
	ir.Builder
	inputs []*ir.Value
}

// input adds an input; without dimensions it is a map.
func (p *program) input(name string, shape ...int) *ir.Value {
	if shape == nil {
		shape = mapShape
	}
	v := &ir.Value{Name: name, Shape: shape, Type: ir.Float32, Source: ir.External}
	p.inputs = append(p.inputs, v)
	return v
}

// apply returns output 0 of an operator.
func (p *program) apply(op ir.Op, in ...*ir.Value) *ir.Value { return p.Apply(op, in...)[0] }

// foreign returns the output of an operator of another library.
func (p *program) foreign(name string, in ...*ir.Value) *ir.Value {
	v := p.apply(toy{name: name}, in...)
	v.Source = ir.Foreign
	return v
}

// build returns the program with given results.
func (p *program) build(results ...*ir.Value) *ir.Program {
	return &ir.Program{Inputs: p.inputs, Steps: p.Steps, Results: results}
}

// ops returns the operators of the steps, sums with their number of terms.
func ops(p *ir.Program) []string {
	names := []string{}
	for _, s := range p.Steps {
		name := s.Op.String()
		if _, ok := s.Op.(ir.Sum); ok {
			name = fmt.Sprintf("Sum of %d", len(s.In))
		}
		names = append(names, name)
	}
	return names
}

// step returns the only step with an operator of that name.
func step(t *testing.T, p *ir.Program, name string) *ir.Step {
	t.Helper()
	var found *ir.Step
	for _, s := range p.Steps {
		if s.Op.String() == name {
			assert.Nil(t, found, "two steps %s", name)
			found = s
		}
	}
	if found == nil {
		assert.Fail(t, "missing step", "%s in\n%v", name, p)
	}
	return found
}

// text compares a program with its text.
func text(t *testing.T, want string, p *ir.Program) {
	t.Helper()
	assert.Equal(t, strings.TrimPrefix(want, "\n"), p.String())
}

// check follows a run and returns an error for the first value that is overwritten before
// it is last read. It does not use the spans: every level paints the outputs of its steps,
// and looks for the paint of their inputs.
func check(p *ir.Program, levels pass.Levels, l pass.Layout) error {
	paint := make([]*ir.Value, l.Size)
	area := func(v *ir.Value) []*ir.Value {
		if at, ok := l.At[v]; ok {
			return paint[at:][:pass.Floats(v)]
		}
		return nil
	}
	made, places := map[*ir.Value]*ir.Step{}, map[*ir.Value]place{}
	var intact func(v *ir.Value) error
	intact = func(v *ir.Value) error {
		if d := v.Deferred; d != nil {
			err := errors.Join(intact(d.P), intact(d.Coef))
			if d.Q != nil {
				err = errors.Join(err, intact(d.Q))
			}
			return err
		}
		for i, owner := range area(v) {
			if owner != v {
				return fmt.Errorf("float %d of a value of %v is overwritten", i, made[v].Op)
			}
		}
		if v.Source == ir.Foreign { // it may share memory with its inputs
			for _, in := range made[v].In {
				if err := intact(in); err != nil {
					return err
				}
			}
		}
		return nil
	}
	all := func(name string, values []*ir.Value) error {
		for _, v := range values {
			if v == nil {
				continue
			}
			if err := intact(v); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}
	rest := p.Steps
	for i, groups := range levels {
		begin := rest
		for j, n := range groups {
			for _, s := range rest[:n] {
				for _, v := range s.In {
					if err := exists(v, place{i, j}, places); err != nil {
						return fmt.Errorf("level %d, %v: %w", i, s.Op, err)
					}
				}
				for _, v := range s.Out {
					if v != nil {
						made[v], places[v] = s, place{i, j}
						for k := range area(v) {
							area(v)[k] = v
						}
					}
				}
			}
			rest = rest[n:]
		}
		for _, s := range begin[:len(begin)-len(rest)] {
			name := fmt.Sprintf("level %d, %v", i, s.Op)
			stored := slices.DeleteFunc(slices.Clone(s.Out), func(v *ir.Value) bool { return v == nil || v.Deferred != nil })
			if err := errors.Join(all(name, s.In), all(name, stored)); err != nil {
				return err
			}
		}
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d steps in no level", len(rest))
	}
	for _, s := range p.States {
		if err := intact(s.Out); err != nil {
			return fmt.Errorf("state: %w", err)
		}
	}
	return all("result", p.Results)
}

// place is a group of a level.
type place struct{ level, group int }

// exists returns an error for a value that neither an earlier level makes nor, so far, the
// group.
func exists(v *ir.Value, now place, places map[*ir.Value]place) error {
	if d := v.Deferred; d != nil {
		err := errors.Join(exists(d.P, now, places), exists(d.Coef, now, places))
		if d.Q != nil {
			err = errors.Join(err, exists(d.Q, now, places))
		}
		return err
	}
	at, made := places[v]
	if v.Source == ir.External || made && (at.level < now.level || at == now) {
		return nil
	}
	return errors.New("a value is read before it is made")
}

// serial returns levels of one step each.
func serial(p *ir.Program) pass.Levels { return slices.Repeat(pass.Levels{{1}}, len(p.Steps)) }
