package darts

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Printer is a Recorder for people to read: some lines about the run, one line
// per epoch, and the genotype at the end. In between a live printer, for
// terminals, rewrites one line in place up to ten times a second; another, for
// files, adds a line every ten seconds. Work that is no step is told of once it has
// taken two seconds. Figures that are NaN are left out.
type Printer struct {
	// Columns is the width of the terminal in characters. The live line keeps
	// what fits, the most important first; the other lines are never cut.
	Columns int

	w     io.Writer
	live  bool
	now   func() time.Time
	start Start
	shown time.Time // when a step was last shown, or its turn given to another line
	dirty bool      // whether a live line stands in the way of the next line
	aside bool      // whether the last line was of passes, or of other work than steps
}

// NewPrinter returns a recorder that prints to w. Live says whether w is a
// terminal that understands \r and the ANSI sequence that clears the rest of a
// line; it is taken to be 80 columns wide.
func NewPrinter(w io.Writer, live bool) *Printer {
	return &Printer{Columns: 80, w: w, live: live, now: time.Now}
}

const (
	liveInterval  = 100 * time.Millisecond
	plainInterval = 10 * time.Second
	patience      = 2 * time.Second // with work that may soon be over
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
		return p.print(fit(math.MaxInt, fmt.Sprintf("%s %6s", p.epoch(e.Epoch), duration(e.Elapsed)),
			append(figures(e.TrainLoss, e.TrainAccuracy, e.HeldLoss, e.HeldAccuracy, e.Entropy, e.SkipShare), decisive(e), figure("eigenvalue %.4g", e.Eigenvalue))))
	case Warning:
		return p.print("warning: " + e.Text)
	case Done:
		text := fmt.Sprintf("done: %s, %s, %s", plural(e.Epochs, "epoch"), plural(e.Images, "image"), duration(e.Elapsed))
		if e.Genotype != "" {
			text += "\n" + e.Genotype
		}
		return p.print(text)
	}
	return fmt.Errorf("darts: printer: unknown event %T", e)
}

// Close ends the live line of a run that was stopped early, so that what is
// printed next starts on a line of its own. It does not close the writer.
func (p *Printer) Close() error {
	if !p.dirty {
		return nil
	}
	p.dirty = false
	return p.write("\n")
}

// step shows a step if it is time to, or if the step was told of by its passes only.
func (p *Printer) step(e Step) error {
	if p.aside {
		p.aside, p.shown = false, time.Time{}
	}
	return p.passing(p.epoch(e.Epoch), " step ", e.Step, e.Steps, append([]string{
		fmt.Sprintf("%6s left", duration(e.Left)), fmt.Sprintf("%5s img/s", rate(e.ImagesPerSecond)),
	}, figures(e.Loss, e.Accuracy, e.HeldLoss, e.HeldAccuracy, e.Entropy, e.SkipShare)...))
}

// progress shows progress if it is time to.
func (p *Printer) progress(e Progress) error {
	if e.Elapsed < patience {
		return nil
	}
	pace := float64(e.Done) / e.Elapsed.Seconds()
	left := ""
	if e.Done > 0 {
		left = fmt.Sprintf("%6s left", duration(time.Duration(float64(e.Elapsed)*float64(e.Total-e.Done)/float64(e.Done))))
	}
	before := p.shown
	err := p.passing(e.Work, " ", e.Done, e.Total, []string{left, fmt.Sprintf("%5s %s/s", rate(pace), e.Unit)})
	p.aside = p.aside || p.shown != before
	return err
}

// passing shows how far something is if it is time to, and in place if the
// printer is live.
func (p *Printer) passing(heading, between string, done, total int, figures []string) error {
	interval := plainInterval
	if p.live {
		interval = liveInterval
	}
	now := p.now()
	if now.Sub(p.shown) < interval {
		return nil
	}
	p.shown = now

	width := math.MaxInt
	if p.live {
		between = " " + bar(done, total) + " "
		width = p.Columns - 1 // a character in the last column may start a new line
	}
	line := fit(width, heading+between+fmt.Sprintf("%*d/%d", digits(total), done, total), figures)
	if !p.live {
		return p.print(line)
	}
	p.dirty = true
	return p.write(clearLine + line)
}

