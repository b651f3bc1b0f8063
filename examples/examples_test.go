// Package examples_test checks, builds and runs the examples as copies in a module of
// their own.
package examples_test

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// maxLines is how long an example may be: about 80 lines, comments included.
const maxLines = 93

// names returns the names of the examples: all programs but the command-line tool.
func names(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	var all []string
	for _, file := range files {
		if name := filepath.Dir(file); name != "unnas" {
			all = append(all, name)
		}
	}
	require.Len(t, all, len(runs), "every example is run")
	return all
}

// TestShape demands that an example is one short file, which imports the standard
// library, Gorgonia and public packages alone, begins with its command, and is in the table of README.md.
func TestShape(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	for _, name := range names(t) {
		files, err := filepath.Glob(name + "/*")
		require.NoError(t, err)
		path := filepath.Join(name, "main.go")
		assert.Equal(t, []string{path}, files, "one file")
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.LessOrEqual(t, bytes.Count(text, []byte("\n")), maxLines, "lines of %s", name)
		assert.Contains(t, string(text), "//\tgo run ./examples/"+name, "the command, in the comment of the program")
		assert.Contains(t, string(readme), "["+name+"]("+name+"/main.go)", "the table of programs")
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
		require.NoError(t, err)
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			first, _, _ := strings.Cut(imported, "/")
			assert.True(t, !strings.Contains(first, ".") || first == "gorgonia.org", "%s imports %s", name, imported)
			assert.NotContains(t, imported, "internal", name)
			assert.NotContains(t, imported, "examples", name)
		}
	}
}

// build builds copies of all examples in a module that has nothing else, and returns the
// folder of the programs. It needs what this module needs, and nothing from the network.
func build(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name string, text []byte) {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, text, 0o644))
	}
	mod, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	text := strings.Replace(string(mod), "module unnas\n", "module example.com/mine\n", 1)
	write("go.mod", fmt.Appendf(nil, "%s\nrequire unnas v0.0.0\n\nreplace unnas => %q\n", text, filepath.ToSlash(root)))
	sum, err := os.ReadFile("../go.sum")
	require.NoError(t, err)
	write("go.sum", sum)
	for _, name := range names(t) {
		text, err := os.ReadFile(filepath.Join(name, "main.go"))
		require.NoError(t, err)
		write(filepath.Join(name, "main.go"), text)
	}
	c := exec.Command("go", "build", "-ldflags=-s -w", "-o", "bin/", "./...")
	c.Dir = dir
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "bin")
}

// runs are flags with which an example takes a moment, and the end of what it prints. They
// follow each other in one folder, so that later ones find the run directories of others.
// PHOTOS, IMAGENET, CIFAR and CITYSCAPES stand for folders.
var runs = []struct {
	name, args string
	want       []string
}{
	{"quickstart", "-data PHOTOS -epochs 1", []string{"rotation: 16 + 16 images, 1 epoch of 1 step, batch 16", "see cells.svg and report.html in runs/quickstart"}},
	{"finetune", "-data PHOTOS -genotype runs/quickstart -epochs 1 -width 2 -labelled 16", []string{"rotation: 32 + 4 images, 1 epoch of 2 steps, batch 16", "classification: 16 + 4 images, 1 epoch of 1 step, batch 16", "accuracy in validation: "}},
	{"predict", "PHOTOS/val/bus/32.jpg PHOTOS/val/car/33.jpg", []string{"bus/32.jpg\n", "% bus\n", "car/33.jpg\n", "% car\n"}},
	{"imagenet1k_search", "-data IMAGENET -task classification -batch 1 -subset 2", []string{"classification: 1 + 1 image, 2 epochs of 1 step, batch 1", "imagenet1k_train -genotype runs/imagenet1k_search"}},
	{"imagenet1k_train", "-data IMAGENET -genotype runs/imagenet1k_search -epochs 1 -batch 2 -subset 2", []string{"classification: 2 + 2 images, 1 epoch of 1 step, batch 2", "done: "}},
	{"imagenet22k_search", "-data IMAGENET/train -task colorization -batch 1 -subset 2", []string{"listed 2 of 2 classes", "colorization: 1 + 1 image, 1 epoch of 1 step, batch 1", "done: "}},
	{"cityscapes_search", "-data CITYSCAPES -task segmentation -epochs 1 -batch 2", []string{"segmentation: 2 + 2 images, 1 epoch of 1 step, batch 2", "cityscapes_train -genotype runs/cityscapes_search"}},
	{"cityscapes_train", "-data CITYSCAPES -genotype runs/cityscapes_search -epochs 1 -batch 4 -width 2", []string{"segmentation: 4 + 4 images, 1 epoch of 1 step, batch 4", "done: "}},
	{"custom_op", "-images 16", []string{"rotation: 8 + 8 images", "a network of these cells has "}},
	{"custom_task", "-images 16", []string{"upside_down: 8 + 8 images", "done: "}},
	{"rankings", "-data CIFAR -samples 3 -tasks rotation,jigsaw -epochs 1 -cells 3 -subset 32", []string{"training 0005 of 6 done", "Spearman's rho of rotation and jigsaw: "}},
}

