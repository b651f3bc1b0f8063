package rank

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"unnas/internal/atomicfile"
	"unnas/internal/text"
)

// A Table has a row per architecture, and columns with measures.
type Table struct {
	Key     string   // header of the column of the names, such as "arch"
	Archs   []string // names of the architectures, all different
	Columns []Column
	Skipped []string // headers of the text columns that Read ignored
}

// A Column has a value per architecture of a table, in their order.
type Column struct {
	Name   string // header, such as "jigsaw"
	Values []float64
}

// MaxTable is the largest size of a CSV file in bytes. Reading takes a few times as
// much memory.
const MaxTable = 128 << 20

// Open reads the table in the CSV file at path as [Read] does.
func Open(path, key string, columns ...string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("rank: %w", err)
	}
	defer f.Close()
	t, err := read(f, key, columns)
	if err != nil {
		return nil, fmt.Errorf("rank: %s: %w", path, err)
	}
	return t, nil
}

// Read reads a table from a CSV file: a header, then a row per architecture. The column
// with the header key has the names of the architectures; if key is empty, it is the
// first column with a header. The table gets the columns with the given headers, in
// that order, or by default all others except those without a header, such as the index
// that pandas writes, and those without numbers, which Skipped lists. Ignored columns
// may have any text.
//
// It returns an error with line and column for values that are not finite numbers, for
// names that are repeated or that [Table.Validate] refuses, for rows of another length
// than the header, and for files of more than [MaxTable] bytes.
func Read(r io.Reader, key string, columns ...string) (*Table, error) {
	t, err := read(r, key, columns)
	if err != nil {
		return nil, fmt.Errorf("rank: %w", err)
	}
	return t, nil
}

func read(r io.Reader, key string, columns []string) (*Table, error) {
	file := csv.NewReader(text.NewReader(&limited{r, MaxTable}))
	file.ReuseRecord = true
	header, err := file.Read()
	if err == io.EOF {
		return nil, errors.New("the table is empty: want a header line")
	}
	if err != nil {
		return nil, err
	}
	header = slices.Clone(header) // the next row reuses its memory
	for i := range header {
		header[i] = strings.Clone(strings.TrimSpace(header[i]))
	}
	if key == "" {
		named := slices.IndexFunc(header, func(name string) bool { return name != "" })
		if named < 0 {
			return nil, errors.New("line 1: no column has a header")
		}
		key = header[named]
	}
	all := len(columns) == 0
	if all {
		columns = slices.DeleteFunc(slices.Clone(header), func(name string) bool { return name == "" || name == key })
	}
	faults := make([]error, len(columns)) // first fault of each column without numbers
	at := make([]int, len(columns))       // positions in the file
	keyAt, err := find(header, key)
	if err == nil {
		err = checkName(key)
	}
	if err != nil {
		return nil, err
	}
	t := &Table{Key: key, Columns: make([]Column, len(columns))}
	for i, name := range columns {
		if at[i], err = find(header, name); err != nil {
			return nil, err
		}
		if err := checkName(name); err != nil {
			return nil, err
		}
		if at[i] == keyAt || slices.Contains(at[:i], at[i]) {
			return nil, fmt.Errorf("column %q is requested twice", name)
		}
		t.Columns[i].Name = name
	}
	lines := map[string]int{} // line of each architecture
	for {
		row, err := file.Read()
		if err == io.EOF {
			t.skip(faults)
			return t, nil
		}
		if errors.Is(err, csv.ErrFieldCount) {
			line, _ := file.FieldPos(0)
			return nil, fmt.Errorf("line %d has %d cells, the header %d", line, len(row), len(header))
		}
		if err != nil {
			return nil, err // has line and column
		}
		line, column := file.FieldPos(keyAt)
		arch := strings.Clone(strings.TrimSpace(row[keyAt]))
		if err := checkName(arch); err != nil {
			return nil, fmt.Errorf("line %d, column %d (%s): %w", line, column, key, err)
		}
		if before, twice := lines[arch]; twice {
			return nil, fmt.Errorf("line %d, column %d (%s): architecture %.200q is already in line %d", line, column, key, arch, before)
		}
		lines[arch] = line
		t.Archs = append(t.Archs, arch)
		for i, k := range at {
			value, err := strconv.ParseFloat(strings.TrimSpace(row[k]), 64)
			if err != nil || !finite(value) {
				line, column := file.FieldPos(k)
				fault := fmt.Errorf("line %d, column %d (%s): %.60q of architecture %.200q: want a finite number; remove rows without one", line, column, header[k], row[k], arch)
				if number := err == nil || errors.Is(err, strconv.ErrRange); !all || number || len(t.Columns[i].Values) > 0 {
					return nil, fault
				}
				faults[i] = cmp.Or(faults[i], fault)
				continue
			}
			if faults[i] != nil {
				return nil, faults[i]
			}
			t.Columns[i].Values = append(t.Columns[i].Values, value)
		}
	}
}

