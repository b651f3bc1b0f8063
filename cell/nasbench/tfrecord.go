package nasbench

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"unnas/internal/indexfile"
	"unnas/internal/tfrecord"
)

// Options are options of [Open]. The zero value is valid.
type Options struct {
	// Epochs selects runs by their number of epochs: 4, 12, 36 or 108; 0 means 108.
	Epochs int
	// Index is the path of the index file. Empty is the path of the table followed by
	// ".108.index" (or another number of epochs); if that cannot be written, a file in
	// the user's cache directory (os.UserCacheDir) whose name depends on that path.
	Index string
	// Progress, unless nil, is called regularly, and at the end, with the number of bytes
	// read and the size of the file. It is not called if the index is used.
	Progress func(done, total int64)
}

// Open reads the published table: a TFRecord file with one run per record. Accuracies
// are those after the last epoch.
//
// It reads the whole file once and writes an index, 20 MB for all architectures,
// atomically. If the size or the modification time of the table has changed, or if the
// index is damaged, it rebuilds the index. RebuildReason returns the reason, or why the
// index could not be written.
//
// It returns an error if the file is not a TFRecord file, is truncated or damaged, if a
// record is not one of NAS-Bench-101, if no run has Options.Epochs epochs, if the file
// Options.Index cannot be written, or once ctx is done. It does not verify the hashes in
// the file. A file truncated between two records is not detected: the published one has
// Len 423,624.
func Open(ctx context.Context, path string, o Options) (*Table, error) {
	t, err := open(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("nasbench: %w", err)
	}
	return t, nil
}

func open(ctx context.Context, path string, o Options) (*Table, error) {
	if o.Epochs == 0 {
		o.Epochs = 108
	}
	if o.Epochs < 0 {
		return nil, fmt.Errorf("Epochs is %d; want 4, 12, 36 or 108", o.Epochs)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	of := origin{Size: info.Size(), Modified: info.ModTime().UnixNano(), Epochs: int64(o.Epochs)}
	progress := func(done int64) {
		if o.Progress != nil {
			o.Progress(done, of.Size)
		}
	}
	t, rebuilt, err := indexfile.Index[*Table]{
		Given: o.Index, Beside: fmt.Sprintf("%s.%d.index", path, o.Epochs), Foreign: errNoIndex,
		Read:  func(path string) (*Table, error) { return readIndex(path, of) },
		Write: func(path string, t *Table) error { return t.writeIndex(path, of) },
		Build: func() (*Table, error) {
			t, err := readTFRecord(ctx, f, o.Epochs, progress)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			return t, nil
		},
	}.Open()
	if err != nil {
		return nil, err
	}
	if rebuilt != nil {
		t.rebuilt = fmt.Errorf("nasbench: %w", rebuilt)
	}
	return t, nil
}

const (
	maxRecord = 1 << 16 // bytes; published records have fewer than 1000
	rest      = 1 << 14 // records between checks of the context
)

func readTFRecord(ctx context.Context, r io.Reader, epochs int, progress func(done int64)) (*Table, error) {
	records := tfrecord.NewReader(r, maxRecord)
	b := newBuilder(epochs)
	others := map[int]bool{}
	for n := 0; ; n++ {
		if n%rest == 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			progress(records.Offset())
		}
		data, err := records.Next()
		if err == io.EOF {
			break
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%w; download it again", err)
		}
		if err != nil {
			return nil, err
		}
		run, err := parseRun(data)
		if err == nil && run.epochs == epochs {
			err = run.addTo(b)
		}
		if err != nil {
			return nil, fmt.Errorf("record %d is not one of NAS-Bench-101: %w", n, err)
		}
		if run.epochs != epochs {
			others[run.epochs] = true
		}
	}
	progress(records.Offset())
	switch {
	case len(b.rows) > 0:
		return b.table(), nil
	case len(others) > 0:
		return nil, fmt.Errorf("no runs of %d epochs, only of %v; set Options.Epochs", epochs, slices.Sorted(maps.Keys(others)))
	}
	return nil, errors.New("the file is empty; download it again")
}

