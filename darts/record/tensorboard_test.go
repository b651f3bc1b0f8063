package record

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The reader of this test is written after the specifications of TFRecord and
// protocol buffers and shares nothing with what it tests.

// crc32c computes the checksum bit by bit.
func crc32c(b []byte) uint32 {
	c := ^uint32(0)
	for _, v := range b {
		c ^= uint32(v)
		for range 8 {
			c = c>>1 ^ 0x82f63b78&-(c&1)
		}
	}
	return ^c
}

// records returns the data of the records of a TFRecord file.
func records(t *testing.T, b []byte) [][]byte {
	t.Helper()
	check := func(data, sum []byte) {
		c := crc32c(data)
		require.Equal(t, c>>15|c<<17, binary.LittleEndian.Uint32(sum)-0xa282ead8)
	}
	var all [][]byte
	for len(b) > 0 {
		require.GreaterOrEqual(t, len(b), 16)
		n := binary.LittleEndian.Uint64(b)
		check(b[:8], b[8:12])
		require.GreaterOrEqual(t, uint64(len(b)), 16+n)
		check(b[12:12+n], b[12+n:16+n])
		all = append(all, b[12:12+n])
		b = b[16+n:]
	}
	return all
}

// protobuf is a message: what its fields hold, by number. Numbers are uint64, all
// else bytes.
type protobuf map[uint64][]any

func parseMessage(t *testing.T, b []byte) protobuf {
	t.Helper()
	m := protobuf{}
	varint := func() uint64 {
		v, n := binary.Uvarint(b)
		require.Positive(t, n)
		b = b[n:]
		return v
	}
	for len(b) > 0 {
		key := varint()
		var value any
		switch key & 7 {
		case 0:
			value = varint()
		case 1:
			value, b = binary.LittleEndian.Uint64(b), b[8:]
		case 2:
			n := varint()
			value, b = b[:n], b[n:]
		case 5:
			value, b = uint64(binary.LittleEndian.Uint32(b)), b[4:]
		default:
			require.Fail(t, "unknown wire type")
		}
		m[key>>3] = append(m[key>>3], value)
	}
	return m
}

func (m protobuf) number(field uint64) uint64 {
	if len(m[field]) == 0 {
		return 0
	}
	return m[field][0].(uint64)
}
func (m protobuf) text(field uint64) string { return string(m[field][0].([]byte)) }
func (m protobuf) message(t *testing.T, field uint64) protobuf {
	t.Helper()
	require.Len(t, m[field], 1)
	return parseMessage(t, m[field][0].([]byte))
}
func (m protobuf) double(field uint64) float64 { return math.Float64frombits(m.number(field)) }
func (m protobuf) doubles(field uint64) []float64 {
	var all []float64
	for b := range slices.Chunk(m[field][0].([]byte), 8) {
		all = append(all, math.Float64frombits(binary.LittleEndian.Uint64(b)))
	}
	return all
}

// board is what a file of TensorBoard says: by tag and step.
type board struct {
	purged     int64 // the step of the start of the session
	scalars    map[string]map[int64]float64
	histograms map[string]map[int64]protobuf
	texts      map[string]map[int64]string
}

func put[V any](all map[string]map[int64]V, tag string, step int64, v V) {
	if all[tag] == nil {
		all[tag] = map[int64]V{}
	}
	all[tag][step] = v
}

