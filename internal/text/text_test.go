package text_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/text"
)

func TestText(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"plain":               {"a,ü\n", "a,ü\n"},
		"empty":               {"", ""},
		"one byte":            {"a", "a"},
		"mark":                {"\ufeffa,ü\n", "a,ü\n"},
		"mark alone":          {"\ufeff", ""},
		"mark in the middle":  {"a\ufeff", "a\ufeff"},
		"little-endian":       {"\xff\xfea\x00,\x00\xfc\x00", "a,ü"},
		"big-endian":          {"\xfe\xff\x00a\x00,\x00\xfc", "a,ü"},
		"bytes of no charset": {"a\xfe\xff", "a\xfe\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, text.Trim(c.file))
			got, err := io.ReadAll(text.NewReader(iotest.OneByteReader(strings.NewReader(c.file))))
			require.NoError(t, err)
			assert.Equal(t, c.want, string(got))
		})
	}
}

func TestReadError(t *testing.T) {
	_, err := io.ReadAll(text.NewReader(iotest.ErrReader(io.ErrClosedPipe)))
	assert.ErrorIs(t, err, io.ErrClosedPipe)
}
