package report_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"unnas/darts"
	"unnas/darts/report"
)

// The page of a run whose folder is all that is left.
func ExampleWrite() {
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	metrics, err := os.Create(filepath.Join(dir, "metrics.jsonl")) // as a darts.Folder keeps it
	if err != nil {
		log.Fatal(err)
	}
	lines := darts.NewJSONLines(metrics)
	for _, e := range []darts.Event{
		darts.Start{Task: "rotation", Epochs: 1, StepsPerEpoch: 1, Batch: 8},
		darts.Step{Epoch: 1, Step: 1, Steps: 1, Loss: 1.25, Accuracy: 0.5},
		darts.Done{Epochs: 1},
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
