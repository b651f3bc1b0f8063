package quota_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/quota"
)

// waits reports whether a Take of n bytes under the context has to wait.
func waits(t *testing.T, ctx context.Context, n int64) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	release, err := quota.Take(ctx, n)
	if err != nil {
		require.ErrorIs(t, err, context.DeadlineExceeded)
		return true
	}
	release()
	return false
}

func TestTake(t *testing.T) {
	q := quota.New(100)
	ctx := q.With(t.Context())
	release, err := quota.Take(ctx, 60)
	require.NoError(t, err)
	assert.True(t, waits(t, ctx, 41))
	assert.False(t, waits(t, ctx, 40))
	release()
	assert.False(t, waits(t, ctx, 100))
	assert.False(t, waits(t, t.Context(), 1<<60), "a context without a quota has no bound")
}

// TestTakeMoreThanAll lets what is larger than the quota have it alone.
func TestTakeMoreThanAll(t *testing.T) {
	q := quota.New(100)
	ctx := q.With(t.Context())
	release, err := quota.Take(ctx, 1000)
	require.NoError(t, err)
	assert.True(t, waits(t, ctx, 1))
	release()
	release, err = quota.Take(ctx, 1)
	require.NoError(t, err)
	assert.True(t, waits(t, ctx, 1000))
	release()
}

func TestLease(t *testing.T) {
	q := quota.New(100)
	first, end := q.Lease(t.Context())
	release, err := quota.Take(first, 60)
	require.NoError(t, err)
	release()
	second, endSecond := q.Lease(t.Context())
	assert.True(t, waits(t, second, 60), "the lease holds what is released under it")
	assert.False(t, waits(t, first, 60), "a lease does not wait for others twice")
	end()
	assert.False(t, waits(t, second, 100))
	endSecond()
	var none *quota.Quota
	ctx, end := none.Lease(t.Context())
	assert.False(t, waits(t, ctx, 1<<60))
	end()
}

// TestTogether checks the bound under many goroutines.
func TestTogether(t *testing.T) {
	const bytes = 1000
	q := quota.New(bytes)
	var held atomic.Int64
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 0))
			for range 20 {
				n := r.Int64N(400) + 1
				ctx, end := q.Lease(t.Context())
				if _, err := quota.Take(ctx, n); !assert.NoError(t, err) {
					return
				}
				assert.LessOrEqual(t, held.Add(n), int64(bytes))
				held.Add(-n)
				end()
			}
		})
	}
	group.Wait()
}
