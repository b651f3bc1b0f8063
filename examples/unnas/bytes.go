package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteUnits are the units that parseBytes reads, in bytes.
var byteUnits = map[string]float64{
	"": 1, "b": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// parseBytes reads an amount of memory as people write it, "32GB" or "1.5 GiB", in
// bytes, as flags give it. GB counts in thousands and GiB in 1024s,
// as do the units with K, M and T; upper and lower case are alike, and without a
// unit the number is of bytes. A fraction of a byte is left out.
func parseBytes(s string) (int64, error) {
	text := strings.TrimSpace(s)
	end := len(text) - len(strings.TrimLeft(text, "0123456789."))
	unit, known := byteUnits[strings.ToLower(strings.TrimSpace(text[end:]))]
	number, err := strconv.ParseFloat(text[:end], 64)
	if err != nil || !known {
		return 0, fmt.Errorf("%.60q is no amount of memory: write a number and a unit, such as 32GB, 1.5GiB or 512MiB", s)
	}
	if number *= unit; number >= math.MaxInt64 {
		return 0, fmt.Errorf("%.60q is more memory than there can be: write less than 8 million TiB", s)
	}
	return int64(number), nil
}
