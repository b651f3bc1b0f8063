package dataset

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The Python version of CIFAR-10 is pickles of protocol 2 that Python 2 wrote:
// dictionaries of strings, integers, lists, and one numpy array of bytes. The
// reader knows the opcodes of such files and the three names that an array is
// made of. It runs nothing, and strings are parts of the file.

// maxOpcodes bounds the memory that the values of a pickle take beside the file
// itself; a batch of 10,000 images has about 50,000 opcodes.
const maxOpcodes = 1 << 20

// What a value of a pickle can be, beside int, bool, []byte for a string, and nil
// for None.
type (
	pickleMark   struct{}
	pickleGlobal string
	pickleTuple  []any
	pickleList   struct{ items []any }
	pickleDict   struct{ items map[string]any }
	pickleDType  struct{}
	// pickleArray is a numpy array of bytes in the order of C.
	pickleArray struct {
		shape []int
		data  []byte
	}
)

const (
	globalReconstruct pickleGlobal = "numpy.core.multiarray._reconstruct"
	globalArray       pickleGlobal = "numpy.ndarray"
	globalDType       pickleGlobal = "numpy.dtype"
)

// unpickle returns the dictionary that a pickle holds. Errors name the opcode and
// its offset.
func unpickle(file []byte) (map[string]any, error) {
	u := &unpickler{file: file, memo: map[uint32]any{}}
	for range maxOpcodes {
		u.opcode = u.at
		op, err := u.take(1)
		if err != nil {
			return nil, fmt.Errorf("pickle: it ends at offset %d without STOP", u.opcode)
		}
		if op[0] == '.' {
			return u.result()
		}
		if err := u.run(op[0]); err != nil {
			return nil, fmt.Errorf("pickle: opcode %s at offset %d: %w", opcodeName(op[0]), u.opcode, err)
		}
	}
	return nil, fmt.Errorf("pickle: more than %d opcodes", maxOpcodes)
}

// unpickler is the machine that a pickle is a program for.
type unpickler struct {
	file       []byte
	at, opcode int // offsets of what is read next, and of the current opcode
	stack      []any
	memo       map[uint32]any
}

// result returns the dictionary that is left at the end.
func (u *unpickler) result() (map[string]any, error) {
	if len(u.stack) != 1 {
		return nil, fmt.Errorf("pickle: STOP at offset %d leaves %d values, want 1", u.opcode, len(u.stack))
	}
	d, ok := u.stack[0].(*pickleDict)
	if !ok {
		return nil, fmt.Errorf("pickle: it holds %s, want a dictionary", kindOf(u.stack[0]))
	}
	if u.at != len(u.file) {
		return nil, fmt.Errorf("pickle: %d bytes behind STOP at offset %d", len(u.file)-u.at, u.opcode)
	}
	return d.items, nil
}

// take returns the next n bytes of the file.
func (u *unpickler) take(n uint64) ([]byte, error) {
	if n > uint64(len(u.file)-u.at) {
		return nil, fmt.Errorf("it needs %d bytes, the file has %d more", n, len(u.file)-u.at)
	}
	b := u.file[u.at:][:n:n]
	u.at += int(n)
	return b, nil
}

// number reads an unsigned number of n bytes, at most 4.
func (u *unpickler) number(n uint64) (uint32, error) {
	b, err := u.take(n)
	if err != nil {
		return 0, err
	}
	var full [4]byte
	copy(full[:], b)
	return binary.LittleEndian.Uint32(full[:]), nil
}

func (u *unpickler) line() (string, error) {
	n := bytes.IndexByte(u.file[u.at:], '\n')
	if n < 0 {
		return "", errors.New("its line does not end")
	}
	b, err := u.take(uint64(n) + 1)
	return string(b[:n]), err
}

func (u *unpickler) push(v any) { u.stack = append(u.stack, v) }

// pop takes the last n values from the stack.
func (u *unpickler) pop(n int) ([]any, error) {
	if n > len(u.stack) {
		return nil, fmt.Errorf("it needs %d values, the stack has %d", n, len(u.stack))
	}
	values := append([]any(nil), u.stack[len(u.stack)-n:]...)
	u.stack = u.stack[:len(u.stack)-n]
	return values, nil
}

// popMark takes the last mark and the values above it from the stack, and returns
// the values.
func (u *unpickler) popMark() ([]any, error) {
	for i := len(u.stack) - 1; i >= 0; i-- {
		if _, ok := u.stack[i].(pickleMark); ok {
			values, err := u.pop(len(u.stack) - i)
			return values[1:], err
		}
	}
	return nil, errors.New("there is no MARK")
}

