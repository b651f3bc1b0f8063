package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"unnas/darts"
	"unnas/darts/onnx"
	"unnas/examples/unnas/internal/session"
)

func exportCommand() *command {
	return &command{
		name: "export", args: "MODEL", least: 1, most: 1,
		summary: "write a model for ONNX or PyTorch, or cells for other programs",
		about: "Export writes a model, the run directory of a training or a file of its weights, or the cells\n" +
			"of a name, a file or a run directory. The ending of -out says the format: .onnx, the network\n" +
			"with what its users need; .safetensors, weights under PyTorch's names; .py, cells in the\n" +
			"notation of Python; .json, cells.",
		examples: []example{
			{"unnas export runs/train-1 -out photos.onnx", "for ONNX Runtime and others"},
			{"unnas export runs/train-1/best.safetensors -out photos.safetensors", "for PyTorch"},
			{"unnas export runs/search-1 -out cells.py", "for the code of DARTS and its descendants"},
		},
		flags: "out quiet",
		texts: map[string]string{"out": "file: .onnx, .safetensors, .py or .json [must be given]"},
		run:   runExport,
	}
}

func runExport(_ context.Context, c *call) error {
	from := c.args[0]
	var err error
	switch strings.ToLower(filepath.Ext(c.Out)) {
	case ".onnx":
		err = exportModel(from, func(m *darts.Model) error { return onnx.Save(c.Out, m) })
	case ".safetensors":
		err = exportModel(from, func(m *darts.Model) error { return m.Save(c.Out) })
	case ".py", ".json":
		err = exportCells(from, c.Out)
	default:
		return usagef("-out is %q; give a file that ends in .onnx, .safetensors, .py or .json", c.Out)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.notes, "See %s\n", c.Out)
	return nil
}

func exportModel(path string, save func(*darts.Model) error) error {
	model, err := darts.LoadModel(path)
	if err != nil {
		return err
	}
	return save(model)
}

func exportCells(from, to string) error {
	g, err := readCells(from)
	if err != nil {
		return usageError{err}
	}
	return session.WriteFile(to, func(w io.Writer) error {
		if strings.HasSuffix(strings.ToLower(to), ".py") {
			_, err := fmt.Fprintln(w, g.Python())
			return err
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(g)
	})
}
