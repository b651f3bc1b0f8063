package rank_test

import (
	"fmt"
	"log"
	"os"
	"strings"

	"unnas/darts/rank"
)

// Does jigsaw rank six architectures as labels do?
func Example() {
	pretext, err := rank.Read(strings.NewReader("arch,jigsaw,rotation\na,61,90\nb,65,91\nc,70,95\nd,72,93\ne,72,97\nf,80,96\n"), "arch")
	if err != nil {
		log.Fatal(err)
	}
	supervised, err := rank.Read(strings.NewReader("arch,accuracy\nf,94\ne,93\nd,90\nc,92\nb,89\na,85\n"), "arch")
	if err != nil {
		log.Fatal(err)
	}
	t, err := rank.Join(pretext, supervised)
	if err != nil {
		log.Fatal(err)
	}
	jigsaw, accuracy := t.Columns[0].Values, t.Columns[2].Values

	rho, err := rank.Spearman(jigsaw, accuracy)
	if err != nil {
		log.Fatal(err)
	}
	interval, err := rank.Bootstrap(rank.Spearman, jigsaw, accuracy, 0.95, 1000, 1)
	if err != nil {
		log.Fatal(err)
	}
	tau, err := rank.KendallTau(jigsaw, accuracy)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("ρ = %.3f, 95 %% from %.2f to %.2f; τ = %.3f\n", rho, interval.Low, interval.High, tau)

	curve, err := rank.RandomSearch(jigsaw, accuracy, 3)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("the best of three by jigsaw: accuracy %.1f, against %.1f of any\n", curve.Mean[2], curve.Mean[0])
	// Output:
	// ρ = 0.899, 95 % from 0.32 to 1.00; τ = 0.828
	// the best of three by jigsaw: accuracy 92.8, against 90.5 of any
}

func ExampleTable_WriteMarkdown() {
	t := &rank.Table{Key: "architecture", Archs: []string{"a", "b"}, Columns: []rank.Column{
		{Name: "jigsaw", Values: []float64{61.25, 65}},
		{Name: "parameters", Values: []float64{855770, 803000}},
	}}
	if err := t.WriteMarkdown(os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// | architecture | jigsaw | parameters |
	// | --- | ---: | ---: |
	// | a | 61.25 | 855770 |
	// | b | 65 | 803000 |
}