// run is a record: [hash, epochs, matrix, operations, metrics] in JSON.
type run struct {
	hash, matrix, operations, metrics string
	epochs                            int
}

// maxEpochs limits the kinds of runs in a file; the longest have 108 epochs.
const maxEpochs = 1000

func parseRun(data []byte) (r run, err error) {
	var fields []json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return r, err
	}
	targets := []any{&r.hash, &r.epochs, &r.matrix, &r.operations, &r.metrics}
	if len(fields) != len(targets) {
		return r, fmt.Errorf("%d fields; want hash, epochs, matrix, operations and metrics", len(fields))
	}
	for i, name := range []string{"hash", "epochs", "matrix", "operations", "metrics"} {
		if err := json.Unmarshal(fields[i], targets[i]); err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
	}
	if r.epochs < 1 || r.epochs > maxEpochs {
		return r, fmt.Errorf("%d epochs; want 1 to %d", r.epochs, maxEpochs)
	}
	return r, nil
}

func (r run) addTo(b *builder) error {
	hash, err := parseHash(r.hash)
	if err != nil {
		return err
	}
	w := row{Hash: hash, Runs: 1}
	if !b.has(hash) { // only the cell of the first run is kept
		if w.Cell, err = pack(r.matrix, strings.Split(r.operations, ",")); err != nil {
			return err
		}
	}
	metrics, err := base64.StdEncoding.DecodeString(r.metrics)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	if err := w.setMetrics(metrics); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return b.add(w)
}

// The protocol buffer fields that are read, by the names of model_metrics.proto of
// NAS-Bench-101.
const (
	metricsEvaluations protowire.Number = 1 // repeated EvaluationData
	metricsParams      protowire.Number = 2 // int32

	evaluationValidation protowire.Number = 4 // double, from 0 to 1
	evaluationTest       protowire.Number = 5 // likewise
)

// lastEvaluation is the index of the evaluation at the end of a run; those at the
// beginning and in the middle come before it.
const lastEvaluation = 2

// setMetrics takes the metrics of a ModelMetrics message.
func (w *row) setMetrics(message []byte) error {
	evaluations := 0
	var last []byte
	err := eachField(message, func(field protowire.Number, kind protowire.Type, value []byte) error {
		switch {
		case field == metricsEvaluations && kind == protowire.BytesType:
			if evaluations == lastEvaluation {
				last, _ = protowire.ConsumeBytes(value)
			}
			evaluations++
		case field == metricsParams && kind == protowire.VarintType:
			n, _ := protowire.ConsumeVarint(value)
			if n > math.MaxInt32 {
				return fmt.Errorf("%d parameters", int64(n))
			}
			w.Params = uint32(n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if evaluations <= lastEvaluation {
		return fmt.Errorf("%d evaluations; want one at the beginning, in the middle and at the end", evaluations)
	}
	w.Validation, w.Test = math.NaN(), math.NaN()
	err = eachField(last, func(field protowire.Number, kind protowire.Type, value []byte) error {
		if kind != protowire.Fixed64Type {
			return nil
		}
		bits, _ := protowire.ConsumeFixed64(value)
		switch v := math.Float64frombits(bits); field {
		case evaluationValidation:
			w.Validation = v
		case evaluationTest:
			w.Test = v
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, v := range []float64{w.Validation, w.Test} {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("validation accuracy %v and test accuracy %v; want 0 to 1", w.Validation, w.Test)
		}
	}
	return nil
}

// eachField calls f for the fields of a message, with their encoded values.
func eachField(message []byte, f func(field protowire.Number, kind protowire.Type, value []byte) error) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(field, kind, message); n < 0 {
			return protowire.ParseError(n)
		}
		if err := f(field, kind, message[:n]); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}
