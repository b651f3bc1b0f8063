package record

import (
	"sync"
	"time"
)

// A Meter reports how far work is that may take a while, as Progress events. It is
// safe for use by several goroutines.
type Meter struct {
	to Recorder

	lock  sync.Mutex
	last  Progress
	began time.Time
}

// NewMeter returns a meter that reports to a recorder.
func NewMeter(to Recorder) *Meter { return &Meter{to: to} }

// Begin begins work of total units, such as "images", and ends any work before it.
// Work of no units is never reported.
func (m *Meter) Begin(work, unit string, total int) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.last, m.began = Progress{Work: work, Unit: unit, Total: total}, time.Now()
}

// Add reports that more units are done. Units beyond the total are not counted.
func (m *Meter) Add(units int) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.count(units)
}

// Pass reports that one more unit is done, except the last, which an event of its own
// follows. Errors of the recorder are dropped: it will return them for that event.
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
