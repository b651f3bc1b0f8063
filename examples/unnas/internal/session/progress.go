package session

import (
	"io"
	"time"

	"unnas/darts/dataset"
	"unnas/darts/record"
)

// Progress prints how far work is.
type Progress struct {
	printer *record.Printer
	last    record.Progress
	began   time.Time
}

// NewProgress begins the progress of work, such as "listing", in units such as "classes".
func NewProgress(out io.Writer, work, unit string) *Progress {
	return &Progress{record.NewPrinter(out), record.Progress{Work: work, Unit: unit}, time.Now()}
}

// Update prints how much is done, if it is time to.
func (p *Progress) Update(done, total int) {
	p.last.Done, p.last.Total, p.last.Elapsed = done, total, time.Since(p.began)
	_ = p.printer.Record(p.last) // work does not fail because its progress cannot be printed
}

// Close ends the line that is rewritten in place, if there is one.
func (p *Progress) Close() { _ = p.printer.Close() }

// List opens a data set and prints the progress of listing it.
func List[S any](out io.Writer, o dataset.Options, open func(dataset.Options) (S, error)) (S, error) {
	p := NewProgress(out, "listing", "classes")
	defer p.Close()
	o.Progress = func(done, total int64) { p.Update(int(done), int(total)) }
	return open(o)
}
