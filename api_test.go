package unnas_test

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestComments demands that every package is described, in doc.go unless it is a
// program, and every exported name in a comment that begins with it. What the String of an
// operator does is known.
func TestComments(t *testing.T) {
	described := map[string]bool{}
	for _, s := range parse(t) {
		if s.test {
			continue
		}
		program := s.file.Name.Name == "main"
		described[s.dir] = described[s.dir] || s.file.Doc != nil && (program || s.name == "doc.go")
		for _, d := range s.file.Decls {
			comments(t, s, d)
		}
	}
	for dir, ok := range described {
		assert.True(t, ok, "%s has no doc.go with a package comment", dir)
	}
}

func comments(t *testing.T, s source, d ast.Decl) {
	check := func(name *ast.Ident, doc *ast.CommentGroup, exact bool) {
		if !name.IsExported() {
			return
		}
		begin := regexp.MustCompile(`^((A|An|The) )?` + name.Name + `\b`)
		switch text := strings.TrimSpace(doc.Text()); {
		case text == "":
			t.Errorf("%s: %s has no comment", s.at(name), name.Name)
		case exact && !begin.MatchString(text):
			t.Errorf("%s: the comment of %s does not begin with its name", s.at(name), name.Name)
		}
	}
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil && d.Name.Name == "String" && s.dir == "internal/ir" {
			return
		}
		if d.Recv == nil || ast.IsExported(receiver(d)) {
			check(d.Name, d.Doc, true)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				check(spec.Name, first(spec.Doc, d.Doc), true)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					// A group of constants may share a comment.
					check(name, first(spec.Doc, spec.Comment, d.Doc), len(d.Specs) == 1 && len(spec.Names) == 1)
				}
			}
		}
	}
}

// receiver returns the name of the type that a method belongs to.
func receiver(d *ast.FuncDecl) string {
	x := d.Recv.List[0].Type
	for {
		switch y := x.(type) {
		case *ast.StarExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.IndexListExpr:
			x = y.X
		case *ast.Ident:
			return y.Name
		default:
			return ""
		}
	}
}

// first returns the first comment that is there.
func first(docs ...*ast.CommentGroup) *ast.CommentGroup {
	for _, d := range docs {
		if d != nil {
			return d
		}
	}
	return nil
}

// TestExportedTypes demands that users can name all that the public packages
// hand them: signatures, fields and methods mention the standard library,
// Gorgonia and the public packages only.
func TestExportedTypes(t *testing.T) {
	set := token.NewFileSet()
	compiled := importer.ForCompiler(set, "gc", exportData(t))
	for _, dir := range append(slices.Sorted(maps.Keys(floors)), kits...) {
		if !public(dir) {
			continue
		}
		p, err := compiled.Import("unnas/" + dir)
		if !assert.NoError(t, err, dir) {
			continue
		}
		for _, leak := range leaks(set, p) {
			t.Error(leak)
		}
	}
}

// exportData returns where the compiler left what it knows of a package.
func exportData(t *testing.T) importer.Lookup {
	t.Helper()
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}={{.Export}}", "./...")
	var messages strings.Builder
	list.Stderr = &messages
	out, err := list.Output()
	require.NoError(t, err, "go list: %s", &messages)
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), "=")
		files[name] = file
	}
	return func(name string) (io.ReadCloser, error) { return os.Open(files[name]) }
}

// public says whether users import the package in a folder.
func public(dir string) bool {
	_, known := floors[dir]
	return (known || slices.Contains(kits, dir)) && !strings.HasPrefix(dir, "internal/")
}

// nameable says whether the API may mention types of a package.
func nameable(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	switch {
	case first == "unnas":
		return public(strings.TrimPrefix(p, "unnas/"))
	case strings.Contains(first, "."):
		return p == "gorgonia.org/gorgonia" || p == "gorgonia.org/tensor"
	}
	return true // the standard library
}

// leaks returns where a package exports what users cannot name.
func leaks(set *token.FileSet, p *types.Package) []string {
	a := api{set: set, pkg: p, seen: map[types.Type]bool{}}
	for _, name := range p.Scope().Names() {
		if o := p.Scope().Lookup(name); o.Exported() {
			a.object(o)
		}
	}
	return a.leaks
}

// api walks what a package exports.
type api struct {
	set   *token.FileSet
	pkg   *types.Package
	seen  map[types.Type]bool
	place types.Object // what is being looked at
	leaks []string
}

func (a *api) object(o types.Object) {
	outer := a.place
	a.place = o
	defer func() { a.place = outer }()
	if name, ok := o.(*types.TypeName); ok {
		a.members(name.Type())
		return
	}
	a.visit(o.Type())
}

