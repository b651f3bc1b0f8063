package darts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// Algorithm is a part of how a search learns: a sampler of operation weights, a
// regulariser of the alphas, a way to compute their gradient, a schedule. Algorithms
// combine in a list, as beta decay does with Dirichlet samples.
//
// An Algorithm is a value of a struct type, whose fields are its hyperparameters and
// have JSON tags. A program adds its own as such a type.
type Algorithm interface {
	// Name returns the name in configurations, of lower-case letters, digits and '-',
	// "gdas" for example.
	Name() string
	// Validate returns an error that names the first field that is out of range, or the
	// field of the search that the algorithm cannot work with.
	Validate(c SearchConfig) error
	// Rules returns what the algorithm changes in one search, with the memory that it
	// needs there. The hyperparameters are valid.
	Rules(c SearchConfig) Rules
}

// Algorithms are the algorithms of a search, which follow each other in the order of
// the list where they meet. Without any, a search is that of DARTS, to first order.
type Algorithms []Algorithm

// FirstOrder treats the weights as given while the alphas learn (Liu et al., 2019,
// arXiv 1806.09055, with ξ = 0). It names what a search does of itself, and changes
// nothing. A step takes two passes.
type FirstOrder struct{}

// Name returns "first-order".
func (FirstOrder) Name() string { return "first-order" }

// Validate returns nil.
func (FirstOrder) Validate(SearchConfig) error { return nil }

// Rules returns none.
func (FirstOrder) Rules(SearchConfig) Rules { return Rules{} }

// PublishedAlgorithms returns one algorithm of each type of the package, with the
// hyperparameters of its authors where they fit. Weights of Entropy and Cost depend on the
// task, epochs of PT and Stages on the search: those here are for searches of 50 epochs.
func PublishedAlgorithms() Algorithms {
	return Algorithms{
		FirstOrder{}, SecondOrder{}, GDAS{}, DrNAS{}, SNAS{Hottest: 1, Coldest: 0.03}, ReinMax{Temperature: 1}, FairDARTS{Weight: 10},
		BetaDARTS{Weight: 50}, Entropy{Weight: 0.1}, Cost{Weight: 0.1}, SDARTSRS{Radius: 0.3}, SDARTSADV{Radius: 0.3, Steps: 7},
		OLES{Every: 20, Threshold: 0.4}, PT{Epochs: 10}, Stages{Epochs: []int{25}, Keep: []int{4}},
	}
}

// Names returns the names of the algorithms in order.
func (a Algorithms) Names() []string {
	names := make([]string, len(a))
	for i, one := range a {
		if one != nil {
			names[i] = one.Name()
		}
	}
	return names
}

// find returns the algorithm with a name.
func (a Algorithms) find(name string) (Algorithm, error) {
	for _, one := range a {
		if one != nil && one.Name() == name {
			return one, nil
		}
	}
	return nil, fmt.Errorf("darts: no algorithm is named %.60q; choose from %q, or read into Algorithms that contain it", name, a.Names())
}

// String returns the names of the algorithms, "drnas,beta-darts" for example.
func (a Algorithms) String() string { return strings.Join(a.Names(), ",") }

// MarshalText returns the names of the algorithms, without their hyperparameters.
func (a Algorithms) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText sets the algorithms to those of PublishedAlgorithms with the given
// names, which commas separate.
func (a *Algorithms) UnmarshalText(text []byte) error {
	var all Algorithms
	for name := range strings.SplitSeq(string(text), ",") {
		one, err := PublishedAlgorithms().find(strings.TrimSpace(name))
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	*a = all
	return nil
}

// MarshalJSON writes a list with the name of each algorithm or, of one with
// hyperparameters, an object with its name and these.
func (a Algorithms) MarshalJSON() ([]byte, error) {
	list := make([]any, len(a))
	for i, one := range a {
		if one == nil {
			return nil, fmt.Errorf("darts: algorithm %d is nil", i)
		}
		fields, err := json.Marshal(one)
		if err != nil {
			return nil, fmt.Errorf("darts: algorithm %s: %w", one.Name(), err)
		}
		if list[i] = one.Name(); string(fields) != "{}" {
			name, err := json.Marshal(map[string]string{"name": one.Name()})
			if err != nil {
				return nil, err
			}
			list[i] = json.RawMessage(fmt.Sprintf("%s,%s", name[:len(name)-1], fields[1:]))
		}
	}
	return json.Marshal(list)
}

// UnmarshalJSON reads what MarshalJSON writes. It looks names up in the current list,
// then in PublishedAlgorithms; a program reads algorithms of its own into a list that
// contains them. Hyperparameters that are not written keep the values found there.
func (a *Algorithms) UnmarshalJSON(data []byte) error {
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("darts: algorithms are a list of names, or of objects with a name: %w", err)
	}
	known := append(append(Algorithms{}, *a...), PublishedAlgorithms()...)
	var all Algorithms
	for _, text := range list {
		one, err := known.read(text)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	*a = all
	return nil
}

// read reads one algorithm, of the type and with the values of the one of its name.
func (a Algorithms) read(text json.RawMessage) (Algorithm, error) {
	var name string
	if json.Unmarshal(text, &name) == nil {
		return a.find(name)
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("darts: an algorithm is a name or an object: %w", err)
	}
	if err := json.Unmarshal(fields["name"], &name); err != nil {
		return nil, fmt.Errorf(`darts: the algorithm %.60s has no "name": %w`, text, err)
	}
	one, err := a.find(name)
	if err != nil {
		return nil, err
	}
	delete(fields, "name")
	if text, err = json.Marshal(fields); err != nil {
		return nil, err
	}
	v := reflect.New(reflect.TypeOf(one))
	v.Elem().Set(reflect.ValueOf(one))
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v.Interface()); err != nil {
		return nil, fmt.Errorf("darts: algorithm %s: %w", name, err)
	}
	return v.Elem().Interface().(Algorithm), nil
}

// validate returns an error if one does not fit the search or another one.
func (a Algorithms) validate(c SearchConfig) error {
	samplers, gradients := []string{}, []string{}
	for i, one := range a {
		if one == nil {
			return fmt.Errorf("darts: algorithm %d is nil; give a value such as FirstOrder{}", i)
		}
		if reflect.TypeOf(one).Kind() != reflect.Struct {
			return fmt.Errorf("darts: algorithm %s is a %T; give a struct, whose fields are its hyperparameters", one.Name(), one)
		}
		for _, other := range a[:i] {
			if other.Name() == one.Name() {
				return fmt.Errorf("darts: two algorithms are named %s; give one", one.Name())
			}
		}
		if err := one.Validate(c); err != nil {
			return fmt.Errorf("darts: algorithm %s: %w", one.Name(), err)
		}
		r := one.Rules(c)
		if r.Weigh != nil {
			samplers = append(samplers, one.Name())
		}
		if r.Gradient != nil {
			gradients = append(gradients, one.Name())
		}
		if r.Draw != nil && r.Rest == nil && c.StopEigenvalue != 0 {
			return fmt.Errorf("darts: StopEigenvalue is %s, but the loss of %s has no Hessian: set StopEigenvalue to 0 or choose another algorithm", plain(c.StopEigenvalue), one.Name())
		}
	}
	if len(samplers) > 1 {
		return fmt.Errorf("darts: the algorithms %q all compute the operation weights; give one of them", samplers)
	}
	if len(gradients) > 1 {
		return fmt.Errorf("darts: the algorithms %q all compute the gradient of the alphas; give one of them", gradients)
	}
	return nil
}
