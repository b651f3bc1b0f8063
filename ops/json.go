package ops

import (
	"encoding/json"
	"fmt"
)

// MarshalJSON writes the names of the candidates.
func (s Set) MarshalJSON() ([]byte, error) { return json.Marshal(s.Names()) }

// UnmarshalJSON reads names of published operations. A set with operations of
// one's own cannot be read; make it in Go.
func (s *Set) UnmarshalJSON(data []byte) error {
	var names []string
	if err := json.Unmarshal(data, &names); err != nil {
		return fmt.Errorf("ops: a set of operations is a list of names: %w", err)
	}
	set := make(Set, len(names))
	for i, name := range names {
		op, err := Published().Find(name)
		if err != nil {
			return err
		}
		set[i] = op
	}
	*s = set
	return nil
}
