package darts

import (
	"fmt"
	"runtime"

	"unnas/cell/benchmark"
	"unnas/darts/record"
	"unnas/internal/ranks"
)

// Runtime has what a run takes from the machine and what it gives to the program. It
// changes nothing about the result, AutoBatch aside. Its zero value uses all cores and
// all memory, and keeps and reports nothing.
type Runtime struct {
	// Workers is the number of goroutines that load images; 0 is one for each core.
	Workers int

	// Memory is how many bytes the run may take, besides what the source holds; 0 is
	// all that the machine has, or its container may use. Where pretext.DecodesImages
	// says that images are decoded, 64 to 256 MiB of it are for that: all loaders
	// together take no more, but for one image that needs more by itself. A run that
	// needs more memory is refused: lower the batch, accumulate gradients over smaller
	// parts of it (MicroBatch), or set Recompute.
	Memory int64

	// AutoBatch lets a search that needs more than Memory halve Batch, LR.Base, LR.Min
	// and ArchLR together, while Batch is even, until it fits (as in Liu et al., 2020,
	// arXiv 2003.12056, supplement B.1). A Warning says so, and SearchResult.Config has
	// the hyperparameters that were used. The result then depends on the memory of the
	// machine. A search with MicroBatch is refused rather than halved. A search that
	// resumes keeps the batch with which it began, however much memory there is now. It
	// does nothing in a training.
	AutoBatch bool

	// Recompute is activation checkpointing, which trades time for memory: a step
	// computes most maps again for its backward pass rather than keep them (Chen et
	// al., 2016, arXiv 1604.06174). It then takes a quarter to a third of the memory and
	// about a fifth more time.
	Recompute bool

	// Device runs the networks: "" or "cpu" are the library's own kernels; "cuda" is an
	// NVIDIA GPU and "tpu" a TPU, through a PJRT plugin, see Devices; or it is the path of a
	// plugin. A number after a colon chooses among several, as "cuda:1"; without one the
	// ranks of a host take them in turn. With a range, as "cuda:0-3", replicas of the
	// network run on all of them, each on micro-batches of its own (MicroBatch); the number
	// of micro-batches is a multiple of that of the devices. The program imports
	// unnas/darts/xla for them.
	// Images are loaded on the CPU. Results of a device equal those of the CPU but for
	// rounding; equal runs on equal devices and plugins give equal bits. A run may resume
	// on another device, with a warning.
	Device string

	// Fast lets a device use algorithms whose rounding may differ from run to run.
	Fast bool

	// Dir keeps the run, and may hold an earlier part of it to resume; nil keeps
	// nothing.
	Dir *RunDir

	// Recorder receives the events of the run; nil is none.
	Recorder record.Recorder

	// Benchmark has the true scores of the cells of the search space; nil is none. Each
	// epoch of a search then records those of its current cell, if the table has it. They
	// do not change the search.
	Benchmark *benchmark.Table

	// Communicator connects the processes that share the run; nil is a run of one process.
	// Memory is then that of each process, of which those of one machine take equal shares
	// if it is 0.
	Communicator Communicator

	onHost int // the number of this rank among those of its host
}

// group returns the ranks of the run.
func (rt Runtime) group() *ranks.Group {
	if rt.Communicator == nil {
		return ranks.New(nil)
	}
	return ranks.New(rt.Communicator)
}

// validate returns an error that names the first field that is out of range.
func (rt Runtime) validate() error {
	const most = 1 << 16
	if rt.Workers < 0 || rt.Workers > most {
		return fmt.Errorf("darts: Workers is %d, must be from 0, for all cores, to %d", rt.Workers, most)
	}
	if rt.Memory < 0 {
		return fmt.Errorf("darts: Memory is %d bytes, must be 0, for all that the machine has, or more", rt.Memory)
	}
	return nil
}

// workers returns the number of goroutines that load images.
func (rt Runtime) workers() int {
	if rt.Workers > 0 {
		return rt.Workers
	}
	return runtime.GOMAXPROCS(0)
}
