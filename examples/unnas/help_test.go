package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// widest is how wide a line of help may be.
const widest = 100

func TestHelp(t *testing.T) {
	all := prints(t)
	for _, form := range []string{"help", "-h", "-help", "--help"} {
		assert.Equal(t, all, prints(t, form))
	}
	for _, name := range append(names(commands()), topicNames()...) {
		if name != genotypes {
			assert.Regexp(t, `(?m)^  `+name+` +\S`, all)
		}
		text := prints(t, "help", name)
		for line := range strings.Lines(text) {
			assert.LessOrEqual(t, len(line), widest+1, "%s: %s", name, line)
		}
	}
	for _, c := range commands() {
		if c.name == configuration {
			continue
		}
		text := prints(t, "help", c.name)
		assert.Equal(t, text, prints(t, c.name, "-help"))
		for _, name := range c.flagNames() {
			assert.Regexp(t, `(?m)^  `+regexp.QuoteMeta(c.flagTitle(flagOf(name)))+` +\S`, text, c.name)
		}
		if c.flags != "" {
			assert.Contains(t, text, "\n  unnas "+c.name+" ", "an example")
		}
	}
	assert.Equal(t, prints(t, "help", "cfg"), prints(t, "-quiet", "-help"), "help on -cfg")
	assert.EqualError(t, fails(t, "help", "memmory"), `unknown topic "memmory"; the nearest is memory`)
	assert.Contains(t, prints(t, "version"), "unnas ")
}

// TestExamples demands of commands in help and on pages that the program takes their
// flags and arguments.
func TestExamples(t *testing.T) {
	var texts []string
	for _, topic := range topics {
		texts = append(texts, topic.text)
	}
	for _, c := range commands() {
		for _, e := range c.examples {
			texts = append(texts, e.line)
		}
	}
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	for _, page := range append(pages, "../../README.md", "../README.md", "README.md") {
		text, err := os.ReadFile(page)
		if page == "../README.md" && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```|`((?:go run|unnas) [^`]*)`").FindAllStringSubmatch(string(text), -1) {
			texts = append(texts, m[1]+m[2])
		}
	}
	n := 0
	all := strings.ReplaceAll(strings.Join(texts, "\n"), "\\\n", "")
	for _, m := range regexp.MustCompile("(?m)^ *(?:go run \\./examples/unnas|unnas) +([a-z-][^\n#&|]*)").FindAllStringSubmatch(all, -1) {
		fields := strings.Fields(m[1])
		name, rest := fields[0], fields[1:]
		if strings.HasPrefix(name, "-") {
			name, rest = configuration, fields
		}
		c := commandOf(name)
		if assert.NotNil(t, c, m[0]) {
			_, err := c.parse(rest, &bytes.Buffer{})
			assert.NoError(t, err, m[0])
			n++
		}
	}
	assert.Greater(t, n, 25)
}

// TestFlagDefs demands that commands have no flags but those that are there.
func TestFlagDefs(t *testing.T) {
	used := map[string]bool{}
	for _, c := range commands() {
		for name := range strings.FieldsSeq(c.flags) {
			used[name] = true
			assert.True(t, slices.ContainsFunc(flagDefs, func(d flagDef) bool { return d.name == name }), "%s: -%s", c.name, name)
		}
		for name := range c.texts {
			assert.True(t, c.has(name), "%s: -%s", c.name, name)
		}
		for name := range c.defaults {
			assert.True(t, c.has(name), "%s: -%s", c.name, name)
		}
		for name := range c.values {
			assert.True(t, c.has(name), "%s: -%s", c.name, name)
		}
	}
	for _, d := range flagDefs {
		assert.True(t, used[d.name], "-%s", d.name)
	}
}

func TestComplete(t *testing.T) {
	for words, want := range map[string][]string{
		"":                           names(commands()),
		"se":                         {"search"},
		"search -pre":                {"-preset", "-precision"},
		"search --arch":              {"-arch-lr", "-arch-start"},
		"search -task re":            {"relative_patch", "reconstruction"},
		"search -dataset imagenet2":  {"imagenet22k"},
		"train -epochs 3 -jpeg t":    {"turbo"},
		"train -cell darts":          {"darts_v1", "darts_v2"},
		"rank -space n":              {"nasbench", "nasbench201", "nasbench301"},
		"draw -part n":               {"normal"},
		"draw darts_v":               {"darts_v1", "darts_v2"},
		"help me":                    {"memory", "measure"},
		"completion f":               {"fish"},
		"-cf":                        {"-cfg"},
		"-cfg x.yaml -js":            {"-json"},
		"search -precision b":        {"bfloat16"},
		"search -data ph":            nil,
		"predict runs/train-1 photo": nil,
		"search -resume pho":         nil,
		"nowhere x":                  nil,
	} {
		assert.Equal(t, want, candidates(strings.Split(words, " ")), words)
	}
	assert.Equal(t, names(commands()), candidates(nil))
	assert.Equal(t, "search\n", prints(t, "complete", "se"))
	assert.ErrorContains(t, fails(t, "completion", "tcsh"), `unknown shell "tcsh"`)
}

// TestCompletionScripts has shells complete with the scripts, where they are installed.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range shells {
		t.Run(shell, func(t *testing.T) {
			script := prints(t, "completion", shell)
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skip(err)
			}
			file := filepath.Join(t.TempDir(), "script")
			write(t, file, []byte(script))
			require.NoError(t, exec.Command(path, "-n", file).Run(), "the syntax")
			if shell != "bash" {
				return
			}
			run := program(t)
			c := exec.Command(path, "-c", `
				unnas() { "$PROGRAM" "$@"; }
				source "$0"
				COMP_WORDS=(unnas search -task ro); COMP_CWORD=3
				_unnas; echo "${COMPREPLY[@]}"
				COMP_WORDS=(unnas ""); COMP_CWORD=1
				_unnas; echo "${COMPREPLY[1]}"`, file)
			c.Env = append(run.Env, "PROGRAM="+run.Path)
			out, err := c.CombinedOutput()
			require.NoError(t, err, "%s", out)
			assert.Equal(t, "rotation\ntrain\n", string(out))
		})
	}
}
