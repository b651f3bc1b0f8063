package pickle

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"strings"
)

const (
	// maxOpcodes limits the time for a pickle. A batch of CIFAR-10 has about 50,000
	// opcodes, a checkpoint of 10,000 tensors 500,000.
	maxOpcodes = 1 << 21
	maxLine    = 1 << 10 // bytes of a module name or a name in it
)

// The memory limit of values without strings, in bytes: a constant plus a multiple of
// the file size, several times what checkpoints need.
const (
	someMemory = 16 << 20
	perByte    = 64
	mostMemory = 256 << 20
)

// The memory counted per value.
const (
	costValue  = 32  // on the stack, in a list or a tuple
	costMemo   = 48  // memo entry
	costEntry  = 64  // dictionary entry
	costObject = 256 // list, dictionary, or result of a call
)

// Allowed are the names that a pickle may use, by Python module and name. The function
// performs a call; nil allows the name only as a value.
type Allowed map[Global]func(args Tuple) (any, error)

// Decoder reads consecutive pickles of a file.
type Decoder struct {
	// Persistent returns the external object with an id; nil if there are none.
	Persistent func(id any) (any, error)
	// Entry, unless it is nil, sees each entry before it is set in a dictionary, and returns
	// whether to keep it. It may empty dictionaries within the value, which are complete.
	Entry func(key, value any) (keep bool)
	// Large allows as many values as a file of its size can hold, for a caller whose Entry
	// keeps few.
	Large bool

	allowed          Allowed
	r                *bufio.Reader
	at, size, opcode int64 // offsets of the next read, of the end of the file and of the current opcode
	memory           int64 // bytes left for values
	stack            []any
	memo             map[uint32]any
}

// NewDecoder returns a decoder of a file of size bytes; r starts at offset at.
func NewDecoder(r io.Reader, at, size int64, allowed Allowed) *Decoder {
	return &Decoder{allowed: allowed, r: bufio.NewReader(r), at: at, size: size}
}

// Offset returns the end of the last pickle.
func (d *Decoder) Offset() int64 { return d.at }

// Decode returns the value of the next pickle. Errors name the opcode and its offset.
func (d *Decoder) Decode() (any, error) {
	d.stack, d.memo = nil, map[uint32]any{}
	d.memory = min(someMemory+perByte*min(d.size, mostMemory), mostMemory)
	opcodes := int64(maxOpcodes)
	if d.Large {
		d.memory, opcodes = someMemory+perByte*d.size, max(opcodes, d.size)
	}
	for range opcodes {
		if d.opcode = d.at; d.memory < 0 {
			return nil, fmt.Errorf("pickle: the values up to offset %d take too much memory for a file of %d bytes", d.opcode, d.size)
		}
		op, err := d.number(1)
		if err != nil {
			return nil, fmt.Errorf("pickle: end of file at offset %d without STOP", d.opcode)
		}
		if op == '.' {
			if len(d.stack) != 1 {
				return nil, fmt.Errorf("pickle: STOP at offset %d leaves %d values, want 1", d.opcode, len(d.stack))
			}
			return d.stack[0], nil
		}
		if err := d.run(byte(op)); err != nil {
			return nil, fmt.Errorf("pickle: opcode %s at offset %d: %w", opcodeName(byte(op)), d.opcode, err)
		}
	}
	return nil, fmt.Errorf("pickle: more than %d opcodes", opcodes)
}

// need returns an error if fewer than n bytes remain.
func (d *Decoder) need(n uint64) error {
	if rest := max(0, d.size-d.at); n > uint64(rest) {
		return fmt.Errorf("want %d bytes, the file has %d more", n, rest)
	}
	return nil
}

// number reads an unsigned number of n bytes, at most 8.
func (d *Decoder) number(n int) (uint64, error) {
	if err := d.need(uint64(n)); err != nil {
		return 0, err
	}
	var v uint64
	for i := range n {
		b, err := d.r.ReadByte()
		if err != nil {
			return 0, err
		}
		d.at++
		v |= uint64(b) << (8 * i)
	}
	return v, nil
}

