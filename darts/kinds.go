package darts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"unnas/cell"
	"unnas/internal/engine"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// Kinds reads back what runs with a program's own architectures, tasks or operations
// have written: models and configurations. The zero value knows those of the library.
//
// A type of the program is written as its JSON form, which must be an object, with its
// name as the kind: "main.Wide" for a value of the type Wide in package main or for a
// pointer to one.
type Kinds struct {
	// Ops are operations that search spaces and genotypes name, besides ops.All.
	Ops []ops.Op
	// Algorithms are algorithms that configurations of searches name, besides
	// PublishedAlgorithms.
	Algorithms Algorithms
	// Architectures reads architectures by their kind. data is the JSON form, with the
	// kind as a member.
	Architectures map[string]func(data []byte) (cell.Architecture, error)
	// Tasks reads tasks by their kind.
	Tasks map[string]func(data []byte) (pretext.Task, error)
}

// The kinds of architectures of the library.
const (
	networkKind      = "network"
	nasBenchKind     = "nasbench"
	segmentationKind = "segmentation"
)

// tasks returns a task of each kind of the library, which are their names.
func tasks() []pretext.Task {
	return []pretext.Task{
		&pretext.Classification{}, &pretext.Rotation{}, &pretext.Colorization{}, &pretext.Jigsaw{},
		&pretext.RelativePatch{}, &pretext.Reconstruction{}, &pretext.Contrastive{}, &segmentation.Task{},
	}
}

// typeName returns the name of the type of v, or of what v points to.
func typeName(v any) string { return strings.TrimLeft(fmt.Sprintf("%T", v), "*") }

// named adds a kind to the JSON form of a value.
func named(kind string, v any) (json.RawMessage, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(text) == 0 || text[0] != '{' {
		return nil, fmt.Errorf("the JSON form of a %T is %.40s, must be an object; give it exported fields or MarshalJSON", v, text)
	}
	head, err := json.Marshal(kind)
	if err != nil {
		return nil, err
	}
	rest := text[1:]
	if string(rest) != "}" {
		rest = append([]byte{','}, rest...)
	}
	return slices.Concat([]byte(`{"kind":`), head, rest), nil
}

// segmenter is the JSON form of a segmentation.Network.
type segmenter struct {
	Network json.RawMessage   `json:"network"`
	Task    segmentation.Task `json:"task"`
}

// WriteArchitecture returns the JSON form of an architecture, which names its kind.
// Architectures of a program that hold others write them so in their MarshalJSON.
func WriteArchitecture(a cell.Architecture) ([]byte, error) {
	if engine.IsNil(a) {
		return []byte("null"), nil
	}
	switch n := a.(type) {
	case cell.Network, *cell.Network:
		return named(networkKind, n)
	case cell.NASBenchNetwork, *cell.NASBenchNetwork:
		return named(nasBenchKind, n)
	case *segmentation.Network:
		return WriteArchitecture(*n)
	case segmentation.Network:
		inner, err := WriteArchitecture(n.Architecture)
		if err != nil {
			return nil, err
		}
		return named(segmentationKind, segmenter{inner, n.Task})
	}
	return named(typeName(a), a)
}

// ReadArchitecture reads what WriteArchitecture has written; nil if that was nil.
func (k Kinds) ReadArchitecture(data []byte) (cell.Architecture, error) {
	a, err := k.readArchitecture(data)
	if err != nil {
		return nil, fmt.Errorf("darts: architecture: %w", err)
	}
	return a, nil
}

