package darts

import (
	"cmp"
	"fmt"
)

// fingerprints are those of the images of a run, "" if they are not known.
type fingerprints struct {
	Source string `json:"source"`
	Val    string `json:"val"` // of a training
}

func fingerprintsOf(src, val Source) fingerprints {
	return fingerprints{about(src).Fingerprint(), about(val).Fingerprint()}
}

// differences returns those that are known and differ, as the function of that name.
func (f fingerprints) differences(given fingerprints) []string {
	var lines []string
	for _, p := range []struct{ name, saved, given string }{
		{"fingerprint of the images", f.Source, given.Source},
		{"fingerprint of the validation images", f.Val, given.Val},
	} {
		if p.saved != "" && p.given != "" && p.saved != p.given {
			lines = append(lines, fmt.Sprintf("%s: %q → %q", p.name, p.saved, p.given))
		}
	}
	return lines
}

// or returns the fingerprints, or else those that were known before.
func (f fingerprints) or(before fingerprints) fingerprints {
	return fingerprints{cmp.Or(f.Source, before.Source), cmp.Or(f.Val, before.Val)}
}
