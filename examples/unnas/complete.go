package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"unnas/cell"
)

// Scripts of shells ask the program itself what may come next: unnas complete WORDS...
// prints the candidates for the last word, one a line. Where there are none, the shell
// completes file names.
var completions = map[string]string{
	"bash": `# unnas completion for bash: source <(unnas completion bash)
_unnas() {
	local IFS=$'\n'
	COMPREPLY=($(unnas complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _unnas unnas
`,
	"zsh": `#compdef unnas
# unnas completion for zsh: source <(unnas completion zsh)
_unnas() {
	local -a found
	found=(${(f)"$(unnas complete "${(@)words[2,CURRENT]}" 2>/dev/null)"})
	if (( $#found )); then
		compadd -a found
	else
		_files
	fi
}
compdef _unnas unnas
`,
	"fish": `# unnas completion for fish: unnas completion fish | source
function __unnas
	set -l words (commandline -opc)
	unnas complete $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c unnas -a '(__unnas)'
`,
}

var shells = []string{"bash", "zsh", "fish"}

func completionCommand() *command {
	return &command{
		name: "completion", args: strings.Join(shells, "|"), least: 1, most: 1,
		summary:  "print the completion script of a shell",
		about:    "Completion prints a script with which a shell completes commands, flags and their values.",
		examples: []example{{"source <(unnas completion bash)", "in ~/.bashrc"}},
		run: func(_ context.Context, c *call) error {
			script, ok := completions[c.args[0]]
			if !ok {
				return unknown("shell", c.args[0], shells)
			}
			_, err := io.WriteString(c.out, script)
			return err
		},
	}
}

// complete prints what the last of some words may become, one candidate a line.
func complete(words []string, out io.Writer) error {
	for _, candidate := range candidates(words) {
		if _, err := fmt.Fprintln(out, candidate); err != nil {
			return err
		}
	}
	return nil
}

// candidates returns what the last of some words may become.
func candidates(words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	if len(before) == 0 && !strings.HasPrefix(last, "-") {
		return starting(names(commands()), last)
	}
	c := commandOf(configuration)
	if len(before) > 0 && !strings.HasPrefix(before[0], "-") {
		if c = commandOf(before[0]); c == nil {
			return nil
		}
		before = before[1:]
	}
	if len(before) > 0 {
		if d, ok := c.valued(before[len(before)-1]); ok {
			return starting(d.choices(), last)
		}
	}
	if strings.HasPrefix(last, "-") {
		return starting(prefixed(c.flagNames()), "-"+strings.TrimLeft(last, "-"))
	}
	switch c.name {
	case "help":
		return starting(append(topicNames(), names(commands())...), last)
	case "completion":
		return starting(shells, last)
	case "draw", "measure":
		return starting(cell.GenotypeNames(), last)
	}
	return nil
}

// valued returns the flag of a command that a word names, if it takes a value.
func (c *command) valued(word string) (flagDef, bool) {
	name := strings.TrimLeft(word, "-")
	if name == word || !c.has(name) {
		return flagDef{}, false
	}
	d := flagOf(name)
	return d, d.arg != ""
}

// choices returns the values of a flag, if these are fixed.
func (d flagDef) choices() []string {
	if d.name == "cell" {
		return cell.GenotypeNames()
	}
	return d.values
}

// starting returns the names that begin with a prefix.
func starting(all []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !strings.HasPrefix(name, prefix) })
}
