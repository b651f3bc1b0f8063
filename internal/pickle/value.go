package pickle

import "fmt"

// The types of values besides int, float64, bool, string, nil for None, and results of
// calls.
type (
	// Global is the name of a Python function or class, with its module.
	Global string
	// Tuple is a tuple.
	Tuple []any
	// List is a list; it may grow while a pickle is read.
	List struct{ Items []any }
	mark struct{}
)

// Dict is a dictionary. Entries with other keys than strings are dropped, unless
// Decoder.Entry keeps their values.
type Dict struct {
	Keys   []string // in the order of the file
	Values map[string]any
	Others []any // values with other keys
}

// NewDict returns an empty dictionary.
func NewDict() *Dict { return &Dict{Values: map[string]any{}} }

func (d *Dict) set(key, value any) {
	name, ok := key.(string)
	if !ok {
		return
	}
	if _, known := d.Values[name]; !known {
		d.Keys = append(d.Keys, name)
	}
	d.Values[name] = value
}

// Stateful is an object whose state a pickle sets after its creation.
type Stateful interface {
	SetState(state any) error
}

// Kind describes a value for errors.
func Kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case int, float64:
		return "a number"
	case bool:
		return "a bool"
	case string:
		return "a string"
	case mark:
		return "a MARK"
	case Global:
		return string(v)
	case Tuple:
		return "a tuple"
	case *List:
		return "a list"
	case *Dict:
		return "a dictionary"
	case fmt.Stringer:
		return v.String()
	}
	return "an object"
}
