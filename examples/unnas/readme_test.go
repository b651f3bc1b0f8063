package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// commandTable returns the commands, as Markdown.
func commandTable() string {
	var b strings.Builder
	for _, c := range commands() {
		if c.name != configuration {
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(strings.TrimSpace(c.name+" "+c.args), "|", "\\|"), c.summary)
		}
	}
	return b.String()
}

// flagTable returns the flags by group, as Markdown.
func flagTable() string {
	var b strings.Builder
	for _, group := range groups {
		fmt.Fprintf(&b, "| **%s** | | |\n", group)
		for _, d := range flagDefs {
			if d.group == group {
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(d.title(), "|", "\\|"), d.text, d.byDefault)
			}
		}
	}
	return b.String()
}

// TestReadme demands that the README shows all commands and flags.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	assert.Contains(t, string(text), "| command | |\n|---|---|\n"+commandTable()+"\n")
	assert.Contains(t, string(text), "| flag | | default |\n|---|---|---|\n"+flagTable()+"\n")
}
