package darts

import (
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
	of := fingerprint(s.src)
	if of == "" {
		return ""
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s %d", of, s.indices)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