// run does what one opcode says.
func (u *unpickler) run(op byte) error {
	switch op {
	case '\x80':
		return u.protocol()
	case '(':
		u.push(pickleMark{})
	case 'N':
		u.push(nil)
	case '\x88':
		u.push(true)
	case '\x89':
		u.push(false)
	case ')':
		u.push(pickleTuple{})
	case ']':
		u.push(&pickleList{})
	case '}':
		u.push(&pickleDict{map[string]any{}})
	case 'K':
		return u.integer(1)
	case 'M':
		return u.integer(2)
	case 'J':
		return u.integer(4)
	case 'U':
		return u.text(1)
	case 'T':
		return u.text(4)
	case 'c':
		return u.global()
	case 'q':
		return u.put(1)
	case 'r':
		return u.put(4)
	case 'h':
		return u.get(1)
	case 'j':
		return u.get(4)
	case '\x85', '\x86', '\x87':
		return u.tuple(u.pop(int(op - '\x84')))
	case 't':
		return u.tuple(u.popMark())
	case 'a':
		return u.appendTo(u.pop(1))
	case 'e':
		return u.appendTo(u.popMark())
	case 's':
		return u.setIn(u.pop(2))
	case 'u':
		return u.setIn(u.popMark())
	case 'R':
		return u.reduce()
	case 'b':
		return u.build()
	default:
		return errors.New("it is not one that CIFAR-10 has; is the file another pickle, or of a newer protocol?")
	}
	return nil
}

func (u *unpickler) protocol() error {
	v, err := u.number(1)
	if err == nil && v != 2 {
		err = fmt.Errorf("protocol %d, want 2", v)
	}
	return err
}

// integer pushes a number of n bytes; those of 4 have a sign.
func (u *unpickler) integer(n uint64) error {
	v, err := u.number(n)
	u.push(int(int32(v)))
	return err
}

// text pushes a string, before which its length stands in n bytes.
func (u *unpickler) text(n uint64) error {
	length, err := u.number(n)
	if err != nil {
		return err
	}
	b, err := u.take(uint64(length))
	u.push(b)
	return err
}

func (u *unpickler) global() error {
	module, err := u.line()
	if err != nil {
		return err
	}
	name, err := u.line()
	if err != nil {
		return err
	}
	switch g := pickleGlobal(module + "." + name); g {
	case globalReconstruct, globalArray, globalDType:
		u.push(g)
		return nil
	}
	return fmt.Errorf("it names %.80q, want only what a numpy array is made of", module+"."+name)
}

// put remembers the value on top of the stack under a number of n bytes.
func (u *unpickler) put(n uint64) error {
	key, err := u.number(n)
	if err != nil {
		return err
	}
	if len(u.stack) == 0 {
		return errors.New("the stack is empty")
	}
	u.memo[key] = u.stack[len(u.stack)-1]
	return nil
}

func (u *unpickler) get(n uint64) error {
	key, err := u.number(n)
	if err != nil {
		return err
	}
	v, ok := u.memo[key]
	if !ok {
		return fmt.Errorf("nothing was put at %d", key)
	}
	u.push(v)
	return nil
}

func (u *unpickler) tuple(values []any, err error) error {
	u.push(pickleTuple(values))
	return err
}

// appendTo appends values to the list below them on the stack.
func (u *unpickler) appendTo(values []any, err error) error {
	if err != nil {
		return err
	}
	l, err := top[*pickleList](u, "a list")
	if err != nil {
		return err
	}
	l.items = append(l.items, values...)
	return nil
}

// setIn sets keys, each followed by its value, in the dictionary below them.
func (u *unpickler) setIn(values []any, err error) error {
	if err != nil {
		return err
	}
	d, err := top[*pickleDict](u, "a dictionary")
	if err != nil {
		return err
	}
	if len(values)%2 != 0 {
		return errors.New("a key has no value")
	}
	for i := 0; i < len(values); i += 2 {
		key, ok := values[i].([]byte)
		if !ok {
			return fmt.Errorf("a key is %s, want a string", kindOf(values[i]))
		}
		d.items[string(key)] = values[i+1]
	}
	return nil
}

// top returns what is on top of the stack, which has to be a T.
func top[T any](u *unpickler, want string) (T, error) {
	var none T
	if len(u.stack) == 0 {
		return none, fmt.Errorf("the stack is empty, want %s", want)
	}
	v, ok := u.stack[len(u.stack)-1].(T)
	if !ok {
		return none, fmt.Errorf("it meets %s, want %s", kindOf(u.stack[len(u.stack)-1]), want)
	}
	return v, nil
}

