package ir

import (
	"fmt"
	"strings"
)

// String returns the program in text: the inputs, one line for each step, the states
// and the results. Values are numbered in the order in which they are made; an output
// that is not needed is "_". A deferred value follows its step, as a formula.
func (p *Program) String() string {
	t := printer{numbers: map[*Value]int{}}
	for _, v := range p.Inputs {
		t.line("%s = input %q", t.define(v), v.Name)
	}
	for _, s := range p.Steps {
		for _, v := range s.In {
			t.copies(v)
		}
		outs := make([]string, len(s.Out))
		for i, v := range s.Out {
			if outs[i] = "_"; v != nil && v.Deferred == nil {
				outs[i] = t.define(v)
			}
		}
		// A deferred output has no memory: its step makes its coefficients.
		t.line("%s = %v(%s)", strings.Join(outs, ", "), s.Op, t.list(s.In))
		for _, v := range s.Out {
			if v != nil && v.Deferred != nil {
				t.line("    %s = deferred %s", t.define(v), t.formula(v.Deferred))
			}
		}
	}
	for _, s := range p.States {
		t.line("state %s = %s", t.use(s.In), t.use(s.Out))
	}
	t.line("return %s", t.list(p.Results))
	return t.text.String()
}

type printer struct {
	text    strings.Builder
	numbers map[*Value]int
}

func (t *printer) line(format string, args ...any) { fmt.Fprintf(&t.text, format+"\n", args...) }

// define numbers a value and returns it with its type.
func (t *printer) define(v *Value) string {
	return fmt.Sprintf("%s %s%v", t.use(v), v.Type, []int(v.Shape))
}

func (t *printer) use(v *Value) string {
	if _, known := t.numbers[v]; !known {
		t.numbers[v] = len(t.numbers)
	}
	return fmt.Sprintf("%%%d", t.numbers[v])
}

func (t *printer) list(values []*Value) string {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = t.use(v)
	}
	return strings.Join(names, ", ")
}

// copies shows a deferred value that no step makes: one over another copy of its maps.
func (t *printer) copies(v *Value) {
	if _, known := t.numbers[v]; known || v.Deferred == nil {
		return
	}
	t.copies(v.Deferred.P)
	t.line("    %s = deferred %s", t.define(v), t.formula(v.Deferred))
}

func (t *printer) formula(d *Deferred) string {
	row := d.Row
	coef := func() string {
		row++
		return fmt.Sprintf("%s[%d]", t.use(d.Coef), row-1)
	}
	terms := []string{coef() + "·" + t.use(d.P)}
	if d.Q != nil {
		terms = append(terms, coef()+"·"+t.use(d.Q))
	}
	if d.Shift {
		terms = append(terms, coef())
	}
	if d.Compensated {
		terms = append(terms, coef())
	}
	return strings.Join(terms, " + ")
}
