package unnas_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// floors are the packages of the library. A package imports only packages of
// lower floors, never one of its own.
var floors = map[string]int{
	"internal/atomicfile":  0,
	"internal/cpu":         0,
	"internal/format":      0,
	"internal/filelock":    0,
	"internal/quota":       0,
	"internal/rng":         0,
	"internal/text":        0,
	"internal/indexfile":   0,
	"internal/memory":      0,
	"internal/mutate":      0,
	"internal/onnxpb":      0,
	"internal/tfrecord":    0,
	"internal/panics":      0,
	"internal/ranks":       0,
	"internal/picture":     0,
	"internal/pjrt":        0,
	"internal/stablehlo":   0,
	"internal/pickle":      0,
	"darts/sweep":          1,
	"internal/checkpoint":  1,
	"internal/dlopen":      1,
	"internal/kernel":      1,
	"internal/peer/draws":  1,
	"darts/rank":           1,
	"darts/record":         1,
	"internal/ir":          1,
	"darts/xla":            2,
	"internal/pass":        2,
	"internal/cpuexec":     3,
	"internal/xla":         4,
	"internal/graph":       5,
	"ops":                  6,
	"cell":                 7,
	"pretext":              7,
	"cell/draw":            8,
	"cell/benchmark":       8,
	"cell/nasbench":        8,
	"internal/loader":      8,
	"segmentation":         8,
	"darts/dataset":        8,
	"darts/dataset/scenes": 8,
	"pretext/turbojpeg":    8,
	"internal/engine":      9,
	"darts":                10,
	"internal/xla/census":  10,
	"darts/mpi":            11,
	"darts/onnx":           11,
	"darts/preset":         11,
	"darts/report":         11,
}

// kits serve tests, and nothing else imports them.
var kits = []string{"internal/golden", "internal/ir/irtest", "internal/ranks/rankstest", "internal/xla/xlatest", "ops/optest", "pretext/pretexttest"}

// chosen bind libraries that are not Go; only programs decide to link them.
var chosen = []string{"darts/mpi", "darts/xla", "internal/dlopen", "pretext/turbojpeg"}

// choosers link them besides programs and tests.
var choosers = []string{"darts/xla", "internal/xla/census", "internal/xla/xlatest"}

// gorgoniaFloor is the lowest floor that knows Gorgonia.
const gorgoniaFloor = 5

// Above the floors are the programs, and the root is below: it holds no code.
const (
	programs = "examples/"
	root     = "."
)

// fault returns what is wrong with an import of a file in the folder dir, or "".
func fault(dir string, test bool, imported string) string {
	floor, hasFloor := floors[dir]
	target, ours := strings.CutPrefix(imported, "unnas/")
	switch {
	case dir == root && !test:
		return "package unnas maps the library and imports nothing"
	case !ours && strings.HasPrefix(imported, "gorgonia.org/") && hasFloor && floor < gorgoniaFloor:
		return fmt.Sprintf("floor %d does without Gorgonia", floor)
	case !ours || test && target == dir:
		return ""
	case slices.Contains(kits, target):
		if test {
			return ""
		}
		return "only tests import " + imported
	}
	if strings.HasPrefix(target, programs) { // what programs share
		if strings.HasPrefix(dir+"/", programs) {
			return ""
		}
		return "only programs import " + imported
	}
	if slices.Contains(chosen, target) && !test && !strings.HasPrefix(dir+"/", programs) && !slices.Contains(choosers, dir) {
		return "only programs and tests import " + imported
	}
	below, known := floors[target]
	switch {
	case !known:
		return imported + " has no floor; give it one in floors_test.go"
	case strings.HasPrefix(dir+"/", programs):
		if strings.HasPrefix(target, "internal/") {
			return "programs import public packages only, which proves that these suffice"
		}
	case slices.Contains(kits, dir):
	case !hasFloor:
		return dir + " has no floor; give it one in floors_test.go"
	case below > floor && test: // a test may try a package in what it is for
	case below >= floor:
		return fmt.Sprintf("%s, on floor %d, imports %s, on floor %d", dir, floor, target, below)
	}
	return ""
}

