package record

import (
	"sync"
	"time"
)

// A Meter reports the progress of longer work as Progress events. It is safe for
// concurrent use.
type Meter struct {
	to Recorder

	lock  sync.Mutex
	last  Progress
	began time.Time
}

// NewMeter returns a meter that reports to a recorder.
func NewMeter(to Recorder) *Meter { return &Meter{to: to} }

// Begin starts work of total units, such as "images", and ends any earlier work. Work
// of 0 units is not reported.
func (m *Meter) Begin(work, unit string, total int) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.last, m.began = Progress{Work: work, Unit: unit, Total: total}, time.Now()
}

// Add reports more units as done. Units beyond the total are not counted.
func (m *Meter) Add(units int) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.count(units)
}

// Pass reports one more unit as done, except the last, which another event reports.
// Recorder errors are dropped: the recorder will return them for that event.
func (m *Meter) Pass() {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.last.Done+1 < m.last.Total {
		_ = m.count(1)
	}
}

func (m *Meter) count(units int) error {
	if m.last.Total == 0 {
		return nil
	}
	m.last.Done, m.last.Elapsed = min(m.last.Done+units, m.last.Total), time.Since(m.began)
	return m.to.Record(m.last)
}
