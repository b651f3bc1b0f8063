package main

import (
	"errors"
	"flag"
	"slices"

	"unnas/darts"
	"unnas/darts/preset"
	"unnas/examples/unnas/internal/ranking"
	"unnas/examples/unnas/internal/session"
)

// options are the values of all flags. Each command has some of them.
type options struct {
	session.Options

	cfg                      string
	data, dataset, val       string
	subset, index, list      string
	size                     int
	task, preset, cell       string
	init, freeze             string
	width, cells, nodes      int
	epochs, batch            int
	lr, archLR               float64
	algorithms               darts.Algorithms
	archStart                int
	partial, evaluateEvery   int
	microBatch               int
	precision                string
	part                     string
	top                      int
	space, table, benchmark  string
	samples, seeds, attempts int
	tasks, combinations      string
	shard                    string
	analyse                  bool
	csv, id, supervised      string
}

// A flagDef is a flag. It has one meaning in all commands.
type flagDef struct {
	name, arg string // arg is what help calls the value; a switch has none
	group     string
	text      string
	byDefault string   // what help shows; a switch has none
	values    []string // those that there are, if these are fixed
	bind      func(f *flag.FlagSet, o *options)
}

// The groups of flags in the order of help.
const (
	imagesGroup   = "Images"
	networkGroup  = "Task and network"
	learningGroup = "Learning"
	machineGroup  = "Memory, cores and devices"
	outputGroup   = "Output"
	rankGroup     = "Ranking"
)

var groups = []string{imagesGroup, networkGroup, learningGroup, machineGroup, outputGroup, rankGroup}

func text(name string, at func(*options) *string) func(*flag.FlagSet, *options) {
	return func(f *flag.FlagSet, o *options) { f.StringVar(at(o), name, *at(o), "") }
}

func whole(name string, at func(*options) *int) func(*flag.FlagSet, *options) {
	return func(f *flag.FlagSet, o *options) { f.IntVar(at(o), name, *at(o), "") }
}

func number(name string, at func(*options) *float64) func(*flag.FlagSet, *options) {
	return func(f *flag.FlagSet, o *options) { f.Float64Var(at(o), name, *at(o), "") }
}

func toggle(name string, at func(*options) *bool) func(*flag.FlagSet, *options) {
	return func(f *flag.FlagSet, o *options) { f.BoolVar(at(o), name, *at(o), "") }
}

// published is what help shows of hyperparameters.
const published = "preset"