// readBoards reads the files of a folder in the order of their names.
func readBoards(t *testing.T, dir string) []board {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	var boards []board
	for _, f := range files {
		require.True(t, strings.HasPrefix(f.Name(), "events.out.tfevents."), f.Name())
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		// All files of TensorFlow begin with these bytes: 24 bytes, the checksum of
		// this length, field 1 as eight bytes.
		require.Equal(t, "\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7f\x4b\x22\x09", string(b[:13]))
		board := board{scalars: map[string]map[int64]float64{}, histograms: map[string]map[int64]protobuf{}, texts: map[string]map[int64]string{}}
		for i, r := range records(t, b) {
			e := parseMessage(t, r)
			assert.InDelta(t, float64(time.Now().Unix()), e.double(1), 600)
			step := int64(e.number(2))
			switch i {
			case 0:
				require.Equal(t, "brain.Event:2", e.text(3))
				continue
			case 1:
				require.EqualValues(t, 1, e.message(t, 7).number(1), "the session starts")
				board.purged = step
				continue
			}
			for _, v := range e.message(t, 5)[1] {
				value := parseMessage(t, v.([]byte))
				tag := value.text(1)
				switch {
				case len(value[2]) > 0:
					put(board.scalars, tag, step, float64(math.Float32frombits(uint32(value.number(2)))))
				case len(value[5]) > 0:
					put(board.histograms, tag, step, value.message(t, 5))
				default:
					require.Equal(t, "text", value.message(t, 9).message(t, 1).text(1))
					tensor := value.message(t, 8)
					require.EqualValues(t, 7, tensor.number(1))
					require.Empty(t, tensor.message(t, 2))
					put(board.texts, tag, step, tensor.text(8))
				}
			}
		}
		boards = append(boards, board)
	}
	return boards
}

func TestCRC32COfTheTest(t *testing.T) {
	assert.EqualValues(t, 0xe3069283, crc32c([]byte("123456789")), "as RFC 3720 and others have it")
}

func TestTensorBoard(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "board")
	b := NewTensorBoard(dir)
	normal := [][]float64{{0, 1, 0.5}, {0.25, -1, 0}}
	for _, e := range []Event{
		Start{StepsPerEpoch: 5, ScoreName: "miou", TrainScoreName: "accuracy", Ops: []string{"none", "skip_connect", "max_pool_3x3"}},
		Step{Epoch: 1, Step: 4, Steps: 5, TrainLoss: 1.5, TrainScore: 0.25, ValLoss: math.NaN(), ValScore: math.Inf(1), LR: 0.125,
			Entropy: 0.5, SkipWeight: 0.375, ImagesPerSecond: 64},
		Step{Epoch: 1, Step: 5, Steps: 5, TrainLoss: 1.25, LR: 0.0625},
		Warning{Text: "w"},
		Epoch{Epoch: 1, TrainLoss: 1.25, TrainScore: 0.75, ValLoss: 2, ValScore: 0.5, Entropy: 0.875, SkipWeight: 0.25, PoolWeight: 0.125,
			Stability: math.NaN(), Genotype: "skip_connect 0→2", Normal: normal, Reduce: [][]float64{{math.Inf(-1), 3, 3}}},
		Epoch{Epoch: 2, Stability: -0.5},
		Done{Epochs: 2},
	} {
		require.NoError(t, b.Record(e))
	}
	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	boards := readBoards(t, dir)
	require.Len(t, boards, 1)
	got := boards[0]
	assert.EqualValues(t, 4, got.purged)
	for tag, want := range map[string]map[int64]float64{
		"step/train_loss":        {4: 1.5, 5: 1.25},
		"step/train_accuracy":    {4: 0.25, 5: 0},
		"step/val_loss":          {5: 0},
		"step/val_miou":          {5: 0},
		"step/lr":                {4: 0.125, 5: 0.0625},
		"step/entropy":           {4: 0.5, 5: 0},
		"step/skip_weight":       {4: 0.375, 5: 0},
		"step/images_per_second": {4: 64, 5: 0},
		"epoch/train_loss":       {5: 1.25, 10: 0},
		"epoch/train_accuracy":   {5: 0.75, 10: 0},
		"epoch/val_loss":         {5: 2, 10: 0},
		"epoch/val_miou":         {5: 0.5, 10: 0},
		"epoch/entropy":          {5: 0.875, 10: 0},
		"epoch/skip_weight":      {5: 0.25, 10: 0},
		"epoch/pool_weight":      {5: 0.125, 10: 0},
		"epoch/stability":        {10: -0.5},
		"epoch/eigenvalue":       {5: 0, 10: 0},
	} {
		assert.Equal(t, want, got.scalars[tag], tag)
	}
	mean := func(column int) float64 {
		var sum float64
		for _, row := range normal {
			sum += math.Exp(row[column]) / (math.Exp(row[0]) + math.Exp(row[1]) + math.Exp(row[2])) / 2
		}
		return sum
	}
	for i, name := range []string{"none", "skip_connect", "max_pool_3x3"} {
		assert.InDelta(t, mean(i), got.scalars["normal/"+name][5], 1e-6)
		assert.InDelta(t, []float64{0, 0.5, 0.5}[i], got.scalars["reduce/"+name][5], 1e-6)
	}
	assert.Len(t, got.scalars, 17+6)
	assert.Equal(t, map[string]map[int64]string{"genotype": {5: "skip_connect 0→2"}}, got.texts)

	h := got.histograms["alphas/normal"][5]
	assert.Equal(t, []float64{-1, 1, 6, 0.75, 1 + 0.25 + 0.0625 + 1}, []float64{h.double(1), h.double(2), h.double(3), h.double(4), h.double(5)})
	limits, counts := h.doubles(6), h.doubles(7)
	require.Len(t, counts, len(limits))
	assert.True(t, slices.IsSorted(limits))
	for i, limit := range limits {
		below := math.Inf(-1)
		if i > 0 {
			below = limits[i-1]
		}
		want := 0.
		for _, v := range slices.Concat(normal...) {
			if v > below && v <= limit {
				want++
			}
		}
		assert.Equal(t, want, counts[i], "above %v, up to %v", below, limit)
	}
	h = got.histograms["alphas/reduce"][5]
	assert.Equal(t, []float64{3, 3, 2}, []float64{h.double(1), h.double(2), h.double(3)}, "what is no number is left out")
	assert.Equal(t, 2., sum(h.doubles(7)))
}