// reduce makes an array, still empty, or the type of its elements.
func (u *unpickler) reduce() error {
	call, err := u.pop(2)
	if err != nil {
		return err
	}
	args, _ := call[1].(pickleTuple)
	switch {
	case call[0] == globalReconstruct && len(args) == 3 && args[0] == globalArray:
		u.push(&pickleArray{})
	case call[0] == globalDType && len(args) == 3 && isText(args[0], "u1"):
		u.push(pickleDType{})
	default:
		return fmt.Errorf("it makes something else than a numpy array of bytes (dtype u1) of %s", kindOf(call[0]))
	}
	return nil
}

func isText(v any, want string) bool {
	b, ok := v.([]byte)
	return ok && string(b) == want
}

// build gives an array its shape and elements. What it says of bytes is known.
func (u *unpickler) build() error {
	state, err := u.pop(1)
	if err != nil {
		return err
	}
	if len(u.stack) > 0 && u.stack[len(u.stack)-1] == any(pickleDType{}) {
		return nil
	}
	a, err := top[*pickleArray](u, "a numpy array")
	if err != nil {
		return err
	}
	s, _ := state[0].(pickleTuple)
	if len(s) != 5 || s[0] != 1 || s[2] != any(pickleDType{}) || s[3] != false {
		return errors.New("the state of the array is not (1, shape, dtype u1, False, elements)")
	}
	shape, _ := s[1].(pickleTuple)
	data, ok := s[4].([]byte)
	if !ok || len(shape) == 0 || len(shape) > 4 {
		return errors.New("the state of the array has no shape of 1 to 4 sizes, or no elements")
	}
	sizes, rest := make([]int, len(shape)), len(data)
	for i, v := range shape {
		n, ok := v.(int)
		if !ok || n <= 0 || rest%n != 0 {
			return fmt.Errorf("size %d of the array's shape does not divide its %d bytes", i, len(data))
		}
		sizes[i], rest = n, rest/n
	}
	if rest != 1 {
		return fmt.Errorf("an array of shape %v has %d bytes", sizes, len(data))
	}
	a.shape, a.data = sizes, data
	return nil
}

// kindOf names the kind of a value for a message.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case int:
		return "an integer"
	case bool:
		return "a bool"
	case []byte:
		return "a string"
	case pickleMark:
		return "a MARK"
	case pickleGlobal:
		return string(v)
	case pickleTuple:
		return "a tuple"
	case *pickleList:
		return "a list"
	case *pickleDict:
		return "a dictionary"
	case *pickleArray:
		return "an array"
	default:
		return "a dtype"
	}
}

// opcodeName returns the name that Python's documentation gives an opcode.
func opcodeName(op byte) string {
	if name, ok := opcodeNames[op]; ok {
		return name
	}
	return fmt.Sprintf("%#02x", op)
}

var opcodeNames = map[byte]string{
	'(': "MARK", '.': "STOP", '0': "POP", '1': "POP_MARK", '2': "DUP", 'F': "FLOAT", 'I': "INT", 'J': "BININT", 'K': "BININT1",
	'L': "LONG", 'M': "BININT2", 'N': "NONE", 'P': "PERSID", 'Q': "BINPERSID", 'R': "REDUCE", 'S': "STRING", 'T': "BINSTRING",
	'U': "SHORT_BINSTRING", 'V': "UNICODE", 'X': "BINUNICODE", 'a': "APPEND", 'b': "BUILD", 'c': "GLOBAL", 'd': "DICT",
	'}': "EMPTY_DICT", 'e': "APPENDS", 'g': "GET", 'h': "BINGET", 'i': "INST", 'j': "LONG_BINGET", 'l': "LIST", ']': "EMPTY_LIST",
	'o': "OBJ", 'p': "PUT", 'q': "BINPUT", 'r': "LONG_BINPUT", 's': "SETITEM", 't': "TUPLE", ')': "EMPTY_TUPLE", 'u': "SETITEMS",
	'G': "BINFLOAT", '\x80': "PROTO", '\x81': "NEWOBJ", '\x82': "EXT1", '\x83': "EXT2", '\x84': "EXT4", '\x85': "TUPLE1",
	'\x86': "TUPLE2", '\x87': "TUPLE3", '\x88': "NEWTRUE", '\x89': "NEWFALSE", '\x8a': "LONG1", '\x8b': "LONG4", 'B': "BINBYTES",
	'C': "SHORT_BINBYTES", '\x8c': "SHORT_BINUNICODE", '\x8d': "BINUNICODE8", '\x8e': "BINBYTES8", '\x8f': "EMPTY_SET",
	'\x90': "ADDITEMS", '\x91': "FROZENSET", '\x92': "NEWOBJ_EX", '\x93': "STACK_GLOBAL", '\x94': "MEMOIZE", '\x95': "FRAME",
	'\x96': "BYTEARRAY8", '\x97': "NEXT_BUFFER", '\x98': "READONLY_BUFFER",
}