func (d *Decoder) line() (string, error) {
	var line []byte
	for len(line) <= maxLine {
		b, err := d.number(1)
		if err != nil {
			return "", errors.New("unterminated line")
		}
		if b == '\n' {
			return string(line), nil
		}
		line = append(line, byte(b))
	}
	return "", fmt.Errorf("line of more than %d bytes", maxLine)
}

func (d *Decoder) push(v any) {
	d.memory -= costValue
	d.stack = append(d.stack, v)
}

// object pushes an object.
func (d *Decoder) object(v any) {
	d.memory -= costObject
	d.push(v)
}

// pop removes the last n values from the stack.
func (d *Decoder) pop(n int) ([]any, error) {
	if n > len(d.stack) {
		return nil, fmt.Errorf("want %d values, the stack has %d", n, len(d.stack))
	}
	values := append([]any(nil), d.stack[len(d.stack)-n:]...)
	d.stack = d.stack[:len(d.stack)-n]
	return values, nil
}

// popMark removes the last mark and the values above it from the stack, and returns the
// values.
func (d *Decoder) popMark() ([]any, error) {
	for i := len(d.stack) - 1; i >= 0; i-- {
		if _, ok := d.stack[i].(mark); ok {
			values, err := d.pop(len(d.stack) - i)
			return values[1:], err
		}
	}
	return nil, errors.New("no MARK on the stack")
}

// run executes one opcode.
func (d *Decoder) run(op byte) error {
	switch op {
	case '\x80':
		return d.protocol()
	case '(':
		d.push(mark{})
	case 'N':
		d.push(nil)
	case '\x88':
		d.push(true)
	case '\x89':
		d.push(false)
	case ')':
		d.push(Tuple{})
	case ']':
		d.object(&List{})
	case '}':
		d.object(NewDict())
	case 'K':
		return d.integer(1)
	case 'M':
		return d.integer(2)
	case 'J':
		return d.integer(4)
	case '\x8a':
		return d.long()
	case 'G':
		return d.float()
	case 'U':
		return d.text(1)
	case 'T', 'X':
		return d.text(4)
	case 'c':
		return d.global()
	case 'q':
		return d.put(1)
	case 'r':
		return d.put(4)
	case 'h':
		return d.get(1)
	case 'j':
		return d.get(4)
	case '\x85', '\x86', '\x87':
		return d.tuple(d.pop(int(op - '\x84')))
	case 't':
		return d.tuple(d.popMark())
	case 'a':
		return d.appendTo(d.pop(1))
	case 'e':
		return d.appendTo(d.popMark())
	case 's':
		return d.setIn(d.pop(2))
	case 'u':
		return d.setIn(d.popMark())
	case 'Q':
		return d.persistent()
	case 'R':
		return d.reduce()
	case 'b':
		return d.build()
	default:
		return errors.New("unknown opcode: the file is damaged, or a pickle of a newer protocol")
	}
	return nil
}

func (d *Decoder) protocol() error {
	v, err := d.number(1)
	if err == nil && v != 2 {
		err = fmt.Errorf("protocol %d, want 2", v)
	}
	return err
}

// integer pushes a number of n bytes; 4-byte numbers are signed.
func (d *Decoder) integer(n int) error {
	v, err := d.number(n)
	d.push(int(int32(v)))
	return err
}

// long pushes a signed number, preceded by its length in a byte.
func (d *Decoder) long() error {
	n, err := d.number(1)
	if err != nil {
		return err
	}
	if n > 8 {
		return fmt.Errorf("a number of %d bytes, want at most 8", n)
	}
	v, err := d.number(int(n))
	unused := 64 - 8*n // bits; a shift by all 64 gives 0
	d.push(int(int64(v<<unused) >> unused))
	return err
}

func (d *Decoder) float() error {
	v, err := d.number(8)
	d.push(math.Float64frombits(bits.ReverseBytes64(v)))
	return err
}

// text pushes a string, preceded by its length in n bytes.
func (d *Decoder) text(n int) error {
	length, err := d.number(n)
	if err == nil {
		err = d.need(length)
	}
	if err != nil {
		return err
	}
	var b strings.Builder
	b.Grow(int(length))
	read, err := io.CopyN(&b, d.r, int64(length))
	d.at += read
	d.push(b.String())
	return err
}

