package cell

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"unnas/internal/text"
)

const maxText = 1 << 20 // maximum size of a genotype in bytes

// ParseGenotype reads a genotype in any of these notations: JSON, the text of
// [Genotype.String], which for a dense genotype is that of NAS-Bench-201, the network code
// of TransNAS-Bench-101, 64-41414-3_33_333, whose width and skeleton it ignores, and the
// Python notation of the authors of DARTS and UnNAS,
// with or without the name it is assigned to:
//
//	DARTS_V2 = Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=range(2, 6), …)
//
// White space and line breaks are free; in the last two notations a comment runs
// from '#' to the end of its line. In Python notation, the edges of a node may be
// grouped in a list, an edge may have a weight, which is ignored, and numbers may be
// written np.int64(0) or np.float64(0.5). The text holds one genotype and at most
// 1 MiB. The genotype must pass [Genotype.Validate], with any operation name. A
// syntax error gives line and column (in bytes, from 1), any other error the cell and
// the node.
func ParseGenotype(notation string) (Genotype, error) {
	if len(notation) > maxText {
		return Genotype{}, fmt.Errorf("cell: genotype of %d bytes: want at most %d", len(notation), maxText)
	}
	text := text.Trim(notation)
	var g Genotype
	var err error
	switch trimmed := unquoted(text); {
	case strings.HasPrefix(trimmed, "{"):
		err = parseJSON(text, &g)
	case strings.HasPrefix(trimmed, "|"):
		g.Normal, err = parseDense(trimmed)
	case isTransNAS(trimmed):
		g.Normal, err = parseTransNAS(trimmed)
	default:
		p := &parser{text: text}
		p.next()
		p.genotype(&g)
		err = p.err
	}
	if err == nil {
		err = g.Validate(nil)
	}
	if err != nil {
		return Genotype{}, err
	}
	return g, nil
}

// unquoted returns a text without blanks and quotes around it, and without the name that a
// dense genotype is assigned to.
func unquoted(text string) string {
	const around = blanks + `'"`
	name, value, assigned := strings.Cut(text, "=")
	if value = strings.Trim(value, around); assigned && isName(strings.Trim(name, blanks)) && strings.HasPrefix(value, "|") {
		return value
	}
	return strings.Trim(text, around)
}

func parseJSON(text string, g *Genotype) error {
	err := json.Unmarshal([]byte(text), g)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("cell: genotype, %s: %w", position(text, int(syntax.Offset)-1), err)
	case errors.As(err, &kind):
		return fmt.Errorf("cell: genotype, %s: %w", position(text, int(kind.Offset)-1), err)
	}
	return err // of Edge.UnmarshalJSON
}

// position describes the byte at the given offset of text.
func position(text string, offset int) string {
	before := text[:max(0, offset)]
	return fmt.Sprintf("line %d, column %d", 1+strings.Count(before, "\n"), len(before)-strings.LastIndexByte(before, '\n'))
}

const blanks = " \t\r\n"

// A parser reads the text and the Python notation with one token of lookahead.
// After the first error it reports the end of the text, so that every loop ends.
type parser struct {
	text  string
	start int // where the token starts
	at    int // where the text after the token starts
	kind  tokenKind
	token string // without the quotes of a quoted token
	err   error
}

type tokenKind int

const (
	endToken    tokenKind = iota
	wordToken             // a name or a number
	quotedToken           // a string in single or double quotes
	markToken             // one character of punctuation
)

// next moves to the next token.
func (p *parser) next() {
	rest := strings.TrimLeft(p.text[p.at:], blanks)
	for strings.HasPrefix(rest, "#") {
		_, rest, _ = strings.Cut(rest, "\n")
		rest = strings.TrimLeft(rest, blanks)
	}
	p.start = len(p.text) - len(rest)
	if rest == "" {
		p.at, p.kind, p.token = p.start, endToken, ""
		return
	}
	n := 1
	switch c := rest[0]; {
	case isNameByte(c):
		for n < len(rest) && isNameByte(rest[n]) {
			n++
		}
		p.kind, p.token = wordToken, rest[:n]
	case c == '\'' || c == '"':
		length := strings.IndexByte(rest[1:], c)
		if length < 0 {
			p.fail("this string has no closing quote")
			return
		}
		n = length + 2
		p.kind, p.token = quotedToken, rest[1:n-1]
	default:
		_, n = utf8.DecodeRuneInString(rest)
		p.kind, p.token = markToken, rest[:n]
	}
	p.at = p.start + n
}

// fail records the first error, at the current token.
func (p *parser) fail(problem string) {
	if p.err == nil {
		p.err = fmt.Errorf("cell: genotype, %s: %s", position(p.text, p.start), problem)
	}
	p.at, p.kind, p.token = len(p.text), endToken, ""
}

// wanted records an unexpected token.
func (p *parser) wanted(what string) {
	if p.kind == endToken {
		p.fail("want " + what + " before the end")
	} else {
		p.fail(fmt.Sprintf("want %s, not %.60q", what, p.token))
	}
}

// accept moves past the given punctuation and reports whether it was there.
func (p *parser) accept(punctuation string) bool {
	if p.kind != markToken || p.token != punctuation {
		return false
	}
	p.next()
	return true
}

// expect moves past the given punctuation.
func (p *parser) expect(punctuation string) {
	if !p.accept(punctuation) {
		p.wanted(strconv.Quote(punctuation))
	}
}