func sum(all []float64) (s float64) {
	for _, v := range all {
		s += v
	}
	return s
}

// TestTensorBoardOfResumedRun stops a run within its second epoch, and resumes it from
// the step before. A run of which nothing is left makes no file.
func TestTensorBoardOfResumedRun(t *testing.T) {
	dir := t.TempDir()
	part := func(events ...Event) {
		b := NewTensorBoard(dir)
		require.NoError(t, b.Record(Start{StepsPerEpoch: 3}))
		for _, e := range events {
			require.NoError(t, b.Record(e))
		}
		require.NoError(t, b.Close())
	}
	step := func(epoch, n int) Step { return Step{Epoch: epoch, Step: n, Steps: 3} }
	part(step(1, 1), step(1, 2), step(1, 3), Epoch{Epoch: 1}, step(2, 1), step(2, 2))
	part(step(2, 2), step(2, 3), Epoch{Epoch: 2, Genotype: "g"}, Done{})
	part(Done{})
	boards := readBoards(t, dir)
	require.Len(t, boards, 2)
	assert.EqualValues(t, 1, boards[0].purged)
	assert.EqualValues(t, 5, boards[1].purged, "the first step that is done again")
	assert.Len(t, boards[0].scalars["step/train_loss"], 5)
	assert.Len(t, boards[1].scalars["step/train_loss"], 2)
	assert.Contains(t, boards[0].scalars["epoch/train_loss"], int64(3))
	assert.Contains(t, boards[1].scalars["epoch/stability"], int64(6))
	assert.Equal(t, "g", boards[1].texts["genotype"][6])
}

func TestTensorBoardFaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	b := NewTensorBoard(filepath.Join(file, "board"))
	require.NoError(t, b.Record(Start{}), "nothing is made yet")
	err := b.Record(Step{Epoch: 1, Step: 1, Steps: 2})
	require.ErrorContains(t, err, "record: TensorBoard: ")
	assert.ErrorContains(t, err, "choose a writable folder")
	assert.NoError(t, b.Close())
	assert.EqualError(t, b.Record(nil), "record: TensorBoard: unknown event <nil>")
	assert.EqualError(t, b.Record((*Step)(nil)), "record: TensorBoard: unknown event *record.Step")
}
