package session

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"unnas/darts"
	"unnas/darts/record"
)

// Options are what the flags of a run say about where it goes and how it is shown.
type Options struct {
	Out     string // run directory; empty: a new one
	Resume  bool   // whether the run in Out is resumed
	Seed    uint64
	Runtime darts.Runtime // without Dir and Recorder, which a Session sets
	HTTP    string        // address at which the page of the run is served; empty: it is not
	JPEG    JPEG
	Quiet   bool // whether only errors and the final result are printed
	JSON    bool // whether the events of the run are printed as JSON lines, and nothing else; if Quiet, warnings and the last
}

// Notes returns where all is printed but errors and the final result: out, or nowhere.
func (o Options) Notes(out io.Writer) io.Writer {
	if o.Quiet || o.JSON {
		return io.Discard
	}
	return out
}

// Result returns where the final result is printed: out, or nowhere.
func (o Options) Result(out io.Writer) io.Writer {
	if o.JSON {
		return io.Discard
	}
	return out
}

// RunDir opens the run directory: that of the run to resume, the one asked for, or a
// new one in runs, numbered behind the name.
func (o Options) RunDir(name string) (*darts.RunDir, error) {
	if o.Resume && !Exists(filepath.Join(o.Out, record.File)) {
		return nil, fmt.Errorf("-out %s holds no run to resume; give the directory of a run that was stopped, or leave out -resume", o.Out)
	}
	dir, err := darts.OpenRunDir(o.Path(name))
	if err == nil && dir.HasRun() && !o.Resume {
		return nil, errors.Join(fmt.Errorf("-out %s holds a run already; give -resume to resume it, choose another directory or remove it", o.Out), dir.Close())
	}
	return dir, err
}

// Path returns the path of the run directory.
func (o Options) Path(name string) string {
	if o.Out != "" {
		return o.Out
	}
	for i := 1; ; i++ {
		if dir := filepath.Join("runs", fmt.Sprintf("%s-%d", name, i)); !Exists(dir) {
			return dir
		}
	}
}

// Exists reports whether there is a file or folder of a path.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
