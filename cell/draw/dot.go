package draw

import (
	"bytes"
	"fmt"
	"image/color"
	"io"
	"strings"
)

// WriteDOT writes the cell as a directed graph in the DOT language of Graphviz: the
// same nodes, edges, labels and colours, laid out by Graphviz. It fails as
// [Cell.WriteSVG] does.
func (p Cell) WriteDOT(w io.Writer) error {
	if err := p.validate(); err != nil {
		return fmt.Errorf("draw: cell: %w", err)
	}
	edges, concat := p.parts()
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var b bytes.Buffer
	fmt.Fprintf(&b, "digraph cell {\n")
	fmt.Fprintf(&b, "\trankdir=LR; label=\"%s\"; labelloc=t; fontname=\"Helvetica\";\n", quote.Replace(p.Title))
	fmt.Fprintf(&b, "\tnode [shape=box, style=rounded, fontname=\"Helvetica\"];\n")
	fmt.Fprintf(&b, "\tedge [fontname=\"Helvetica\"];\n")
	inputs := p.Genotype.Inputs()
	for n := range inputs {
		fmt.Fprintf(&b, "\tn%d [label=<c<sub>k-%d</sub>>];\n", n, inputs-n)
	}
	for n := range p.Genotype.Nodes() {
		fmt.Fprintf(&b, "\tn%d [label=\"%d\"];\n", inputs+n, n)
	}
	fmt.Fprintf(&b, "\toutput [label=<c<sub>k</sub>>];\n")
	for i, e := range edges {
		fmt.Fprintf(&b, "\tn%d -> n%d [label=\"%s\", color=\"%s\"];\n", e.From, p.Genotype.Target(i), e.Op, hex(colour(e.Op)))
	}
	for _, n := range concat {
		fmt.Fprintf(&b, "\tn%d -> output [color=\"%s\"];\n", n, hex(grey))
	}
	fmt.Fprintf(&b, "}\n")
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("draw: cell: %w", err)
	}
	return nil
}

func hex(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }
