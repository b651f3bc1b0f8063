package draw_test

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/color"
	imagedraw "image/draw"
	"image/gif"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/cell"
	"unnas/cell/draw"
)

var update = flag.Bool("update", false, "draw docs/published.svg")

func pair(t *testing.T, title, name string) draw.Pair {
	t.Helper()
	g, ok := cell.GenotypeByName(name)
	require.True(t, ok, name)
	return draw.Pair{Title: title, Genotype: g}
}

// TestPublishedSheet holds docs/published.svg against what is drawn of the cells
// that UnNAS found.
func TestPublishedSheet(t *testing.T) {
	tasks := [][]string{{"classification", "cls", "segmentation", "seg"}, {"rotation", "rot"}, {"colorization", "col"}, {"jigsaw puzzles", "jig"}}
	var s draw.Sheet
	for _, task := range tasks {
		cityscapes := task[len(task)-2:]
		s = append(s, []draw.Pair{
			pair(t, "ImageNet-1K, "+task[0], "unnas_imagenet_"+task[1]),
			pair(t, "ImageNet-22K, "+task[0], "unnas_imagenet22k_"+task[1]),
			pair(t, "Cityscapes, "+cityscapes[0], "unnas_cityscapes_"+cityscapes[1]),
		})
	}
	var b bytes.Buffer
	require.NoError(t, s.WriteSVG(&b))
	shown := filepath.Join("..", "..", "docs", "published.svg")
	if *update {
		require.NoError(t, os.WriteFile(shown, b.Bytes(), 0o644))
	}
	want, err := os.ReadFile(shown)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, b.Bytes()), "docs/published.svg shows something else; go test ./cell/draw -run TestPublishedSheet -update draws it anew")

	all := strings.Join(texts(t, b.Bytes()), "\n")
	assert.Equal(t, 12, strings.Count(all, "normal cell"))
	assert.Equal(t, 12, strings.Count(all, "reduction cell"))
	assert.Equal(t, 1, strings.Count(all, "separable convolution\ndil\ndilated separable convolution\nmax\nmaximum pool\navg\naverage pool\nskip\nskip connection"))
	assert.Contains(t, all, "Cityscapes, segmentation")
}

func TestPairAndSheetFormats(t *testing.T) {
	p := pair(t, `<"jigsaw" & c°>`, "unnas_cityscapes_jig")
	untitled := pair(t, "", "amoeba")
	s := draw.Sheet{{p, untitled}, {}, {p}}
	e := draw.Evolution{p, pair(t, "later", "unnas_cityscapes_col")}
	for name, write := range map[string]func(io.Writer) error{
		"picture.pdf": picture(t, "nas").WritePDF,
		"pair.svg":    p.WriteSVG, "pair.png": p.WritePNG, "pair.pdf": p.WritePDF,
		"sheet.svg": s.WriteSVG, "sheet.png": s.WritePNG, "sheet.pdf": s.WritePDF,
		"evolution.svg": e.WriteSVG, "evolution.png": e.WritePNG, "evolution.pdf": e.WritePDF, "evolution.gif": e.WriteGIF,
	} {
		t.Run(name, func(t *testing.T) {
			var b, again bytes.Buffer
			require.NoError(t, write(&b))
			require.NoError(t, write(&again))
			assert.True(t, bytes.Equal(b.Bytes(), again.Bytes()))
			magic := map[string]string{".svg": "<?xml", ".png": "\x89PNG", ".pdf": "%PDF-", ".gif": "GIF89a"}[filepath.Ext(name)]
			assert.True(t, strings.HasPrefix(b.String(), magic))
			assert.ErrorIs(t, write(brokenWriter{}), errBroken)
		})
	}
}

