package session

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"unnas/darts/record"
	"unnas/darts/sweep"
)

// Describe returns what happened to a job of a sweep that tries each a number of times on
// one host, or "" if it is not to be shown with the state of the sweep.
func Describe(e sweep.Event, attempts int) string {
	switch e.Kind {
	case sweep.Done:
		return fmt.Sprintf("%s is done, in %v", e.Job.Name, e.Elapsed.Round(time.Second))
	case sweep.Failed:
		return fmt.Sprintf("%s has failed, attempt %d of %d on this host: %v", e.Job.Name, e.Attempt, attempts, e.Err)
	case sweep.Retried:
		return fmt.Sprintf("%s is done again: %v", e.Job.Name, e.Err)
	}
	return ""
}

// Replay calls use with each event that the run in a directory has recorded, of earlier
// parts of the run too.
func Replay(dir string, use func(record.Event)) error {
	f, err := os.Open(filepath.Join(dir, record.File))
	if err != nil {
		return err
	}
	defer f.Close()
	for e, err := range record.Read(f) {
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
		use(e)
	}
	return nil
}
