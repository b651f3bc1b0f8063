package darts

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// fingerprint returns what a source says about which images it has, "" if it says
// nothing or is nil.
func fingerprint(src Source) string {
	if s, ok := src.(interface{ Fingerprint() string }); ok {
		return s.Fingerprint()
	}
	return ""
}

// Fingerprint returns a digest of that of the source that the images are of, and of
// which they are; "" if that has none.
func (s subset) Fingerprint() string {
	of := fingerprint(s.Source)
	if of == "" {
		return ""
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %d", of, s.indices)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// fingerprints are those of the images of a run, "" if they are not known.
type fingerprints struct {
	Source string `json:"source"`
	Held   string `json:"held"` // of a training
}

func fingerprintsOf(src, held Source) fingerprints {
	return fingerprints{fingerprint(src), fingerprint(held)}
}

// differences returns those that are known and differ, as the function of that name.
func (f fingerprints) differences(given fingerprints) []string {
	var lines []string
	for _, p := range []struct{ name, saved, given string }{
		{"fingerprint of the images", f.Source, given.Source},
		{"fingerprint of the held-out images", f.Held, given.Held},
	} {
		if p.saved != "" && p.given != "" && p.saved != p.given {
			lines = append(lines, fmt.Sprintf("%s: %q → %q", p.name, p.saved, p.given))
		}
	}
	return lines
}

// or returns the fingerprints, or else those that were known before.
func (f fingerprints) or(before fingerprints) fingerprints {
	return fingerprints{cmp.Or(f.Source, before.Source), cmp.Or(f.Held, before.Held)}
}
