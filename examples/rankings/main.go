// Rankings says how well tasks without labels rank architectures (Liu et al., 2020,
// arXiv 2003.12056, section 4): it samples cells, trains a network of each on every
// task, and prints the rank correlation of their scores with those of classification.
//
//	go run ./examples/rankings -data cifar-10-batches-bin -samples 500
//	go run ./examples/rankings -samples 24 -tasks classification,rotation -epochs 4 -width 4 -cells 5
//
// The first is the published experiment, years on two cores; the second, on built-in
// scenes, takes hours. Run it several times at once, on machines that share -out: each
// takes trainings that are left.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"

	"unnas/cell"
	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/dataset/scenes"
	"unnas/darts/preset"
	"unnas/darts/rank"
	"unnas/darts/sweep"
	"unnas/pretext"
)

var (
	data    = flag.String("data", "", "`folder` of CIFAR-10; empty: built-in scenes")
	samples = flag.Int("samples", 24, "`number` of architectures")
	tasks   = flag.String("tasks", "classification,rotation,colorization,jigsaw", "`tasks`; the others are compared with the first")
	epochs  = flag.Int("epochs", 100, "passes over the images")
	width   = flag.Int("width", 16, "channels of the first cell")
	cells   = flag.Int("cells", 20, "cells of a network")
	out     = flag.String("out", "runs/rankings", "`folder` of the results")
)

// job is a training. Its score is the best of the epochs.
type job struct {
	Arch, Task    string
	Genotype      cell.Genotype
	Epochs        int
	Width, Cells  int
}
