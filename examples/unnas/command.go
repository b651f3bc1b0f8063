package main

import (
	"context"
	"io"
	"slices"
	"strings"

	"unnas/darts"
	"unnas/darts/mpi"
	_ "unnas/darts/xla"
	"unnas/examples/unnas/internal/nearest"
)

// A command is what the first argument names.
type command struct {
	name     string
	args     string // what follows the flags, as help shows it
	least    int    // how many of these there must be
	most     int    // and may be at most; negative: any number
	summary  string // one line
	about    string // a paragraph
	examples []example
	flags    string            // names of its flags, in no order
	texts    map[string]string // what flags mean here, where that differs
	defaults map[string]string // their defaults, where these differ
	values   map[string]string // what help calls their values, where that differs
	ranks    bool              // whether several processes can share the work
	run      func(ctx context.Context, c *call) error
}

// An example is a command line and what it does.
type example struct{ line, text string }

// A call is a command with its arguments.
type call struct {
	options
	command *command
	args    []string
	given   map[string]bool // the flags that were given
	out     io.Writer       // where results go
	notes   io.Writer       // where all else goes but errors
}

// commands returns all commands in the order of help.
func commands() []*command {
	return []*command{
		searchCommand(), trainCommand(), evaluateCommand(), predictCommand(), exportCommand(), drawCommand(), measureCommand(), rankCommand(), studyCommand(), reportCommand(),
		packCommand(), devicesCommand(), helpCommand(), completionCommand(), versionCommand(), configurationCommand(),
	}
}

// configuration is the command without a name: -cfg FILE.
const configuration = ""

// commandOf returns the command of a name, or nil.
func commandOf(name string) *command {
	all := commands()
	if i := slices.IndexFunc(all, func(c *command) bool { return c.name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// has reports whether a command has a flag.
func (c *command) has(name string) bool { return slices.Contains(strings.Fields(c.flags), name) }

// run runs the command that the arguments name.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return printHelp(out)
	}
	name, rest := args[0], args[1:]
	if strings.HasPrefix(name, "-") && name != "-h" && name != "-help" && name != "--help" {
		name, rest = configuration, args
	}
	c := commandOf(name)
	switch {
	case name == "complete": // what scripts of shells call
		return complete(rest, out)
	case name == "-h" || name == "-help" || name == "--help":
		return printHelp(out)
	case c == nil:
		return unknown("command", name, names(commands()))
	}
	if c.ranks {
		return c.onRanks(ctx, rest, out)
	}
	return c.start(ctx, rest, out, nil)
}

// start runs the command with arguments.
func (c *command) start(ctx context.Context, args []string, out io.Writer, comm darts.Communicator) error {
	parsed, err := c.parse(args, out)
	if parsed == nil || err != nil {
		return err
	}
	parsed.Runtime.Communicator = comm
	return c.run(ctx, parsed)
}

// onRanks runs the command in the job of a launcher such as mpirun, or in this process
// alone. Rank 0 prints.
func (c *command) onRanks(ctx context.Context, args []string, out io.Writer) error {
	return mpi.Run(func(comm *mpi.Comm) error {
		if comm.Rank() > 0 {
			out = io.Discard
		}
		return c.start(ctx, args, out, comm)
	})
}

func names(all []*command) []string {
	var list []string
	for _, c := range all {
		if c.name != configuration {
			list = append(list, c.name)
		}
	}
	return list
}

// unknown returns the error of a name that there is not, with the nearest that there is.
func unknown(what, name string, among []string) error {
	if n := nearest.Of(name, among); n != "" {
		return usagef("unknown %s %.80q; the nearest is %s", what, name, n)
	}
	return usagef("unknown %s %.80q; there are %s", what, name, strings.Join(among, ", "))
}
