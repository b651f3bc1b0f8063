package report

import (
	"fmt"
	"os"
	"path/filepath"

	"unnas/darts/record"
)

// read calls add with the events of a run directory.
func read(dir string, add func(record.Event) error) error {
	path := filepath.Join(dir, record.File)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("report: %w; want a run directory", err)
	}
	defer f.Close()
	for e, err := range record.Read(f) {
		if err == nil {
			err = add(e)
		}
		if err != nil {
			return fmt.Errorf("report: %s: %w", path, err)
		}
	}
	return nil
}
