package program

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"unnas/darts"
	"unnas/darts/record"
)

// Main calls run with the arguments of the program, its output, and where help
// goes, and ends the program. Ctrl-C ends the context; a second one ends the
// program at once. Errors are printed behind the name.
func Main(name string, run func(ctx context.Context, args []string, out, help io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
	case errors.Is(err, context.Canceled):
		os.Exit(130) // as shells report an interrupted program
	default:
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		var fault interface{ Stack() []byte }
		if errors.As(err, &fault) { // a panic, to report
			fmt.Fprintf(os.Stderr, "\n%s", fault.Stack())
		}
		os.Exit(1)
	}
}

// Options are what the flags say that all programs have.
type Options struct {
	Out     string // folder of the run; empty: a new one
	Resume  bool   // whether the run in Out goes on
	Seed    uint64
	Runtime darts.Runtime // without Dir and Recorder, which a Session sets
	HTTP    string        // address at which the page of the run is served; empty: it is not
	JPEG    JPEG
	Quiet   bool // whether only errors and the final result are printed
}

// Talk returns where all goes but errors and the final result: to out, or nowhere.
func (o Options) Talk(out io.Writer) io.Writer {
	if o.Quiet {
		return io.Discard
	}
	return out
}

// HTTPUsage says what the flag -http does.
const HTTPUsage = "`address` of a page that shows the run while it goes on, such as :6060; without a host only this machine can see it"

// Flags are the flags of a program. Add those of its own before Parse.
type Flags struct {
	*flag.FlagSet
	Options

	usage string
}

// NewFlags returns the flags that all programs have. The usage says, above the
// list of flags, what the program does and how to call it.
func NewFlags(name, usage string) *Flags {
	f := &Flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), usage: usage}
	f.StringVar(&f.Out, "out", "", "`folder` for the results; empty: a new one in runs")
	f.BoolVar(&f.Resume, "resume", false, "go on with the run in the folder of -out, which began with the same flags")
	f.Uint64Var(&f.Seed, "seed", 1, "number that all that is random comes from; equal seeds give equal results")
	AddQuiet(f.FlagSet, &f.Quiet)
	f.IntVar(&f.Runtime.Workers, "workers", 0, "goroutines that load images, 0 for one on each core; the result does not depend on it")
	f.StringVar(&f.HTTP, "http", "", HTTPUsage)
	return f
}

const interruption = `
Ctrl-C stops it after the step it is at. The same command goes on from there with
-out, the folder of the run, and -resume.

Flags:
`

// AddQuiet adds the flag -quiet.
func AddQuiet(f *flag.FlagSet, to *bool) {
	f.BoolVar(to, "quiet", false, "print nothing but errors and the final result")
}

// AddJPEG adds the flag of a program that may read JPEG files.
func (f *Flags) AddJPEG() { AddJPEG(f.FlagSet, &f.JPEG) }

// Parse parses the arguments. Asked for help, it writes that and returns
// flag.ErrHelp.
func (f *Flags) Parse(args []string, help io.Writer) error {
	if err := Parse(f.FlagSet, f.usage+interruption, args, help); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; see -help", f.Arg(0))
	}
	if f.Resume && f.Out == "" {
		return fmt.Errorf("-resume needs -out with the folder of the run to go on with, such as -out runs/%s-1", f.Name())
	}
	return nil
}

// Parse parses the flags of a program. Asked for help, it writes the usage and the
// list of flags, and returns flag.ErrHelp.
func Parse(f *flag.FlagSet, usage string, args []string, help io.Writer) error {
	f.SetOutput(io.Discard) // an error is reported once, without the whole help
	f.Usage = func() {}
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		f.SetOutput(help)
		fmt.Fprint(help, usage)
		f.PrintDefaults()
		return err
	}
	if err == nil {
		return nil
	}
	if about, number := strings.CutSuffix(err.Error(), ": parse error"); number && strings.HasPrefix(about, "invalid value") {
		return fmt.Errorf("%s: give a whole number; see -help", about)
	}
	return fmt.Errorf("%w; see -help", err)
}

// Given says whether the arguments set a flag.
func (f *Flags) Given(name string) bool {
	given := false
	f.Visit(func(g *flag.Flag) { given = given || g.Name == name })
	return given
}

// Folder opens the folder of a run: that of the run to go on with, the one asked
// for, or a new one in runs, numbered behind the name.
func (o Options) Folder(name string) (*darts.RunDir, error) {
	if o.Resume && !Exists(filepath.Join(o.Out, record.File)) {
		return nil, fmt.Errorf("-out %s holds no run; give the folder of a run that was begun", o.Out)
	}
	dir, err := darts.OpenRunDir(o.dir(name))
	if err == nil && dir.HasRun() && !o.Resume {
		return nil, errors.Join(fmt.Errorf("-out %s holds a run already; give -resume to go on with it, choose another folder or remove it", o.Out), dir.Close())
	}
	return dir, err
}

// dir returns the path of the folder of a run.
func (o Options) dir(name string) string {
	if o.Out != "" {
		return o.Out
	}
	for i := 1; ; i++ {
		if dir := filepath.Join("runs", fmt.Sprintf("%s-%d", name, i)); !Exists(dir) {
			return dir
		}
	}
}

// Exists says whether there is a file or folder of a path.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
