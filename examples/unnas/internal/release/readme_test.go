package release

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReadme demands that the README shows the table of keys.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	shown := text[max(strings.Index(string(text), "| key |"), 0):]
	assert.Equal(t, Table(), string(shown))
}
