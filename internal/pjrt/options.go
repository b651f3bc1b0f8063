package pjrt

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
)

// CompileOptions say how to compile. The zero value is for one device.
type CompileOptions struct {
	// Replicas run the same program, each on a device and arguments of its own; collectives
	// such as stablehlo.all_reduce join them. 0 is 1.
	Replicas int
	// Devices[r] is the index in [Client.Devices] of the device that runs replica r. nil
	// leaves the choice to the plugin.
	Devices []int
	// Flags are XLA's debug options by name, such as xla_gpu_deterministic_ops, of type bool,
	// int, float64 or string. The plugin refuses names that it does not know.
	Flags map[string]any
}

func (o CompileOptions) replicas() int { return max(1, o.Replicas) }

// encode returns an xla.CompileOptionsProto; ids[r] is the number of the device of replica r.
// The numbers of fields are those of XLA's compile_options.proto and xla_data.proto, where
// they never change.
func (o CompileOptions) encode(ids []int) ([]byte, error) {
	var build message
	build.integer(1, -1) // device_ordinal: any
	build.integer(4, o.replicas())
	build.integer(5, 1) // num_partitions
	if ids != nil {
		var partition, assignment message
		for _, id := range ids {
			partition.integer(1, id)
		}
		assignment.integer(1, o.replicas())
		assignment.integer(2, 1)
		assignment.bytes(3, partition)
		build.bytes(9, assignment)
	}
	var m message
	m.bytes(3, build)
	for _, name := range slices.Sorted(maps.Keys(o.Flags)) {
		var value, entry message
		switch v := o.Flags[name].(type) {
		case string:
			value.bytes(1, []byte(v))
		case bool:
			value.integer(2, map[bool]int{true: 1}[v])
		case int:
			value.integer(3, v)
		case float64:
			value.double(4, v)
		default:
			return nil, fmt.Errorf("pjrt: flag %s has type %T, want string, bool, int or float64", name, v)
		}
		entry.bytes(1, []byte(name))
		entry.bytes(2, value)
		m.bytes(7, entry) // env_option_overrides
	}
	return m, nil
}

// A message is a protocol buffer.
type message []byte

func (m *message) tag(field, wire int)  { *m = binary.AppendUvarint(*m, uint64(field<<3|wire)) }
func (m *message) integer(field, v int) { m.tag(field, 0); *m = binary.AppendUvarint(*m, uint64(v)) }
func (m *message) double(field int, v float64) {
	m.tag(field, 1)
	*m = binary.LittleEndian.AppendUint64(*m, math.Float64bits(v))
}

func (m *message) bytes(field int, b []byte) {
	m.tag(field, 2)
	*m = append(binary.AppendUvarint(*m, uint64(len(b))), b...)
}
