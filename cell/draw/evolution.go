package draw

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"unnas/cell"
	"unnas/internal/picture"
)

// An Evolution is the pairs of one search at several times, earliest first: for
// instance the genotypes of the events of some epochs, with titles such as "epoch 3".
// Nodes and edges keep their places from pair to pair. Edges whose operation or input
// differs from the previous pair are drawn bold.
//
// It is drawn as a [Sheet] with at most three pairs in a row, or as an animation. Equal
// evolutions give equal bytes. Writing fails if there are no pairs, if the numbers of
// nodes differ, or as writing a [Pair] does.
type Evolution []Pair

const stripColumns = 3

// WriteGIF writes an endless animation of 100 pixels per inch that shows each pair for
// 0.6 seconds and the last for 3 seconds. It also fails if all frames together would
// exceed 2²⁶ pixels, about 400 pairs of four nodes.
func (e Evolution) WriteGIF(w io.Writer) error {
	blocks, err := e.blocks()
	if err == nil {
		rows := make([][]block, len(blocks))
		for i, b := range blocks {
			rows[i] = []block{b}
		}
		all := layTable(rows, true)
		frames := make([]picture.Drawing, len(rows))
		for i := range rows {
			frame := *all
			frame.rows, frame.heights = rows[i:i+1], all.heights[i:i+1]
			frames[i] = &frame
		}
		err = picture.GIF(w, frames, 600*time.Millisecond, 3*time.Second)
	}
	if err != nil {
		return fmt.Errorf("draw: evolution: %w", err)
	}
	return nil
}

// WriteSVG writes the pairs as an SVG image whose text can be selected and searched.
func (e Evolution) WriteSVG(w io.Writer) error { return e.write(w, picture.SVG) }

// WritePNG writes the pairs as a PNG image of 200 pixels per inch on a white
// background. It also fails if the image would exceed 2²⁵ pixels.
func (e Evolution) WritePNG(w io.Writer) error { return e.write(w, picture.PNG) }

// WritePDF writes the pairs as a PDF document with one page of the size of the drawing.
func (e Evolution) WritePDF(w io.Writer) error { return e.write(w, picture.PDF) }

// Save writes the evolution to a file in the format of its extension: the animation
// as .gif, the pairs as .svg, .png or .pdf. An existing file is replaced, or kept if
// writing fails.
func (e Evolution) Save(path string) error {
	return save(path, map[string]func(io.Writer) error{
		".gif": e.WriteGIF, ".svg": e.WriteSVG, ".png": e.WritePNG, ".pdf": e.WritePDF,
	})
}

func (e Evolution) write(w io.Writer, format func(io.Writer, picture.Drawing) error) error {
	blocks, err := e.blocks()
	if err == nil {
		err = format(w, layTable(slices.Collect(slices.Chunk(blocks, stripColumns)), false))
	}
	if err != nil {
		return fmt.Errorf("draw: evolution: %w", err)
	}
	return nil
}

// blocks lays out all pairs by one plan.
func (e Evolution) blocks() ([]block, error) {
	if len(e) == 0 {
		return nil, errors.New("no pairs")
	}
	var normals, reductions [][]cell.Edge
	for i, p := range e {
		if err := p.validate(); err != nil {
			return nil, fmt.Errorf("pair %d: %w", i, err)
		}
		if n, want := p.Genotype.Nodes(), e[0].Genotype.Nodes(); n != want {
			return nil, fmt.Errorf("pair %d has cells of %d nodes, the first of %d: want equal numbers", i, n, want)
		}
		if p.Genotype.Dense() != e[0].Genotype.Dense() {
			return nil, fmt.Errorf("pair %d and the first are of different kinds: want dense cells alone, or none", i)
		}
		normals, reductions = append(normals, p.Genotype.Normal), append(reductions, p.Genotype.Reduce)
	}
	opWidth := labelWidth(e)
	like := e[0].Genotype
	normal, reduction := newPlan(opWidth, like, normals...), newPlan(opWidth, like, reductions...)
	blocks := make([]block, len(e))
	for i, p := range e {
		b := newBlock(p, normal, reduction)
		if i > 0 {
			for k := range b.cells {
				b.cells[k].fresh = fresh(p.Genotype, blocks[i-1].cells[k].edges, b.cells[k].edges)
			}
		}
		blocks[i] = b
	}
	return blocks, nil
}

// fresh reports for each edge whether it is new to its node.
func fresh(like cell.Genotype, before, now []cell.Edge) []bool {
	all := make([]bool, len(now))
	for i, e := range now {
		first, end := like.Siblings(i)
		all[i] = !slices.Contains(before[first:end], e)
	}
	return all
}
