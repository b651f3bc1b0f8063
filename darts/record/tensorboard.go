package record

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"unnas/internal/format"
	"unnas/internal/tfrecord"
)

// TensorBoard is a Recorder that writes an event file for TensorBoard
// (https://www.tensorflow.org/tensorboard):
//
//   - all numbers of steps and epochs as scalars, such as step/lr and epoch/val_loss,
//     named as in JSONLines, and scores with the name of their metric, such as
//     epoch/val_top1; NaN and infinite ones are omitted;
//   - after each epoch the architecture parameters as histograms, alphas/normal and
//     alphas/reduce, the weight of each operation after softmax, mean over edges, as
//     scalars such as normal/skip_connect, and the genotype as text.
//
// The horizontal axis is the steps done in the run. A resumed run writes another file,
// which starts with the first repeated step and makes TensorBoard drop the records of
// that and later steps in earlier files. Each record has the time of its writing, so
// files of equal runs differ.
type TensorBoard struct {
	dir   string
	file  *os.File // nil before the first step
	start Start
}

// NewTensorBoard returns a recorder that creates a file in the folder dir, and the
// folder if necessary, after the first step of the run.
func NewTensorBoard(dir string) *TensorBoard { return &TensorBoard{dir: dir} }

// Record writes an event. It fails if the file system does.
func (t *TensorBoard) Record(e Event) error {
	all, err := fields(e, true)
	if err != nil {
		return fmt.Errorf("record: TensorBoard: %w", err)
	}
	var values []byte
	for _, f := range all {
		if v, ok := f.value.(float64); ok {
			values = append(values, scalar(e.event()+"/"+t.start.label(f.name), v)...)
		}
	}
	switch e := e.(type) {
	case Start:
		t.start = e
	case Step:
		return t.write(int64(e.Epoch-1)*int64(e.Steps)+int64(e.Step), values)
	case Epoch:
		values = slices.Concat(values, t.alphas("normal", e.Normal, 0), t.alphas("reduce", e.Reduce, len(e.Normal)), genotype(e.Genotype))
		return t.write(int64(e.Epoch)*int64(t.start.StepsPerEpoch), values)
	}
	return nil
}

// Close closes the file.
func (t *TensorBoard) Close() error {
	if t.file == nil {
		return nil
	}
	err := t.file.Close()
	t.file = nil
	if err != nil {
		return fmt.Errorf("record: TensorBoard: %w", err)
	}
	return nil
}

// The protocol buffer fields in use, by the message names of event.proto, summary.proto
// and tensor.proto of TensorFlow.
const (
	eventWallTime   protowire.Number = 1 // double, seconds since 1970
	eventStep       protowire.Number = 2 // int64
	eventVersion    protowire.Number = 3 // string
	eventSummary    protowire.Number = 5 // Summary
	eventSessionLog protowire.Number = 7 // SessionLog

	sessionLogStatus protowire.Number = 1 // enum
	statusStart      uint64           = 1

	summaryValue protowire.Number = 1 // repeated Value

	valueTag       protowire.Number = 1 // string
	valueSimple    protowire.Number = 2 // float
	valueHistogram protowire.Number = 5 // HistogramProto
	valueTensor    protowire.Number = 8 // TensorProto
	valueMetadata  protowire.Number = 9 // SummaryMetadata

	metadataPlugin protowire.Number = 1 // PluginData
	pluginName     protowire.Number = 1 // string

	histogramMin     protowire.Number = 1 // double, like all of them
	histogramMax     protowire.Number = 2
	histogramNum     protowire.Number = 3
	histogramSum     protowire.Number = 4
	histogramSquares protowire.Number = 5
	histogramLimits  protowire.Number = 6 // repeated, packed
	histogramCounts  protowire.Number = 7 // repeated, packed

	tensorType    protowire.Number = 1 // enum
	typeString    uint64           = 7
	tensorShape   protowire.Number = 2 // TensorShapeProto; empty for a scalar
	tensorStrings protowire.Number = 8 // repeated bytes
)

// eventFileVersion makes TensorBoard respect session starts.
const eventFileVersion = "brain.Event:2"

// write adds a record with summary values at a step.
func (t *TensorBoard) write(step int64, values []byte) error {
	if t.file == nil {
		if err := t.open(step); err != nil {
			return fmt.Errorf("record: TensorBoard: %w; choose a writable folder", err)
		}
	}
	if err := t.record(step, message(nil, eventSummary, values)); err != nil {
		return fmt.Errorf("record: TensorBoard: %w", err)
	}
	return nil
}

