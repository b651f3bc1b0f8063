package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"unnas/cell"
)

const intro = `Unnas searches cells of neural networks on images, with or without labels, trains networks of
them, and uses what was trained.

usage: unnas COMMAND [flags] [arguments]
       unnas -cfg FILE [flags] [KEY VALUE ...]

Commands:
`

func helpCommand() *command {
	return &command{
		name: "help", args: "[COMMAND|TOPIC]", most: 1,
		summary: "print help on a command or a topic",
		run: func(_ context.Context, c *call) error {
			if len(c.args) == 0 {
				return printHelp(c.out)
			}
			return printTopic(c.out, c.args[0])
		},
	}
}

// genotypes is the topic that lists the published cells.
const genotypes = "names"

// topicNames returns what help has pages on, besides commands.
func topicNames() []string {
	var list []string
	for _, t := range topics {
		list = append(list, t.name)
	}
	return append(list, genotypes)
}

// printHelp prints the commands and the topics.
func printHelp(out io.Writer) error {
	var b strings.Builder
	b.WriteString(intro)
	for _, c := range commands() {
		if c.name != configuration {
			fmt.Fprintf(&b, "  %-11s %s\n", c.name, c.summary)
		}
	}
	b.WriteString("\nTopics, for unnas help TOPIC:\n")
	for _, t := range topics {
		fmt.Fprintf(&b, "  %-11s %s\n", t.name, t.summary)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// printTopic prints the page of a command or a topic.
func printTopic(out io.Writer, name string) error {
	if name == genotypes {
		_, err := fmt.Fprintln(out, strings.Join(cell.GenotypeNames(), "\n"))
		return err
	}
	if i := slices.IndexFunc(topics, func(t topic) bool { return t.name == name }); i >= 0 {
		_, err := io.WriteString(out, topics[i].text)
		return err
	}
	if c := commandOf(name); c != nil && name != configuration {
		return c.printHelp(out)
	}
	return unknown("topic", name, append(topicNames(), names(commands())...))
}

// printHelp prints what a command does, and its flags by group.
func (c *command) printHelp(out io.Writer) error {
	if c.name == configuration {
		return printTopic(out, "cfg")
	}
	var b strings.Builder
	usage := "unnas " + c.name
	if c.flags != "" {
		usage += " [flags]"
	}
	fmt.Fprintf(&b, "usage: %s\n\n", strings.TrimSpace(usage+" "+c.args))
	if c.about == "" {
		fmt.Fprintf(&b, "%s%s.\n", strings.ToUpper(c.summary[:1]), c.summary[1:])
	} else {
		b.WriteString(c.about + "\n\n")
	}
	for _, e := range c.examples {
		fmt.Fprintf(&b, "  %s\n", e.line)
		if e.text != "" {
			fmt.Fprintf(&b, "        %s\n", e.text)
		}
	}
	if c.flags != "" {
		b.WriteString("\nDefaults stand in brackets; preset is that of -preset, see unnas help presets.\n")
	}
	for _, group := range groups {
		title := "\n" + group + ":\n"
		for _, d := range flagDefs {
			if d.group == group && c.has(d.name) {
				fmt.Fprintf(&b, "%s  %-20s %s\n", title, c.flagTitle(d), c.text(d))
				title = ""
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// title returns a flag with what its value is called.
func (d flagDef) title() string { return strings.TrimSpace("-" + d.name + " " + d.arg) }

// flagTitle is title for a flag of a command.
func (c *command) flagTitle(d flagDef) string {
	if value, ok := c.values[d.name]; ok {
		d.arg = value
	}
	return d.title()
}

// text returns what help says of a flag of a command.
func (c *command) text(d flagDef) string {
	if text, ok := c.texts[d.name]; ok {
		return text
	}
	if value, ok := c.defaults[d.name]; ok {
		d.byDefault = value
	}
	return d.String()
}

// String returns what a flag does, and its default.
func (d flagDef) String() string {
	if d.byDefault == "" {
		return d.text
	}
	return fmt.Sprintf("%s [%s]", d.text, d.byDefault)
}
