package unnas_test

import (
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A block is what stands between fences on a page. A Go block is a complete file;
// what follows the language is its path, by default that of a program of its own.
type block struct {
	language, path, text string
}

// pages returns README.md, CONTRIBUTING.md, that of the examples and those in docs, and the
// blocks of each. Commands within a text are blocks, too.
func pages(t *testing.T) map[string][]block {
	t.Helper()
	names, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	all := map[string][]block{}
	for _, name := range append(names, "README.md", "CONTRIBUTING.md", "examples/README.md") {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		all[name] = nil
		for i, m := range regexp.MustCompile("(?ms)^```(\\w+) ?(.*?)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
			b := block{m[1], m[2], m[3]}
			if b.path == "" {
				b.path = fmt.Sprintf("block%d/shown.go", i)
			}
			all[name] = append(all[name], b)
		}
		for _, m := range regexp.MustCompile("`(go (?:run|test) [^`\n]+)`").FindAllStringSubmatch(string(text), -1) {
			all[name] = append(all[name], block{"inline", "", strings.ReplaceAll(m[1], `\|`, "|")})
		}
	}
	return all
}

// outside makes a module of the Go blocks of a page, as its readers do, so that
// only public packages can be imported. It needs what this module needs, and
// nothing from the network.
func outside(t *testing.T, blocks []block) (dir string) {
	t.Helper()
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	dir = t.TempDir()
	mod, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	text := strings.Replace(string(mod), "module unnas\n", "module example.com/mine\n", 1)
	text += fmt.Sprintf("\nrequire unnas v0.0.0\n\nreplace unnas => %q\n", filepath.ToSlash(here))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644))
	sum, err := os.ReadFile("go.sum")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sum, 0o644))
	for _, b := range blocks {
		if b.language != "go" {
			continue
		}
		file := filepath.Join(dir, filepath.FromSlash(b.path))
		require.NoFileExists(t, file, "two blocks of a page have one path")
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(b.text), 0o644))
	}
	return dir
}

// runIn runs a command in a folder and returns what it prints; it must succeed.
func runIn(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", name, strings.Join(args, " "), out)
	return string(out)
}

// TestPages compiles the Go files that pages show and demands that they are
// formatted.
func TestPages(t *testing.T) {
	for name, blocks := range pages(t) {
		files := 0
		for _, b := range blocks {
			if b.language != "go" {
				continue
			}
			files++
			formatted, err := format.Source([]byte(b.text))
			require.NoError(t, err, "every Go block of %s is a complete file", name)
			assert.Equal(t, string(formatted), b.text, "%s of %s is not formatted", b.path, name)
		}
		if files > 0 {
			runIn(t, outside(t, blocks), "go", "vet", "./...")
		}
	}
}

// TestExtending runs the tests that docs/extending.md shows.
func TestExtending(t *testing.T) {
	out := runIn(t, outside(t, pages(t)["docs/extending.md"]), "go", "test", "-v", "./...")
	assert.GreaterOrEqual(t, strings.Count(out, "\n--- PASS"), 8, "%s", out)
}

// TestTutorial does what docs/tutorial.md says, in a folder beside the library. It
// takes minutes and the network, so it has to be asked for.
func TestTutorial(t *testing.T) {
	if os.Getenv("UNNAS_TUTORIAL") == "" {
		t.Skip("set UNNAS_TUTORIAL=1 to go through docs/tutorial.md")
	}
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	blocks := pages(t)["docs/tutorial.md"]
	require.NotEmpty(t, blocks)
	dir := t.TempDir()
	for _, b := range blocks {
		switch b.language {
		case "go":
			file := filepath.Join(dir, filepath.FromSlash(b.path))
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
			require.NoError(t, os.WriteFile(file, []byte(b.text), 0o644))
		case "sh":
			t.Log(runIn(t, dir, "bash", "-euxc", strings.ReplaceAll(b.text, "../unnas", here)))
		}
	}
}

// TestCommands demands that commands on pages name programs, flags, packages and
// tests that are there.
func TestCommands(t *testing.T) {
	n := 0
	for page, blocks := range pages(t) {
		for _, b := range blocks {
			if b.language != "sh" && b.language != "inline" {
				continue
			}
			for line := range strings.Lines(strings.ReplaceAll(b.text, "\\\n", "")) {
				for _, fault := range commandFaults(t, line) {
					t.Errorf("%s: %s: %s", page, strings.TrimSpace(line), fault)
				}
				n++
			}
		}
	}
	require.NotZero(t, n)
	for _, line := range []string{
		"go run ./examples/nowhere", "go run ./examples/quickstart -no-such-flag 1", "go test ./nowhere",
		"go test ./cell -run TestNoSuchThing", "go run unnas/examples/quickstart -no-such-flag",
		"unnas search -no-such-flag", "go tool unnas nothing",
	} {
		assert.NotEmpty(t, commandFaults(t, line), line)
	}
}

