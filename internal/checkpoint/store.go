package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"unnas/internal/atomicfile"
)

// A Store has the checkpoints in a directory, each in a file named after the number of
// steps done.
type Store struct{ Dir string }

const name = "checkpoint-%d"

// path returns the path of the checkpoint after a number of steps.
func (s Store) path(steps int) string { return filepath.Join(s.Dir, fmt.Sprintf(name, steps)) }

// Steps returns the steps of all checkpoints, in order.
func (s Store) Steps() ([]int, error) {
	files, err := os.ReadDir(s.Dir)
	if err != nil {
		return nil, err
	}
	var all []int
	for _, file := range files {
		var n int
		if _, err := fmt.Sscanf(file.Name(), name, &n); err == nil && file.Name() == fmt.Sprintf(name, n) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

// Keep writes the checkpoint after a number of steps atomically, and removes superseded
// ones: all but the newest keep, at least one, and damaged ones of more steps.
func (s Store) Keep(steps, keep int, write func(w io.Writer) error) error {
	if err := atomicfile.Write(s.path(steps), write); err != nil {
		return err
	}
	all, err := s.Steps()
	if err != nil {
		return err
	}
	for _, n := range superseded(all, steps, keep) {
		if err := atomicfile.Remove(s.path(n)); err != nil {
			return err
		}
	}
	return nil
}

// superseded returns the checkpoints that are not needed once there is one after steps:
// all but the newest keep, and those of more steps, which are damaged. all has the
// steps of each, in order. If the directory does not list the new one yet, as on
// network file systems, none is superseded.
func superseded(all []int, steps, keep int) []int {
	at := slices.Index(all, steps)
	if at < 0 {
		return nil
	}
	return slices.Concat(all[:max(at+1-max(keep, 1), 0)], all[at+1:])
}

// Newest calls read with each checkpoint and its size, newest first, until it succeeds.
// faults are the errors of the others. An ErrOther ends it early.
func (s Store) Newest(read func(r io.ReadSeeker, size int64) error) (found bool, faults []error, err error) {
	all, err := s.Steps()
	if err != nil {
		return false, nil, err
	}
	for _, n := range slices.Backward(all) {
		err := open(s.path(n), read)
		if err == nil {
			return true, faults, nil
		}
		err = fmt.Errorf("darts: checkpoint %s: %w", s.path(n), err)
		if errors.Is(err, ErrOther) {
			return false, nil, err
		}
		faults = append(faults, err)
	}
	return false, faults, nil
}

// open calls read with the file at path and its size.
func open(path string, read func(r io.ReadSeeker, size int64) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return read(f, info.Size())
}
