package text

import (
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// decoder removes a byte order mark at the start of text, and converts UTF-16 with a
// mark to UTF-8.
func decoder() transform.Transformer { return unicode.BOMOverride(transform.Nop) }

// NewReader returns a reader of UTF-8 without a byte order mark, from text in UTF-8 or
// UTF-16, with or without a mark.
func NewReader(r io.Reader) io.Reader { return transform.NewReader(r, decoder()) }

// Trim returns s in UTF-8 and without a byte order mark, as NewReader does.
func Trim(s string) string {
	t, _, err := transform.String(decoder(), s)
	if err != nil { // invalid UTF-16
		return s
	}
	return t
}