// skip removes the columns without a number, which are those with a fault.
func (t *Table) skip(faults []error) {
	kept := t.Columns[:0]
	for i, c := range t.Columns {
		if faults[i] != nil {
			t.Skipped = append(t.Skipped, c.Name)
		} else {
			kept = append(kept, c)
		}
	}
	t.Columns = kept
}

// find returns the index of a header.
func find(header []string, name string) (int, error) {
	at := slices.Index(header, name)
	if at < 0 {
		return 0, fmt.Errorf("no column %.60q: want one of %s", name, listed(header))
	}
	if slices.Contains(header[at+1:], name) {
		return 0, fmt.Errorf("two columns %.60q: rename one, or request others", name)
	}
	return at, nil
}

// listed returns the first of a list of names, quoted, and the number of others.
func listed(names []string) string {
	const most = 10
	var b strings.Builder
	for i, name := range names[:min(len(names), most)] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%.200q", name)
	}
	if more := len(names) - most; more > 0 {
		fmt.Fprintf(&b, " and %d more", more)
	}
	return b.String()
}

// limited reads at most left bytes, and fails if there are more.
type limited struct {
	r    io.Reader
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p[:min(len(p), l.left+1)])
	if l.left -= n; l.left < 0 {
		return 0, fmt.Errorf("more than %d bytes: split the table", MaxTable)
	}
	return n, err
}

// Validate returns an error if two architectures or two columns have the same name, if
// a name is empty, has unprintable characters or surrounding spaces, or if a column
// does not have a finite number per architecture. [Read] and [Join] return valid
// tables.
func (t *Table) Validate() error {
	if err := t.validate(); err != nil {
		return fmt.Errorf("rank: table: %w", err)
	}
	return nil
}

func (t *Table) validate() error {
	if arch, again := twice(t.Archs); again {
		return fmt.Errorf("architecture %.200q is repeated", arch)
	}
	headers := t.headers()
	if name, again := twice(headers); again {
		return fmt.Errorf("column %.60q is repeated: rename one", name)
	}
	for _, name := range slices.Concat(headers, t.Archs) {
		if err := checkName(name); err != nil {
			return err
		}
	}
	for _, c := range t.Columns {
		if len(c.Values) != len(t.Archs) {
			return fmt.Errorf("column %.60q has %d values for %d architectures", c.Name, len(c.Values), len(t.Archs))
		}
		for i, f := range c.Values {
			if !finite(f) {
				return fmt.Errorf("column %.60q: %g for architecture %.200q: want a finite number; remove architectures without one", c.Name, f, t.Archs[i])
			}
		}
	}
	return nil
}

// headers returns the headers of all columns, the key first.
func (t *Table) headers() []string {
	names := []string{t.Key}
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	return names
}

// checkName refuses names that a CSV file would not preserve.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("empty name")
	case name != strings.TrimSpace(name):
		return fmt.Errorf("name %.200q: want no surrounding spaces", name)
	case !printable(name):
		return fmt.Errorf("name %.200q: want printable characters", name)
	}
	return nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// twice returns a repeated name.
func twice(names []string) (string, bool) {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] {
			return name, true
		}
		seen[name] = true
	}
	return "", false
}

// Column returns the values of the column with the given header; they are not copied.
func (t *Table) Column(name string) ([]float64, error) {
	for _, c := range t.Columns {
		if c.Name == name {
			return c.Values, nil
		}
	}
	return nil, fmt.Errorf("rank: no column %.60q: want one of %s", name, listed(t.headers()[1:]))
}

// Correlate returns a table of a statistic between columns of t: a row per column in x,
// such as pretext tasks, and a column per column in y, such as supervised accuracies on
// several data sets. Its key is "measure". It fails if the statistic does.
func (t *Table) Correlate(s Statistic, x, y []string) (*Table, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	result := &Table{Key: "measure", Archs: slices.Clone(x)}
	for _, yName := range y {
		c := Column{Name: yName}
		for _, xName := range x {
			u, err := t.Column(xName)
			if err != nil {
				return nil, err
			}
			v, err := t.Column(yName)
			if err != nil {
				return nil, err
			}
			r, err := s(u, v)
			if err != nil {
				return nil, fmt.Errorf("rank: %s (x) and %s (y): %w", xName, yName, err)
			}
			c.Values = append(c.Values, r)
		}
		result.Columns = append(result.Columns, c)
	}
	if err := result.Validate(); err != nil {
		return nil, err
	}
	return result, nil
}

