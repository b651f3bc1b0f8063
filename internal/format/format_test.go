package format_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"unnas/internal/format"
)

func TestFormats(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{format.Count(0), "0"}, {format.Count(999), "999"}, {format.Count(1000), "1,000"}, {format.Count(-123456), "-123,456"}, {format.Count(1234567), "1,234,567"},
		{format.Plural(0, "step"), "0 steps"}, {format.Plural(1, "step"), "1 step"}, {format.Plural(2000, "step"), "2,000 steps"},
		{format.Rate(0), "0"}, {format.Rate(3.456), "3.46"}, {format.Rate(99.94), "99.9"}, {format.Rate(99.99), "100"}, {format.Rate(1234.5), "1,235"}, {format.Rate(math.NaN()), "-"},
		{format.SI(0), "0"}, {format.SI(999), "999"}, {format.SI(1000), "1.0 k"}, {format.SI(99_949), "99.9 k"}, {format.SI(99_950), "100 k"},
		{format.SI(12_345_678_901), "12.3 G"}, {format.SI(math.MaxInt64), "9223 P"},
		{format.Bytes(1023), "1023 B"}, {format.Bytes(1024), "1.0 KiB"}, {format.Bytes(3 << 29), "1.5 GiB"},
		{format.Duration(0), "0 s"}, {format.Duration(59_400 * time.Millisecond), "59 s"}, {format.Duration(59_600 * time.Millisecond), "1m00s"},
		{format.Duration(65 * time.Second), "1m05s"}, {format.Duration(7384 * time.Second), "2h03m"}, {format.Duration(100 * time.Hour), "100h00m"},
	} {
		assert.Equal(t, test.want, test.got)
	}
}

func TestFinite(t *testing.T) {
	assert.True(t, format.Finite(-1e300))
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		assert.False(t, format.Finite(x))
	}
}
