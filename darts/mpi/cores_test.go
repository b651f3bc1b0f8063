package mpi

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// cpus returns a mask of cores.
func cpus(numbers ...int) (m mask) {
	for _, n := range numbers {
		m[n/64] |= 1 << (n % 64)
	}
	return m
}

func TestMask(t *testing.T) {
	assert.Equal(t, cpus(0, 1, 2), firstCores(3))
	assert.Equal(t, 70, firstCores(70).count())
	assert.Equal(t, 1024, firstCores(2000).count())
	assert.Equal(t, 3, cpus(3, 64, 1023).count())
	assert.True(t, cpus(1, 200).overlaps(cpus(2, 200)))
	assert.False(t, cpus(1, 200).overlaps(cpus(2, 201)))
	assert.False(t, mask{}.overlaps(firstCores(64)))
}

func TestPlace(t *testing.T) {
	p := place{"node-17", cpus(0, 31, 62, 1023)}
	got := decode(p.encode())
	assert.Equal(t, p.host, strings.TrimRight(got.host, "\x00"))
	assert.Equal(t, p.cores, got.cores)
	assert.Len(t, decode(place{host: strings.Repeat("x", 300)}.encode()).host, hostBytes)
}

func TestAffinity(t *testing.T) {
	assert.Equal(t, runtime.NumCPU(), affinity().count())
}

func TestShare(t *testing.T) {
	all := firstCores(8)
	for _, c := range []struct {
		name              string
		places            []place
		rank, procs, want int
	}{
		{name: "alone", places: []place{{"a", all}}, procs: 8, want: 8},
		{name: "two hosts", places: []place{{"a", all}, {"b", all}}, rank: 1, procs: 8, want: 8},
		{name: "unbound", places: []place{{"a", all}, {"b", all}, {"a", all}, {"a", all}}, rank: 2, procs: 8, want: 2},
		{name: "bound", places: []place{{"a", cpus(0, 1, 2)}, {"a", cpus(4, 5, 6, 7)}}, rank: 1, procs: 4, want: 4},
		{name: "some bound", places: []place{{"a", all}, {"a", cpus(4, 5)}, {"a", cpus(6, 7)}}, rank: 1, procs: 2, want: 1},
		{name: "more ranks than cores", places: []place{{"a", cpus(0)}, {"a", cpus(0)}}, rank: 1, procs: 1, want: 1},
		{name: "quota", places: []place{{"a", all}, {"a", all}}, procs: 6, want: 3},
		{name: "quota, bound", places: []place{{"a", cpus(0, 1, 2, 3)}, {"a", cpus(4, 5, 6, 7)}}, procs: 3, want: 1},
		{name: "no mask", places: []place{{"a", mask{}}}, procs: 8, want: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, share(c.places, c.rank, c.procs))
		})
	}
}
