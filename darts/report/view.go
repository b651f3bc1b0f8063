package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"unnas/cell"
	celldraw "unnas/cell/draw"
	"unnas/darts/record"
	"unnas/internal/format"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("report").Parse(pageText))

//go:embed page.js
var script template.JS

// scriptHash is the hash of the only script that the page's policy allows.
var scriptHash = func() string {
	sum := sha256.Sum256([]byte(script))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

// view is the data of the template.
type view struct {
	Live       bool // served with live updates
	Script     template.JS
	ScriptHash string

	Name, Task, Kind string
	State, Class     string // state of the run in words, and its style class
	Progress         float64
	Facts            []fact
	Warnings         []string
	Omitted          int
	Genotype         string
	Cells            []template.HTML
	Charts           []chart
	Heats            []heat
	Scale            scale
	Scores           []fact
	Settings         []fact
	Samples          []sample
}

// fact is a name and its value.
type fact struct{ Name, Value string }

// render writes a part of the page: "page", all of it, or "sections", the parts that change.
func (s *state) render(w io.Writer, part string, live bool) error {
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, part, s.view(live)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

func (s *state) view(live bool) view {
	c := readConfig(s.config)
	epochs, steps := s.epochs.all(), s.steps.all()
	v := view{
		Live: live && !s.closed, Script: script, ScriptHash: scriptHash, Name: s.name, Task: s.start.Task, Kind: "training",
		Warnings: s.warnings, Omitted: s.omitted, Samples: s.samples,
		Facts: s.facts(), Charts: s.charts(epochs, steps),
		Settings: settings(s.config),
	}
	if len(s.start.Ops) > 0 {
		v.Kind = "search"
	}
	v.State, v.Class, v.Progress = s.progress(live)
	if v.Genotype = s.genotype(c); v.Genotype != "" {
		v.Genotype, v.Cells = cells(v.Genotype)
	}
	if len(epochs) > 0 {
		v.Heats, v.Scale = heats(epochs, s.start)
	}
	for _, e := range slices.Backward(epochs) {
		if len(e.Scores) == 0 {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(e.Scores)) {
			if format.Finite(e.Scores[name]) {
				v.Scores = append(v.Scores, fact{name, percent(e.Scores[name])})
			}
		}
		break
	}
	return v
}

// progress returns the progress of the run in words, its style class, and in percent.
func (s *state) progress(live bool) (words, class string, percentage float64) {
	complete := 0
	if s.epochs.added > 0 {
		complete = s.epochs.last.Epoch
	}
	of := fmt.Sprintf("%d of %d epochs", complete, s.start.Epochs)
	if s.start.Epochs > 0 {
		percentage = 100 * float64(complete) / float64(s.start.Epochs)
	}
	last := s.steps.last
	within := s.steps.added > 0 && last.Epoch > complete
	if within && last.Steps > 0 && s.start.Epochs > 0 {
		percentage = 100 * (float64(last.Epoch-1) + float64(last.Step)/float64(last.Steps)) / float64(s.start.Epochs)
	}
	percentage = min(max(percentage, 0), 100)
	switch {
	case !s.begun:
		return "not started", "waits", 0
	case s.done != nil:
		return "complete after " + of, "done", percentage
	case s.closed:
		return "stopped early, after " + of, "stopped", percentage
	case !live:
		return "not complete when this page was written: " + of, "stopped", percentage
	case within:
		return fmt.Sprintf("running: epoch %d of %d, step %d of %d", last.Epoch, s.start.Epochs, last.Step, last.Steps), "live", percentage
	}
	return "running: " + of, "live", percentage
}

// facts are the numbers at the top of the page.
func (s *state) facts() []fact {
	if !s.begun {
		return nil
	}
	var all []fact
	add := func(name, value string, there bool) {
		if there {
			all = append(all, fact{name, value})
		}
	}
	number := func(name string, text func(float64) string, x float64) { add(name, text(x), format.Finite(x)) }
	last, e := s.steps.last, s.epochs.last
	if s.epochs.added == 0 {
		e = record.Epoch{TrainLoss: math.NaN(), TrainScore: math.NaN(), ValLoss: math.NaN(), ValScore: math.NaN()}
	}
	if s.steps.added > 0 && (s.epochs.added == 0 || last.Epoch > e.Epoch) {
		e.TrainLoss, e.TrainScore = last.TrainLoss, last.TrainScore
		if format.Finite(last.ValLoss) {
			e.ValLoss, e.ValScore = last.ValLoss, last.ValScore
		}
	}
	number("training loss", plain, e.TrainLoss)
	number(s.trainScore(), s.score, e.TrainScore)
	number("validation loss", plain, e.ValLoss)
	number(s.valScore(), s.score, e.ValScore)
	if s.steps.added > 0 {
		add("images/s", plain(last.ImagesPerSecond), format.Finite(last.ImagesPerSecond) && last.ImagesPerSecond > 0)
		add("load of the ranks", record.LoadText(s.epochs.last.Ranks), s.epochs.added > 0 && len(s.epochs.last.Ranks) > 0)
		add("time left", format.Duration(last.Left), s.done == nil && !s.closed && last.Left > 0)
	}
	if s.done != nil {
		add("time", format.Duration(s.done.Elapsed), s.done.Elapsed > 0)
	}
	b := s.start
	add("parameters", format.SI(int64(b.Params)), b.Params > 0)
	add("multiply-adds per image", format.SI(b.MACs), b.MACs > 0)
	add("planned memory", format.Bytes(b.PlannedBytes), b.PlannedBytes > 0)
	add("peak memory of the program", format.Bytes(s.peak), s.peak > 0)
	add("ranks", fmt.Sprint(b.Ranks), b.Ranks > 1)
	add("training images", fmt.Sprint(b.Train), b.Train > 0)
	add("validation images", fmt.Sprint(b.Val), b.Val > 0)
	return all
}

// trainScore and valScore return the names of scores.
func (s *state) trainScore() string { return "training " + cmp.Or(s.start.TrainScoreName, "score") }
func (s *state) valScore() string   { return "validation " + cmp.Or(s.start.ScoreName, "score") }

// score formats a score: as a percentage unless lower is better.
func (s *state) score(x float64) string {
	if s.start.LowerIsBetter {
		return plain(x)
	}
	return percent(x)
}

// charts returns the charts with data.
func (s *state) charts(epochs []record.Epoch, steps []record.Step) []chart {
	ofEpochs := func(f func(record.Epoch) float64) []point {
		var all []point
		for _, e := range epochs {
			if y := f(e); format.Finite(y) {
				all = append(all, point{float64(e.Epoch), y})
			}
		}
		return all
	}
	ofSteps := func(f func(record.Step) float64) []point {
		var all []point
		for i, s := range steps {
			if i > 0 && s.Epoch != steps[i-1].Epoch { // running means restart with each epoch
				all = append(all, point{float64(s.Epoch - 1), math.NaN()})
			}
			all = append(all, point{float64(s.Epoch-1) + float64(s.Step)/float64(max(s.Steps, 1)), f(s)})
		}
		return all
	}
	end := 1
	if n := len(epochs); n > 0 {
		end = max(end, epochs[n-1].Epoch)
	}
	if n := len(steps); n > 0 {
		end = max(end, steps[n-1].Epoch)
	}
	var all []chart
	add := func(title, note string, text func(float64) string, of ...series) {
		if c, ok := newChart(title, note, float64(end), text, of...); ok {
			all = append(all, c)
		}
	}
	const thin = "Thin lines: running means of the epoch after each step."
	add("Loss", thin, plain,
		series{"training", ofEpochs(func(e record.Epoch) float64 { return e.TrainLoss }), ofSteps(func(s record.Step) float64 { return s.TrainLoss })},
		series{"validation", ofEpochs(func(e record.Epoch) float64 { return e.ValLoss }), ofSteps(func(s record.Step) float64 { return s.ValLoss })})
	add("Score", thin, s.score,
		series{s.trainScore(), ofEpochs(func(e record.Epoch) float64 { return e.TrainScore }), ofSteps(func(s record.Step) float64 { return s.TrainScore })},
		series{s.valScore(), ofEpochs(func(e record.Epoch) float64 { return e.ValScore }), ofSteps(func(s record.Step) float64 { return s.ValScore })})
	add("Other validation scores", "", percent, charted(epochs, func(e record.Epoch) map[string]float64 { return e.Scores })...)
	add("True scores of the cell", "From the benchmark.", plain, charted(epochs, func(e record.Epoch) map[string]float64 { return e.Truth })...)
	add("True percentile of the cell", "Share of all cells of the benchmark that score lower.", percent, charted(epochs, func(e record.Epoch) map[string]float64 { return e.Percentiles })...)
	add("Entropy of α", "Normalised entropy of softmax(α). 1: uniform, 0: converged.", plain,
		series{"entropy", ofEpochs(func(e record.Epoch) float64 { return e.Entropy }), ofSteps(func(s record.Step) float64 { return s.Entropy })})
	add("Weight of parameter-free operations", "After softmax, mean over edges.", percent,
		series{"skip connections", ofEpochs(func(e record.Epoch) float64 { return e.SkipWeight }), ofSteps(func(s record.Step) float64 { return s.SkipWeight })},
		series{"poolings", ofEpochs(func(e record.Epoch) float64 { return e.PoolWeight }), nil})
	add("Stability of the ranking", "Kendall's tau between the rankings of operations of consecutive epochs, mean over edges. 1: equal.", plain,
		series{"tau", ofEpochs(func(e record.Epoch) float64 { return e.Stability }), nil})
	add("Dominant eigenvalue", "Of the Hessian of the validation loss with respect to α.", plain,
		series{"eigenvalue", ofEpochs(func(e record.Epoch) float64 { return e.Eigenvalue }), nil})
	add("Learning rate", "", plain,
		series{"rate", nil, ofSteps(func(s record.Step) float64 { return s.LR })})
	add("Throughput", "Images/s, mean over the epoch so far.", plain,
		series{"images", nil, ofSteps(func(s record.Step) float64 {
			if s.ImagesPerSecond > 0 {
				return s.ImagesPerSecond
			}
			return math.NaN() // not in the run directory
		})})
	return all
}

// mostScores is the largest number of scores in a chart. A table has all of them.
const mostScores = 6

// charted returns a curve of each of the scores of epochs: if there are many, those of
// single classes, named like mean_class, have none.
func charted(epochs []record.Epoch, scores func(record.Epoch) map[string]float64) []series {
	found := map[string][]point{}
	for _, e := range epochs {
		for name, x := range scores(e) {
			if format.Finite(x) {
				found[name] = append(found[name], point{float64(e.Epoch), x})
			}
		}
	}
	names := slices.Sorted(maps.Keys(found))
	if len(names) > mostScores {
		names = slices.DeleteFunc(names, func(name string) bool { return strings.Contains(name, "_") })
	}
	var all []series
	for _, name := range names[:min(len(names), mostScores)] {
		all = append(all, series{name, found[name], nil})
	}
	return all
}

// config is the part of a configuration that the page uses.
type config struct {
	Network struct{ Genotype json.RawMessage }
}

func readConfig(text []byte) (c config) {
	if json.Unmarshal(text, &c) != nil { // configuration of another program
		return config{}
	}
	return c
}

// genotype returns the genotype that the run has found, or trains.
func (s *state) genotype(c config) string {
	switch {
	case s.done != nil && s.done.Genotype != "":
		return s.done.Genotype
	case s.epochs.added > 0 && s.epochs.last.Genotype != "":
		return s.epochs.last.Genotype
	}
	return string(c.Network.Genotype)
}

// cells returns the text of a genotype and its drawings, or text alone if it is invalid.
func cells(text string) (string, []template.HTML) {
	g, err := cell.ParseGenotype(text)
	if err != nil {
		return text, nil
	}
	var all []template.HTML
	for _, p := range celldraw.Cells(g) {
		var b bytes.Buffer
		if p.WriteSVG(&b) != nil {
			continue
		}
		if _, svg, ok := strings.Cut(b.String(), "<svg "); ok { // without the XML header
			all = append(all, template.HTML(`<svg role="img" aria-label="`+p.Title+`" `+svg))
		}
	}
	return g.String(), all
}

// mostSettings is the largest number of hyperparameters on a page.
const mostSettings = 500

// settings returns the members of a JSON object in order, those of nested objects with
// dotted names.
func settings(text []byte) []fact {
	var all []fact
	var walk func(name string, text []byte)
	walk = func(name string, text []byte) {
		d := json.NewDecoder(bytes.NewReader(text))
		if t, err := d.Token(); err != nil || t != json.Delim('{') {
			if len(all) < mostSettings {
				all = append(all, fact{name, value(text)})
			}
			return
		}
		for d.More() {
			key, err := d.Token()
			var member json.RawMessage
			if err != nil || d.Decode(&member) != nil {
				return
			}
			walk(strings.TrimPrefix(fmt.Sprintf("%s.%v", name, key), "."), member)
		}
	}
	if len(text) > 0 && text[0] == '{' {
		walk("", text)
	}
	return all
}

// mostValue is the largest size of a value on a page in bytes.
const mostValue = 2000

// value returns a JSON value in readable form.
func value(text []byte) string {
	var one string
	var list []string
	switch {
	case json.Unmarshal(text, &one) == nil && text[0] == '"':
	case json.Unmarshal(text, &list) == nil:
		one = strings.Join(list, ", ")
	default:
		one = string(text)
	}
	if len(one) > mostValue {
		one = strings.ToValidUTF8(one[:mostValue], "") + "…"
	}
	return one
}
