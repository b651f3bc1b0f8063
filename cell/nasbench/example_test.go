package nasbench_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"unnas/cell/nasbench"
)

// The experiments on samples of UnNAS have 50 architectures of each tenth of the
// released table; here they have one of each tenth of a small one, whose accuracies
// are made up.
func ExampleTable_Stratified() {
	table, err := nasbench.OpenCSV(context.Background(), filepath.Join("testdata", "chains.csv"), nasbench.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	drawn, err := table.Stratified(1, 1, func(a nasbench.Entry) float64 { return a.Validation })
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range drawn[8:] {
		fmt.Printf("%s %.2f %% %v\n", a.Hash, 100*a.Validation, a.Cell.Ops)
	}
	// Output:
	// 2c8251c708c98122e003a8b7e6e1b7cc 86.50 % [input maxpool3x3 conv3x3-bn-relu conv3x3-bn-relu output]
	// c1dba24fc08f29b230d7d3c098c9517c 89.75 % [input conv3x3-bn-relu conv3x3-bn-relu conv3x3-bn-relu output]
}

// What was saved in place of the table, such as the page of a server, is refused.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "nasbench_only108.tfrecord")
	if err := os.WriteFile(path, []byte("<html>404</html>"), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	_, err = nasbench.Open(context.Background(), path, nasbench.Options{
		Progress: func(done, total int64) { fmt.Printf("%d of %d bytes\n", done, total) },
	})
	fmt.Println(strings.ReplaceAll(err.Error(), path, "…"))
	// Output:
	// 0 of 16 bytes
	// nasbench: …: not a TFRecord file: it does not start with the length of a record and its checksum
}
