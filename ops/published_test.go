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

	"unnas/ops"
	"unnas/ops/optest"
)

func TestPublishedOps(t *testing.T) {
	for _, op := range ops.Published() {
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

// TestPublishedIsComplete finds every exported function that returns an Op, and
// wants each to have made an operation of Published.
func TestPublishedIsComplete(t *testing.T) {
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
			if f.Name.Name == "Published" {
				ast.Inspect(f, func(n ast.Node) bool {
					if call, ok := n.(*ast.CallExpr); ok {
						published[call.Fun.(*ast.Ident).Name] = true
					}
					return true
				})
			}
		}
	}
	assert.Len(t, constructors, 9)
	assert.Equal(t, constructors, published)
}
