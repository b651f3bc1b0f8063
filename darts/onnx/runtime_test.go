package onnx_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// value is an input or output as the script takes it.
type value struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
	File  string `json:"file"`
}

type scenario struct {
	Model   string  `json:"model"`
	Input   value   `json:"input"`
	Outputs []value `json:"outputs"`
}

// The official checker takes the models of all networks, and ONNX Runtime computes
// what the library does. UNNAS_ONNX_PYTHON names a Python that has the packages
// onnx, onnxruntime and numpy.
func TestRuntime(t *testing.T) {
	python := os.Getenv("UNNAS_ONNX_PYTHON")
	if python == "" {
		t.Skip("UNNAS_ONNX_PYTHON names no Python with the packages onnx, onnxruntime and numpy")
	}
	folder := t.TempDir()
	store := func(name, file string, shape []int, values []float32) value {
		b, err := binary.Append(nil, binary.LittleEndian, values)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, file), b, 0o600))
		return value{name, shape, file}
	}
	var cases []scenario
	for _, c := range tests(t) {
		n := newNetwork(t, c.shape, c.build)
		model := c.name + ".onnx"
		require.NoError(t, os.WriteFile(filepath.Join(folder, model), n.write(t), 0o600))
		x, outs := n.run(t)
		list := scenario{Model: model, Input: store("images", c.name+".x", mappedShape(n.model.Input.Shape()), x)}
		for i, o := range n.model.Outputs {
			list.Outputs = append(list.Outputs, store(o.Name, c.name+"."+o.Name, mappedShape(o.Node.Shape()), outs[i]))
		}
		cases = append(cases, list)
	}
	b, err := json.Marshal(cases)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "cases.json"), b, 0o600))
	script := exec.CommandContext(t.Context(), python, "testdata/check.py", folder)
	var messages bytes.Buffer
	script.Stderr = &messages
	out, err := script.Output()
	require.NoError(t, err, "%s%s", out, &messages)
	checked := 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); checked++ {
		var result struct {
			Model      string
			Difference float64
			Bytes      int
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &result))
		t.Logf("%s: difference %.1e, %d bytes", result.Model, result.Difference, result.Bytes)
		assert.Less(t, result.Difference, 1e-4, result.Model)
	}
	assert.Len(t, cases, checked)
}