// flagDefs are all flags, in the order of help.
var flagDefs = []flagDef{
	{"cfg", "FILE", imagesGroup, "YAML of the authors' release, see unnas help cfg", "none", nil,
		text("cfg", func(o *options) *string { return &o.cfg })},
	{"data", "DIR", imagesGroup, "folder of the data set", "built-in scenes; rank and pack need one", nil,
		text("data", func(o *options) *string { return &o.data })},
	{"dataset", "NAME", imagesGroup, "kind of the data set, see unnas help data", "recognised", kindNames(),
		text("dataset", func(o *options) *string { return &o.dataset })},
	{"val", "DIR", imagesGroup, "folder of the images of validation", "those of the data set", nil,
		text("val", func(o *options) *string { return &o.val })},
	{"subset", "N|N%", imagesGroup, "random subset of the images: a number, or a share such as 10%", "all", nil,
		text("subset", func(o *options) *string { return &o.subset })},
	{"size", "PIXELS", imagesGroup, "side of what the network sees of an image", "that of the data set", nil,
		whole("size", func(o *options) *int { return &o.size })},
	{"list", "FILE", imagesGroup, "names of the images of ImageNet-22K to use, one a line", "all", nil,
		text("list", func(o *options) *string { return &o.list })},
	{"index", "FILE", imagesGroup, "index of the names of ImageNet-22K", "beside it", nil,
		text("index", func(o *options) *string { return &o.index })},
	{"jpeg", "DECODER", imagesGroup, "decoder of JPEG files: go, turbo (libjpeg-turbo), auto", "auto", []string{"auto", "go", "turbo"},
		func(f *flag.FlagSet, o *options) { f.TextVar(&o.JPEG, "jpeg", session.AutoJPEG, "") }},

	{"task", "TASK", networkGroup, "what is learned, see unnas help tasks", "rotation; the labels in train", taskNames(),
		text("task", func(o *options) *string { return &o.task })},
	{"preset", "NAME", networkGroup, "hyperparameters to start from, see unnas help presets", "published or small", presetNames,
		text("preset", func(o *options) *string { return &o.preset })},
	{"space", "NAME", networkGroup, "search space, see unnas help spaces", ranking.DARTS, spaceNames,
		text("space", func(o *options) *string { return &o.space })},
	{"benchmark", "FILE", networkGroup, "true accuracies of the cells: CSV, or NAS-Bench-201's .pth", "none", nil,
		text("benchmark", func(o *options) *string { return &o.benchmark })},
	{"cell", "CELL", networkGroup, "name, file or run directory, see unnas help cells", "none", nil,
		text("cell", func(o *options) *string { return &o.cell })},
	{"init", "WEIGHTS", networkGroup, "weights to start from: a run directory, safetensors or PyTorch file", "drawn", nil,
		text("init", func(o *options) *string { return &o.init })},
	{"freeze", "PREFIX,...", networkGroup, "prefixes of parameters that do not learn, such as stem,cells", "none", nil,
		text("freeze", func(o *options) *string { return &o.freeze })},
	{"width", "N", networkGroup, "channels of the first cell", published, nil,
		whole("width", func(o *options) *int { return &o.width })},
	{"cells", "N", networkGroup, "cells of the network", published, nil,
		whole("cells", func(o *options) *int { return &o.cells })},
	{"nodes", "N", networkGroup, "intermediate nodes of a cell", published, nil,
		whole("nodes", func(o *options) *int { return &o.nodes })},
	{"partial", "K", networkGroup, "partial channel connections: 1/K of the channels", published, nil,
		whole("partial", func(o *options) *int { return &o.partial })},

	{"epochs", "N", learningGroup, "passes over the images", published, nil,
		whole("epochs", func(o *options) *int { return &o.epochs })},
	{"batch", "N", learningGroup, "images of a step; the learning rates change in proportion", published, nil,
		whole("batch", func(o *options) *int { return &o.batch })},
	{"lr", "RATE", learningGroup, "learning rate of the weights at the start", published, nil,
		number("lr", func(o *options) *float64 { return &o.lr })},
	{"arch-lr", "RATE", learningGroup, "learning rate of the architecture parameters", published, nil,
		number("arch-lr", func(o *options) *float64 { return &o.archLR })},
	{"arch-start", "N", learningGroup, "epochs of the weights alone before architecture parameters learn", published, nil,
		whole("arch-start", func(o *options) *int { return &o.archStart })},
	{"algorithm", "NAME,…", learningGroup, "search algorithms that combine, such as gdas or second-order", algorithms[0], algorithms,
		func(f *flag.FlagSet, o *options) {
			f.TextVar(&o.algorithms, "algorithm", darts.Algorithms{darts.FirstOrder{}}, "")
		}},
	{"evaluate-every", "N", learningGroup, "epochs between evaluations; 0: the last is evaluated", "1", nil,
		whole("evaluate-every", func(o *options) *int { return &o.evaluateEvery })},
	{"seed", "N", learningGroup, "seed of all that is random; equal seeds give equal results", "1", nil,
		func(f *flag.FlagSet, o *options) { f.Uint64Var(&o.Seed, "seed", 1, "") }},

	{"micro-batch", "N", machineGroup, "gradient accumulation: images in the network at once", published, nil,
		whole("micro-batch", func(o *options) *int { return &o.microBatch })},
	{"precision", "NAME", machineGroup, "float32, bfloat16 in less memory, or tf32 on a device", "float32", precisions,
		text("precision", func(o *options) *string { return &o.precision })},
	{"recompute", "", machineGroup, "activation checkpointing: a third of the memory, a fifth more time", "", nil,
		toggle("recompute", func(o *options) *bool { return &o.Runtime.Recompute })},
	{"auto-batch", "", machineGroup, "halve batch and learning rates of a search until it fits into the memory", "", nil,
		toggle("auto-batch", func(o *options) *bool { return &o.Runtime.AutoBatch })},
	{"memory", "AMOUNT", machineGroup, "memory that a run may take, such as 32GB; more is refused", "all", nil,
		func(f *flag.FlagSet, o *options) {
			f.Func("memory", "", func(s string) (err error) {
				if o.Runtime.Memory, err = parseBytes(s); err == nil && o.Runtime.Memory == 0 {
					err = errors.New("give more than 0")
				}
				return err
			})
		}},
	{"device", "NAME", machineGroup, "runs networks: cpu, cuda, cuda:0-3, tpu, a plugin; see unnas devices", "cpu", []string{darts.OwnDevice, "cuda", "tpu"},
		text("device", func(o *options) *string { return &o.Runtime.Device })},
	{"fast", "", machineGroup, "let a device use algorithms whose rounding differs from run to run", "", nil,
		toggle("fast", func(o *options) *bool { return &o.Runtime.Fast })},
	{"workers", "N", machineGroup, "goroutines that load images; they change no result", "0: one for each core", nil,
		whole("workers", func(o *options) *int { return &o.Runtime.Workers })},

	{"out", "DIR", outputGroup, "run directory", "a new one in runs", nil,
		text("out", func(o *options) *string { return &o.Out })},
	{"resume", "", outputGroup, "resume the run in the directory of -out", "", nil,
		toggle("resume", func(o *options) *bool { return &o.Resume })},
	{"http", "ADDRESS", outputGroup, "address of a page of the run, such as :6060", "none", nil,
		text("http", func(o *options) *string { return &o.HTTP })},
	{"part", "PART", outputGroup, "what is drawn: both cells, normal or reduce", parts[0], parts,
		text("part", func(o *options) *string { return &o.part })},
	{"top", "N", outputGroup, "classes to print of an image", "5", nil,
		whole("top", func(o *options) *int { return &o.top })},
	{"quiet", "", outputGroup, "print nothing but errors and the final result", "", nil,
		toggle("quiet", func(o *options) *bool { return &o.Quiet })},
	{"json", "", outputGroup, "print JSON, one object a line", "", nil,
		toggle("json", func(o *options) *bool { return &o.JSON })},

	{"table", "FILE", rankGroup, "accuracies of the cells of -space, whose ranking is sampled in tenths", "none", nil,
		text("table", func(o *options) *string { return &o.table })},
	{"samples", "N", rankGroup, "architectures", "500", nil,
		whole("samples", func(o *options) *int { return &o.samples })},
	{"tasks", "TASK,...", rankGroup, "tasks; cls is what the others are compared with", "cls,rot,col,jig", nil,
		text("tasks", func(o *options) *string { return &o.tasks })},
	{"algorithms", "NAME,…", rankGroup, "algorithms to compare; pc-darts is one, and + combines", studyAlgorithms, nil,
		func(f *flag.FlagSet, o *options) { f.StringVar(&o.combinations, "algorithms", studyAlgorithms, "") }},
	{"seeds", "N", rankGroup, "trainings of an architecture on a task", "3 on CIFAR-10, 1 on ImageNet", nil,
		whole("seeds", func(o *options) *int { return &o.seeds })},
	{"shard", "I/N", rankGroup, "part of the trainings to do, such as 3/8", "that of an array job, or all", nil,
		text("shard", func(o *options) *string { return &o.shard })},
	{"attempts", "N", rankGroup, "times that a training that fails is tried on one host", "3", nil,
		whole("attempts", func(o *options) *int { return &o.attempts })},
	{"analyse", "", rankGroup, "train nothing, analyse what is done in -out", "", nil,
		toggle("analyse", func(o *options) *bool { return &o.analyse })},
	{"csv", "FILE", rankGroup, "accuracies to analyse, a row for each architecture", "none", nil,
		text("csv", func(o *options) *string { return &o.csv })},
	{"id", "COLUMN", rankGroup, "column of -csv with the names of the architectures", "the first", nil,
		text("id", func(o *options) *string { return &o.id })},
	{"supervised", "COLUMN", rankGroup, "column of -csv that the others are compared with", preset.Classification, nil,
		text("supervised", func(o *options) *string { return &o.supervised })},
}

// storage sets what the flags say of the memory of a step.
func (c *call) storage(microBatch *int, precision *darts.Precision) {
	if c.given["micro-batch"] {
		*microBatch = c.microBatch
	}
	if c.given["precision"] {
		*precision = darts.Precision(c.precision)
	}
}

var precisions = []string{string(darts.Float32), string(darts.BFloat16), string(darts.TF32)}

// algorithms are the names of the search algorithms.
var algorithms = darts.PublishedAlgorithms().Names()

// flagOf returns the flag of a name.
func flagOf(name string) flagDef {
	return flagDefs[slices.IndexFunc(flagDefs, func(d flagDef) bool { return d.name == name })]
}
