package rank_test

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/rank"
)

func scatter(title string) rank.Scatter {
	return rank.Scatter{Title: title, XLabel: "jigsaw (%)", YLabel: "classification <%>", X: []float64{1, 2, 3, 4}, Y: []float64{20, 10, 40, 30}}
}

func searches() rank.Searches {
	return rank.Searches{
		Title: "cells", YLabel: "accuracy (%)", Supervised: []float64{10, 40, 20, 30},
		Tasks: []rank.Column{{Name: "jigsaw", Values: []float64{1, 4, 3, 2}}, {Name: "rotation", Values: []float64{1, 2, 1, 2}}}, Most: 3,
	}
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

func TestFigureFormats(t *testing.T) {
	f := rank.Figure{{scatter("jigsaw, CIFAR-10"), searches()}, {}, {scatter("")}}
	for name, write := range map[string]func(io.Writer) error{"f.svg": f.WriteSVG, "f.png": f.WritePNG, "F.PDF": f.WritePDF} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, write(&b))
			path := filepath.Join(t.TempDir(), name)
			require.NoError(t, f.Save(path))
			saved, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(b.Bytes(), saved), "the same figure gives the same bytes")
		})
	}
	var svg bytes.Buffer
	require.NoError(t, f.WriteSVG(&svg))
	shown := texts(t, svg.Bytes())
	assert.Subset(t, shown, []string{
		"jigsaw, CIFAR-10, ρ = 0.60", "ρ = 0.60", "jigsaw (%)", "classification <%>",
		"cells", "architectures sampled", "accuracy (%)", "oracle", "jigsaw", "rotation", "random choice", "1",
	})
	for _, family := range regexp.MustCompile(`font-family:[^;]*`).FindAllString(svg.String(), -1) {
		assert.Equal(t, "font-family:Liberation Sans,Arial,Helvetica,sans-serif", family)
	}

	var b bytes.Buffer
	require.NoError(t, f.WritePNG(&b))
	img, err := png.Decode(&b)
	require.NoError(t, err)
	size := img.Bounds().Size()
	assert.Greater(t, size.Y, size.X, "three rows of two")

	b.Reset()
	require.NoError(t, f.WritePDF(&b))
	assert.Regexp(t, `^%PDF-`, b.String())
	assert.Contains(t, b.String(), "/CreationDate (D:20000101000000)")
	assert.Contains(t, b.String(), "/ModDate (D:20000101000000)")
}

// TestFigureTitles: all words of a long title are there, in lines, and ρ is not
// torn apart.
func TestFigureTitles(t *testing.T) {
	s := scatter("pretext accuracy of  jigsaw against supervised accuracy of classification on ImageNet")
	s.X = []float64{4, 3, 1, 2}
	var b bytes.Buffer
	require.NoError(t, rank.Figure{{s}}.WriteSVG(&b))
	shown := strings.Join(texts(t, b.Bytes()), " ")
	assert.Contains(t, shown, "pretext accuracy of jigsaw against supervised accuracy of classification on ImageNet, ρ = −0.80")
	assert.NotContains(t, texts(t, b.Bytes()), "= −0.80")
}

func TestFigureRefused(t *testing.T) {
	with := func(change func(*rank.Scatter)) rank.Panel {
		s := scatter("a")
		change(&s)
		return s
	}
	search := func(change func(*rank.Searches)) rank.Panel {
		s := searches()
		change(&s)
		return s
	}
	for _, c := range []struct {
		name   string
		figure rank.Figure
		want   string
	}{
		{"nothing", nil, "no panels"},
		{"rows of nothing", rank.Figure{{}, {}}, "no panels"},
		{"nil", rank.Figure{{scatter("")}, {scatter(""), nil}}, "row 1, panel 1 is nil"},
		{"constant", rank.Figure{{with(func(s *rank.Scatter) { s.Y = []float64{1, 1, 1, 1} })}}, "row 0, panel 0: rank: Spearman's ρ is undefined"},
		{"NaN", rank.Figure{{with(func(s *rank.Scatter) { s.X = []float64{1, 2, math.NaN(), 1} })}}, "value 2 of x is NaN"},
		{"bell", rank.Figure{{with(func(s *rank.Scatter) { s.Title = "a\ab" })}}, `text "a\ab,": want printable characters`},
		{"label", rank.Figure{{with(func(s *rank.Scatter) { s.YLabel = "a\nb" })}}, `text "a\nb": want printable characters`},
		{"too many draws", rank.Figure{{search(func(s *rank.Searches) { s.Most = 5 })}}, "draws 5 of 4 architectures"},
		{"task", rank.Figure{{search(func(s *rank.Searches) { s.Tasks[1].Values = nil })}}, "task rotation: rank: random search of 0 and 4 values"},
		{"name of a task", rank.Figure{{search(func(s *rank.Searches) { s.Tasks[1].Name = "" })}}, "empty name"},
		{"colours", rank.Figure{{search(func(s *rank.Searches) { s.Tasks = make([]rank.Column, 7) })}}, "7 tasks: want at most 6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, write := range []func(io.Writer) error{c.figure.WriteSVG, c.figure.WritePNG, c.figure.WritePDF} {
				err := write(io.Discard)
				require.ErrorContains(t, err, c.want)
				assert.Regexp(t, "^rank: figure: ", err)
			}
			path := filepath.Join(t.TempDir(), "f.svg")
			assert.ErrorContains(t, c.figure.Save(path), c.want)
			assert.NoFileExists(t, path)
		})
	}
	assert.ErrorContains(t, rank.Figure{{scatter("")}}.Save("f.jpg"), `extension ".jpg": want one of .pdf, .png, .svg`)

	wide := make([]rank.Panel, 200)
	for i := range wide {
		wide[i] = scatter("")
	}
	assert.ErrorContains(t, rank.Figure{wide}.WritePNG(io.Discard), "pixels: want at most 33554432")
}

func TestGroups(t *testing.T) {
	g := rank.Groups{
		Title: "rotation", YLabel: "CIFAR-10 test accuracy (%)",
		Groups: []rank.Column{{"first-order", []float64{70, 54, 61.5}}, {"gdas", []float64{88}}, {"drnas", nil}},
		Levels: []rank.Level{{"all cells", 76}, {"best of 10", 86.2}},
	}
	var svg strings.Builder
	require.NoError(t, rank.Figure{{g}}.WriteSVG(&svg))
	for _, text := range []string{"rotation", "first-order", "gdas", "drnas", "all cells", "best of 10"} {
		assert.Contains(t, svg.String(), ">"+text+"<")
	}
	for want, change := range map[string]func(*rank.Groups){
		"no groups":             func(g *rank.Groups) { g.Groups = nil },
		"no group has a value":  func(g *rank.Groups) { g.Groups, g.Levels = []rank.Column{{"a", nil}}, nil },
		"group gdas: value NaN": func(g *rank.Groups) { g.Groups = []rank.Column{{"gdas", []float64{math.NaN()}}} },
		"printable":             func(g *rank.Groups) { g.Groups = []rank.Column{{"a\nb", []float64{1}}} },
	} {
		bad := g
		change(&bad)
		assert.ErrorContains(t, rank.Figure{{bad}}.WriteSVG(&svg), want)
	}
}
