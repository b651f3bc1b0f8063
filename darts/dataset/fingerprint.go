package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// Fingerprints of data sets (see pretext.Source) cover the names of their images, in
// order, and what determines the labels. They are cheap and do not depend on the
// location of the files; changed pixels are not detected.

// fingerprint returns the digest of the output of write.
func fingerprint(write func(h hash.Hash)) string {
	h := sha256.New()
	write(h)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Fingerprint identifies the data set by the labels of its images.
func (d *CIFAR10) Fingerprint() string {
	return fingerprint(func(h hash.Hash) {
		fmt.Fprintf(h, "CIFAR-10 %q\n", d.classes)
		for i := 0; i < len(d.records); i += cifarRecord {
			_, _ = h.Write(d.records[i : i+1])
		}
	})
}

// Fingerprint identifies the data set by the names of its classes and images.
func (d *Folder) Fingerprint() string {
	return fingerprint(func(h hash.Hash) {
		fmt.Fprintf(h, "folder %q\n", d.classes)
		if d.upright && d.Decoder() != "" {
			fmt.Fprintln(h, "upright")
		}
		for _, f := range d.files {
			fmt.Fprintf(h, "%d %q\n", f.class, f.name)
		}
	})
}

// Fingerprint identifies the data set by the names of its classes and images.
func (d *ImageNet22K) Fingerprint() string {
	return fingerprint(func(h hash.Hash) {
		fmt.Fprintf(h, "ImageNet-22K %d %q %d\n", d.seed, d.classes, d.ends)
		_, _ = h.Write(d.names.text)
	})
}

// Fingerprint identifies the data set by the names of its images and the kind of their
// labels.
func (d *Cityscapes) Fingerprint() string {
	return fingerprint(func(h hash.Hash) {
		fmt.Fprintf(h, "Cityscapes %s %t\n", d.split, d.masks)
		for _, f := range d.files {
			fmt.Fprintf(h, "%q %q %t\n", f.city, f.name, f.trainIDs)
		}
	})
}
