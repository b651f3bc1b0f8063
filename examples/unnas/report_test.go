package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReport(t *testing.T) {
	tmp := t.TempDir()
	dir, page := filepath.Join(tmp, "shown"), filepath.Join(tmp, "page.html")
	prints(t, brief(dir, "-data", photos(t))...)
	assert.Equal(t, "See "+page+"\n", prints(t, "report", dir, "-out", page))
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(text), "<h1>shown</h1>")
	for want, args := range map[string][]string{
		"an argument is missing": {},
		"nowhere":                {"nowhere", "-out", page},
		"elsewhere":              {"elsewhere", "-http", ":0"},
		"-http 6060: ":           {dir, "-http", "6060"},
	} {
		assert.ErrorContains(t, fails(t, append([]string{"report"}, args...)...), want)
	}

	// The page is served until the context ends, with what the run does meanwhile.
	metrics := filepath.Join(dir, "metrics.jsonl")
	lines, err := os.ReadFile(metrics)
	require.NoError(t, err)
	last := bytes.LastIndexByte(bytes.TrimRight(lines, "\n"), '\n') + 1
	require.NoError(t, os.WriteFile(metrics, lines[:last], 0o644)) // without its end
	before, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var out syncBuffer
	served := make(chan error, 1)
	go func() { served <- run(ctx, []string{"report", dir, "-http", ":0"}, &out) }()
	page = ""
	require.Eventually(t, func() bool {
		_, url, found := strings.Cut(out.String(), "the page of the run: ")
		page = strings.TrimSpace(url)
		return found
	}, 10*time.Second, time.Millisecond)
	shown, err := get(page)
	require.NoError(t, err)
	assert.NotContains(t, shown, "complete after 1 of 1 epochs")
	require.NoError(t, os.WriteFile(metrics, lines, 0o644))
	assert.Eventually(t, func() bool {
		shown, err := get(page)
		return err == nil && strings.Contains(shown, "complete after 1 of 1 epochs")
	}, 20*time.Second, 100*time.Millisecond)
	cancel()
	require.NoError(t, <-served)
	after, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	assert.Equal(t, string(before), string(after), "the page that the run has written stays")
}

// syncBuffer is output that several goroutines may use.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
