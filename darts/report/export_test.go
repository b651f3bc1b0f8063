package report

import "time"

// SetTimes replaces how often a report is rendered, and how long it waits for
// browsers.
func (r *Report) SetTimes(interval, patience, farewell time.Duration) {
	r.interval, r.patience, r.farewell = interval, patience, farewell
}