// TestRuns runs every example on small data, and those that keep a run again, which
// resumes it.
func TestRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs eleven programs")
	}
	bin, dir := build(t), t.TempDir()
	folders := strings.NewReplacer("PHOTOS", photos(t), "IMAGENET", imagenet(t), "CIFAR", cifar(t), "CITYSCAPES", cityscapes(t))
	for _, run := range runs {
		t.Run(run.name, func(t *testing.T) {
			args := strings.Fields(folders.Replace(run.args))
			out := call(t, dir, filepath.Join(bin, run.name), args...)
			for _, want := range run.want {
				assert.Contains(t, out, want)
			}
			if _, err := os.Stat(filepath.Join(dir, "runs", run.name)); err == nil {
				assert.Contains(t, call(t, dir, filepath.Join(bin, run.name), args...), run.want[len(run.want)-1], "the run resumes, and is over")
			}
		})
	}
	t.Run("Ctrl-C", func(t *testing.T) { interrupt(t, filepath.Join(bin, "quickstart")) })
	for want, command := range map[string]string{
		"train/n01440764/n01440764_10026.JPEG":        "imagenet1k_search -data nowhere",
		`with task "colour" on imagenet22k`:           "imagenet22k_search -task colour",
		"leftImg8bit/train/aachen":                    "cityscapes_search -data nowhere",
		"no photographs":                              "predict",
		"the directory has neither":                   "predict -model . photo.jpg",
		`no genotype "darts_v3"`:                      "imagenet1k_train -genotype darts_v3",
		"cifar-10-batches-bin or cifar-10-batches-py": "rankings -data nowhere",
		"want either class folders or images":         "quickstart -data nowhere",
	} {
		name, args, _ := strings.Cut(command, " ")
		c := exec.CommandContext(t.Context(), filepath.Join(bin, name), strings.Fields(args)...)
		c.Dir = t.TempDir()
		out, err := c.CombinedOutput()
		require.Error(t, err, command)
		assert.Contains(t, string(out), want, command)
		assert.NoDirExists(t, filepath.Join(c.Dir, "runs"), command)
	}
}

// interrupt stops a program by Ctrl-C once it prints something.
func interrupt(t *testing.T, program string) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows cannot interrupt another program")
	}
	c := exec.CommandContext(t.Context(), program)
	c.Dir = t.TempDir()
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	var said bytes.Buffer
	c.Stderr = &said
	require.NoError(t, c.Start())
	_, err = out.Read(make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, c.Process.Signal(os.Interrupt))
	_, err = io.Copy(io.Discard, out)
	require.NoError(t, err)
	require.Error(t, c.Wait())
	assert.Contains(t, said.String(), "stopped; the same command resumes")
}

// call runs a program in a folder and returns what it prints; it must succeed.
func call(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}
