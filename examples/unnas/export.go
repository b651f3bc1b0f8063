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
		name: "export", args: "MODEL FILE", least: 2, most: 2,
		summary: "write a model for ONNX or PyTorch, or cells for other programs",
		about: "Export writes a model, the run directory of a training or a file of its weights, or the cells\n" +
			"of a name, a file or a run directory. The ending of FILE says the format: .onnx, the network\n" +
			"with what its users need; .safetensors, weights under PyTorch's names; .py, cells in the\n" +
			"notation of Python; .json, cells.",
		examples: []example{
			{"unnas export runs/train-1 photos.onnx", "for ONNX Runtime and others"},
			{"unnas export runs/train-1/best.safetensors photos.safetensors", "for PyTorch"},
			{"unnas export runs/search-1 cells.py", "for the code of DARTS and its descendants"},
		},
		flags: "quiet",
		run:   runExport,
	}
}

func runExport(_ context.Context, c *call) error {
	from, to := c.args[0], c.args[1]
	var err error
	switch strings.ToLower(filepath.Ext(to)) {
	case ".onnx":
		err = exportModel(from, func(m *darts.Model) error { return onnx.Save(to, m) })
	case ".safetensors":
		err = exportModel(from, func(m *darts.Model) error { return m.Save(to) })
	case ".py", ".json":
		err = exportCells(from, to)
	default:
		return usagef("%s is no format; give a file that ends in .onnx, .safetensors, .py or .json", to)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(c.notes, "See %s\n", to)
	return nil
}

func exportModel(path string, save func(*darts.Model) error) error {
	model, err := loadModel(path)
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
