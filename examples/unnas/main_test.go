package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain is the program itself when TestExitCodes calls it.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

const asProgram = "UNNAS_TEST_PROGRAM"

// program returns a command that runs the program.
func program(t *testing.T, args ...string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}

func TestExitCodes(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, test := range []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"help", []string{"-help"}, 0, ""},
		{"help on a command", []string{"search", "-help"}, 0, ""},
		{"version", []string{"version"}, 0, ""},
		{"usage", []string{"serach"}, 2, "unnas: unknown command \"serach\"; the nearest is search\n"},
		{"failure", []string{"report", "nowhere"}, 1, "unnas: report: open nowhere/metrics.jsonl: no such file or directory; want a run directory\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := program(t, test.args...)
			var stderr bytes.Buffer
			c.Stderr = &stderr
			err := c.Run()
			var exit *exec.ExitError
			require.True(t, err == nil || errors.As(err, &exit), "%v", err)
			assert.Equal(t, test.code, c.ProcessState.ExitCode())
			assert.Equal(t, test.stderr, stderr.String())
		})
	}
}

func TestStatus(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
		text string
	}{
		{nil, 0, ""},
		{fmt.Errorf("search: %w", context.Canceled), 130, ""},
		{errors.New("no images"), 1, "unnas: no images\n"},
		{fmt.Errorf("train: %w", usagef("-epochs is 0")), 2, "unnas: train: -epochs is 0\n"},
	} {
		var stderr bytes.Buffer
		assert.Equal(t, test.want, status(test.err, &stderr))
		assert.Equal(t, test.text, stderr.String())
	}
}
