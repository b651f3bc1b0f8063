package cpuexec

import (
	"slices"
	"time"
)

// A Schedule is what a run consists of, with the time that each part took on one core.
type Schedule struct{ levels [][]stepTime }

// stepTime is a group of steps: serial code and parallel loops in turn, which begins and ends with
// serial code.
type stepTime struct {
	serial []time.Duration
	loops  [][]time.Duration // the tasks of each
}

// Measure runs the program as Run does, a number of times on one core, and takes the least
// time of each part. States keep their values, so a program that overwrites them is refused.
func (e *Executable) Measure(times int) (Schedule, error) {
	if len(e.plan.overwritten) > 0 {
		return Schedule{}, errUpdates
	}
	s, err := e.measure()
	for ; err == nil && times > 1; times-- {
		var again Schedule
		again, err = e.measure()
		s.least(again)
	}
	return s, err
}

// least lowers the times of s to those of o, a schedule of the same program.
func (s Schedule) least(o Schedule) {
	lower := func(to, from []time.Duration) {
		for i, d := range from {
			to[i] = min(to[i], d)
		}
	}
	for i, steps := range o.levels {
		for j, t := range steps {
			lower(s.levels[i][j].serial, t.serial)
			for k, l := range t.loops {
				lower(s.levels[i][j].loops[k], l)
			}
		}
	}
}

func (e *Executable) measure() (Schedule, error) {
	var s Schedule
	defer e.pool.Trace(nil)
	for _, l := range e.levels {
		var steps []stepTime
		for i := range l.groups {
			var t stepTime
			last := time.Now()
			e.pool.Trace(func(tasks []time.Duration) {
				now := time.Now()
				serial := now.Sub(last)
				for _, d := range tasks {
					serial -= d
				}
				t.serial, t.loops = append(t.serial, max(0, serial)), append(t.loops, tasks)
				last = time.Now()
			})
			l.run(e.pool, i)
			t.serial = append(t.serial, time.Since(last))
			steps = append(steps, t)
		}
		if err := l.err(); err != nil {
			return Schedule{}, err
		}
		s.levels = append(s.levels, steps)
	}
	return s, nil
}

// Then returns the schedule of one run after another.
func (s Schedule) Then(next Schedule) Schedule {
	return Schedule{slices.Concat(s.levels, next.levels)}
}

// Barriers returns the number of times that all workers wait for each other.
func (s Schedule) Barriers() (n int) {
	for _, steps := range s.levels {
		tasks := len(steps)
		for _, t := range steps {
			for _, l := range t.loops {
				tasks += len(l) - 1
			}
		}
		if tasks > 1 {
			n++
		}
	}
	return n
}

// Speedup returns how much faster the run would be on a number of cores, if each part took
// as long there as on one, and passing work on took no time.
func (s Schedule) Speedup(cores int) float64 {
	var one, many time.Duration
	for _, steps := range s.levels {
		for _, t := range steps {
			for _, d := range slices.Concat(append(slices.Clone(t.loops), t.serial)...) {
				one += d
			}
		}
		many += simulate(steps, cores)
	}
	return float64(one) / float64(many)
}

// simulate returns the time that a level takes if a worker that is free takes the part that
// has waited longest.
func simulate(steps []stepTime, workers int) (now time.Duration) {
	type part struct {
		step int
		time time.Duration // that it takes, then when it ends
	}
	var waiting, running []part
	phase, left := make([]int, len(steps)), make([]int, len(steps)) // left: parts of the phase
	// begin lets the parts of the next phase of a step wait: serial code, or a loop.
	begin := func(i int) {
		t := steps[i]
		tasks := t.serial[phase[i]/2 : phase[i]/2+1]
		if phase[i]%2 == 1 {
			tasks = t.loops[phase[i]/2]
		}
		for _, d := range tasks {
			waiting = append(waiting, part{i, d})
		}
		phase[i]++
		left[i] = len(tasks)
	}
	for i := range steps {
		begin(i)
	}
	for {
		for len(waiting) > 0 && len(running) < workers {
			running = append(running, part{waiting[0].step, now + waiting[0].time})
			waiting = waiting[1:]
		}
		if len(running) == 0 {
			return now
		}
		first := 0
		for i, p := range running {
			if p.time < running[first].time {
				first = i
			}
		}
		i := running[first].step
		now = running[first].time
		running = slices.Delete(running, first, first+1)
		if left[i]--; left[i] == 0 && phase[i] <= 2*len(steps[i].loops) {
			begin(i)
		}
	}
}
