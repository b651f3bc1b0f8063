package pjrt

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEncode(t *testing.T) {
	anyDevice := "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" // device_ordinal -1
	for _, c := range []struct {
		name string
		ids  []int
		o    CompileOptions
		want string
	}{
		{"zero", nil, CompileOptions{}, "\x1a\x0f" + anyDevice + "\x20\x01\x28\x01"},
		{"replicas", []int{5, 300}, CompileOptions{Replicas: 2},
			"\x1a\x1c" + anyDevice + "\x20\x02\x28\x01" + "\x4a\x0b" + "\x08\x02\x10\x01" + "\x1a\x05" + "\x08\x05\x08\xac\x02"},
		{"flags", nil, CompileOptions{Flags: map[string]any{"s": "text", "b": true, "a": false, "n": 3, "f": 0.5}},
			"\x1a\x0f" + anyDevice + "\x20\x01\x28\x01" +
				"\x3a\x07\x0a\x01a\x12\x02\x10\x00" +
				"\x3a\x07\x0a\x01b\x12\x02\x10\x01" +
				"\x3a\x0e\x0a\x01f\x12\x09\x21\x00\x00\x00\x00\x00\x00\xe0\x3f" +
				"\x3a\x07\x0a\x01n\x12\x02\x18\x03" +
				"\x3a\x0b\x0a\x01s\x12\x06\x0a\x04text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.o.encode(c.ids)
			require.NoError(t, err)
			assert.Equal(t, fmt.Sprintf("%q", c.want), fmt.Sprintf("%q", string(got)))
		})
	}
}
