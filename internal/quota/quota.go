package quota

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"
)

// A Quota is a number of bytes that goroutines share. Released bytes count until they
// are garbage collected, so the heap does not exceed the quota either.
type Quota struct {
	bytes int64
	room  *semaphore.Weighted

	lock        sync.Mutex
	held, freed int64
}

// New returns a quota of 1 byte or more.
func New(bytes int64) *Quota {
	return &Quota{bytes: bytes, room: semaphore.NewWeighted(bytes)}
}

// take waits for n bytes, or for the whole quota if that is less.
func (q *Quota) take(ctx context.Context, n int64) error {
	if err := q.room.Acquire(ctx, min(n, q.bytes)); err != nil {
		return err
	}
	q.hold(n)
	return nil
}

// hold counts n bytes, and collects garbage if they need its place.
func (q *Quota) hold(n int64) {
	q.lock.Lock()
	q.held += n
	collect := q.freed > 0 && q.held+q.freed > q.bytes
	if collect {
		q.freed = 0
	}
	q.lock.Unlock()
	if collect {
		runtime.GC()
	}
}

// give releases n bytes of take.
func (q *Quota) give(n int64) {
	q.drop(n)
	q.room.Release(min(n, q.bytes))
}

// drop is the inverse of hold.
func (q *Quota) drop(n int64) {
	q.lock.Lock()
	defer q.lock.Unlock()
	q.held -= n
	q.freed += n
}

// A lease holds bytes until it ends.
type lease struct {
	quota *Quota
	lock  sync.Mutex
	taken int64 // taken with waiting
	more  int64 // taken without waiting, see Take
}

type key struct{}

// With returns a context under which each Take has its own release.
func (q *Quota) With(ctx context.Context) context.Context {
	if q == nil {
		return ctx
	}
	return context.WithValue(ctx, key{}, q)
}

// Lease returns a context under which Take takes from the quota, and end, which
// releases all of it. A nil quota is unlimited.
func (q *Quota) Lease(ctx context.Context) (under context.Context, end func()) {
	if q == nil {
		return ctx, func() {}
	}
	l := &lease{quota: q}
	return context.WithValue(ctx, key{}, l), l.end
}

func (l *lease) end() {
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.taken > 0 {
		l.quota.give(l.taken)
	}
	l.quota.drop(l.more)
	l.taken, l.more = 0, 0
}

// Take waits until the quota of the context, if there is one, has n bytes, and takes
// them; more than the whole quota take all of it. release releases them, unless a lease
// does so. A lease that already holds bytes takes more without waiting, to prevent
// deadlock.
//
// It returns an error if ctx is done before.
func Take(ctx context.Context, n int64) (release func(), err error) {
	n = max(n, 1)
	switch of := ctx.Value(key{}).(type) {
	case *Quota:
		if err := of.take(ctx, n); err != nil {
			return nil, err
		}
		return func() { of.give(n) }, nil
	case *lease:
		of.lock.Lock()
		defer of.lock.Unlock()
		if of.taken > 0 {
			of.quota.hold(n)
			of.more += n
			return func() {}, nil
		}
		if err := of.quota.take(ctx, n); err != nil {
			return nil, err
		}
		of.taken = n
	}
	return func() {}, nil
}