// Join returns a table with the columns of all tables, in the order of the
// architectures of the first, with its key. It returns an error that names them if
// tables have different architectures or equal columns.
func Join(tables ...*Table) (*Table, error) {
	if len(tables) == 0 {
		return nil, errors.New("rank: join: no tables")
	}
	joined := &Table{Key: tables[0].Key, Archs: slices.Clone(tables[0].Archs)}
	for k, t := range tables {
		if err := t.validate(); err != nil {
			return nil, fmt.Errorf("rank: join: table %d: %w", k, err)
		}
		at := make(map[string]int, len(t.Archs))
		for i, arch := range t.Archs {
			at[arch] = i
		}
		var missing []string
		for _, arch := range joined.Archs {
			if _, found := at[arch]; !found {
				missing = append(missing, arch)
			}
		}
		if missing != nil {
			return nil, fmt.Errorf("rank: join: table %d lacks architectures of table 0: %s", k, listed(missing))
		}
		if len(t.Archs) > len(joined.Archs) {
			for _, arch := range joined.Archs {
				delete(at, arch)
			}
			more := slices.DeleteFunc(slices.Clone(t.Archs), func(arch string) bool { _, left := at[arch]; return !left })
			return nil, fmt.Errorf("rank: join: table 0 lacks architectures of table %d: %s", k, listed(more))
		}
		for _, c := range t.Columns {
			values := make([]float64, len(joined.Archs))
			for i, arch := range joined.Archs {
				values[i] = c.Values[at[arch]]
			}
			joined.Columns = append(joined.Columns, Column{c.Name, values})
		}
	}
	if err := joined.validate(); err != nil {
		return nil, fmt.Errorf("rank: join: %w", err)
	}
	return joined, nil
}

// WriteCSV writes the table as a CSV file that [Read] reads back with equal bits. It
// fails if the table is invalid or the writer fails.
func (t *Table) WriteCSV(w io.Writer) error {
	if err := t.Validate(); err != nil {
		return err
	}
	file := csv.NewWriter(w)
	_ = file.Write(t.headers()) // Flush returns the error, as below
	row := make([]string, 1+len(t.Columns))
	for i, arch := range t.Archs {
		row[0] = arch
		for k, c := range t.Columns {
			row[1+k] = strconv.FormatFloat(c.Values[i], 'g', -1, 64)
		}
		_ = file.Write(row)
	}
	file.Flush()
	if err := file.Error(); err != nil {
		return fmt.Errorf("rank: write a table: %w", err)
	}
	return nil
}

// WriteMarkdown writes the table in GitHub Flavored Markdown, with six digits of
// non-integers. It fails if the table is invalid or the writer fails.
func (t *Table) WriteMarkdown(w io.Writer) error {
	if err := t.Validate(); err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	line := func(first string, cell func(c Column) string) {
		fmt.Fprintf(b, "| %s |", first) // Flush returns the error
		for _, c := range t.Columns {
			fmt.Fprintf(b, " %s |", cell(c))
		}
		fmt.Fprintln(b)
	}
	line(markdown.Replace(t.Key), func(c Column) string { return markdown.Replace(c.Name) })
	line("---", func(Column) string { return "---:" })
	for i, arch := range t.Archs {
		line(markdown.Replace(arch), func(c Column) string { return short(c.Values[i]) })
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("rank: write a table: %w", err)
	}
	return nil
}

// markdown escapes special characters in a cell of a table.
var markdown = strings.NewReplacer(`\`, `\\`, `|`, `\|`, `*`, `\*`, "`", "\\`", `<`, `\<`, `[`, `\[`, `~`, `\~`, `&`, `\&`)

// short returns a number in short form.
func short(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 6, 64)
}

// Save writes the table to a file, as CSV if path ends in .csv, as Markdown if in .md.
// An existing file is replaced, or kept if writing fails.
func (t *Table) Save(path string) error {
	return save(path, map[string]func(io.Writer) error{".csv": t.WriteCSV, ".md": t.WriteMarkdown})
}

// save writes a file in the format of its extension.
func save(path string, formats map[string]func(io.Writer) error) error {
	if err := atomicfile.WriteAs(path, formats); err != nil {
		return fmt.Errorf("rank: %w", err)
	}
	return nil
}
