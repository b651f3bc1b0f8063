package ops_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"unnas/ops"
	"unnas/ops/optest"
)

func TestPublishedOps(t *testing.T) {
	for _, op := range ops.All() {
		t.Run(op.Name(), func(t *testing.T) {
			var o optest.Options
			switch op.Name() {
			case "skip_connect": // at stride 2 each half of the channels has a convolution of its own
				o.Channels = []int{2, 10}
			case "max_pool_2x2", "avg_pool_2x2": // without padding
				o.Strides = []int{2}
				o.Sizes = [][2]int{{6, 10}, {8, 4}}
			}
			optest.Run(t, op, o)
		})
	}
}

// TestDilationIsATrous holds dilated operations against what dilation means: each
// of the four maps of every other pixel is as if it were alone (Chen et al., 2017,
// arXiv 1706.05587).
func TestDilationIsATrous(t *testing.T) {
	const images, height, width, channels = 2, 9, 6, 4
	for _, op := range ops.All() {
		t.Run(op.Name(), func(t *testing.T) {
			d, ok := op.(ops.Dilatable)
			require.True(t, ok && d.Dilates())
			params := ops.NewParams()
			run := func(c ops.OpConfig, shape tensor.Shape, data []float32) []float32 {
				g := gorgonia.NewGraph()
				x, err := ops.Images(g, "x", shape[0], shape[1], shape[2], shape[3])
				require.NoError(t, err)
				require.NoError(t, ops.Bind(x, data))
				y, err := op.Build(ops.NewScope(g, params), x, c)
				require.NoError(t, err)
				if y == x {
					return data
				}
				require.Equal(t, shape, y.Shape())
				if !params.Ready() {
					require.NoError(t, params.Init(1))
				}
				m, err := ops.NewVM(g, y)
				require.NoError(t, err)
				m.SetTraining(false)
				require.NoError(t, m.RunAll())
				return value(y)
			}
			shape := tensor.Shape{images, height, width, channels}
			if strings.HasSuffix(op.Name(), "_pool_2x2") {
				g := gorgonia.NewGraph()
				x, err := ops.Images(g, "x", 1, 4, 4, 1)
				require.NoError(t, err)
				_, err = op.Build(ops.NewScope(g, params), x, ops.OpConfig{Stride: 1, Dilation: 2})
				require.ErrorContains(t, err, "dilation 2; a window of 2×2 pixels has no centre")
				return
			}
			data := noise("dilation", shape.TotalSize())
			got := run(ops.OpConfig{Stride: 1, Affine: true, Dilation: 2}, shape, data)
			for top := range 2 {
				for left := range 2 {
					rows, columns := (height+1-top)/2, (width+1-left)/2
					var in, out []float32
					for n := range images {
						for y := range rows {
							for x := range columns {
								at := ((n*height+2*y+top)*width + 2*x + left) * channels
								in, out = append(in, data[at:at+channels]...), append(out, got[at:at+channels]...)
							}
						}
					}
					want := run(ops.OpConfig{Stride: 1, Affine: true}, tensor.Shape{images, rows, columns, channels}, in)
					assert.InDeltaSlice(t, want, out, 1e-5, "phase %d, %d", top, left)
				}
			}
		})
	}
}

// TestAllIsComplete finds every exported function that returns an Op, and
// wants each to have made an operation of All.
func TestAllIsComplete(t *testing.T) {
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	constructors, published := map[string]bool{}, map[string]bool{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Results == nil {
				continue
			}
			if result, ok := f.Type.Results.List[0].Type.(*ast.Ident); ok && result.Name == "Op" {
				constructors[f.Name.Name] = true
			}
			if f.Name.Name == "All" {
				ast.Inspect(f, func(n ast.Node) bool {
					if call, ok := n.(*ast.CallExpr); ok {
						published[call.Fun.(*ast.Ident).Name] = true
					}
					return true
				})
			}
		}
	}
	assert.Len(t, constructors, 11)
	delete(constructors, "Noise") // of no published cell
	assert.Equal(t, constructors, published)
}
