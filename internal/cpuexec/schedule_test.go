package cpuexec

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestSchedule has three levels: a step with a loop of four equal tasks between serial
// code, two steps without loops, and one step that a single worker runs.
func TestSchedule(t *testing.T) {
	serial := func(d ...time.Duration) []time.Duration { return d }
	s := Schedule{levels: [][]stepTime{
		{{serial: serial(1, 2), loops: [][]time.Duration{slices.Repeat(serial(8), 4)}}},
		{{serial: serial(6)}, {serial: serial(4)}},
		{{serial: serial(5)}},
	}}
	assert.Equal(t, 2, s.Barriers())
	assert.InDelta(t, 1, s.Speedup(1), 1e-9)
	assert.InDelta(t, 50.0/(1+16+2+6+5), s.Speedup(2), 1e-9)
	assert.InDelta(t, 50.0/(1+16+2+6+5), s.Speedup(3), 1e-9, "three workers take four tasks in two rounds")
	assert.InDelta(t, 50.0/(1+8+2+6+5), s.Speedup(64), 1e-9)
}

// TestScheduleSharesWorkers has two steps whose loops share four workers.
func TestScheduleSharesWorkers(t *testing.T) {
	step := stepTime{serial: []time.Duration{1, 1}, loops: [][]time.Duration{{5, 5}}}
	s := Schedule{levels: [][]stepTime{{step, step}}}
	assert.InDelta(t, 24.0/7, s.Speedup(4), 1e-9)
	assert.InDelta(t, 24.0/12, s.Speedup(2), 1e-9)
}
