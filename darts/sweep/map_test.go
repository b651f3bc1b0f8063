package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/sweep"
)

// TestMap does jobs in two parts, and none of them again.
func TestMap(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sweep")
	lengths := func(_ context.Context, word string, dir string) (int, error) {
		assert.DirExists(t, dir)
		return len(word), nil
	}
	words := []string{"a", "bcd", "ef"}
	_, err := sweep.Map(t.Context(), dir, words, sweep.Options{Shard: sweep.Shard{Index: 0, Count: 2}}, lengths)
	require.ErrorIs(t, err, sweep.ErrUnfinished)
	assert.ErrorContains(t, err, "of 3")
	got, err := sweep.Map(t.Context(), dir, words, sweep.Options{}, lengths)
	require.NoError(t, err)
	assert.Equal(t, []int{1, 3, 2}, got)
	got, err = sweep.Map(t.Context(), dir, words, sweep.Options{}, func(context.Context, string, string) (int, error) {
		return 0, errors.New("nothing is left to do")
	})
	require.NoError(t, err)
	assert.Equal(t, []int{1, 3, 2}, got)
}

func TestMapErrors(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sweep")
	fails := func(context.Context, int, string) (int, error) { return 0, errors.New("broken") }
	_, err := sweep.Map(t.Context(), dir, []int{1, 2}, sweep.Options{Attempts: 1}, fails)
	assert.ErrorContains(t, err, "broken")
	_, err = sweep.Map(t.Context(), dir, []int{1, 3}, sweep.Options{Attempts: 1}, fails)
	assert.ErrorContains(t, err, "another sweep")
	_, err = sweep.Map(t.Context(), dir, []func(){nil}, sweep.Options{}, func(context.Context, func(), string) (int, error) { return 0, nil })
	assert.ErrorContains(t, err, "sweep: spec 0: json")
}

func ExampleMap() {
	dir, err := os.MkdirTemp("", "sweep")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	squares, err := sweep.Map(context.Background(), dir, []int{1, 2, 3}, sweep.Options{}, func(_ context.Context, n int, _ string) (int, error) {
		return n * n, nil
	})
	fmt.Println(squares, err)
	// Output: [1 4 9] <nil>
}
