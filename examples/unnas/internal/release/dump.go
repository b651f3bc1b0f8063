package release

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"unnas/cell"
)

// File is where a run directory keeps all keys.
const File = "config.yaml"

// Dump writes all values, those that were not given too, as a file that read
// and the release read.
func (c *Config) Dump(w io.Writer) error {
	document := &yaml.Node{Kind: yaml.MappingNode}
	var section *yaml.Node
	for _, k := range keys(c) {
		if k.value == nil {
			continue
		}
		to, name := document, k.name
		if prefix, rest, inside := strings.Cut(k.name, "."); inside {
			if n := len(document.Content); n == 0 || document.Content[n-2].Value != prefix {
				section = &yaml.Node{Kind: yaml.MappingNode}
				document.Content = append(document.Content, plain(prefix), section)
			}
			to, name = section, rest
		}
		to.Content = append(to.Content, plain(name), node(reflect.ValueOf(k.value).Elem().Interface()))
	}
	_, err := w.Write(encode(document))
	return err
}

// encode returns the text of a node.
func encode(n *yaml.Node) []byte {
	text, err := yaml.Marshal(n)
	if err != nil { // of a node that node did not make
		panic(fmt.Sprintf("unnas: %v", err))
	}
	return text
}

func plain(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

// node returns the node of a value of one of the types of keys. Numbers are
// written so that Python takes them for what they are: 1.0, not 1, and 1.0e-05.
func node(value any) *yaml.Node {
	switch v := value.(type) {
	case string:
		n := &yaml.Node{}
		n.SetString(v)
		return n
	case bool:
		if v {
			return plain("True")
		}
		return plain("False")
	case int:
		return plain(strconv.Itoa(v))
	case float64:
		mantissa, exponent, short := strings.Cut(strconv.FormatFloat(v, 'g', -1, 64), "e")
		if !strings.Contains(mantissa, ".") {
			mantissa += ".0"
		}
		if short {
			mantissa += "e" + exponent
		}
		return plain(mantissa)
	case cell.Edge:
		return flow(node(v.Op), node(v.From))
	case cell.Genotype:
		if v.Nodes() == 0 {
			return flow()
		}
		return flow(node(v.Normal), node(v.NormalConcat), node(v.Reduce), node(v.ReduceConcat))
	}
	list := reflect.ValueOf(value)
	elements := make([]*yaml.Node, list.Len())
	for i := range elements {
		elements[i] = node(list.Index(i).Interface())
	}
	return flow(elements...)
}

// flow returns a list on one line.
func flow(elements ...*yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle, Content: elements}
}