func TestFault(t *testing.T) {
	for _, c := range []struct {
		name, dir, imported string
		test, want          bool
	}{
		{"lower", "cell", "unnas/ops", false, false},
		{"much lower", "darts", "unnas/internal/rng", false, false},
		{"higher", "ops", "unnas/cell", false, true},
		{"higher, by a test", "ops", "unnas/cell", true, false},
		{"sibling", "cell", "unnas/pretext", false, true},
		{"sibling of a test", "cell", "unnas/pretext", true, true},
		{"itself, by a test", "cell", "unnas/cell", true, false},
		{"kit", "cell", "unnas/ops/optest", false, true},
		{"kit, by a test", "cell", "unnas/ops/optest", true, false},
		{"library outside Go", "darts", "unnas/pretext/turbojpeg", false, true},
		{"library outside Go, by its package", "darts/xla", "unnas/internal/dlopen", false, false},
		{"library outside Go, by a test", "darts", "unnas/pretext/turbojpeg", true, false},
		{"library outside Go, by a program", "examples/quickstart", "unnas/pretext/turbojpeg", false, false},
		{"by a kit", "internal/golden", "unnas/segmentation", false, false},
		{"standard", "internal/kernel", "math", false, false},
		{"Gorgonia below its floor", "internal/kernel", "gorgonia.org/tensor", false, true},
		{"Gorgonia", "internal/graph", "gorgonia.org/tensor", false, false},
		{"unknown package", "util", "unnas/ops", false, true},
		{"unknown target", "cell", "unnas/util", false, true},
		{"program", "examples/quickstart", "unnas/darts", false, false},
		{"program, internal", "examples/quickstart", "unnas/internal/rng", true, true},
		{"program, what programs share", "examples/quickstart", "unnas/examples/unnas/internal/session", false, false},
		{"library, what programs share", "darts", "unnas/examples/unnas/internal/session", false, true},
		{"root", root, "fmt", false, true},
		{"root, test", root, "fmt", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, fault(c.dir, c.test, c.imported) != "")
		})
	}
}

// TestFloors holds the table against the imports of all files.
func TestFloors(t *testing.T) {
	found := map[string]bool{}
	for _, s := range parse(t) {
		found[s.dir] = true
		for _, spec := range s.file.Imports {
			if f := fault(s.dir, s.test, strings.Trim(spec.Path.Value, "`\"")); f != "" {
				t.Errorf("%s: %s", s.at(spec), f)
			}
		}
	}
	for dir := range floors {
		assert.True(t, found[dir], "the table of floors has %s, the repository does not", dir)
	}
	for _, dir := range kits {
		assert.True(t, found[dir], "the list of test kits has %s, the repository does not", dir)
	}
	for dir := range found {
		_, known := floors[dir]
		assert.True(t, known || dir == root || slices.Contains(kits, dir) || strings.HasPrefix(dir+"/", programs),
			"%s has no floor; give it one in floors_test.go", dir)
	}
}

// TestContributing demands that CONTRIBUTING.md shows the same table.
func TestContributing(t *testing.T) {
	text, err := os.ReadFile("CONTRIBUTING.md")
	require.NoError(t, err)
	shown := map[string]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \| (.*) \|$`).FindAllStringSubmatch(string(text), -1) {
		floor, err := strconv.Atoi(row[1])
		require.NoError(t, err)
		for _, dir := range regexp.MustCompile("`([a-z/]+)`").FindAllStringSubmatch(row[2], -1) {
			shown[dir[1]] = floor
		}
	}
	assert.Equal(t, floors, shown)
}

// A source is a Go file of the repository.
type source struct {
	dir  string // folder, with slashes
	name string
	test bool
	file *ast.File
	set  *token.FileSet
}

func (s source) at(n ast.Node) token.Position { return s.set.Position(n.Pos()) }

// parse returns all Go files of the module, whatever their build tags.
func parse(t *testing.T) []source {
	t.Helper()
	var all []source
	set := token.NewFileSet()
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if file != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata") {
				return fs.SkipDir // as the go command does
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		f, err := parser.ParseFile(set, file, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{filepath.ToSlash(filepath.Dir(file)), name, strings.HasSuffix(name, "_test.go"), f, set})
		return nil
	})
	require.NoError(t, err)
	return all
}
