package record

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unnas/internal/format"

	"golang.org/x/term"
)

// Printer is a Recorder for people: some lines about the run, one line per epoch, and
// the genotype at the end. Between epochs a live printer, for terminals, rewrites one
// line up to ten times a second; other printers, for files, add a line every ten
// seconds. Other work than steps is shown once it has taken two seconds. NaN is
// omitted. Scores are percentages unless lower is better.
type Printer struct {
	// Live rewrites a line in place, with \r and the ANSI sequence that clears the rest
	// of a line.
	Live bool
	// Columns is the width of the terminal in characters. The live line is cut to it,
	// the most important numbers first; other lines are never cut.
	Columns int

	w     io.Writer
	now   func() time.Time
	start Start
	shown time.Time // time of the last step or other line shown
	dirty bool      // the cursor is on a live line
	aside bool      // the last line showed passes, or other work than steps
}

// NewPrinter returns a recorder that prints to w. If w is an *os.File of a terminal,
// such as os.Stdout, it is live and as wide as the terminal.
func NewPrinter(w io.Writer) *Printer {
	p := &Printer{Columns: 80, w: w, now: time.Now}
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return p
	}
	p.Live = true
	if columns, _, err := term.GetSize(int(file.Fd())); err == nil && columns > 0 {
		p.Columns = columns
	}
	return p
}

const (
	liveInterval  = 100 * time.Millisecond
	plainInterval = 10 * time.Second
	patience      = 2 * time.Second // before work other than steps is shown
	barWidth      = 8
	clearLine     = "\r\x1b[K"
)

// Record prints an event. It fails if the writer does.
func (p *Printer) Record(e Event) error {
	switch e := e.(type) {
	case Start:
		p.start = e
		return p.print(startText(e))
	case Step:
		return p.step(e)
	case Progress:
		return p.progress(e)
	case Epoch:
		return p.print(fit(math.MaxInt, fmt.Sprintf("%s %6s", p.epoch(e.Epoch), format.Duration(e.Elapsed)),
			append(p.numbers(e.TrainLoss, e.TrainScore, e.ValLoss, e.ValScore, e.Entropy, e.SkipWeight), number("eigenvalue %.4g", e.Eigenvalue), truth(e), LoadText(e.Ranks))))
	case Warning:
		return p.print("warning: " + e.Text)
	case Done:
		text := fmt.Sprintf("done: %s, %s, %s", format.Plural(e.Epochs, "epoch"), format.Plural(e.Images, "image"), format.Duration(e.Elapsed))
		if e.Genotype != "" {
			text += "\n" + e.Genotype
		}
		return p.print(text)
	}
	return fmt.Errorf("record: printer: unknown event %T", e)
}

// Close ends the live line of a run that was stopped early, so that later output starts
// on a new line. It does not close the writer.
func (p *Printer) Close() error {
	if !p.dirty {
		return nil
	}
	p.dirty = false
	return p.write("\n")
}

// step shows a step if it is due, or if only its passes were shown.
func (p *Printer) step(e Step) error {
	if p.aside {
		p.aside, p.shown = false, time.Time{}
	}
	return p.passing(p.epoch(e.Epoch), " step ", e.Step, e.Steps, append([]string{
		fmt.Sprintf("%6s left", format.Duration(e.Left)), fmt.Sprintf("%5s img/s", format.Rate(e.ImagesPerSecond)),
	}, p.numbers(e.TrainLoss, e.TrainScore, e.ValLoss, e.ValScore, e.Entropy, e.SkipWeight)...))
}

// progress shows progress if it is due.
func (p *Printer) progress(e Progress) error {
	if e.Elapsed < patience {
		return nil
	}
	pace := float64(e.Done) / e.Elapsed.Seconds()
	left := ""
	if e.Done > 0 {
		left = fmt.Sprintf("%6s left", format.Duration(time.Duration(float64(e.Elapsed)*float64(e.Total-e.Done)/float64(e.Done))))
	}
	before := p.shown
	err := p.passing(e.Work, " ", e.Done, e.Total, []string{left, fmt.Sprintf("%5s %s/s", format.Rate(pace), e.Unit)})
	p.aside = p.aside || p.shown != before
	return err
}

// passing shows a progress line if it is due, in place if the printer is live.
func (p *Printer) passing(heading, between string, done, total int, numbers []string) error {
	interval := plainInterval
	if p.Live {
		interval = liveInterval
	}
	now := p.now()
	if now.Sub(p.shown) < interval {
		return nil
	}
	p.shown = now

	width := math.MaxInt
	if p.Live {
		between = " " + bar(done, total) + " "
		width = p.Columns - 1 // a character in the last column may start a new line
	}
	line := fit(width, heading+between+fmt.Sprintf("%*d/%d", digits(total), done, total), numbers)
	if !p.Live {
		return p.print(line)
	}
	p.dirty = true
	return p.write(clearLine + line)
}

