package report

import (
	"fmt"
	"os"
	"path/filepath"

	"unnas/darts/record"
)

// read calls add with the events that a run directory holds.
func read(dir string, add func(record.Event) error) error {
	path := filepath.Join(dir, record.File)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("report: %w; give the folder of a run", err)
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
