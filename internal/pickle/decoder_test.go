package pickle_test

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/pickle"
)

// thing is an object that a pickle makes and gives a state.
type thing struct{ args, state any }

func (t *thing) SetState(state any) error {
	if state == nil {
		return errors.New("no state")
	}
	t.state = state
	return nil
}

var allowed = pickle.Allowed{
	"lib.Thing": func(args pickle.Tuple) (any, error) {
		if len(args) > 2 {
			return nil, errors.New("too many arguments")
		}
		return &thing{args: args}, nil
	},
	"lib.Name": nil,
}

func decoder(text string) *pickle.Decoder {
	return pickle.NewDecoder(strings.NewReader(text), 0, int64(len(text)), allowed)
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       any
	}{
		{"None", "\x80\x02N.", nil},
		{"bools", "\x88\x89\x86.", pickle.Tuple{true, false}},
		{"small numbers", "K\xffM\xff\xffJ\xff\xff\xff\xff\x87.", pickle.Tuple{255, 65535, -1}},
		{"long numbers", "(\x8a\x00\x8a\x01\xff\x8a\x03\x00\x00\x01\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7ft.", pickle.Tuple{0, -1, 65536, 1<<63 - 1}},
		{"float", "G\x3f\xf8\x00\x00\x00\x00\x00\x00.", 1.5},
		{"strings", "(U\x01aT\x01\x00\x00\x00bX\x02\x00\x00\x00\xc3\xa9t.", pickle.Tuple{"a", "b", "é"}},
		{"list", "]K\x01a(K\x02K\x03e.", &pickle.List{Items: []any{1, 2, 3}}},
		{"tuples", ")N\x85\x86.", pickle.Tuple{pickle.Tuple{}, pickle.Tuple{nil}}},
		{"dictionary", "}U\x01bK\x01s(U\x01aK\x02K\x07K\x03U\x01bK\x04u.", &pickle.Dict{Keys: []string{"b", "a"}, Values: map[string]any{"b": 4, "a": 2}}},
		{"memo", "K\x05q\x00K\x06r\x01\x00\x00\x00h\x00j\x01\x00\x00\x00\x86\x87.", pickle.Tuple{5, 6, pickle.Tuple{5, 6}}},
		{"name", "clib\nName\n.", pickle.Global("lib.Name")},
		{"object", "clib\nThing\nK\x01\x85RK\x02b.", &thing{pickle.Tuple{1}, 2}},
		{"attributes of a dictionary", "}K\x02b.", pickle.NewDict()},
		{"object outside", "U\x01kQ.", "k outside"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := decoder(c.text + "next")
			d.Persistent = func(id any) (any, error) { return id.(string) + " outside", nil }
			got, err := d.Decode()
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
			assert.EqualValues(t, len(c.text), d.Offset())
		})
	}
}

// TestDecodeInTurn reads pickles that follow each other, from within a file.
func TestDecodeInTurn(t *testing.T) {
	d := pickle.NewDecoder(strings.NewReader("K\x01.K\x02q\x00.h\x00."), 100, 110, allowed)
	for i := range 2 {
		v, err := d.Decode()
		require.NoError(t, err)
		assert.Equal(t, i+1, v)
	}
	_, err := d.Decode()
	require.EqualError(t, err, "pickle: opcode BINGET at offset 108: no memo entry 0", "a pickle has its own memo")
}

// TestDecodeItself reads values that hold themselves.
func TestDecodeItself(t *testing.T) {
	v, err := decoder("]q\x00h\x00a.").Decode()
	require.NoError(t, err)
	list := v.(*pickle.List)
	assert.Same(t, list, list.Items[0])
	v, err = decoder("}q\x00U\x01ah\x00s.").Decode()
	require.NoError(t, err)
	assert.Same(t, v, v.(*pickle.Dict).Values["a"])
}

func TestDecodeErrors(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"name":            {"cos\nsystem\n.", `pickle: opcode GLOBAL at offset 0: the name "os.system" is not allowed; it is not run`},
		"endless line":    {"c" + strings.Repeat("x", 2000), "pickle: opcode GLOBAL at offset 0: line of more than 1024 bytes"},
		"call of a name":  {"clib\nName\n)R.", "opcode REDUCE at offset 11: call of lib.Name with a tuple"},
		"call with list":  {"clib\nThing\n]R.", "call of lib.Thing with a list"},
		"refused call":    {"clib\nThing\nNNN\x87R.", "lib.Thing: too many arguments"},
		"refused state":   {"clib\nThing\n)RNb.", "opcode BUILD at offset 14: no state"},
		"state of a name": {"clib\nName\nNb.", "lib.Name on the stack, want an object with a state"},
		"huge number":     {"\x8a\x09123456789.", "opcode LONG1 at offset 0: a number of 9 bytes, want at most 8"},
		"cut number":      {"\x8a\x04123", "opcode LONG1 at offset 0: want 4 bytes, the file has 3 more"},
		"cut float":       {"G123", "opcode BINFLOAT at offset 0: want 8 bytes"},
		"huge string":     {"X\xff\xff\xff\xffa", "opcode BINUNICODE at offset 0: want 4294967295 bytes, the file has 1 more"},
		"outside":         {"NQ.", "opcode BINPERSID at offset 1: reference to an external object"},
		"code by NEWOBJ":  {"clib\nThing\n)\x81.", "opcode NEWOBJ at offset 12: unknown opcode"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := decoder(c.text).Decode()
			require.ErrorContains(t, err, c.want)
			assert.Nil(t, v)
		})
	}
	// A file that is shorter than it is said to be.
	_, err := pickle.NewDecoder(strings.NewReader("U\x03ab"), 0, 100, nil).Decode()
	require.ErrorContains(t, err, "EOF")
}

// FuzzDecode decodes arbitrary bytes; what is taken ends within them.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x80\x02}q\x00(U\x01aK\x01X\x01\x00\x00\x00b]q\x01(K\x02Neu."))
	f.Add([]byte("clib\nThing\nK\x01\x85RK\x02b."))
	f.Add([]byte("]q\x00h\x00a."))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := pickle.NewDecoder(bytes.NewReader(b), 0, int64(len(b)), allowed)
		if v, err := d.Decode(); err == nil {
			require.LessOrEqual(t, d.Offset(), int64(len(b)))
			require.NotEmpty(t, pickle.Kind(v))
		}
	})
}

// TestMemory refuses small files whose values would take much memory, whatever they
// are made of, and takes what checkpoints hold.
func TestMemory(t *testing.T) {
	const n = 1 << 18
	for name, text := range map[string]string{
		"dictionaries": strings.Repeat("}", 2*n),
		"lists":        strings.Repeat("]", 2*n),
		"tuples":       strings.Repeat("N\x85", n),
		"in a list":    "]" + strings.Repeat("}a", n),
		"objects":      "clib\nThing\nq\x00" + strings.Repeat("h\x00)R", n),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			d := decoder(text + ".")
			_, err := d.Decode()
			runtime.GC()
			runtime.ReadMemStats(&after)
			require.ErrorContains(t, err, "take too much memory for a file of")
			assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(64<<20))
			runtime.KeepAlive(d)
		})
	}
	// A state dict of 10,000 tensors has as many values.
	tensor := "U\x05.norm" + "clib\nThing\nq\x01((K\x01K\x02K\x03tq\x02(K\x01K\x02K\x03tq\x03}q\x04t\x85R"
	_, err := decoder("}(" + strings.Repeat(tensor, 10000) + "u.").Decode()
	require.NoError(t, err)
}
