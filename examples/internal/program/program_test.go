package program_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/examples/internal/program"
)

// outcomes are how a program may end, and the status that shells see.
var outcomes = map[string]struct {
	err    error
	status int
	stderr string
}{
	"done":        {nil, 0, ""},
	"help":        {flag.ErrHelp, 0, ""},
	"interrupted": {fmt.Errorf("search: %w", context.Canceled), 130, ""},
	"failed":      {errors.New("no images"), 1, "sample: no images\n"},
}

const outcome = "PROGRAM_TEST_OUTCOME"

// TestMain is the program of TestMainStatus when that calls it.
func TestMain(m *testing.M) {
	if o, ok := outcomes[os.Getenv(outcome)]; ok {
		program.Main("sample", func(context.Context, []string, io.Writer, io.Writer) error { return o.err })
		return
	}
	os.Exit(m.Run())
}

func TestMainStatus(t *testing.T) {
	for name, want := range outcomes {
		t.Run(name, func(t *testing.T) {
			c := exec.CommandContext(t.Context(), os.Args[0])
			c.Env = append(os.Environ(), outcome+"="+name)
			var stderr bytes.Buffer
			c.Stderr = &stderr
			err := c.Run()
			var exit *exec.ExitError
			require.True(t, err == nil || errors.As(err, &exit), "%v", err)
			assert.Equal(t, want.status, c.ProcessState.ExitCode())
			assert.Equal(t, want.stderr, stderr.String())
		})
	}
}

func TestFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, want := range []string{"runs/sample-1", "runs/sample-2"} {
		f, err := program.Options{}.Folder("sample")
		require.NoError(t, err)
		assert.Equal(t, filepath.FromSlash(want), f.Path())
		require.NoError(t, f.Close())
	}
	_, err := program.Options{Out: "runs/sample-1"}.Folder("sample")
	require.ErrorContains(t, err, "holds a run already")
	f, err := program.Options{Out: "runs/sample-1", Resume: true}.Folder("sample")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = program.Options{Out: "runs/other", Resume: true}.Folder("sample")
	require.ErrorContains(t, err, "holds no run")
}