func TestSave(t *testing.T) {
	c, p := picture(t, "nas"), pair(t, "NASNet", "nas")
	for _, test := range []struct {
		name    string
		save    func(path string) error
		writers map[string]func(io.Writer) error
	}{
		{"cell", c.Save, map[string]func(io.Writer) error{".svg": c.WriteSVG, ".png": c.WritePNG, ".pdf": c.WritePDF, ".dot": c.WriteDOT}},
		{"pair", p.Save, map[string]func(io.Writer) error{".svg": p.WriteSVG, ".png": p.WritePNG, ".pdf": p.WritePDF}},
		{"sheet", draw.Sheet{{p}}.Save, map[string]func(io.Writer) error{
			".svg": draw.Sheet{{p}}.WriteSVG, ".png": draw.Sheet{{p}}.WritePNG, ".pdf": draw.Sheet{{p}}.WritePDF,
		}},
		{"evolution", draw.Evolution{p}.Save, map[string]func(io.Writer) error{
			".svg": draw.Evolution{p}.WriteSVG, ".png": draw.Evolution{p}.WritePNG, ".pdf": draw.Evolution{p}.WritePDF, ".gif": draw.Evolution{p}.WriteGIF,
		}},
	} {
		dir := t.TempDir()
		for extension, write := range test.writers {
			t.Run(test.name+extension, func(t *testing.T) {
				var want bytes.Buffer
				require.NoError(t, write(&want))
				path := filepath.Join(dir, "figure"+strings.ToUpper(extension))
				require.NoError(t, test.save(path))
				got, err := os.ReadFile(path)
				require.NoError(t, err)
				assert.True(t, bytes.Equal(want.Bytes(), got))
			})
		}
		assert.ErrorContains(t, test.save(filepath.Join(dir, "figure.jpg")), `extension ".jpg": want one of .`)
	}
	path := filepath.Join(t.TempDir(), "kept.svg")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	assert.ErrorContains(t, draw.Pair{}.Save(path), "normal has no edges")
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "old", string(kept))
}

func TestPairTexts(t *testing.T) {
	p := pair(t, "<&>", "unnas_cityscapes_col")
	var b bytes.Buffer
	require.NoError(t, p.WriteSVG(&b))
	nodes := []string{"0", "1", "2", "3", "c", "k−2", "c", "k−1", "c", "k"}
	want := append([]string{
		"<&>", "normal cell", "reduction cell",
		"dil 3×3", "sep 3×3", "skip", "sep 5×5", "dil 3×3", "skip", "skip", "sep 3×3",
		"avg 3×3", "avg 3×3", "avg 3×3", "avg 3×3", "avg 3×3", "avg 3×3", "avg 3×3", "skip",
		"sep", "separable convolution", "dil", "dilated separable convolution", "avg", "average pool", "skip", "skip connection",
	}, append(nodes, nodes...)...)
	assert.ElementsMatch(t, want, texts(t, b.Bytes()))

	p.Title = ""
	p.Genotype = cell.Genotype{
		Normal: []cell.Edge{{Op: "tanh_conv", From: 0}, {Op: "none", From: 1}}, NormalConcat: []int{2},
		Reduce: []cell.Edge{{Op: "none", From: 1}, {Op: "none", From: 1}}, ReduceConcat: []int{2},
	}
	b.Reset()
	require.NoError(t, p.WriteSVG(&b))
	assert.ElementsMatch(t, []string{"normal cell", "reduction cell", "tanh_conv", "none", "none", "none", "0", "0",
		"c", "k−2", "c", "k−1", "c", "k", "c", "k−2", "c", "k−1", "c", "k"}, texts(t, b.Bytes()), "no legend for what has its full name")
}

func TestEvolutionGIF(t *testing.T) {
	first, second := pair(t, "epoch 1", "unnas_imagenet_rot"), pair(t, "epoch 2", "unnas_imagenet_rot")
	second.Genotype.Reduce[0].Op = "avg_pool_3x3"
	frames := func(e draw.Evolution) ([]*image.RGBA, *gif.GIF) {
		var b bytes.Buffer
		require.NoError(t, e.WriteGIF(&b))
		g, err := gif.DecodeAll(&b)
		require.NoError(t, err)
		screen := image.NewRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
		var all []*image.RGBA
		for _, p := range g.Image {
			imagedraw.Draw(screen, p.Rect, p, p.Rect.Min, imagedraw.Over)
			now := *screen
			now.Pix = bytes.Clone(screen.Pix)
			all = append(all, &now)
		}
		return all, g
	}
	all, g := frames(draw.Evolution{first, second, second})
	assert.Equal(t, []int{60, 60, 300}, g.Delay)
	assert.Zero(t, g.LoopCount, "without end")
	orange := func(img *image.RGBA) (n int) {
		for y := range img.Rect.Dy() {
			for x := range img.Rect.Dx() {
				if img.RGBAAt(x, y) == (color.RGBA{0xe6, 0x9f, 0x00, 0xff}) {
					n++
				}
			}
		}
		return n
	}
	before, bold, thin := orange(all[0]), orange(all[1]), orange(all[2])
	assert.Positive(t, before, "the legend")
	assert.Greater(t, bold, thin, "what is new is drawn bold")
	assert.Greater(t, thin, before)
	assert.Less(t, g.Image[2].Rect.Dx()*g.Image[2].Rect.Dy(), len(all[0].Pix)/16, "only the edge changes")
}

