package report

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/png"
	"math"
	"slices"
	"strconv"

	"unnas/cell"
	"unnas/darts/record"
	"unnas/internal/format"
)

// heat shows the operation weights of one kind of cell over time: an image per edge,
// with a row per operation and a column per epoch.
type heat struct {
	Title string
	Ops   []string
	Nodes []heatNode
}

// Height returns the height of an image, proportional to the number of operations.
func (h heat) Height() float64 { return 0.95 * float64(len(h.Ops)) }

// heatNode holds the edges into one node.
type heatNode struct {
	Name  string
	Edges []heatEdge
}

type heatEdge struct {
	From    string // the input node
	Index   string // subscript of From, as in c of k−1
	Picture template.URL
	Best    string // the operation with the largest weight, and the weight
}

// scale is the colour scale of heat maps.
type scale struct {
	low, high float64
	Picture   template.URL
}

// Low and High return the ends of the scale.
func (s scale) Low() string  { return percent(s.low) }
func (s scale) High() string { return percent(s.high) }

// heats returns the heat maps of a search, with a common scale.
func heats(epochs []record.Epoch, start record.Start) ([]heat, scale) {
	kinds := []struct {
		title  string
		alphas func(record.Epoch) [][]float64
	}{
		{"normal cells", func(e record.Epoch) [][]float64 { return e.Normal }},
		{"reduction cells", func(e record.Epoch) [][]float64 { return e.Reduce }},
	}
	inputs := 2
	if g, err := cell.ParseGenotype(epochs[len(epochs)-1].Genotype); err == nil && g.Dense() {
		inputs, kinds[0].title = 1, "cells"
	}
	s := scale{low: 1, high: 0, Picture: ramp()}
	weights := make([][][][]float64, len(kinds)) // by kind, epoch, edge, operation
	for k, kind := range kinds {
		for _, e := range epochs {
			rows := record.Weights(kind.alphas(e))
			weights[k] = append(weights[k], rows)
			for _, w := range slices.Concat(rows...) {
				if format.Finite(w) {
					s.low, s.high = min(s.low, w), max(s.high, w)
				}
			}
		}
	}
	if s.low > s.high {
		return nil, s
	}
	var all []heat
	row := 0 // of the edges of all kinds
	for k, kind := range kinds {
		last := weights[k][len(weights[k])-1]
		most := 0
		for _, row := range last {
			most = max(most, len(row))
		}
		if most == 0 {
			row += len(last)
			continue
		}
		h := heat{Title: kind.title}
		for i := range most {
			name := fmt.Sprintf("operation %d", i)
			if len(start.Candidates) == 0 && i < len(start.Ops) {
				name = start.Ops[i]
			}
			h.Ops = append(h.Ops, name)
		}
		for i := 0; i < len(last); {
			node := len(h.Nodes)
			n := heatNode{Name: fmt.Sprintf("node %d", node)}
			for from := 0; from < node+inputs && i < len(last); from++ { // the inputs and the nodes before
				names := h.Ops
				if own := start.Names(row); len(start.Candidates) > 0 && len(own) >= most {
					names = own
				}
				e := heatEdge{From: strconv.Itoa(from - inputs), Picture: s.edge(weights[k], i, len(h.Ops)), Best: best(last[i], names)}
				if from < inputs { // named as in drawings of cells
					e.From, e.Index = "c", fmt.Sprintf("k−%d", inputs-from)
				}
				n.Edges = append(n.Edges, e)
				i++
				row++
			}
			h.Nodes = append(h.Nodes, n)
		}
		all = append(all, h)
	}
	return all, s
}

// best returns the operation of an edge with the largest weight.
func best(weights []float64, ops []string) string {
	at := 0
	for i, w := range weights {
		if w > weights[at] {
			at = i
		}
	}
	if len(weights) == 0 || !format.Finite(weights[at]) {
		return ""
	}
	return fmt.Sprintf("largest: %s, %s", ops[at], percent(weights[at]))
}

// edge returns the image of one edge over all epochs.
func (s scale) edge(epochs [][][]float64, edge, ops int) template.URL {
	img := image.NewPaletted(image.Rect(0, 0, len(epochs), ops), colours)
	for x, rows := range epochs {
		for y := range ops {
			if edge < len(rows) && y < len(rows[edge]) && format.Finite(rows[edge][y]) {
				fraction := (rows[edge][y] - s.low) / max(s.high-s.low, 1e-12)
				img.SetColorIndex(x, y, 1+uint8(math.Round(fraction*float64(len(colours)-2))))
			}
		}
	}
	return dataURL(img)
}

// colours are those of heat maps: transparent without a value, and from dark blue to
// yellow, a scale for all kinds of colour vision (after cividis of Nuñez, Anderton and
// Renslow, 2018).
var colours = func() color.Palette {
	stops := []color.NRGBA{
		{0x00, 0x22, 0x4e, 255}, {0x12, 0x35, 0x70, 255}, {0x3b, 0x49, 0x6c, 255}, {0x57, 0x5d, 0x6d, 255}, {0x70, 0x71, 0x73, 255},
		{0x8a, 0x86, 0x78, 255}, {0xa5, 0x9c, 0x74, 255}, {0xc3, 0xb3, 0x69, 255}, {0xe1, 0xcc, 0x55, 255}, {0xfe, 0xe8, 0x38, 255},
	}
	all := color.Palette{color.NRGBA{}}
	const steps = 7 // from stop to stop
	for i := range steps*(len(stops)-1) + 1 {
		a, b := stops[i/steps], stops[min(i/steps+1, len(stops)-1)]
		all = append(all, color.NRGBA{mix(a.R, b.R, i%steps, steps), mix(a.G, b.G, i%steps, steps), mix(a.B, b.B, i%steps, steps), 255})
	}
	return all
}()

// mix interpolates between a and b at part/whole.
func mix(a, b uint8, part, whole int) uint8 {
	return uint8((int(a)*(whole-part) + int(b)*part) / whole)
}

// ramp returns an image of the colour scale.
func ramp() template.URL {
	img := image.NewPaletted(image.Rect(0, 0, len(colours)-1, 1), colours)
	for x := range len(colours) - 1 {
		img.SetColorIndex(x, 0, uint8(x+1))
	}
	return dataURL(img)
}

// dataURL returns a URL that contains the image.
func dataURL(img image.Image) template.URL {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return ""
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes()))
}