func (k Kinds) readArchitecture(data []byte) (cell.Architecture, error) {
	if string(bytes.TrimSpace(data)) == "null" {
		return nil, nil
	}
	kind, err := kindIn(data)
	if err != nil {
		return nil, err
	}
	switch kind {
	case networkKind:
		n := cell.Network{Ops: k.Ops}
		err := json.Unmarshal(data, &n)
		return n, err
	case nasBenchKind:
		var n cell.NASBenchNetwork
		err := json.Unmarshal(data, &n)
		return n, err
	case segmentationKind:
		var read segmenter
		if err := json.Unmarshal(data, &read); err != nil {
			return nil, err
		}
		inner, err := k.readArchitecture(read.Network)
		return segmentation.Network{Architecture: inner, Task: read.Task}, err
	}
	read, ok := k.Architectures[kind]
	if !ok {
		return nil, fmt.Errorf("unknown kind %.60q, want one of %s; say in Kinds.Architectures how it is read", kind,
			strings.Join(append([]string{networkKind, nasBenchKind, segmentationKind}, slices.Sorted(maps.Keys(k.Architectures))...), ", "))
	}
	a, err := read(data)
	if err == nil && engine.IsNil(a) {
		err = errors.New("Kinds.Architectures returns nil")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return a, nil
}

// kindIn returns the kind that a JSON form names, its first member. Others may have a
// member of that name.
func kindIn(data []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	for _, want := range []json.Token{json.Delim('{'), "kind"} {
		if token, err := d.Token(); err != nil {
			return "", err
		} else if token != want {
			return "", fmt.Errorf("it has %v in place of %v; an object that begins with its kind is wanted", token, want)
		}
	}
	var kind string
	err := d.Decode(&kind)
	return kind, err
}

// writeTask returns the JSON form of a task, which names its kind.
func writeTask(task pretext.Task) (json.RawMessage, error) {
	for _, t := range tasks() {
		if v := reflect.TypeOf(task); v == reflect.TypeOf(t) || v == reflect.TypeOf(t).Elem() {
			return named(t.Name(), task)
		}
	}
	return named(typeName(task), task)
}

// readTask reads what writeTask has written.
func (k Kinds) readTask(data []byte) (pretext.Task, error) {
	kind, err := kindIn(data)
	if err != nil {
		return nil, err
	}
	var kinds []string
	for _, t := range tasks() {
		if t.Name() == kind {
			err := json.Unmarshal(data, t)
			return reflect.ValueOf(t).Elem().Interface().(pretext.Task), err
		}
		kinds = append(kinds, t.Name())
	}
	read, ok := k.Tasks[kind]
	if !ok {
		return nil, fmt.Errorf("unknown kind %.60q, want one of %s; say in Kinds.Tasks how it is read", kind, strings.Join(append(kinds, slices.Sorted(maps.Keys(k.Tasks))...), ", "))
	}
	task, err := read(data)
	if err == nil && engine.IsNil(task) {
		err = errors.New("Kinds.Tasks returns nil")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return task, nil
}

// ReadSearchConfig reads the configuration of a search, such as config.json of its run
// directory.
func (k Kinds) ReadSearchConfig(r io.Reader) (SearchConfig, error) {
	var c SearchConfig
	c.Space.Ops, c.Algorithms = k.Ops, k.Algorithms
	if err := strict(r, &c); err != nil {
		return SearchConfig{}, fmt.Errorf("darts: configuration of a search: %w", err)
	}
	return c, nil
}

// strict reads one JSON value, without fields that v does not have.
func strict(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more behind the JSON value; remove it")
	}
	return nil
}

// ReadTrainConfig reads the configuration of a training, such as config.json of its run
// directory.
func (k Kinds) ReadTrainConfig(r io.Reader) (TrainConfig, error) {
	var c TrainConfig
	err := c.decode(k, func(v any) error { return strict(r, v) })
	if err != nil {
		return TrainConfig{}, fmt.Errorf("darts: configuration of a training: %w", err)
	}
	return c, nil
}

// MarshalJSON writes the hyperparameters, the network as WriteArchitecture does.
func (c TrainConfig) MarshalJSON() ([]byte, error) {
	network, err := WriteArchitecture(c.Network)
	if err != nil {
		return nil, fmt.Errorf("darts: Network: %w", err)
	}
	type fields TrainConfig // has no methods
	return json.Marshal(struct {
		Network json.RawMessage `json:"network"`
		fields
	}{network, fields(c)})
}

// UnmarshalJSON reads what MarshalJSON has written, with a network and operations of
// the library; Kinds reads others. Fields that are not written keep their values.
func (c *TrainConfig) UnmarshalJSON(data []byte) error {
	return c.decode(Kinds{}, func(v any) error { return json.Unmarshal(data, v) })
}

func (c *TrainConfig) decode(k Kinds, decode func(v any) error) error {
	type fields TrainConfig
	read := struct {
		Network json.RawMessage `json:"network"`
		*fields
	}{fields: (*fields)(c)}
	if err := decode(&read); err != nil {
		return err
	}
	if read.Network == nil {
		return nil
	}
	network, err := k.readArchitecture(read.Network)
	if err != nil {
		return fmt.Errorf("network: %w", err)
	}
	c.Network = network
	return nil
}
