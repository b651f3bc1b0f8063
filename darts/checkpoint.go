package darts

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"unnas/darts/record"
	"unnas/internal/engine"
	"unnas/ops"
	"unnas/pretext"
)

// A checkpoint is all that a run needs to go on. What is drawn depends on the
// seed, the epoch and the image, so no state of a generator is among it. All
// numbers are little-endian:
//
//	16 bytes          checkpointMagic
//	uint32            checkpointVersion
//	uint32            length of the header
//	header            JSON
//	float32, ...      the arrays that the header lists, one after the other
//	uint32            CRC-32C of all bytes before it
//
// Magic, version and checksum are the same in every version, so that a file of
// another version can be told from a damaged one.
const (
	checkpointMagic   = "unnas checkpoint"
	checkpointVersion = 1
	checkpointPrefix  = len(checkpointMagic) + 8
	checkpointTrailer = 4
	maxHeader         = 1 << 20
)

// errOther is the error of a checkpoint that is whole, but not of this run.
// Others before it are not either, so none is tried.
var errOther = errors.New("not of this run")

// header is what a checkpoint holds besides arrays.
type header struct {
	Run     json.RawMessage `json:"run"` // see identify
	Images  fingerprints    `json:"images"`
	Program program         `json:"program"`
	At      position        `json:"at"`
	Arrays  []array         `json:"arrays"`
}

// position is where in a run a checkpoint was made: between two steps, or after
// an epoch.
type position struct {
	Epoch    int             `json:"epoch"`      // under way, from 0
	Step     int             `json:"step"`       // steps of it that are done
	Complete int             `json:"complete"`   // epochs that are
	State    json.RawMessage `json:"state"`      // of the phase
	Elapsed  time.Duration   `json:"elapsed_ns"` // time that the run has taken
	Lap      time.Duration   `json:"lap_ns"`     // time that the epoch has taken
	Metrics  int64           `json:"metrics"`    // length of metrics.jsonl in bytes
}

// array is one of the arrays of a checkpoint.
type array struct {
	Name string `json:"name"`
	Len  int    `json:"len"`

	data []float32
}

func arrayOf(name string, data []float32) array { return array{name, len(data), data} }

// identify returns what must be equal in a run that goes on with another's
// state, as JSON: the figures of its start with the configuration, the settings
// of the task if they have a JSON form, and a digest of the names and shapes of
// all parameters, which differ when an operation is built in another way.
func identify(start record.Start, task pretext.Task, p *ops.Params) ([]byte, error) {
	start.PlannedBytes, start.Recompute = 0, false // may change from machine to machine
	start.Version, start.Revision = "", ""         // are warned of
	names := sha256.New()
	for _, q := range p.List() {
		fmt.Fprintf(names, "%s %v\n", q.Name, q.Shape)
	}
	for _, s := range p.Stats() {
		fmt.Fprintf(names, "%s %d\n", s.Name, len(s.Mean))
	}
	settings, err := json.Marshal(task)
	if err != nil { // a task may hold what has no JSON form
		settings = []byte("null")
	}
	b, err := json.Marshal(struct {
		record.Start
		Settings   json.RawMessage `json:"task_settings"`
		Parameters string          `json:"parameters"`
	}{start, settings, hex.EncodeToString(names.Sum(nil))})
	if err != nil {
		return nil, fmt.Errorf("darts: the configuration has no JSON form: %w", err)
	}
	return b, nil
}

// header returns what a checkpoint holds besides arrays, as JSON. Metrics is the size
// of metrics.jsonl in bytes.
func (r *run) header(metrics int64) ([]byte, error) {
	state, err := json.Marshal(r.phase.state())
	if err != nil {
		return nil, err
	}
	return json.Marshal(header{Run: r.identity, Images: r.prints, Program: r.program, Arrays: r.phase.arrays(), At: position{
		Epoch: r.epoch, Step: r.step, Complete: r.complete, State: state,
		Elapsed: time.Since(r.started), Lap: time.Since(r.begun), Metrics: metrics,
	}})
}

