package checkpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Differences returns the differences of two JSON objects, a line per field: its path,
// the saved and the given value.
func Differences(saved, given []byte) []string {
	return compare(nil, "", saved, given)
}

// compare appends the differences below a path to lines. It descends no deeper than
// given, which the program itself made.
func compare(lines []string, path string, saved, given json.RawMessage) []string {
	if bytes.Equal(saved, given) {
		return lines
	}
	var s, g map[string]json.RawMessage
	if json.Unmarshal(saved, &s) != nil || json.Unmarshal(given, &g) != nil || s == nil || g == nil {
		return append(lines, fmt.Sprintf("%s: %s → %s", path, brief(saved), brief(given)))
	}
	keys := maps.Clone(s)
	maps.Copy(keys, g)
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		below := k
		if path != "" {
			below = path + "." + k
		}
		lines = compare(lines, below, s[k], g[k])
	}
	return lines
}

// brief returns a JSON value, shortened if it is long.
func brief(v json.RawMessage) string {
	const most = 200
	switch text := []rune(string(v)); {
	case len(text) == 0:
		return "nothing"
	case len(text) > most:
		return string(text[:most]) + "…"
	}
	return string(v)
}