// print writes text, in place of the live line if there is one, and ends the line.
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
		return fmt.Errorf("darts: printer: %w", err)
	}
	return nil
}

// epoch returns the heading of a line about an epoch.
func (p *Printer) epoch(n int) string {
	return fmt.Sprintf("epoch %*d/%d", digits(p.start.Epochs), n, p.start.Epochs)
}

func startText(e Start) string {
	images := plural(e.Train, "image")
	if e.Held > 0 {
		images = count(e.Train) + " + " + plural(e.Held, "image")
	}
	how := ""
	if e.MicroBatch > 0 && e.MicroBatch < e.Batch {
		how = fmt.Sprintf(", %s at once", plural(e.MicroBatch, "image"))
	}
	if e.Recompute {
		how += ", with recomputation"
	}
	return fmt.Sprintf("%s: %s, %s of %s, batch %s\n%s parameters, %s multiply-adds, %s of memory%s",
		e.Task, images, plural(e.Epochs, "epoch"), plural(e.StepsPerEpoch, "step"), count(e.Batch),
		metric(int64(e.Params)), metric(e.MACs), storage(e.PlannedBytes), how)
}

// fit returns the first part, cut to width characters, and behind it the others
// that are not empty, as long as they fit. All are ASCII.
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

// bar draws how much of total is done.
func bar(done, total int) string {
	n := 0
	if total > 0 {
		n = min(max(done*barWidth/total, 0), barWidth)
	}
	return "[" + strings.Repeat("=", n) + strings.Repeat(" ", barWidth-n) + "]"
}

// figures formats what the lines about steps and epochs share. Figures that the
// run does not have are empty.
func figures(loss, accuracy, heldLoss, heldAccuracy, entropy, skip float64) []string {
	held := "acc %5.1f%%"
	if math.IsNaN(heldLoss) { // which would have said of what images it is
		held = "held acc %5.1f%%"
	}
	return []string{
		figure("loss %6.4f", loss), figure("acc %5.1f%%", 100*accuracy),
		figure("held %6.4f", heldLoss), figure(held, 100*heldAccuracy),
		figure("entropy %5.3f", entropy), figure("skip %5.1f%%", 100*skip),
	}
}

// decisive formats the score that epochs are compared by, unless that is the accuracy.
func decisive(e Epoch) string {
	if e.ScoreName == "" || e.ScoreName == "accuracy" {
		return ""
	}
	return "held " + e.ScoreName + figure(" %5.1f%%", 100*e.Score())
}

// figure formats a number; one that the run does not have is empty.
func figure(format string, x float64) string {
	if math.IsNaN(x) {
		return ""
	}
	return fmt.Sprintf(format, x)
}

func digits(n int) int { return len(strconv.Itoa(n)) }

// count formats a whole number in groups of three digits: 1,234,567.
func count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// rate formats images per second to three digits or whole images.
func rate(x float64) string {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "-"
	case x < 100:
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	return count(int(math.Round(x)))
}

// metric formats a number with three or more digits and a prefix: 345 M.
func metric(n int64) string {
	return scaled(float64(n), 1000, []string{"", " k", " M", " G", " T", " P"})
}

// storage formats a number of bytes: 1.2 GiB.
func storage(n int64) string {
	return scaled(float64(n), 1024, []string{" B", " KiB", " MiB", " GiB", " TiB", " PiB"})
}

func scaled(x, base float64, units []string) string {
	i := 0
	for x >= base && i < len(units)-1 {
		x /= base
		i++
	}
	if i == 0 || x >= 99.95 {
		return fmt.Sprintf("%.0f%s", x, units[i])
	}
	return fmt.Sprintf("%.1f%s", x, units[i])
}

// duration formats a time with its two largest units: 12 s, 1m05s, 2h03m.
func duration(d time.Duration) string {
	s := int(math.Round(d.Seconds()))
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
}