// checkpoint writes the state of a run. Metrics is the size of metrics.jsonl in bytes.
func (r *run) checkpoint(w io.Writer, metrics int64) error {
	text, err := r.header(metrics)
	if err != nil {
		return err
	}
	if len(text) > maxHeader {
		return fmt.Errorf("the settings and scores take %d bytes as JSON; a checkpoint has room for %d", len(text), maxHeader)
	}
	sum := crc32.New(castagnoli)
	out := io.MultiWriter(w, sum)
	prefix := []byte(checkpointMagic)
	prefix = binary.LittleEndian.AppendUint32(prefix, checkpointVersion)
	prefix = binary.LittleEndian.AppendUint32(prefix, uint32(len(text)))
	if _, err := out.Write(append(prefix, text...)); err != nil {
		return err
	}
	for _, a := range r.phase.arrays() {
		if err := writeFloats(out, a.data); err != nil {
			return err
		}
	}
	_, err = w.Write(binary.LittleEndian.AppendUint32(nil, sum.Sum32()))
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// restore brings a run to the state in a checkpoint of size bytes, made when
// metrics.jsonl had a number of bytes that limit must not be below; it returns
// that number. The run changes only once the whole checkpoint has proved to be
// good. The error of one that is not of this run is errOther.
func (r *run) restore(f io.ReadSeeker, size, limit int64) (metrics int64, err error) {
	h, err := readHeader(f, size)
	if err != nil {
		return 0, err
	}
	if d := append(differences(h.Run, r.identity), h.Images.differences(r.prints)...); len(d) > 0 {
		return 0, fmt.Errorf("%w (saved → given):\n%s\n%sgive what was saved, or choose another folder", errOther, strings.Join(d, "\n"), kernelRemedy(h.Run, r.identity))
	}
	all, at, steps := r.phase.arrays(), h.At, r.phase.steps()
	rest := size - checkpointTrailer
	if here, err := f.Seek(0, io.SeekCurrent); err == nil {
		rest -= here
	}
	for i, a := range all {
		if len(h.Arrays) != len(all) || h.Arrays[i].Name != a.Name || h.Arrays[i].Len != a.Len {
			return 0, errors.New("its arrays are not those of the network")
		}
		rest -= 4 * int64(a.Len)
	}
	switch {
	case rest != 0:
		return 0, fmt.Errorf("%d bytes are not as many as its arrays take", size)
	case at.Epoch < 0 || at.Epoch >= r.epochs || at.Step < 0 || at.Step > steps || at.Complete != at.Epoch && (at.Complete != at.Epoch+1 || at.Step < steps):
		return 0, fmt.Errorf("there is no step %d in epoch %d with %d epochs complete", at.Step, at.Epoch+1, at.Complete)
	case at.Metrics < 0 || at.Metrics > limit:
		return 0, fmt.Errorf("%s has lost lines since: it has %d bytes and had %d", record.File, limit, at.Metrics)
	}
	commit, err := r.phase.adopt(at.State, at.Epoch*steps+at.Step)
	if err != nil {
		return 0, err
	}
	for _, a := range all {
		if err := readFloats(f, a.data); err != nil {
			return 0, err
		}
	}
	commit()
	r.restored, r.prints = h.Program, r.prints.or(h.Images)
	r.epoch, r.step, r.complete = at.Epoch, at.Step, at.Complete
	r.started, r.begun = time.Now().Add(-at.Elapsed), time.Now().Add(-at.Lap)
	return at.Metrics, nil
}

func sumsOf(m engine.Mean) [3]float64 { return [3]float64{m.Loss, m.Score, m.Count} }

func meanOf(sums [3]float64) engine.Mean {
	return engine.Mean{Loss: sums[0], Score: sums[1], Count: sums[2]}
}

// readHeader checks a checkpoint of size bytes as a whole and returns its header.
// What it reads next are the arrays. It takes no memory that a damaged file
// could ask for.
func readHeader(r io.ReadSeeker, size int64) (header, error) {
	var h header
	prefix := make([]byte, checkpointPrefix)
	if _, err := io.ReadFull(r, prefix); err != nil {
		return h, fmt.Errorf("it is cut short: %w", err)
	}
	numbers, isOurs := bytes.CutPrefix(prefix, []byte(checkpointMagic))
	if !isOurs {
		return h, errors.New("it does not begin as a checkpoint does")
	}
	version, length := binary.LittleEndian.Uint32(numbers), binary.LittleEndian.Uint32(numbers[4:])
	body := size - int64(checkpointPrefix) - checkpointTrailer
	if body < 0 {
		return h, errors.New("it is cut short")
	}
	sum := crc32.New(castagnoli)
	_, _ = sum.Write(prefix) // a hash takes everything
	if _, err := io.CopyN(sum, r, body); err != nil {
		return h, fmt.Errorf("it is cut short: %w", err)
	}
	var trailer [checkpointTrailer]byte
	if _, err := io.ReadFull(r, trailer[:]); err != nil {
		return h, fmt.Errorf("it is cut short: %w", err)
	}
	switch {
	case binary.LittleEndian.Uint32(trailer[:]) != sum.Sum32():
		return h, errors.New("its checksum is wrong")
	case version != checkpointVersion:
		return h, fmt.Errorf("%w: its format has version %d, and this program reads version %d; go on with the program that began the run", errOther, version, checkpointVersion)
	case length > maxHeader || int64(length) > body:
		return h, fmt.Errorf("a header of %d bytes is too long", length)
	}
	text := make([]byte, length)
	if _, err := r.Seek(int64(checkpointPrefix), io.SeekStart); err != nil {
		return h, err
	}
	if _, err := io.ReadFull(r, text); err != nil {
		return h, err
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, fmt.Errorf("its header is no JSON of ours: %w", err)
	}
	return h, nil
}

// chunk is how many floats are turned into bytes, or bytes into floats, at once.
const chunk = 1 << 13

func writeFloats(w io.Writer, data []float32) error {
	b := make([]byte, 0, 4*chunk)
	for part := range slices.Chunk(data, chunk) {
		b = b[:0]
		for _, v := range part {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

func readFloats(r io.Reader, data []float32) error {
	b := make([]byte, 4*chunk)
	for part := range slices.Chunk(data, chunk) {
		b := b[:4*len(part)]
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		for i := range part {
			part[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
	}
	return nil
}

// differences returns where two JSON objects differ, a line for each field:
// its path, what is saved, what is given.
func differences(saved, given []byte) []string {
	return compare(nil, "", saved, given)
}

// compare adds the differences below a path to lines. It descends no deeper than
// given does, which is the program's own.
func compare(lines []string, path string, saved, given json.RawMessage) []string {
	if bytes.Equal(saved, given) {
		return lines
	}
	var s, g map[string]json.RawMessage
	if json.Unmarshal(saved, &s) != nil || json.Unmarshal(given, &g) != nil || s == nil || g == nil {
		return append(lines, fmt.Sprintf("%s: %s → %s", path, brief(saved), brief(given)))
	}
	keys := maps.Clone(s)
	maps.Copy(keys, g)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		below := k
		if path != "" {
			below = path + "." + k
		}
		lines = compare(lines, below, s[k], g[k])
	}
	return lines
}

// brief returns a JSON value, cut if it is long.
func brief(v json.RawMessage) string {
	const most = 200
	switch text := []rune(string(v)); {
	case len(text) == 0:
		return "nothing"
	case len(text) > most:
		return string(text[:most]) + "…"
	}
	return string(v)
}