// members looks at all that users reach through a value of a type.
func (a *api) members(x types.Type) {
	if alias, ok := x.(*types.Alias); ok {
		a.visit(alias.Rhs())
		return
	}
	if named, ok := x.(*types.Named); ok {
		a.parameters(named.TypeParams())
		for m := range named.Methods() {
			if m.Exported() {
				a.object(m)
			}
		}
	}
	a.visit(x.Underlying())
}

func (a *api) parameters(list *types.TypeParamList) {
	for p := range list.TypeParams() {
		a.visit(p.Constraint())
	}
}

func (a *api) visit(x types.Type) {
	if a.seen[x] {
		return
	}
	a.seen[x] = true
	switch x := x.(type) {
	case *types.Named:
		a.name(x.Obj(), x)
		for arg := range x.TypeArgs().Types() {
			a.visit(arg)
		}
	case *types.Alias:
		a.name(x.Obj(), x)
	case *types.Pointer:
		a.visit(x.Elem())
	case *types.Slice:
		a.visit(x.Elem())
	case *types.Array:
		a.visit(x.Elem())
	case *types.Chan:
		a.visit(x.Elem())
	case *types.Map:
		a.visit(x.Key())
		a.visit(x.Elem())
	case *types.Tuple:
		for v := range x.Variables() {
			a.visit(v.Type())
		}
	case *types.Signature:
		a.parameters(x.TypeParams())
		a.visit(x.Params())
		a.visit(x.Results())
	case *types.Struct:
		for f := range x.Fields() {
			if f.Exported() || f.Embedded() {
				a.object(f)
			}
		}
	case *types.Interface:
		for e := range x.EmbeddedTypes() {
			a.visit(e)
		}
		for m := range x.ExplicitMethods() {
			if m.Exported() {
				a.object(m)
			}
		}
	case *types.Union:
		for term := range x.Terms() {
			a.visit(term.Type())
		}
	}
}

// name looks at the mention of a name. Exported ones of the package are looked at
// for themselves; through hidden ones users still reach the members.
func (a *api) name(o *types.TypeName, x types.Type) {
	switch {
	case o.Pkg() == nil: // error, comparable
	case o.Pkg() == a.pkg:
		if !o.Exported() {
			a.members(x)
		}
	case !nameable(o.Pkg().Path()):
		a.leaks = append(a.leaks, fmt.Sprintf("%s: %s.%s mentions %s.%s, which users cannot name",
			a.set.Position(a.place.Pos()), a.pkg.Name(), a.place.Name(), o.Pkg().Path(), o.Name()))
	}
}

// TestLeaks walks packages that leak in every way, and then do not.
func TestLeaks(t *testing.T) {
	set := token.NewFileSet()
	check := func(name, text string, deps map[string]*types.Package) *types.Package {
		f, err := parser.ParseFile(set, name+".go", text, 0)
		require.NoError(t, err)
		c := types.Config{Importer: packages(deps)}
		p, err := c.Check(name, set, []*ast.File{f}, nil)
		require.NoError(t, err)
		return p
	}
	const secret = "unnas/internal/secret"
	deps := map[string]*types.Package{secret: check(secret, `package secret; type T struct{}; func New() T { return T{} }`, nil)}
	for _, c := range []struct{ name, text string }{
		{"result", `func F() s.T { panic(0) }`},
		{"parameter", `func F(x ...*s.T) {}`},
		{"type parameter", `func F[X interface{ *s.T }]() {}`},
		{"variable", `var V = []map[string]chan s.T{}`},
		{"inferred", `var V = s.New()`},
		{"alias", `type A = s.T`},
		{"field", `type S struct{ X [2]s.T }`},
		{"embedded", `type S struct{ s.T }`},
		{"method", `type S int; func (S) M() s.T { panic(0) }`},
		{"interface", `type I interface{ M(func(s.T)) }`},
		{"embedded interface", `type i interface{ M(s.T) }; type I interface{ i }`},
		{"hidden type", `type h struct{ X s.T }; func F() h { panic(0) }`},
		{"generic argument", `type G[X any] struct{}; type S struct{ X G[s.T] }`},
	} {
		t.Run(c.name, func(t *testing.T) {
			leaky := func(text string) []string {
				return leaks(set, check("unnas/cell", `package cell; import s "`+secret+`"; var _ s.T; `+text, deps))
			}
			assert.NotEmpty(t, leaky(c.text))
			assert.Empty(t, leaky(strings.ReplaceAll(strings.ReplaceAll(c.text, "s.New()", "0"), "s.T", "error")))
		})
	}
}

// packages imports packages that are there already.
type packages map[string]*types.Package

func (p packages) Import(name string) (*types.Package, error) {
	if q := p[name]; q != nil {
		return q, nil
	}
	return nil, fmt.Errorf("no package %s", name)
}
