package main

import (
	"fmt"
	"io"
	"strings"
)

const intro = `Unnas searches cells of neural networks on images, with or without labels, trains
networks of them, and uses what was trained.

usage: unnas COMMAND [flags]
       unnas -cfg FILE [KEY VALUE ...]

`

// printHelp prints the commands and the topics.
func printHelp(out io.Writer) error {
	var b strings.Builder
	b.WriteString(intro)
	for _, c := range commands() {
		if c.name != configuration {
			fmt.Fprintf(&b, "  %-12s %s\n", c.name, c.summary)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// printHelp prints what a command does, and its flags by group.
func (c *command) printHelp(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "usage: %s\n\n", strings.Join(strings.Fields("unnas "+c.name+" [flags] "+c.args), " "))
	if c.about != "" {
		b.WriteString(c.about + "\n\n")
	}
	for _, e := range c.examples {
		fmt.Fprintf(&b, "  %s\n        %s\n", e.line, e.text)
	}
	for _, group := range groups {
		title := "\n" + group + ":\n"
		for _, d := range flagDefs {
			if d.group != group || !c.has(d.name) {
				continue
			}
			b.WriteString(title)
			title = ""
			fmt.Fprintf(&b, "  %-22s %s\n", strings.TrimSpace("-"+d.name+" "+d.arg), c.text(d))
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// text returns what help says of a flag of a command.
func (c *command) text(d flagDef) string {
	if text, ok := c.texts[d.name]; ok {
		return text
	}
	if d.byDefault == "" {
		return d.text
	}
	return fmt.Sprintf("%s (default: %s)", d.text, d.byDefault)
}
