package pickle

import "fmt"

// What a value of a pickle can be, beside int, float64, bool, string, nil for None,
// and what calls return.
type (
	// Global is the name of a function or class of Python, with its module.
	Global string
	// Tuple is a tuple.
	Tuple []any
	// List is a list; a pickle may add to it later.
	List struct{ Items []any }
	mark struct{}
)

// Dict is a dictionary. Entries whose key is no string are left out.
type Dict struct {
	Keys   []string // in the order of the file
	Values map[string]any
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

// Stateful is an object that a pickle gives a state after it is made.
type Stateful interface {
	SetState(state any) error
}

// Kind names the kind of a value for a message.
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
