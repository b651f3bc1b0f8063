//go:build linux

// Census compiles the step of a search for an NVIDIA H200 that need not be there, and counts
// what the device would run:
//
//	go run ./internal/xla/census [-plugin PATH] [-cells 8] [-batch 64] [-grads weights]
//
// It needs XLA's plugin for CUDA with CUDA's compiler beside it, as pip lays them, and no
// GPU. The step is that of a search with the supernet of DARTS on CIFAR-10: the loss and the
// gradients of the weights, or of the alphas.
//
// It counts the operations of the program as XLA's passes leave it. A kernel is a fusion, a
// call of a library or any other operation that is not free, as parameters, tuples and
// bitcasts are; a call of cuDNN counts as one. Launches are what the host starts: a CUDA
// graph counts as one, with all that is in it. Traffic is the bytes of the operands and the
// results of all kernels, slices of operands counted as such; it bounds that of the memory
// from above, since caches hold some of it. Algorithms of libraries are those that XLA takes
// without a device to time them on; products of matrices are those of cuBLAS, since XLA
// chooses its own kernels for them by time. XLA makes CUDA graphs of rows of four or more
// kernels without a convolution of cuDNN, and so counts the census.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"unnas/cell"
	_ "unnas/darts/xla"
	"unnas/internal/engine"
	"unnas/internal/ir"
	"unnas/internal/pjrt"
	"unnas/internal/ranks"
	"unnas/internal/xla"
	"unnas/ops"
	"unnas/pretext"
)

// triton lets XLA write products of matrices, which it can only with a device.
const triton = "xla_gpu_enable_triton_gemm"

func main() {
	log.SetFlags(0)
	log.SetPrefix("census: ")
	c := config{flags: map[string]any{}}
	flag.StringVar(&c.plugin, "plugin", "cuda", "the plugin, or cuda for that of pip or of PJRT_PLUGIN_PATH")
	flag.IntVar(&c.cells, "cells", 8, "cells of the supernet")
	flag.IntVar(&c.width, "width", 16, "channels of the first cell")
	flag.IntVar(&c.batch, "batch", 64, "images in a step")
	flag.StringVar(&c.grads, "grads", "weights", "whose gradients: weights, alphas, both or none")
	flag.StringVar(&c.depthwise, "depthwise", "", "depthwise convolutions as convolutions or sums; the lowering's choice if empty")
	flag.StringVar(&c.precision, "precision", "", "float32, tf32 or bfloat16")
	flag.Func("flag", "an option of XLA, such as xla_gpu_autotune_level=0; may be repeated", c.setFlag)
	flag.StringVar(&c.save, "save", "", "folder for the text and the optimized program")
	flag.Parse()
	if err := c.run(); err != nil {
		log.Fatal(err)
	}
}

type config struct {
	plugin, grads, depthwise, precision, save string
	cells, width, batch                       int
	flags                                     map[string]any
}

func (c *config) setFlag(text string) error {
	name, value, _ := strings.Cut(text, "=")
	if b, err := strconv.ParseBool(value); err == nil && len(value) > 1 {
		c.flags[name] = b
	} else if n, err := strconv.Atoi(value); err == nil {
		c.flags[name] = n
	} else {
		c.flags[name] = value
	}
	return nil
}

func (c config) run() error {
	found, looked := pjrt.Find(c.plugin)
	if len(found) == 0 {
		return fmt.Errorf("no plugin for CUDA in %s; install one: %s", strings.Join(looked, ", "), pjrt.Install("cuda"))
	}
	program, err := c.program()
	if err != nil {
		return err
	}
	o := xla.Options{Depthwise: xla.Depthwise(c.depthwise), Precision: xla.Precision(c.precision), Flags: c.flags}
	text, err := xla.Text(program, o)
	if err != nil {
		return err
	}
	fmt.Printf("%d cells, %d channels, batch %d, gradients: %s\n", c.cells, c.width, c.batch, c.grads)
	row("StableHLO operations", strings.Count(text, "stablehlo.")-strings.Count(text, "#stablehlo."))
	flags := o.FlagsFor("cuda")
	if _, given := flags[triton]; !given {
		flags[triton] = false
	}
	plugin, err := pjrt.Open(found[0].Path)
	if err != nil {
		return err
	}
	runtime.GC()
	before := cpuSeconds()
	compiled, err := plugin.CompileAbsent(text, "", pjrt.H200(), pjrt.CompileOptions{Flags: flags})
	if err != nil {
		return err
	}
	defer compiled.Close()
	seconds := cpuSeconds() - before
	code, format, err := compiled.Optimized()
	if err != nil {
		return err
	}
	if c.save != "" {
		if err := os.WriteFile(c.save+"/step.mlir", []byte(text), 0o666); err != nil {
			return err
		}
		if err := os.WriteFile(c.save+"/optimized.pb", code, 0o666); err != nil {
			return err
		}
	}
	m, err := readModule(code, format)
	if err != nil {
		return err
	}
	m.census().print()
	if memory, err := compiled.Memory(); err == nil {
		row("temporaries, MB", memory.Temporary/1e6)
	}
	row("CPU seconds to compile", int(seconds))
	row("peak memory of the process, MB", peakMegabytes())
	return nil
}

// print prints the counts.
func (c *counts) print() {
	t := c.total("")
	cudnn := c.total("__cudnn")
	row("kernels", t.n)
	row("  of these calls of cuDNN", cudnn.n)
	row("host launches", t.n-c.inGraphs+c.graphs)
	row("  of these CUDA graphs", c.graphs)
	row("  kernels within graphs", c.inGraphs)
	fmt.Printf("%-34s %10.2f\n", "operand traffic, GB", float64(t.bytes)/1e9)
	for _, k := range c.kinds() {
		n := c.kernels[k]
		fmt.Printf("  %-32s %10d %8.2f GB\n", k, n.n, float64(n.bytes)/1e9)
	}
}

func row[N int | int64](name string, n N) { fmt.Printf("%-34s %10d\n", name, n) }

// program returns the program of a step.
func (c config) program() (p *ir.Program, err error) {
	var grads engine.Grads
	switch c.grads {
	case "weights":
		grads.Weights = true
	case "alphas":
		grads.Alphas = true
	case "both":
		grads.Weights, grads.Alphas = true, true
	case "none":
	default:
		return nil, fmt.Errorf("gradients %q; want weights, alphas, both or none", c.grads)
	}
	task := pretext.Classification{Classes: 10, Transform: pretext.CIFAR10Transform()}
	err = ops.Build(func() error {
		e := engine.New(1, ranks.New(nil))
		n, err := engine.NewNetwork(e.Params, task, nil, c.batch)
		if err != nil {
			return err
		}
		net, err := cell.DARTS(cell.CIFARStem, c.width, c.cells).SupernetWith(n.Scope, n.Images, ops.Softmax)
		if err != nil {
			return err
		}
		if err := n.Head(task, net.Out); err != nil {
			return err
		}
		if err := e.Params.Init(1); err != nil {
			return err
		}
		p, err = e.Program(n, grads)
		return err
	})
	return p, err
}

// cpuSeconds returns the time of all cores that the process has taken.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// peakMegabytes returns the most memory that the process has taken.
func peakMegabytes() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, _ := strconv.Atoi(kilobytes)
	return n / 1000
}
