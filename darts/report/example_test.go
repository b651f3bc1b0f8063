package report_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"unnas/darts/record"
	"unnas/darts/report"
)

// The page of a run whose folder is all that is left.
func ExampleWrite() {
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	metrics, err := os.Create(filepath.Join(dir, record.File)) // as a run directory has it
	if err != nil {
		log.Fatal(err)
	}
	lines := record.NewJSONLines(metrics)
	for _, e := range []record.Event{
		record.Start{Task: "rotation", Epochs: 1, StepsPerEpoch: 1, Batch: 8},
		record.Step{Epoch: 1, Step: 1, Steps: 1, TrainLoss: 1.25, TrainScore: 0.5},
		record.Done{Epochs: 1},
	} {
		if err := lines.Record(e); err != nil {
			log.Fatal(err)
		}
	}
	if err := metrics.Close(); err != nil {
		log.Fatal(err)
	}

	var page strings.Builder
	if err := report.Write(&page, dir); err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Contains(page.String(), "complete after"))
	// Output: true
}
