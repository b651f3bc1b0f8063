package ops

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Set is a list of candidate operations: the columns of α.
type Set []Op

// Names returns the names of the candidates in order.
func (s Set) Names() []string {
	names := make([]string, len(s))
	for i, o := range s {
		names[i] = nameOf(o)
	}
	return names
}

// nameOf returns the name of a candidate, "" for nil, which Validate of a space or a network
// refuses.
func nameOf(o Op) string {
	if o == nil {
		return ""
	}
	return o.Name()
}

// Find returns the candidate with a name.
func (s Set) Find(name string) (Op, error) {
	for _, o := range s {
		if o != nil && o.Name() == name {
			return o, nil
		}
	}
	return nil, fmt.Errorf("ops: unknown operation %q; the set has %v", name, s.Names())
}

// Has reports whether the set has a candidate with that name.
func (s Set) Has(name string) bool {
	return slices.ContainsFunc(s, func(o Op) bool { return o != nil && o.Name() == name })
}

// DARTS returns the eight candidate operations of the DARTS space in published order
// (Liu et al., 2019, arXiv 1806.09055).
func DARTS() Set {
	return Set{None(), MaxPool(3), AvgPool(3), Skip(), SepConv(3), SepConv(5), DilConv(3), DilConv(5)}
}

// NASBench201 returns the five candidate operations of NAS-Bench-201 in published order
// (Dong and Yang, 2020, arXiv 2001.00326).
func NASBench201() Set { return Set{None(), Skip(), NorConv(1), NorConv(3), AvgPool(3)} }

// TransNASBench101 returns the four candidate operations of the cells of
// TransNAS-Bench-101 in published order (Duan et al., 2021, arXiv 2105.11871).
func TransNASBench101() Set { return Set{None(), Skip(), NorConv(1), NorConv(3)} }

// All returns all operations of published cells: those of DARTS, NASNet, ENAS,
// AmoebaNet, PNAS, NAO, NAS-Bench-201 and TransNAS-Bench-101.
func All() Set {
	return Set{
		None(),
		AvgPool(2), AvgPool(3), AvgPool(5),
		MaxPool(2), MaxPool(3), MaxPool(5), MaxPool(7),
		Skip(),
		ReLUConv(1), ReLUConv(3),
		NorConv(1), NorConv(3),
		SepConv(3), SepConv(5), SepConv(7),
		DilConv(3), DilConv(5),
		DilSepConv(3),
		FactorizedConv(3), FactorizedConv(7),
	}
}

// MarshalJSON writes the names of the candidates.
func (s Set) MarshalJSON() ([]byte, error) { return json.Marshal(s.Names()) }

// UnmarshalJSON reads names of operations. It looks them up in the current set, then in
// All; a set with other operations can thus be read back into one that contains them.
func (s *Set) UnmarshalJSON(data []byte) error {
	var names []string
	if err := json.Unmarshal(data, &names); err != nil {
		return fmt.Errorf("ops: a set of operations is a list of names: %w", err)
	}
	set, known := make(Set, len(names)), slices.Concat(*s, All())
	for i, name := range names {
		op, err := known.Find(name)
		if err != nil {
			return fmt.Errorf("ops: unknown operation %q, neither published nor in the set %v; read into a set that contains it", name, s.Names())
		}
		set[i] = op
	}
	*s = set
	return nil
}
