package text

import (
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// decoder takes the byte order mark away with which text may begin, and makes
// UTF-8 of text whose mark says that it is UTF-16.
func decoder() transform.Transformer { return unicode.BOMOverride(transform.Nop) }

// NewReader returns a reader of UTF-8 without a byte order mark from one of text
// with or without a mark, in UTF-8 or UTF-16.
func NewReader(r io.Reader) io.Reader { return transform.NewReader(r, decoder()) }

// Trim returns s in UTF-8 and without a byte order mark, as NewReader does.
func Trim(s string) string {
	t, _, err := transform.String(decoder(), s)
	if err != nil { // of odd UTF-16
		return s
	}
	return t
}
