package program

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"

	"unnas/pretext"
	"unnas/pretext/turbojpeg"
)

// JPEG says what decodes JPEG files. The zero value is AutoJPEG.
type JPEG string

// The values of a JPEG.
const (
	AutoJPEG  JPEG = "auto"  // as TurboJPEG where the library is installed, else as GoJPEG
	GoJPEG    JPEG = "go"    // image/jpeg
	TurboJPEG JPEG = "turbo" // libjpeg-turbo
)

// AddJPEG adds the flag -jpeg.
func AddJPEG(f *flag.FlagSet, to *JPEG) {
	f.TextVar(to, "jpeg", AutoJPEG, "`decoder` of JPEG files: go, turbo (libjpeg-turbo, four times as fast), or auto, which is turbo where that is installed; a run that goes on keeps its own")
}

// UnmarshalText takes one of the values.
func (j *JPEG) UnmarshalText(text []byte) error {
	switch v := JPEG(text); v {
	case AutoJPEG, GoJPEG, TurboJPEG:
		*j = v
		return nil
	}
	return errors.New("give auto, go or turbo")
}

// MarshalText returns the value.
func (j JPEG) MarshalText() ([]byte, error) { return []byte(j), nil }

// Use sets what decodes the JPEG files of a source, if it has any, and says so if it
// is libjpeg-turbo. A run that goes on needs the decoder that it has had; recorded
// is the name of that, and otherwise empty.
func (j JPEG) Use(src pretext.Source, recorded string, out io.Writer) error {
	j = cmp.Or(j, AutoJPEG)
	if !pretext.DecodesJPEG(src) {
		return nil
	}
	var found []error
	for _, d := range []struct {
		not JPEG
		use func() error
	}{
		{GoJPEG, turbojpeg.Use},
		{TurboJPEG, func() error { pretext.SetJPEGDecoder("", nil); return nil }},
	} {
		if j == d.not {
			continue
		}
		err := d.use()
		name := pretext.JPEGDecoder()
		switch {
		case err != nil:
			found = append(found, err)
		case recorded != "" && recorded != name:
			found = append(found, errors.New(name))
		default:
			if d.not == GoJPEG {
				fmt.Fprintf(out, "JPEG files are decoded by %s\n", name)
			}
			return nil
		}
	}
	pretext.SetJPEGDecoder("", nil)
	if recorded == "" {
		return fmt.Errorf("-jpeg %s: %w; or give -jpeg auto", j, found[0])
	}
	return fmt.Errorf("the run began with %s as JPEG decoder, without which it cannot go on; -jpeg %s finds here:\n%w\ngive -jpeg auto, go on where that decoder is, or begin another run", recorded, j, errors.Join(found...))
}