// take moves past a token of the given kind and returns it; what names it in errors.
func (p *parser) take(kind tokenKind, what string) string {
	token := p.token
	if p.kind == kind {
		p.next()
	} else {
		p.wanted(what)
	}
	return token
}

// choose moves past a word that is one of names, returns it and removes it from
// names.
func (p *parser) choose(names *[]string) string {
	name := p.token
	if i := slices.Index(*names, name); p.kind == wordToken && i >= 0 {
		*names = slices.Delete(*names, i, i+1)
		p.next()
	} else {
		p.wanted(cmp.Or(strings.Join(*names, " or "), "nothing more"))
	}
	return name
}

// number moves past the number of a node and returns it.
func (p *parser) number() (n int) {
	p.numeric("a node number", func(token string) (err error) {
		n, err = strconv.Atoi(token)
		return err
	})
	return n
}

// numeric moves past a number that read accepts. NumPy prefixes the type.
func (p *parser) numeric(what string, read func(token string) error) {
	if p.kind == wordToken && strings.HasPrefix(p.token, "np.") {
		p.next()
		p.expect("(")
		defer p.expect(")")
	}
	if p.kind == wordToken && read(p.token) == nil {
		p.next()
	} else {
		p.wanted(what)
	}
}

// run returns the nodes first, …, last.
func (p *parser) run(first, last int) []int {
	if first < 0 || last >= inputs+maxNodes || first > last {
		p.fail("not a run of nodes")
		return nil
	}
	nodes := make([]int, last-first+1)
	for i := range nodes {
		nodes[i] = first + i
	}
	return nodes
}

func (p *parser) genotype(g *Genotype) {
	switch {
	case p.kind != wordToken:
		p.wanted("a genotype: JSON, a cell (normal: …) or Genotype(…)")
	case p.token == "normal" || p.token == "reduce":
		cells := []string{"normal", "reduce"}
		for p.kind != endToken {
			p.cell(p.choose(&cells), g)
		}
	default:
		if p.token != "Genotype" {
			p.next()
			p.expect("=")
		}
		p.choose(&[]string{"Genotype"})
		p.expect("(")
		fields := []string{"normal", "normal_concat", "reduce", "reduce_concat"}
		p.list(")", func() { p.field(p.choose(&fields), g) })
		if p.kind != endToken {
			p.wanted("nothing more")
		}
	}
}

// cell reads a cell of the text notation after its name.
func (p *parser) cell(name string, g *Genotype) {
	edges, concat := &g.Normal, &g.NormalConcat
	if name == "reduce" {
		edges, concat = &g.Reduce, &g.ReduceConcat
	}
	p.expect(":")
	for p.err == nil {
		for range edgesPerNode {
			op := p.take(wordToken, "an operation")
			p.expect("(")
			*edges = append(*edges, Edge{Op: op, From: p.number()})
			p.expect(")")
		}
		if p.accept(";") {
			break
		}
		p.expect("|")
	}
	p.choose(&[]string{"concat"})
	for p.kind == wordToken && isDigit(p.token[0]) { // any other word starts the next cell
		first, last, isRun := strings.Cut(p.token, "-")
		if !isRun {
			last = first
		}
		lo, err1 := strconv.Atoi(first)
		hi, err2 := strconv.Atoi(last)
		if err1 != nil || err2 != nil {
			p.wanted("a node number or a run of them like 2-5")
			return
		}
		*concat = append(*concat, p.run(lo, hi)...)
		p.next()
	}
}

// field reads a field of the Python notation after its name.
func (p *parser) field(name string, g *Genotype) {
	p.expect("=")
	switch name {
	case "normal":
		p.edges(&g.Normal)
	case "normal_concat":
		p.concat(&g.NormalConcat)
	case "reduce":
		p.edges(&g.Reduce)
	case "reduce_concat":
		p.concat(&g.ReduceConcat)
	}
}

func (p *parser) edges(edges *[]Edge) {
	p.list(p.open(), func() {
		closing := p.open()
		if p.kind != markToken { // a single edge
			p.edge(edges, closing)
			return
		}
		p.list(closing, func() { p.edge(edges, p.open()) })
	})
}

// edge reads an edge up to its closing bracket.
func (p *parser) edge(edges *[]Edge, closing string) {
	op := p.take(quotedToken, "an operation in quotes")
	p.expect(",")
	*edges = append(*edges, Edge{Op: op, From: p.number()})
	if p.accept(",") && p.kind == wordToken {
		p.numeric("the weight of an edge", func(token string) error {
			_, err := strconv.ParseFloat(token, 64)
			return err
		})
	}
	p.expect(closing)
}

func (p *parser) concat(concat *[]int) {
	if p.kind != wordToken {
		p.list(p.open(), func() { *concat = append(*concat, p.number()) })
		return
	}
	if p.token == "list" {
		p.next()
		p.expect("(")
		defer p.expect(")")
	}
	p.choose(&[]string{"range"})
	p.expect("(")
	first := p.number()
	p.expect(",")
	stop := p.number()
	*concat = p.run(first, stop-1)
	p.expect(")")
}

// open moves past the bracket that opens a Python list or tuple and returns the
// one that closes it.
func (p *parser) open() string {
	if p.accept("(") {
		return ")"
	}
	p.expect("[")
	return "]"
}

// list reads elements with commas between them, up to the closing bracket.
func (p *parser) list(closing string, element func()) {
	for p.err == nil && !p.accept(closing) {
		element()
		if !p.accept(",") {
			p.expect(closing)
			return
		}
	}
}
