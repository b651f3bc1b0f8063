package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"unnas/darts/preset"
	"unnas/examples/unnas/internal/ranking"
	"unnas/examples/unnas/internal/session"
)

// parse parses the arguments of a command. Asked for help, it prints that and returns no
// call. Flags may stand before and behind other arguments; with -cfg the arguments
// behind the flags are pairs of KEY VALUE.
func (c *command) parse(args []string, out io.Writer) (*call, error) {
	parsed := &call{command: c, given: map[string]bool{}, out: out}
	parsed.evaluateEvery, parsed.part, parsed.top = 1, parts[0], 5
	parsed.space, parsed.samples, parsed.tasks, parsed.attempts, parsed.supervised = ranking.DARTS, 500, "cls,rot,col,jig", 3, preset.Classification
	f := flag.NewFlagSet(c.name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	for _, d := range flagDefs {
		if c.has(d.name) {
			d.bind(f, &parsed.options)
		}
	}
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, c.printHelp(out)
		} else if err != nil {
			return nil, c.flagError(err)
		}
		if args = f.Args(); len(args) == 0 || parsed.cfg != "" {
			parsed.args = append(parsed.args, args...)
			break
		}
		parsed.args = append(parsed.args, args[0])
		args = args[1:]
	}
	f.Visit(func(g *flag.Flag) { parsed.given[g.Name] = true })
	parsed.notes = parsed.Notes(out)
	return parsed, parsed.check()
}

// flagError returns the error of a flag with its name, its value and a remedy.
func (c *command) flagError(err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return fmt.Errorf("%s: %w", c.title(), unknown("flag", "-"+name, prefixed(c.flagNames())))
	}
	if about, number := strings.CutSuffix(text, ": parse error"); number {
		return usagef("%s: %s: give a number; see unnas help %s", c.title(), about, c.name)
	}
	return usagef("%s: %w; see unnas help %s", c.title(), err, c.name)
}

// title returns the command as errors name it.
func (c *command) title() string {
	if c.name == configuration {
		return "-cfg"
	}
	return c.name
}

// flagNames returns the names of the flags of a command in the order of help.
func (c *command) flagNames() (names []string) {
	for _, d := range flagDefs {
		if c.has(d.name) {
			names = append(names, d.name)
		}
	}
	return names
}

func prefixed(names []string) []string {
	var list []string
	for _, n := range names {
		list = append(list, "-"+n)
	}
	return list
}

// check refuses what no call can have.
func (c *call) check() error {
	n := len(c.args)
	switch {
	case c.cfg != "":
	case n < c.command.least:
		return usagef("%s: an argument is missing, want unnas %s %s; see unnas help %s", c.command.name, c.command.name, c.command.args, c.command.name)
	case c.command.most >= 0 && n > c.command.most:
		return usagef("%s: unexpected argument %.80q; see unnas help %s", c.command.title(), c.args[c.command.most], c.command.name)
	}
	if c.Resume && c.Out == "" {
		return usagef("-resume needs -out with the run directory to resume, such as -out runs/%s-1", c.command.name)
	}
	for _, name := range []string{"width", "cells", "nodes", "partial", "epochs", "batch", "micro-batch", "size", "samples", "seeds", "attempts", "top"} {
		if !c.given[name] {
			continue
		}
		if n := *c.number(name); n < 1 && !(n == 0 && name == "size" && c.command.name == "pack") {
			return usagef("-%s is %d; give 1 or more", name, n)
		}
	}
	for name, value := range map[string]string{"dataset": c.dataset, "preset": c.preset, "part": c.part, "space": c.space, "precision": c.precision} {
		if d := flagOf(name); c.given[name] && !slices.Contains(d.values, value) {
			return usagef("-%s is %.80q; give one of %s", name, value, strings.Join(d.values, ", "))
		}
	}
	for name, rate := range map[string]float64{"lr": c.lr, "arch-lr": c.archLR} {
		if c.given[name] && !(rate > 0) {
			return usagef("-%s is %g; give a rate above 0", name, rate)
		}
	}
	if n := c.Runtime.Workers; n < 0 {
		return usagef("-workers is %d; give 0, for one for each core, or more", n)
	}
	if _, err := session.SubsetSize(c.subset, 1); err != nil {
		return usageError{err}
	}
	return nil
}

// number returns where the value of a flag of a positive number is.
func (o *options) number(name string) *int {
	return map[string]*int{
		"width": &o.width, "cells": &o.cells, "nodes": &o.nodes, "partial": &o.partial, "epochs": &o.epochs,
		"batch": &o.batch, "micro-batch": &o.microBatch, "size": &o.size,
		"samples": &o.samples, "seeds": &o.seeds, "attempts": &o.attempts, "top": &o.top,
	}[name]
}
