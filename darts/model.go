package darts

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"unnas/cell"
	"unnas/internal/atomicfile"
	"unnas/internal/engine"
	"unnas/internal/xla"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// Model is a trained network with its task, ready to use. LoadModel reads one from a
// run directory; one of a result that is in memory is made of its parts:
//
//	m := &darts.Model{Architecture: config.Network, Task: task, Params: result.Params}
//
// Its methods may be called by several goroutines; one image goes through the network
// at a time. The weights are read where they are. The fields must not change after the
// first call.
type Model struct {
	Architecture cell.Architecture
	Task         pretext.Task
	Params       *ops.Params
	// Classes are the names of the classes that the task predicts; nil if they have none.
	Classes []string
	// Device runs the network in predictions; see Runtime.Device.
	Device string
	// Version is the version of the module that wrote the model; "" if not known.
	Version string

	mu       sync.Mutex
	network  *predictor
	pixels   *segmentation.Predictor
	features *extractor
}

// modelFormat is the version of the description of a model in its file.
const modelFormat = 1

// modelKey is the metadata of a safetensors file that holds the description.
const modelKey = "unnas"

// description is what a model file says besides parameters.
type description struct {
	Format       int             `json:"format"`
	Version      string          `json:"version,omitempty"`
	Architecture json.RawMessage `json:"architecture"`
	Task         json.RawMessage `json:"task"`
	Classes      []string        `json:"classes,omitempty"`
}

// LoadModel reads a model: from a file that Save, or a training in its run directory,
// has written, or from the run directory of a training, of which it takes
// model.safetensors, the network after the last epoch; name best.safetensors for that of
// the best one. Architectures, tasks and operations of a program are for
// Kinds.LoadModel. A file without a description, as PyTorch writes it, is an error: make
// the Model of its parts, with NewParams, and read the file by Params.ReadFile.
func LoadModel(path string) (*Model, error) { return Kinds{}.LoadModel(path) }

// LoadModel is the function LoadModel for a program's own kinds.
func (k Kinds) LoadModel(path string) (*Model, error) {
	m, err := k.loadModel(path)
	if err != nil {
		return nil, fmt.Errorf("darts: model %s: %w", path, err)
	}
	return m, nil
}

func (k Kinds) loadModel(path string) (*Model, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		file, err := weightsIn(path)
		if err != nil {
			return nil, err
		}
		if filepath.Base(file) == supernetFile {
			return nil, fmt.Errorf("the directory holds a search, whose %s is a supernet; train a network of the cells in its %s first", supernetFile, genotypeFile)
		}
		path = file
		if info, err = os.Stat(path); err != nil {
			return nil, err
		}
	}
	d, err := readDescription(path)
	if err != nil {
		return nil, err
	}
	m := &Model{Params: ops.NewParams(), Classes: d.Classes, Version: d.Version}
	if m.Architecture, err = k.readArchitecture(d.Architecture); err != nil {
		return nil, fmt.Errorf("architecture: %w%s", err, d.by())
	}
	if cells := cellsOf(m.Architecture); cells > info.Size()/cellBytes {
		return nil, fmt.Errorf("its network has %d cells, which the %d bytes of the file cannot describe; it is damaged", cells, info.Size())
	}
	if m.Task, err = k.readTask(d.Task); err != nil {
		return nil, fmt.Errorf("task: %w%s", err, d.by())
	}
	err = ops.Build(func() error {
		if _, err := engine.Assemble(m.Params, m.Architecture, m.Task, nil, 1); err != nil {
			return err
		}
		// The file should not make a program take more memory than it is long.
		if need := 4 * int64(m.Params.Count()); need > info.Size() {
			return fmt.Errorf("the parameters of its network take %d bytes, the file has %d; it is damaged", need, info.Size())
		}
		return m.Params.Init(0)
	})
	if err != nil {
		return nil, err
	}
	if n := m.Task.Spec().Classes; len(m.Classes) > 0 && len(m.Classes) != n {
		return nil, fmt.Errorf("it names %d classes, and its task has %d; the file is damaged", len(m.Classes), n)
	}
	return m, m.Params.ReadFile(path)
}

// cellBytes is less than the names and shapes of the parameters of a cell take in a file.
const cellBytes = 256

