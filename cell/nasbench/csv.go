package nasbench

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"unnas/internal/text"
)

// The columns of a CSV table; accuracies are in columns such as val_accuracy_108ep and
// test_accuracy_108ep.
const (
	columnHash   = "hash"
	columnMatrix = "matrix_7x7_rowmajor"
	columnOps    = "ops"
	columnParams = "params"
)

var columnAccuracy = regexp.MustCompile(`^(val|test)_accuracy_([1-9][0-9]{0,3})ep$`)

// OpenCSV reads a table of comma-separated values. The first line names the columns, in
// any order; columns other than these are skipped:
//
//	hash                    of the cell, 32 hexadecimal digits
//	matrix_7x7_rowmajor     49 digits, or fewer for fewer vertices
//	ops                     input|conv3x3-bn-relu|maxpool3x3|…|output
//	val_accuracy_108ep      accuracy in percent after 108 epochs, or another number
//	test_accuracy_108ep     optional
//	params                  the number of trainable values; optional
//
// Each line is a run; lines with the same hash are runs of one architecture, the first
// of which gives its cell. Errors name the line. OpenCSV returns the error of ctx once it
// is done. Progress is the only option: the column names give the number of epochs, and
// there is no index.
func OpenCSV(ctx context.Context, path string, o Options) (*Table, error) {
	if o.Epochs != 0 || o.Index != "" {
		return nil, fmt.Errorf("nasbench: %s: CSV tables do not use the options Epochs and Index; leave them out", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("nasbench: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("nasbench: %w", err)
	}
	t, err := readCSV(ctx, f, func(done int64) {
		if o.Progress != nil {
			o.Progress(done, info.Size())
		}
	})
	if err != nil {
		return nil, fmt.Errorf("nasbench: %s: %w", path, err)
	}
	return t, nil
}

func readCSV(ctx context.Context, r io.Reader, progress func(done int64)) (*Table, error) {
	lines := csv.NewReader(text.NewReader(r))
	lines.ReuseRecord = true
	head, err := lines.Read()
	if err == io.EOF {
		return nil, errors.New("the file is empty; want column names in the first line")
	}
	if err != nil {
		return nil, err
	}
	c, err := findColumns(head)
	if err != nil {
		return nil, err
	}
	b := newBuilder(c.epochs)
	for n := 0; ; n++ {
		if n%rest == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			progress(lines.InputOffset())
		}
		fields, err := lines.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		row, err := c.row(fields)
		if err == nil {
			err = b.add(row)
		}
		if err != nil {
			line, _ := lines.FieldPos(0)
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	if len(b.rows) == 0 {
		return nil, errors.New("no architectures after the column names")
	}
	progress(lines.InputOffset())
	return b.table(), nil
}

// columns holds the index of each column; -1 if there is none.
type columns struct {
	hash, matrix, ops, params, validation, test int
	epochs                                      int
}

func findColumns(head []string) (columns, error) {
	c := columns{
		hash: slices.Index(head, columnHash), matrix: slices.Index(head, columnMatrix), ops: slices.Index(head, columnOps),
		params: slices.Index(head, columnParams), validation: -1, test: -1,
	}
	for i, name := range head {
		m := columnAccuracy.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		epochs, _ := strconv.Atoi(m[2]) // the expression matched digits
		if c.epochs != 0 && c.epochs != epochs {
			return c, fmt.Errorf("accuracies after %d and after %d epochs; want one number of epochs", c.epochs, epochs)
		}
		c.epochs = epochs
		if m[1] == "val" {
			c.validation = i
		} else {
			c.test = i
		}
	}
	for _, need := range []struct {
		place int
		name  string
	}{{c.hash, columnHash}, {c.matrix, columnMatrix}, {c.ops, columnOps}, {c.validation, "val_accuracy_108ep"}} {
		if need.place < 0 {
			return c, fmt.Errorf("no column %[2]s in the first line, %.120[1]q", strings.Join(head, ","), need.name)
		}
	}
	return c, nil
}

// row reads a line and checks its hash against its cell.
func (c columns) row(fields []string) (r row, err error) {
	if r.Hash, err = parseHash(fields[c.hash]); err != nil {
		return r, err
	}
	if r.Cell, err = pack(fields[c.matrix], strings.Split(fields[c.ops], "|")); err != nil {
		return r, err
	}
	want, err := r.Cell.cell().Hash()
	if err != nil {
		return r, err
	}
	if want != fields[c.hash] {
		return r, fmt.Errorf("hash %s does not match the cell, whose hash is %s", fields[c.hash], want)
	}
	r.Runs, r.Test = 1, math.NaN()
	if r.Validation, err = percent(fields[c.validation]); err != nil {
		return r, err
	}
	if c.test >= 0 {
		if r.Test, err = percent(fields[c.test]); err != nil {
			return r, err
		}
	}
	if c.params >= 0 {
		n, err := strconv.ParseUint(fields[c.params], 10, 31)
		if err != nil {
			return r, fmt.Errorf("params %.60q is not a non-negative integer", fields[c.params])
		}
		r.Params = uint32(n)
	}
	return r, nil
}

// percent reads a percentage as a fraction.
func percent(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v <= 100) {
		return 0, fmt.Errorf("accuracy %.60q is not a percentage", s)
	}
	return v / 100, nil
}
