package program

import (
	"io"
	"time"

	"unnas/darts"
)

// patience is how long work is silent before it tells how far it is.
const patience = 2 * time.Second

// Progress tells how far work is that takes longer than two seconds.
type Progress struct {
	printer *darts.Printer
	said    darts.Progress
	began   time.Time
}

// NewProgress begins to tell of work, such as "listing", in units such as "classes".
func NewProgress(out io.Writer, work, unit string) *Progress {
	return &Progress{Printer(out), darts.Progress{Work: work, Unit: unit}, time.Now()}
}

// Tell tells how much is done, if it is time to.
func (p *Progress) Tell(done, total int) {
	p.said.Done, p.said.Total, p.said.Elapsed = done, total, time.Since(p.began)
	if p.said.Elapsed >= patience {
		_ = p.printer.Record(p.said) // work does not fail because nobody hears of it
	}
}

// Close ends the line that is rewritten in place, if there is one.
func (p *Progress) Close() { _ = p.printer.Close() }
