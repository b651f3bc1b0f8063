package darts

import (
	"encoding/json"
	"fmt"
	"reflect"

	"unnas/cell"
	"unnas/segmentation"
)

// The kinds of networks that the library has, as a configuration names them.
const (
	derivedKind      = "derived"
	nasBenchKind     = "nasbench"
	segmentationKind = "segmentation"
)

// kindOf returns the kind of a network, "" of one that is none of the library's.
func kindOf(a cell.Architecture) string {
	switch a.(type) {
	case cell.Network, *cell.Network:
		return derivedKind
	case cell.NASBenchNetwork, *cell.NASBenchNetwork:
		return nasBenchKind
	case segmentation.Network, *segmentation.Network:
		return segmentationKind
	}
	return ""
}

// MarshalJSON writes the hyperparameters. The JSON form of a network of the library
// names its kind.
func (c TrainConfig) MarshalJSON() ([]byte, error) {
	network, err := writeNetwork(c.Network)
	if err != nil {
		return nil, fmt.Errorf("darts: Network: %w", err)
	}
	type fields TrainConfig // has no methods
	return json.Marshal(struct {
		Network json.RawMessage `json:"network"`
		fields
	}{network, fields(c)})
}

// UnmarshalJSON reads what MarshalJSON has written. A network of a type that is not
// the library's is read into a copy of what Network holds, which must be of that
// type. Operations that are not published are those that the network there has.
// Fields that are not written keep their values.
func (c *TrainConfig) UnmarshalJSON(data []byte) error {
	type fields TrainConfig
	read := struct {
		Network json.RawMessage `json:"network"`
		*fields
	}{fields: (*fields)(c)}
	held := c.Network
	if err := json.Unmarshal(data, &read); err != nil {
		return err
	}
	if read.Network == nil {
		return nil
	}
	network, err := readNetwork(read.Network, held)
	if err != nil {
		return fmt.Errorf("darts: Network: %w", err)
	}
	c.Network = network
	return nil
}

// segmenter is the JSON form of a segmentation.Network.
type segmenter struct {
	Network json.RawMessage   `json:"network"`
	Task    segmentation.Task `json:"task"`
}

// writeNetwork returns the JSON form of a network.
func writeNetwork(a cell.Architecture) (json.RawMessage, error) {
	if n, ok := a.(*segmentation.Network); ok && n != nil {
		a = *n
	}
	var form any = a
	if n, ok := a.(segmentation.Network); ok {
		inner, err := writeNetwork(n.Architecture)
		if err != nil {
			return nil, err
		}
		form = segmenter{inner, n.Task}
	}
	text, err := json.Marshal(form)
	if kind := kindOf(a); err == nil && kind != "" && string(text) != "null" {
		text = append([]byte(`{"kind":"`+kind+`",`), text[1:]...)
	}
	return text, err
}

// readNetwork reads a network. held is what was there before: its types and
// operations are those that a JSON form does not name.
func readNetwork(data json.RawMessage, held cell.Architecture) (cell.Architecture, error) {
	if string(data) == "null" {
		return nil, nil
	}
	var of struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(data, &of); err != nil {
		return nil, err
	}
	v := reflect.ValueOf(held)
	pointer := v.Kind() == reflect.Pointer
	if pointer {
		v = v.Elem()
	}
	if kind := kindOf(held); !v.IsValid() || kind != "" && kind != of.Kind {
		switch of.Kind {
		case derivedKind:
			v = reflect.ValueOf(cell.Network{})
		case nasBenchKind:
			v = reflect.ValueOf(cell.NASBenchNetwork{})
		case segmentationKind:
			v = reflect.ValueOf(segmentation.Network{})
		default:
			return nil, fmt.Errorf("its kind is %.60q, which is none of the library's; read into a TrainConfig whose Network is of its type", of.Kind)
		}
		pointer = false
	}
	// A copy is filled, since others may hold what is there.
	filled := reflect.New(v.Type())
	filled.Elem().Set(v)
	var err error
	switch n := filled.Interface().(type) {
	case *cell.Network:
		*n = cell.Network{Ops: n.Ops}
		err = json.Unmarshal(data, n)
	case *segmentation.Network:
		var read segmenter
		if err = json.Unmarshal(data, &read); err == nil {
			n.Task = read.Task
			n.Architecture, err = readNetwork(read.Network, n.Architecture)
		}
	default:
		err = json.Unmarshal(data, n)
	}
	if err != nil {
		return nil, err
	}
	if !pointer {
		filled = filled.Elem()
	}
	return filled.Interface().(cell.Architecture), nil
}
