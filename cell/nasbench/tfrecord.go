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

// Options say what [Open] reads. The zero value is valid.
type Options struct {
	// Epochs is how long the runs were that are read: 4, 12, 36 or 108, or 0 for 108.
	// All others are skipped.
	Epochs int
	// Index is the file that keeps what was read, for the next time. Empty is the path
	// of the table followed by ".108.index", or another number of epochs; if no file can
	// be made there, one in the cache folder of the user (os.UserCacheDir), whose name
	// depends on that path.
	Index string
	// Progress, unless nil, is called now and then, and in the end, with the bytes
	// that were read and those of the file. It is not called when the index serves.
	Progress func(done, total int64)
}

// Open reads the table as it was released: a TFRecord file whose records are each a
// run. Accuracies are those after the last epoch.
//
// It reads the whole file once and keeps an index, 20 MB for all architectures, which
// is written as a whole or not at all. When the size or the time of the table has
// changed since, or the index is damaged, it is built anew. RebuildReason returns the reason,
// or what keeps the index from being written.
//
// It returns an error if the file is no TFRecord file, is truncated or damaged, if a
// record is not one of NAS-Bench-101, if no run has so many epochs, if the file that
// Options.Index names cannot be written, or once ctx is done. The hashes in the file
// are believed. A file that ends between two records looks whole: of the released one,
// Len is 423,624.
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
		return nil, fmt.Errorf("Epochs is %d; give 4, 12, 36 or 108", o.Epochs)
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
		return nil, fmt.Errorf("%s is not a plain file", path)
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
	maxRecord = 1 << 16 // bytes; those of the table have less than 1000
	rest      = 1 << 14 // how many records are read between looks at the context
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
		return nil, fmt.Errorf("it has no runs of %d epochs, only of %v; set Options.Epochs", epochs, slices.Sorted(maps.Keys(others)))
	}
	return nil, errors.New("it is empty; download it again")
}

// run is a record: [hash, epochs, matrix, operations, metrics] in JSON.
type run struct {
	hash, matrix, operations, metrics string
	epochs                            int
}

// maxEpochs bounds how many kinds of runs a file can have; the longest are of 108.
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
	if !b.has(hash) { // the cell of other runs would be left out
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

// The fields of protocol buffers that are read, by the names of the messages in
// model_metrics.proto of NAS-Bench-101.
const (
	metricsEvaluations protowire.Number = 1 // repeated EvaluationData
	metricsParams      protowire.Number = 2 // int32

	evaluationValidation protowire.Number = 4 // double, from 0 to 1
	evaluationTest       protowire.Number = 5 // likewise
)

// lastEvaluation is the place of what was measured in the end: before it come the
// beginning of the run and half of it.
const lastEvaluation = 2

// setMetrics takes the figures of a ModelMetrics message.
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
		return fmt.Errorf("%d evaluations; want those of the beginning, of the middle and of the end", evaluations)
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
			return fmt.Errorf("accuracies of %v and %v; want those of validation and test, from 0 to 1", w.Validation, w.Test)
		}
	}
	return nil
}

// eachField calls f for the fields of a message, with their values as they are
// encoded.
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