func TestSheetErrors(t *testing.T) {
	good := pair(t, "good", "darts_v2")
	bad := pair(t, "bad", "darts_v2")
	bad.Genotype.Reduce[3].From = 3
	unprintable := pair(t, "two\nlines", "darts_v2")
	const edge = "cell: reduce node 3, second edge: input 3 is not an earlier node (0..2)"
	const title = `title "two\nlines": want printable characters`
	for _, c := range []struct {
		write func(io.Writer) error
		want  string
	}{
		{bad.WriteSVG, "draw: pair: " + edge},
		{unprintable.WritePNG, "draw: pair: " + title},
		{draw.Pair{}.WritePDF, "draw: pair: cell: normal has no edges: want two per intermediate node"},
		{draw.Sheet{}.WriteSVG, "draw: sheet: no pairs"},
		{draw.Sheet{{}, {}}.WritePDF, "draw: sheet: no pairs"},
		{draw.Sheet{{good}, {good, bad}}.WriteSVG, "draw: sheet: row 1, pair 1: " + edge},
		{draw.Evolution{}.WriteGIF, "draw: evolution: no pairs"},
		{draw.Evolution{}.WritePNG, "draw: evolution: no pairs"},
		{draw.Evolution{good, unprintable}.WriteGIF, "draw: evolution: pair 1: " + title},
		{draw.Evolution{good, pair(t, "", "nas")}.WriteSVG, "draw: evolution: pair 1 has cells of 5 nodes, the first of 4: want equal numbers"},
	} {
		var b bytes.Buffer
		assert.EqualError(t, c.write(&b), c.want)
		assert.Zero(t, b.Len())
	}
	many := make([]draw.Pair, 1000)
	for i := range many {
		many[i] = good
	}
	assert.ErrorContains(t, draw.Sheet{many}.WritePNG(io.Discard), "want at most 33554432")
	assert.ErrorContains(t, draw.Evolution(many).WriteGIF(io.Discard), "pixels in 1000 frames: want at most 67108864; take fewer frames")
}

// The largest cells that a genotype can have are drawn too.
func TestLargestPair(t *testing.T) {
	var g cell.Genotype
	for node := 2; node < 66; node++ {
		g.Normal = append(g.Normal, cell.Edge{Op: "skip_connect", From: node - 1}, cell.Edge{Op: "skip_connect", From: node - 1})
		g.NormalConcat = append(g.NormalConcat, node)
	}
	g.Reduce, g.ReduceConcat = g.Normal, g.NormalConcat
	assert.NoError(t, draw.Pair{Genotype: g}.WriteSVG(io.Discard))
	assert.ErrorContains(t, draw.Pair{Genotype: g}.WritePNG(io.Discard), "SVG has no such limit")
}

func ExamplePair() {
	g, _ := cell.GenotypeByName("unnas_imagenet_rot")
	p := draw.Pair{Title: "ImageNet-1K, rotation", Genotype: g}
	var file bytes.Buffer // or a file
	if err := p.WritePNG(&file); err != nil {
		fmt.Println(err)
		return
	}
	img, err := png.Decode(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(img.Bounds().Dx(), "×", img.Bounds().Dy(), "pixels")
	// Output:
	// 1519 × 417 pixels
}

func ExampleSheet() {
	var s draw.Sheet
	for _, task := range []string{"rot", "col", "jig"} {
		var row []draw.Pair
		for _, data := range []string{"imagenet", "imagenet22k", "cityscapes"} {
			g, _ := cell.GenotypeByName("unnas_" + data + "_" + task)
			row = append(row, draw.Pair{Title: data + ", " + task, Genotype: g})
		}
		s = append(s, row)
	}
	var file bytes.Buffer // or a file
	fmt.Println(s.WritePDF(&file))
	// Output:
	// <nil>
}

// The genotypes are those of the events darts.Epoch of a search.
func ExampleEvolution() {
	var e draw.Evolution
	for i, text := range []string{
		"normal: sep_conv_3x3(0) skip_connect(1); concat 2\nreduce: max_pool_3x3(0) max_pool_3x3(1); concat 2",
		"normal: sep_conv_3x3(0) sep_conv_5x5(1); concat 2\nreduce: max_pool_3x3(0) max_pool_3x3(1); concat 2",
		"normal: sep_conv_3x3(0) sep_conv_5x5(1); concat 2\nreduce: max_pool_3x3(0) skip_connect(1); concat 2",
	} {
		g, err := cell.ParseGenotype(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		e = append(e, draw.Pair{Title: fmt.Sprintf("epoch %d", i+1), Genotype: g})
	}
	var file bytes.Buffer // or a file
	if err := e.WriteGIF(&file); err != nil {
		fmt.Println(err)
		return
	}
	g, err := gif.DecodeAll(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(g.Image), "frames, each for", g.Delay, "hundredths of a second")
	// Output:
	// 3 frames, each for [60 60 300] hundredths of a second
}