func (d *Decoder) global() error {
	module, err := d.line()
	if err != nil {
		return err
	}
	name, err := d.line()
	if err != nil {
		return err
	}
	g := Global(module + "." + name)
	if _, ok := d.allowed[g]; !ok {
		return fmt.Errorf("the name %.80q is not allowed; it is not run", string(g))
	}
	d.push(g)
	return nil
}

// put stores the value on top of the stack in the memo under a number of n bytes.
func (d *Decoder) put(n int) error {
	key, err := d.number(n)
	if err != nil {
		return err
	}
	if len(d.stack) == 0 {
		return errors.New("the stack is empty")
	}
	d.memory -= costMemo
	d.memo[uint32(key)] = d.stack[len(d.stack)-1]
	return nil
}

func (d *Decoder) get(n int) error {
	key, err := d.number(n)
	if err != nil {
		return err
	}
	v, ok := d.memo[uint32(key)]
	if !ok {
		return fmt.Errorf("no memo entry %d", key)
	}
	d.push(v)
	return nil
}

func (d *Decoder) tuple(values []any, err error) error {
	d.memory -= costValue * int64(len(values))
	d.object(Tuple(values))
	return err
}

// appendTo appends values to the list below them on the stack.
func (d *Decoder) appendTo(values []any, err error) error {
	if err != nil {
		return err
	}
	l, err := top[*List](d, "a list")
	if err != nil {
		return err
	}
	d.memory -= costValue * int64(len(values))
	l.Items = append(l.Items, values...)
	return nil
}

// setIn sets keys, each followed by its value, in the dictionary below them.
func (d *Decoder) setIn(values []any, err error) error {
	if err != nil {
		return err
	}
	dict, err := top[*Dict](d, "a dictionary")
	if err != nil {
		return err
	}
	if len(values)%2 != 0 {
		return errors.New("a key without a value")
	}
	d.memory -= costEntry * int64(len(values)/2)
	for i := 0; i < len(values); i += 2 {
		key, value := values[i], values[i+1]
		if d.Entry == nil {
			dict.set(key, value)
		} else if d.Entry(key, value) {
			if _, named := key.(string); named {
				dict.set(key, value)
			} else {
				dict.Others = append(dict.Others, value)
			}
		}
	}
	return nil
}

// top returns the top of the stack, which must be a T.
func top[T any](d *Decoder, want string) (T, error) {
	var none T
	if len(d.stack) == 0 {
		return none, fmt.Errorf("the stack is empty, want %s", want)
	}
	v, ok := d.stack[len(d.stack)-1].(T)
	if !ok {
		return none, fmt.Errorf("%s on the stack, want %s", Kind(d.stack[len(d.stack)-1]), want)
	}
	return v, nil
}

// persistent pushes the external object with an id.
func (d *Decoder) persistent() error {
	id, err := d.pop(1)
	if err != nil {
		return err
	}
	if d.Persistent == nil {
		return errors.New("reference to an external object")
	}
	v, err := d.Persistent(id[0])
	d.push(v)
	return err
}

// reduce calls an allowed function.
func (d *Decoder) reduce() error {
	call, err := d.pop(2)
	if err != nil {
		return err
	}
	name, _ := call[0].(Global)
	f := d.allowed[name]
	args, ok := call[1].(Tuple)
	if f == nil || !ok {
		return fmt.Errorf("call of %s with %s", Kind(call[0]), Kind(call[1]))
	}
	v, err := f(args)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	d.object(v)
	return nil
}

// build sets the state of an object. Attributes of a dictionary are ignored.
func (d *Decoder) build() error {
	state, err := d.pop(1)
	if err != nil {
		return err
	}
	if len(d.stack) > 0 {
		if _, ok := d.stack[len(d.stack)-1].(*Dict); ok {
			return nil
		}
	}
	object, err := top[Stateful](d, "an object with a state")
	if err != nil {
		return err
	}
	return object.SetState(state[0])
}
