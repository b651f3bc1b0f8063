package darts

import (
	"sync"
	"time"
)

// meter tells how far work is that may take a while.
type meter struct {
	tell func(Event) error

	lock  sync.Mutex
	said  Progress
	began time.Time
}

// begin begins work that ends any before it. Of none there is nothing to tell.
func (m *meter) begin(work, unit string, total int) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.said, m.began = Progress{Work: work, Unit: unit, Total: total}, time.Now()
}

// add tells that more units are done. Those beyond the total are not counted.
func (m *meter) add(units int) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	return m.count(units)
}

// pass tells that a pass is done, but for the last of a step, which tells of itself.
// What the recorder has against that, it will say of the step, too: a step does not
// end in the middle.
func (m *meter) pass() {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.said.Done+1 < m.said.Total {
		_ = m.count(1)
	}
}

func (m *meter) count(units int) error {
	if m.said.Total == 0 {
		return nil
	}
	m.said.Done, m.said.Elapsed = min(m.said.Done+units, m.said.Total), time.Since(m.began)
	return m.tell(m.said)
}