// cellsOf returns the number of cells of an architecture, 0 if it is not known. Building
// them takes memory before their parameters are known.
func cellsOf(a cell.Architecture) int64 {
	switch n := a.(type) {
	case cell.Network:
		return int64(n.Backbone.Cells)
	case cell.NASBenchNetwork:
		return int64(n.Backbone.Stacks) * int64(n.Backbone.Modules)
	case segmentation.Network:
		return cellsOf(n.Architecture)
	}
	return 0
}

// weightsIn returns the path of the weights in a run directory.
func weightsIn(dir string) (string, error) {
	for _, name := range []string{modelFile, supernetFile} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	return "", fmt.Errorf("the directory has neither %s nor %s; name the directory of a run that has ended, or a file", modelFile, supernetFile)
}

// readDescription reads what a file says of its model.
func readDescription(path string) (d description, err error) {
	f, err := os.Open(path)
	if err != nil {
		return d, err
	}
	defer f.Close()
	metadata, err := ops.ReadMetadata(bufio.NewReader(f))
	if err != nil {
		return d, err
	}
	text, ok := metadata[modelKey]
	if !ok {
		return d, errors.New("the file has parameters, but no description of their network; make a Model of architecture, task and parameters, and read the file by Params.ReadFile")
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return d, fmt.Errorf("its description: %w; the file is damaged", err)
	}
	if d.Format != modelFormat {
		return d, fmt.Errorf("its description has format %d, this version reads %d%s", d.Format, modelFormat, d.by())
	}
	return d, nil
}

// by says which version wrote a model.
func (d description) by() string {
	if d.Version == "" {
		return ""
	}
	return fmt.Sprintf(" (the model was written by version %s)", d.Version)
}

// Save writes the model to a file: its parameters as Params.WriteSafetensors does, with
// architecture, task and classes in the metadata.
func (m *Model) Save(path string) error {
	err := m.check()
	var metadata map[string]string
	if err == nil {
		metadata, err = m.metadata()
	}
	if err == nil {
		err = atomicfile.Write(path, func(w io.Writer) error { return m.Params.WriteSafetensors(w, metadata) })
	}
	if err != nil {
		return fmt.Errorf("darts: model %s: %w", path, err)
	}
	return nil
}

// metadata describes the model, but for its parameters.
func (m *Model) metadata() (map[string]string, error) {
	d := description{Format: modelFormat, Version: thisProgram.Version, Classes: m.Classes}
	var err error
	if d.Architecture, err = WriteArchitecture(m.Architecture); err != nil {
		return nil, fmt.Errorf("architecture: %w", err)
	}
	if d.Task, err = writeTask(m.Task); err != nil {
		return nil, fmt.Errorf("task: %w", err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return map[string]string{"format": "pt", modelKey: string(text)}, nil
}

// device opens the device of the model.
func (m *Model) device() (*xla.Device, error) {
	d, err := xla.Open(m.Device, 0, xla.Options{})
	if err != nil {
		return nil, fmt.Errorf("darts: %w", err)
	}
	return d, nil
}

// check returns an error if a part of the model is missing.
func (m *Model) check() error {
	switch {
	case engine.IsNil(m.Architecture) || engine.IsNil(m.Task):
		return errors.New("the model has no Architecture or no Task; give both")
	case m.Params == nil || !m.Params.Ready():
		return errors.New("the parameters have no values; take those of a training, or NewParams and read weights into them")
	}
	return nil
}

// classesFor returns the names of the classes that a task learns from a source; nil if
// they have none. Names of a task itself come first.
func classesFor(src Source, task pretext.Task) []string {
	n := task.Spec().Classes
	if t, ok := task.(interface{ ClassName(class int32) string }); ok {
		names := make([]string, n)
		for i := range names {
			names[i] = t.ClassName(int32(i))
		}
		return names
	}
	if names := about(src).Classes(); !selfSupervised(task) && len(names) == n {
		return names
	}
	return nil
}

// selfSupervised reports whether a task says that labels do not matter to it.
func selfSupervised(task pretext.Task) bool {
	t, ok := task.(interface{ SelfSupervised() bool })
	return ok && t.SelfSupervised()
}
