package ranks_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/ranks"
	"unnas/internal/ranks/rankstest"
)

// onAll calls a function on a number of ranks, and fails the test if one returns an error.
func onAll(t *testing.T, size int, f func(g *ranks.Group) error) {
	t.Helper()
	for rank, err := range rankstest.Run(size, func(r *rankstest.Rank) error { return f(ranks.New(r)) }) {
		require.NoError(t, err, "rank %d of %d", rank, size)
	}
}

func TestGather(t *testing.T) {
	for _, size := range []int{1, 2, 5} {
		onAll(t, size, func(g *ranks.Group) error {
			for _, unit := range []string{"", "a", "four", "seven b"} {
				mine := ""
				for range g.Rank() {
					mine += unit
				}
				all, err := g.Gather([]byte(mine))
				if err != nil {
					return err
				}
				want := ""
				for i, got := range all {
					if string(got) != want {
						return fmt.Errorf("rank %d passed %q, want %q", i, got, want)
					}
					want += unit
				}
				if len(all) != size {
					return fmt.Errorf("%d texts", len(all))
				}
			}
			return nil
		})
	}
}

// TestGatherFloat64 keeps all bits, those of numbers that are none included.
func TestGatherFloat64(t *testing.T) {
	odd := math.Float64frombits(0x7ff0dead00000001) // a signaling NaN in either half
	onAll(t, 3, func(g *ranks.Group) error {
		all, err := g.GatherFloat64(float64(g.Rank())/3, odd)
		if err != nil {
			return err
		}
		for i, x := range all {
			want := math.Float64bits(odd)
			if i%2 == 0 {
				want = math.Float64bits(float64(i/2) / 3)
			}
			if math.Float64bits(x) != want {
				return fmt.Errorf("number %d has bits %x, want %x", i, math.Float64bits(x), want)
			}
		}
		return nil
	})
}

func TestAgree(t *testing.T) {
	full := errors.New("disk full")
	for name, test := range map[string]struct {
		errs [3]error
		want string // on a rank without an error
		is   error
	}{
		"all well":         {[3]error{}, "", nil},
		"one":              {[3]error{nil, full, nil}, "rank 1: disk full", nil},
		"the first":        {[3]error{nil, full, errors.New("other")}, "rank 1: disk full", nil},
		"a context":        {[3]error{nil, nil, fmt.Errorf("loading: %w", context.Canceled)}, "rank 2: loading: context canceled", context.Canceled},
		"a deadline":       {[3]error{nil, context.Canceled, context.DeadlineExceeded}, "rank 2: context deadline exceeded", context.DeadlineExceeded},
		"a worse one last": {[3]error{nil, context.Canceled, full}, "rank 2: disk full", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := rankstest.Run(3, func(r *rankstest.Rank) error { return ranks.New(r).Agree(test.errs[r.Rank()]) })
			for rank, err := range got {
				if test.want == "" {
					require.NoError(t, err)
					continue
				}
				var all *ranks.Error
				require.ErrorAs(t, err, &all)
				if own := test.errs[rank]; own != nil {
					assert.ErrorIs(t, err, own)
					assert.Equal(t, own.Error(), err.Error())
					assert.Equal(t, rank, all.Rank)
					continue
				}
				assert.EqualError(t, err, test.want)
				if test.is != nil {
					assert.ErrorIs(t, err, test.is)
				}
			}
		})
	}
}

// TestAgreeOnce returns an error that all ranks know of without another vote: here rank 1
// leaves a function by one, and the others do not.
func TestAgreeOnce(t *testing.T) {
	inner := func(g *ranks.Group) error {
		if g.Rank() == 1 {
			return errors.New("rank 1 leaves early")
		}
		return g.Agree(nil)
	}
	for _, err := range rankstest.Run(3, func(r *rankstest.Rank) error {
		g := ranks.New(r)
		if err := g.Agree(inner(g)); err == nil {
			return errors.New("no error")
		}
		return g.Agree(nil) // all are here again
	}) {
		require.NoError(t, err)
	}
}

func TestDifferences(t *testing.T) {
	compare := func(first, other []byte) []string {
		if string(first) == string(other) {
			return nil
		}
		return []string{fmt.Sprintf("%s → %s", first, other)}
	}
	onAll(t, 4, func(g *ranks.Group) error { return g.Differences([]byte("equal"), compare) })
	for _, err := range rankstest.Run(4, func(r *rankstest.Rank) error {
		return ranks.New(r).Differences([]byte{"aaba"[r.Rank()]}, compare)
	}) {
		assert.EqualError(t, err, "rank 2 differs from rank 0 (rank 0 → rank 2):\na → b")
	}
}

// TestLost aborts the job on an error of the communicator, so that no rank waits for ever.
func TestLost(t *testing.T) {
	for rank, err := range rankstest.Run(3, func(r *rankstest.Rank) error {
		g := ranks.New(r)
		if g.Rank() == 2 {
			return g.AllGather(make([]float32, 5), make([]float32, 1))
		}
		return g.AllGather(make([]float32, 3), make([]float32, 1))
	}) {
		require.ErrorContains(t, err, fmt.Sprintf("rank %d of 3 lost the others", rank))
	}
}

func TestOneRank(t *testing.T) {
	for _, g := range []*ranks.Group{ranks.New(nil), ranks.New(rankstest.New(1)[0])} {
		assert.True(t, g.Leads())
		assert.Equal(t, 1, g.Size())
		failed := errors.New("failed")
		assert.Equal(t, failed, g.Agree(failed), "as it is")
		send, recv := []float32{1, 2}, make([]float32, 2)
		require.NoError(t, g.AllGather(recv, send))
		assert.Equal(t, send, recv)
		require.NoError(t, g.AllToAll(recv, []float32{3, 4}))
		assert.Equal(t, []float32{3, 4}, recv)
		require.NoError(t, g.Broadcast(recv))
		assert.Zero(t, g.Waited())
	}
}
