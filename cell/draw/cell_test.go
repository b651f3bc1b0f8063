package draw_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/color"
	"image/png"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/cell/draw"
)

func picture(t *testing.T, name string) draw.Cell {
	t.Helper()
	g, ok := cell.GenotypeByName(name)
	require.True(t, ok)
	return draw.Cell{Title: `<"` + name + `" & c°>`, Genotype: g, Reduction: true}
}

// genotype returns one of equal cells.
func genotype(edges []cell.Edge, concat ...int) cell.Genotype {
	return cell.Genotype{Normal: edges, NormalConcat: concat, Reduce: edges, ReduceConcat: concat}
}

// texts returns the contents of the text elements of an SVG image.
func texts(t *testing.T, svg []byte) []string {
	t.Helper()
	var texts []string
	d := xml.NewDecoder(bytes.NewReader(svg))
	inText := false
	for {
		token, err := d.Token()
		if err == io.EOF {
			return texts
		}
		require.NoError(t, err)
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
		case xml.EndElement:
			inText = false
		case xml.CharData:
			if inText {
				texts = append(texts, string(token))
			}
		}
	}
}

func TestWriteSVG(t *testing.T) {
	for _, name := range []string{"amoeba", "unnas_cityscapes_seg"} {
		t.Run(name, func(t *testing.T) {
			p := picture(t, name)
			var b, again bytes.Buffer
			require.NoError(t, p.WriteSVG(&b))
			want := []string{p.Title, "c", "k−2", "c", "k−1", "c", "k"}
			for i, e := range p.Genotype.Reduce {
				want = append(want, e.Op)
				if i%2 == 0 {
					want = append(want, string('0'+rune(i/2)))
				}
			}
			assert.ElementsMatch(t, want, texts(t, b.Bytes()))
			for _, family := range regexp.MustCompile(`font-family:[^;]*`).FindAllString(b.String(), -1) {
				assert.Equal(t, "font-family:Liberation Sans,Arial,Helvetica,sans-serif", family)
			}
			require.NoError(t, p.WriteSVG(&again))
			assert.Equal(t, b.Bytes(), again.Bytes())
		})
	}
	t.Run("no title", func(t *testing.T) {
		p := draw.Cell{Genotype: genotype([]cell.Edge{{Op: "a", From: 0}, {Op: "b", From: 1}}, 2)}
		var b bytes.Buffer
		require.NoError(t, p.WriteSVG(&b))
		assert.ElementsMatch(t, []string{"c", "k−2", "c", "k−1", "c", "k", "0", "a", "b"}, texts(t, b.Bytes()))
	})
}

func TestWritePNG(t *testing.T) {
	p := picture(t, "amoeba")
	var b, again bytes.Buffer
	require.NoError(t, p.WritePNG(&b))
	require.NoError(t, p.WritePNG(&again))
	assert.Equal(t, b.Bytes(), again.Bytes())

	img, err := png.Decode(&b)
	require.NoError(t, err)
	size := img.Bounds().Size()
	assert.Greater(t, size.X, size.Y)
	seen := make(map[color.NRGBA]bool)
	for y := range size.Y {
		for x := range size.X {
			seen[color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)] = true
		}
	}
	for family, c := range map[string]color.NRGBA{
		"ground":   {0xff, 0xff, 0xff, 0xff},
		"sep_conv": {0x00, 0x72, 0xb2, 0xff},
		"max_pool": {0x00, 0x9e, 0x73, 0xff},
		"avg_pool": {0xe6, 0x9f, 0x00, 0xff},
		"conv":     {0xcc, 0x79, 0xa7, 0xff},
	} {
		assert.True(t, seen[c], family)
	}
	assert.False(t, seen[color.NRGBA{0xd5, 0x5e, 0x00, 0xff}], "no dil_conv in this cell")
}

func TestWriteDOT(t *testing.T) {
	dot, err := exec.LookPath("dot")
	if err != nil {
		t.Skip("Graphviz is not installed")
	}
	p := picture(t, "amoeba")
	var b bytes.Buffer
	require.NoError(t, p.WriteDOT(&b))
	command := exec.Command(dot, "-Tplain")
	command.Stdin = &b
	out, err := command.CombinedOutput()
	require.NoError(t, err, string(out))
	assert.Equal(t, 8, strings.Count(string(out), "\nnode "))
	assert.Equal(t, len(p.Genotype.Reduce)+len(p.Genotype.ReduceConcat), strings.Count(string(out), "\nedge "))
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestPictureErrors(t *testing.T) {
	good := picture(t, "darts_v2")
	formats := map[string]func(draw.Cell, io.Writer) error{
		"SVG": draw.Cell.WriteSVG, "PNG": draw.Cell.WritePNG, "DOT": draw.Cell.WriteDOT,
	}
	for format, write := range formats {
		t.Run(format, func(t *testing.T) {
			assert.ErrorIs(t, write(good, brokenWriter{}), errBroken)

			p := good
			p.Genotype.ReduceConcat = nil
			assert.EqualError(t, write(p, io.Discard), "draw: cell: cell: reduce concatenates no nodes: want at least one")
			p = good
			p.Genotype.Normal = []cell.Edge{{Op: "a", From: 0}, {Op: "a", From: 2}}
			assert.EqualError(t, write(p, io.Discard), "draw: cell: cell: normal node 2, second edge: input 2 is not an earlier node (0..1)")
			for _, title := range []string{"two\nlines", "\x00", "\xff"} {
				p = good
				p.Title = title
				assert.ErrorContains(t, write(p, io.Discard), "want printable characters")
			}
		})
	}
	t.Run("too large", func(t *testing.T) {
		var edges []cell.Edge
		var concat []int
		for node := 2; node < 66; node++ {
			edges = append(edges, cell.Edge{Op: "skip_connect", From: node - 1}, cell.Edge{Op: "skip_connect", From: 0})
			concat = append(concat, node)
		}
		p := draw.Cell{Genotype: genotype(edges, concat...)}
		assert.ErrorContains(t, p.WritePNG(io.Discard), "want at most 33554432")
		assert.NoError(t, p.WriteSVG(io.Discard))
	})
}
