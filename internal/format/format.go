package format

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Count formats a whole number in groups of three digits: 1,234,567.
func Count(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Plural formats a number and a noun, in the plural unless the number is 1.
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(n) + " " + noun + "s"
}

// Rate formats images per second to three digits or whole images.
func Rate(x float64) string {
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "-"
	case x < 100:
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	return Count(int(math.Round(x)))
}

// SI formats a number with three or more digits and a prefix: 345 M.
func SI(n int64) string {
	return scaled(float64(n), 1000, []string{"", " k", " M", " G", " T", " P"})
}

// Bytes formats a number of bytes: 1.2 GiB.
func Bytes(n int64) string {
	return scaled(float64(n), 1024, []string{" B", " KiB", " MiB", " GiB", " TiB", " PiB"})
}

func scaled(x, base float64, units []string) string {
	i := 0
	for x >= base && i < len(units)-1 {
		x /= base
		i++
	}
	if i == 0 || x >= 99.95 {
		return fmt.Sprintf("%.0f%s", x, units[i])
	}
	return fmt.Sprintf("%.1f%s", x, units[i])
}

// Duration formats a time with its two largest units: 12 s, 1m05s, 2h03m.
func Duration(d time.Duration) string {
	s := int(math.Round(d.Seconds()))
	switch {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
}

// Finite reports whether x is neither NaN nor infinite.
func Finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
