package stablehlo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Type is the type of the elements of a value.
type Type string

// The types of elements.
const (
	F32  Type = "f32"
	F64  Type = "f64"
	BF16 Type = "bf16"
	I1   Type = "i1"
	I32  Type = "i32"
	UI8  Type = "ui8"
	UI32 Type = "ui32"
	UI64 Type = "ui64"
)

// kind returns the name of the comparison of a type.
func (t Type) kind() string {
	switch t {
	case F32, F64, BF16:
		return "FLOAT"
	case I32:
		return "SIGNED"
	}
	return "UNSIGNED"
}

// A Value is an argument of a function, or what an operation makes.
type Value struct {
	Shape []int
	Type  Type

	id    int
	owner *Builder
}

// String returns a name that differs from that of any other value.
func (v Value) String() string { return "%" + strconv.Itoa(v.id) }

// Size returns the number of elements.
func (v Value) Size() int { return size(v.Shape) }

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// typ returns the type in text.
func (v Value) typ() string {
	var s strings.Builder
	s.WriteString("tensor<")
	for _, d := range v.Shape {
		fmt.Fprintf(&s, "%dx", d)
	}
	return s.String() + string(v.Type) + ">"
}

// A Builder is a function under construction, or the region of an operation.
type Builder struct {
	// Precision is that of convolutions and products of float32: DEFAULT, HIGH or HIGHEST.
	Precision string

	values *int // the number of values of the function
	args   []Value
	code   []operation
	known  map[string]Value // operations by their text
}

// New returns the builder of an empty function.
func New() *Builder {
	return &Builder{Precision: "HIGHEST", values: new(int), known: map[string]Value{}}
}

// operation is a line of text, whose format has a verb for each operand.
type operation struct {
	results  []Value
	format   string
	operands []any // Values, lists of these, and text
}

func panicf(format string, args ...any) { panic(fmt.Errorf("stablehlo: "+format, args...)) }

func (b *Builder) value(t Type, shape []int) Value {
	*b.values++
	return Value{slices.Clone(shape), t, *b.values, b}
}

// Arg adds an argument of the function.
func (b *Builder) Arg(t Type, shape ...int) Value {
	v := b.value(t, shape)
	b.args = append(b.args, v)
	return v
}

// add adds an operation.
func (b *Builder) add(results []Value, format string, operands []any) {
	for _, v := range values(operands) {
		if v.owner != b {
			panicf("an operand of another function")
		}
	}
	b.code = append(b.code, operation{results, format, operands})
}

// op adds an operation with one result, or returns the result of an equal one. The format
// ends with the type of the result.
func (b *Builder) op(t Type, shape []int, format string, operands ...any) Value {
	v := Value{Shape: shape, Type: t}
	format += v.typ()
	key := fmt.Sprintf(format, operands...)
	if v, ok := b.known[key]; ok {
		return v
	}
	v = b.value(t, shape)
	b.add([]Value{v}, format, operands)
	b.known[key] = v
	return v
}

// values returns the values among operands.
func values(operands []any) (list []Value) {
	for _, o := range operands {
		switch o := o.(type) {
		case Value:
			list = append(list, o)
		case []Value:
			list = append(list, o...)
		}
	}
	return list
}

// Text returns a module of that name with the function as its entry, which returns
// results. donated maps numbers of arguments to those of the results that take their
// memory. Attributes are those of the module, such as "mhlo.num_replicas = 2 : i32".
func (b *Builder) Text(name string, attributes []string, donated map[int]int, results ...Value) string {
	names := map[int]string{}
	var args []string
	for i, a := range b.args {
		names[a.id] = fmt.Sprintf("%%%d", i)
		text := names[a.id] + ": " + a.typ()
		if out, ok := donated[i]; ok {
			text += fmt.Sprintf(" {tf.aliasing_output = %d : i32}", out)
		}
		args = append(args, text)
	}
	types := typesOf(results)
	var s strings.Builder
	fmt.Fprintf(&s, "module @%s", name)
	if len(attributes) > 0 {
		fmt.Fprintf(&s, " attributes {%s}", strings.Join(attributes, ", "))
	}
	fmt.Fprintf(&s, " {\n  func.func public @main(%s) -> (%s) {\n", strings.Join(args, ", "), types)
	b.write(&s, "    ", names, results)
	fmt.Fprintf(&s, "    return %s : %s\n  }\n}\n", listed(names, results), types)
	return s.String()
}

// write writes the operations on which results depend, and numbers them.
func (b *Builder) write(s *strings.Builder, indent string, names map[int]string, results []Value) {
	needed := map[int]bool{}
	need := func(list []Value) {
		for _, v := range list {
			if v.owner != b {
				panicf("a result of another function")
			}
			needed[v.id] = true
		}
	}
	need(results)
	isNeeded := func(v Value) bool { return needed[v.id] }
	live := make([]bool, len(b.code))
	for i, o := range slices.Backward(b.code) {
		if live[i] = slices.ContainsFunc(o.results, isNeeded); live[i] {
			need(values(o.operands))
		}
	}
	for i, o := range b.code {
		if !live[i] {
			continue
		}
		line := fmt.Sprintf("%%%d", len(names))
		if len(o.results) == 1 {
			names[o.results[0].id] = line
		} else {
			for j, v := range o.results {
				names[v.id] = fmt.Sprintf("%s#%d", line, j)
			}
			line += fmt.Sprintf(":%d", len(o.results))
		}
		operands := slices.Clone(o.operands)
		for j := range operands {
			switch v := operands[j].(type) {
			case Value:
				operands[j] = names[v.id]
			case []Value:
				operands[j] = listed(names, v)
			case region:
				operands[j] = v.text(indent, names)
			}
		}
		fmt.Fprintf(s, "%s%s = "+o.format+"\n", append([]any{indent, line}, operands...)...)
	}
}

// listed returns the names of values.
func listed(names map[int]string, list []Value) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = names[v.id]
	}
	return strings.Join(texts, ", ")
}

// region is a function within an operation.
type region struct {
	b       *Builder
	results []Value
}

// region returns a region whose arguments are like the given values.
func (b *Builder) region(like []Value) region {
	r := region{b: &Builder{Precision: b.Precision, values: b.values, known: map[string]Value{}}}
	for _, v := range like {
		r.b.Arg(v.Type, v.Shape...)
	}
	return r
}

// text returns the region without its braces.
func (r region) text(indent string, names map[int]string) string {
	var s strings.Builder
	var args []string
	for _, a := range r.b.args {
		names[a.id] = fmt.Sprintf("%%%d", len(names))
		args = append(args, names[a.id]+": "+a.typ())
	}
	fmt.Fprintf(&s, "%s^bb0(%s):\n", indent, strings.Join(args, ", "))
	r.b.write(&s, indent+"  ", names, r.results)
	fmt.Fprintf(&s, "%s  stablehlo.return %s : %s\n%s", indent, listed(names, r.results), typesOf(r.results), indent)
	return s.String()
}

// typesOf returns the types of values in text.
func typesOf(list []Value) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = v.typ()
	}
	return strings.Join(texts, ", ")
}
