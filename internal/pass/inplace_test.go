package pass_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/internal/ir"
	"unnas/internal/pass"
)

// TestInPlace holds which new values overwrite a state "w", or another, "v".
func TestInPlace(t *testing.T) {
	move := toy{name: "Move", traits: pass.Traits{InPlace: []int{0, 1}}, out: []ir.Shape{mapShape, mapShape}}
	light := toy{name: "Light", traits: pass.Traits{Serial: true}}
	read := toy{name: "Read"}
	type states map[*ir.Value]*ir.Value // new values by the old ones
	for _, c := range []struct {
		name string
		// build adds steps, and returns the states and the results.
		build func(p *program, w, v *ir.Value) (states, []*ir.Value)
		want  string // the states that are overwritten, with few and with many steps at a time
		many  string
	}{
		{"one step", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			out := p.Apply(move, w, v)
			return states{w: out[0], v: out[1]}, nil
		}, "wv", "wv"},
		{"one of two states", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			return states{v: p.Apply(move, w, v)[1]}, nil
		}, "v", "v"},
		{"the new value is read", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			out := p.Apply(move, w, v)
			return states{w: out[0], v: out[1]}, []*ir.Value{p.apply(read, out[0])}
		}, "wv", "wv"},
		{"the new value is moved again", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			out := p.Apply(move, p.Apply(move, w, v)...)
			return states{w: out[0], v: out[1]}, nil
		}, "", ""},
		{"the old value is read before, by a step that the other waits for", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			return states{w: p.apply(move, w, p.apply(read, w))}, nil
		}, "w", "w"},
		{"the old value is read before, by another step", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			y := p.apply(read, w)
			return states{w: p.apply(move, w, v)}, []*ir.Value{y}
		}, "w", ""},
		{"the old value is read after", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			out := p.Apply(move, w, v)
			return states{w: out[0], v: out[1]}, []*ir.Value{p.apply(read, w)}
		}, "v", "v"},
		{"the old value is read after, with the new one", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			out := p.Apply(move, w, v)
			return states{w: out[0], v: out[1]}, []*ir.Value{p.apply(read, out[0], w)}
		}, "v", "v"},
		{"the old value is read after, in the same group", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			out := p.Apply(move, w, v)
			return states{w: out[0], v: out[1]}, []*ir.Value{p.apply(light, out[0], v)}
		}, "w", "w"},
		{"the step reads the old value twice", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			return states{w: p.apply(move, w, w)}, nil
		}, "", ""},
		{"another output", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			return states{w: p.Apply(move, w, v)[1]}, nil
		}, "", ""},
		{"a kernel that cannot", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			return states{w: p.apply(read, w)}, nil
		}, "", ""},
		{"no new value", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			return states{w: w, v: p.Apply(move, w, v)[1]}, nil
		}, "v", "v"},
		{"the new value is a result", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			out := p.Apply(move, w, v)
			return states{w: out[0], v: out[1]}, out[:1]
		}, "v", "v"},
		{"the old value is a result", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			out := p.Apply(move, w, v)
			return states{w: out[0], v: out[1]}, []*ir.Value{w}
		}, "v", "v"},
		{"one new value of two states", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			y := p.apply(move, w, v)
			return states{w: y, v: y}, nil
		}, "", ""},
		{"the old value becomes another state", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			return states{w: p.apply(move, w, v), v: w}, nil
		}, "", ""},
		{"another library reads the old value", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			return states{w: p.apply(move, w, p.foreign("Foreign", w))}, nil
		}, "", ""},
		{"another library reads the new value", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			out := p.Apply(move, w, v)
			return states{w: out[0], v: out[1]}, []*ir.Value{p.foreign("Foreign", out[0])}
		}, "v", "v"},
		{"a deferred map is formed of the new value", func(p *program, w, v *ir.Value) (states, []*ir.Value) {
			out := p.Apply(move, w, v)
			y := p.apply(affine("Affine", true, ir.Stored), out[0])
			return states{w: out[0], v: out[1]}, []*ir.Value{p.apply(look(ir.Affine), y)}
		}, "v", "v"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p program
			w, v := p.input("w"), p.input("v")
			changes, results := c.build(&p, w, v)
			q := p.build(results...)
			for _, in := range []*ir.Value{w, v} {
				if changes[in] != nil {
					q.States = append(q.States, ir.State{In: in, Out: changes[in]})
				}
			}
			q = pass.Defer(q, target)
			for ahead, want := range map[int]string{0: c.want, 100: c.many} {
				s, l := pass.Schedule(q, target, ahead)
				old := pass.InPlace(s, l, target)
				got := ""
				for _, state := range s.States {
					if in := old[state.Out]; in != nil {
						assert.Same(t, state.In, in)
						got += in.Name
					}
				}
				assert.Equal(t, want, got, "ahead %d", ahead)
				assert.Len(t, old, len(got), "nothing else")
			}
		})
	}
}