// print writes a line of text, instead of the live line if there is one.
func (p *Printer) print(text string) error {
	if p.dirty {
		text = clearLine + text
		p.dirty = false
	}
	p.shown = p.now()
	return p.write(text + "\n")
}

func (p *Printer) write(text string) error {
	if _, err := io.WriteString(p.w, text); err != nil {
		return fmt.Errorf("record: printer: %w", err)
	}
	return nil
}

// epoch returns the heading of a line about an epoch.
func (p *Printer) epoch(n int) string {
	return fmt.Sprintf("epoch %*d/%d", digits(p.start.Epochs), n, p.start.Epochs)
}

func startText(e Start) string {
	images := format.Plural(e.Train, "image")
	if e.Val > 0 {
		images = format.Count(e.Train) + " + " + format.Plural(e.Val, "image")
	}
	how := ""
	if e.MicroBatch > 0 && e.MicroBatch < e.Batch {
		how = fmt.Sprintf(", %s at once", format.Plural(e.MicroBatch, "image"))
	}
	if e.Ranks > 1 {
		how += fmt.Sprintf(", %d ranks", e.Ranks)
	}
	if e.Recompute {
		how += ", with recomputation"
	}
	return fmt.Sprintf("%s: %s, %s of %s, batch %s\n%s parameters, %s multiply-adds, %s of memory%s",
		e.Task, images, format.Plural(e.Epochs, "epoch"), format.Plural(e.StepsPerEpoch, "step"), format.Count(e.Batch),
		format.SI(int64(e.Params)), format.SI(e.MACs), format.Bytes(e.PlannedBytes), how)
}

// truth returns the scores of the cell in a benchmark, and the share of cells that it beats;
// "" for none. Those on validation images are left out where there are some on test images.
func truth(e Epoch) string {
	var all []string
	for _, metric := range slices.Sorted(maps.Keys(e.Truth)) {
		if dataset, val := strings.CutSuffix(metric, "_val"); val {
			if _, tested := e.Truth[dataset+"_test"]; tested {
				continue
			}
		}
		all = append(all, fmt.Sprintf("%s %.4g (> %.1f%%)", metric, e.Truth[metric], 100*e.Percentiles[metric]))
	}
	return strings.Join(all, "  ")
}

// LoadText returns the loads of ranks in words; "" for none.
func LoadText(ranks []Rank) string {
	if len(ranks) == 0 {
		return ""
	}
	slowest, fastest := ranks[0].ImagesPerSecond, ranks[0].ImagesPerSecond
	least, most := ranks[0].Waited, ranks[0].Waited
	for _, r := range ranks[1:] {
		slowest, fastest = min(slowest, r.ImagesPerSecond), max(fastest, r.ImagesPerSecond)
		least, most = min(least, r.Waited), max(most, r.Waited)
	}
	return fmt.Sprintf("%d ranks %s-%s img/s each, waited %.0f-%.0f%%", len(ranks), format.Rate(slowest), format.Rate(fastest), 100*least, 100*most)
}

// fit returns the first part, cut to width characters, followed by the others that are
// not empty and fit. All are ASCII.
func fit(width int, first string, others []string) string {
	line := first[:min(len(first), max(width, 0))]
	for _, part := range others {
		if part == "" {
			continue
		}
		if len(line)+2+len(part) > width {
			break
		}
		line += "  " + part
	}
	return line
}

// bar draws a progress bar.
func bar(done, total int) string {
	n := 0
	if total > 0 {
		n = min(max(done*barWidth/total, 0), barWidth)
	}
	return "[" + strings.Repeat("=", n) + strings.Repeat(" ", barWidth-n) + "]"
}

// numbers formats the numbers of steps and epochs. Missing numbers are empty.
func (p *Printer) numbers(trainLoss, trainScore, valLoss, valScore, entropy, skip float64) []string {
	return []string{
		number("loss %6.4f", trainLoss), p.score(cmp.Or(p.start.TrainScoreName, "score"), trainScore),
		number("val loss %6.4f", valLoss), p.score("val "+cmp.Or(p.start.ScoreName, "score"), valScore),
		number("entropy %5.3f", entropy), number("skip %5.1f%%", 100*skip),
	}
}

// score formats a score with its name.
func (p *Printer) score(name string, x float64) string {
	if p.start.LowerIsBetter {
		return number(name+" %6.4f", x)
	}
	return number(name+" %5.1f%%", 100*x)
}

// number formats a number; NaN is empty.
func number(format string, x float64) string {
	if math.IsNaN(x) {
		return ""
	}
	return fmt.Sprintf(format, x)
}

func digits(n int) int { return len(strconv.Itoa(n)) }