// commandFaults returns what is wrong with a command.
func commandFaults(t *testing.T, line string) (faults []string) {
	line, _, _ = strings.Cut(line, "#")
	line = regexp.MustCompile(`^\s*(go tool )?unnas `).ReplaceAllString(line, "go run unnas/examples/unnas ")
	if m := regexp.MustCompile(`go run (?:\./|unnas/)(examples/\w+)(.*)`).FindStringSubmatch(line); m != nil {
		text := sources(t, m[1], "*.go")
		if text == "" {
			return []string{"there is no program " + m[1]}
		}
		text += `"help"`
		for _, f := range regexp.MustCompile(`\s-([a-z][a-z-]*)`).FindAllStringSubmatch(m[2], -1) {
			if !strings.Contains(text, `"`+f[1]+`"`) {
				faults = append(faults, "there is no flag -"+f[1])
			}
		}
		if c := regexp.MustCompile(`^\s+([a-z]+)\b`).FindStringSubmatch(m[2]); c != nil && m[1] == "examples/unnas" && !strings.Contains(text, `"`+c[1]+`"`) {
			faults = append(faults, "there is no command "+c[1])
		}
	}
	if m := regexp.MustCompile(`go test (.*)`).FindStringSubmatch(line); m != nil {
		text, run := "", ""
		fields := strings.Fields(m[1])
		for i, f := range fields {
			switch {
			case f == "./..." || f == ".":
				text += sources(t, ".", "*_test.go")
			case strings.HasPrefix(f, "./"):
				s := sources(t, path.Clean(f), "*_test.go")
				if s == "" {
					faults = append(faults, "there are no tests in "+f)
				}
				text += s
			case (f == "-run" || f == "-bench") && i+1 < len(fields):
				run += "|" + strings.Trim(fields[i+1], "'^$")
			}
		}
		for name := range strings.SplitSeq(strings.Trim(run, "|"), "|") {
			if !regexp.MustCompile(`\nfunc (Test|Benchmark)?` + regexp.QuoteMeta(name)).MatchString(text) {
				faults = append(faults, "there is no test "+name)
			}
		}
	}
	return faults
}

// sources returns the text of the files in a folder that match a pattern.
func sources(t *testing.T, dir, pattern string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	require.NoError(t, err)
	var all strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		all.Write(data)
	}
	return all.String()
}

// TestLinks demands that what pages link to in the repository is there.
func TestLinks(t *testing.T) {
	n := 0
	for page := range pages(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		prose := regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(string(text), "")
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`).FindAllStringSubmatch(prose, -1) {
			assert.True(t, exists(filepath.Join(filepath.Dir(page), m[1])), "%s links to %s, which is not there", page, m[1])
			n++
		}
	}
	assert.NotZero(t, n)
}

// TestPlaceholders demands that no page holds a placeholder, such as @@RESULT@@.
func TestPlaceholders(t *testing.T) {
	for page := range pages(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		i := 0
		for line := range strings.Lines(string(text)) {
			i++
			assert.False(t, strings.Contains(line, "@@"), "%s:%d: %s", page, i, strings.TrimSpace(line))
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// TestMaps demands that the comment of the root package lists all public packages, and
// the table of examples all programs.
func TestMaps(t *testing.T) {
	comment := sources(t, ".", "doc.go")
	dirs := slices.Clone(kits)
	for dir := range floors {
		dirs = append(dirs, dir)
	}
	for _, dir := range dirs {
		assert.Equal(t, public(dir), strings.Contains(comment, "//\tunnas/"+dir+" "), "unnas/%s in doc.go", dir)
	}
	text, err := os.ReadFile("examples/README.md")
	require.NoError(t, err)
	programs, err := filepath.Glob("examples/*/main.go")
	require.NoError(t, err)
	for _, p := range programs {
		name := filepath.Base(filepath.Dir(p))
		assert.True(t, strings.Contains(string(text), "["+name+"]("), "%s in examples/README.md", name)
	}
}
