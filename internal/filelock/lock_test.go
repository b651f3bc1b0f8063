package filelock_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/filelock"
)

// holder is the variable that makes this program hold the lock of a file until it
// is killed.
const holder = "UNNAS_TEST_HOLDER"

func TestMain(m *testing.M) {
	path := os.Getenv(holder)
	if path == "" {
		os.Exit(m.Run())
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		err = filelock.Lock(f)
	}
	fmt.Println(err)
	_, _ = os.Stdin.Read(make([]byte, 1)) // nothing comes
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	first, second := open(t, path), open(t, path)
	require.NoError(t, filelock.Lock(first))
	require.ErrorIs(t, filelock.Lock(second), filelock.ErrHeld)
	_, err := first.WriteString("text")
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err, "others may read")
	assert.Equal(t, "text", string(text))
	require.NoError(t, first.Close())
	assert.NoError(t, filelock.Lock(second))
}

func TestLockOfKilledProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	f := open(t, path)
	program, err := os.Executable()
	require.NoError(t, err)
	p := exec.Command(program)
	p.Env = append(os.Environ(), holder+"="+path)
	in, err := p.StdinPipe()
	require.NoError(t, err)
	defer in.Close()
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "<nil>\n", line)
	held := filelock.Lock(f)
	require.NoError(t, p.Process.Kill())
	_ = p.Wait() // it was killed
	require.ErrorIs(t, held, filelock.ErrHeld)
	assert.NoError(t, filelock.Lock(f))
}
