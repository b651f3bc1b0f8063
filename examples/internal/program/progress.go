package program

import (
	"io"
	"time"

	"unnas/darts/dataset"
	"unnas/darts/record"
)

// Progress tells how far work is.
type Progress struct {
	printer *record.Printer
	said    record.Progress
	began   time.Time
}

// NewProgress begins to tell of work, such as "listing", in units such as "classes".
func NewProgress(out io.Writer, work, unit string) *Progress {
	return &Progress{record.NewPrinter(out), record.Progress{Work: work, Unit: unit}, time.Now()}
}

// Tell tells how much is done, if it is time to.
func (p *Progress) Tell(done, total int) {
	p.said.Done, p.said.Total, p.said.Elapsed = done, total, time.Since(p.began)
	_ = p.printer.Record(p.said) // work does not fail because nobody hears of it
}

// Close ends the line that is rewritten in place, if there is one.
func (p *Progress) Close() { _ = p.printer.Close() }

// List opens a data set and tells how far it is listed.
func List[S any](out io.Writer, o dataset.Options, open func(dataset.Options) (S, error)) (S, error) {
	p := NewProgress(out, "listing", "classes")
	defer p.Close()
	o.Progress = func(done, total int64) { p.Tell(int(done), int(total)) }
	return open(o)
}
