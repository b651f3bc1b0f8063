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

// An Evolution is the pairs of one search at several times, the earliest first:
// after some of its epochs, for instance, with titles such as "epoch 3" and the
// genotypes that the events of these epochs tell. Nodes and edges keep their
// places from pair to pair. What an edge into a node does anew, because its
// operation or its input is another one than before, is drawn bold.
//
// It is drawn as a [Sheet] of at most three pairs in a row, or as an animation. The
// same evolution always gives the same bytes. Writing fails if there is no pair, if
// the cells of one have not as many nodes as those of the first, or as that of a
// [Pair] does.
type Evolution []Pair

const stripColumns = 3

// WriteGIF writes an animation with 100 pixels per inch, in which each pair is
// shown for 0.6 seconds and the last one for 3 seconds, over and over. It also fails
// if all frames together would have more than 2²⁶ pixels, those of about 400 pairs of
// four nodes.
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

// WritePNG writes the pairs as a PNG image with 200 pixels per inch on a white
// ground. It also fails if the image would have more than 2²⁵ pixels.
func (e Evolution) WritePNG(w io.Writer) error { return e.write(w, picture.PNG) }

// WritePDF writes the pairs as a PDF document of one page, which has the size of the
// drawing.
func (e Evolution) WritePDF(w io.Writer) error { return e.write(w, picture.PDF) }

// Save writes the evolution to a file, in the format of its extension: the animation
// as .gif, the pairs as .svg, .png or .pdf. An existing file is replaced, or kept as
// it is if writing fails.
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

// blocks draws all pairs by one plan.
func (e Evolution) blocks() ([]block, error) {
	if len(e) == 0 {
		return nil, errors.New("it has no pairs")
	}
	var normals, reductions [][]cell.Edge
	for i, p := range e {
		if err := p.validate(); err != nil {
			return nil, fmt.Errorf("pair %d: %w", i, err)
		}
		if n, want := p.Genotype.Nodes(), e[0].Genotype.Nodes(); n != want {
			return nil, fmt.Errorf("pair %d has cells of %d nodes and the first of %d: want those of one search", i, n, want)
		}
		normals, reductions = append(normals, p.Genotype.Normal), append(reductions, p.Genotype.Reduce)
	}
	opWidth := labelWidth(e)
	normal, reduction := newPlan(opWidth, normals...), newPlan(opWidth, reductions...)
	blocks := make([]block, len(e))
	for i, p := range e {
		b := block{p.Title, [2]chart{normalChart(normal, p.Genotype), reduceChart(reduction, p.Genotype)}}
		if i > 0 {
			b.cells[0].fresh, b.cells[1].fresh = fresh(normals[i-1], normals[i]), fresh(reductions[i-1], reductions[i])
		}
		blocks[i] = b
	}
	return blocks, nil
}

// fresh says of each edge whether the same node had no such edge before.
func fresh(before, now []cell.Edge) []bool {
	all := make([]bool, len(now))
	for i, e := range now {
		first := i - i%edgesPerNode
		all[i] = !slices.Contains(before[first:first+edgesPerNode], e)
	}
	return all
}