// open creates a file that starts at the given step.
func (t *TensorBoard) open(step int64) error {
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return err
	}
	// TensorBoard reads the files of a folder in the order of their names.
	now := time.Now()
	name := fmt.Sprintf("events.out.tfevents.%010d.%09d", now.Unix(), now.Nanosecond())
	var err error
	if t.file, err = os.OpenFile(filepath.Join(t.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		t.file = nil
		return err
	}
	if err := t.record(0, text(nil, eventVersion, eventFileVersion)); err != nil {
		return err
	}
	session := protowire.AppendTag(nil, sessionLogStatus, protowire.VarintType)
	session = protowire.AppendVarint(session, statusStart)
	return t.record(step, message(nil, eventSessionLog, session))
}

// record adds an event with the given fields at a step.
func (t *TensorBoard) record(step int64, what []byte) error {
	event := double(nil, eventWallTime, float64(time.Now().UnixMicro())/1e6)
	if step != 0 { // zero is the default
		event = protowire.AppendTag(event, eventStep, protowire.VarintType)
		event = protowire.AppendVarint(event, uint64(step))
	}
	_, err := t.file.Write(tfrecord.Append(nil, append(event, what...)))
	return err
}

// scalar returns a scalar value, or nothing if it is not finite.
func scalar(tag string, v float64) []byte {
	if !format.Finite(v) {
		return nil
	}
	value := text(nil, valueTag, tag)
	value = protowire.AppendTag(value, valueSimple, protowire.Fixed32Type)
	value = protowire.AppendFixed32(value, math.Float32bits(float32(v)))
	return message(nil, summaryValue, value)
}

// alphas returns the values of the architecture parameters of a kind of cell, whose first
// row of all is first.
func (t *TensorBoard) alphas(kind string, rows [][]float64, first int) []byte {
	flat := slices.DeleteFunc(slices.Concat(rows...), func(v float64) bool { return !format.Finite(v) })
	if len(flat) == 0 {
		return nil
	}
	value := text(nil, valueTag, "alphas/"+kind)
	value = message(value, valueHistogram, histogram(flat))
	values := message(nil, summaryValue, value)
	weights := Weights(rows)
	for _, name := range t.start.Ops {
		sum := 0.0
		for i, row := range weights {
			if k := slices.Index(t.start.Names(first+i), name); k >= 0 && k < len(row) {
				sum += row[k]
			}
		}
		values = append(values, scalar(kind+"/"+name, sum/float64(len(weights)))...)
	}
	return values
}

// histogramBuckets is the number of buckets of equal width between the smallest and the
// largest value.
const histogramBuckets = 30

// histogram returns the distribution of one or more values.
func histogram(values []float64) []byte {
	low, high := slices.Min(values), slices.Max(values)
	var sum, squares float64
	// A bucket contains the values above the previous limit up to its own.
	limits, counts := make([]float64, histogramBuckets), make([]float64, histogramBuckets)
	for i := range limits {
		limits[i] = low + (high-low)*float64(i+1)/histogramBuckets
	}
	limits[histogramBuckets-1] = high
	for _, v := range values {
		sum += v
		squares += float64(v * v)
		i, _ := slices.BinarySearch(limits, v)
		counts[min(i, histogramBuckets-1)]++
	}
	var b []byte
	for _, f := range []struct {
		field protowire.Number
		value float64
	}{
		{histogramMin, low}, {histogramMax, high}, {histogramNum, float64(len(values))},
		{histogramSum, sum}, {histogramSquares, squares},
	} {
		b = double(b, f.field, f.value)
	}
	return doubles(doubles(b, histogramLimits, limits), histogramCounts, counts)
}

// genotype returns a genotype as a text value.
func genotype(g string) []byte {
	if g == "" {
		return nil
	}
	tensor := protowire.AppendTag(nil, tensorType, protowire.VarintType)
	tensor = protowire.AppendVarint(tensor, typeString)
	tensor = message(tensor, tensorShape, nil)
	tensor = text(tensor, tensorStrings, g)
	value := text(nil, valueTag, "genotype")
	value = message(value, valueMetadata, message(nil, metadataPlugin, text(nil, pluginName, "text")))
	return message(nil, summaryValue, message(value, valueTensor, tensor))
}

// message, text, double and doubles add a field to b.

func message(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}

func text(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func double(b []byte, field protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), math.Float64bits(v))
}

func doubles(b []byte, field protowire.Number, values []float64) []byte {
	var packed []byte
	for _, v := range values {
		packed = protowire.AppendFixed64(packed, math.Float64bits(v))
	}
	return message(b, field, packed)
}
