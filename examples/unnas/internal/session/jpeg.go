package session

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"unnas/darts"
	"unnas/darts/dataset"
	"unnas/darts/record"
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

// Decoder returns a decoder of JPEG files. A run that is resumed needs the one that it
// has had; recorded is the name of that, and otherwise empty. Packed images need none.
func (j JPEG) Decoder(recorded string) (*pretext.Decoder, error) {
	j = cmp.Or(j, AutoJPEG)
	recorded = strings.Join(slices.DeleteFunc(strings.Split(recorded, "; "), isPacked), "; ")
	var found []error
	for _, d := range []struct {
		not  JPEG
		open func() (*pretext.Decoder, error)
	}{
		{GoJPEG, turbojpeg.Decoder},
		{TurboJPEG, func() (*pretext.Decoder, error) { return nil, nil }},
	} {
		if j == d.not {
			continue
		}
		decoder, err := d.open()
		switch {
		case err != nil:
			found = append(found, err)
		case recorded != "" && recorded != decoder.String():
			found = append(found, errors.New(decoder.String()))
		default:
			return decoder, nil
		}
	}
	if recorded == "" {
		return nil, fmt.Errorf("-jpeg %s: %w; or give -jpeg auto", j, found[0])
	}
	return nil, fmt.Errorf("the run began with %s as JPEG decoder, without which it cannot be resumed; -jpeg %s finds here:\n%w\ngive -jpeg auto, resume where that decoder is, or begin another run", recorded, j, errors.Join(found...))
}

// Decoder returns the decoder of JPEG files that the options ask for: that of the run,
// if one is resumed.
func (o Options) Decoder() (*pretext.Decoder, error) {
	if !o.Resume {
		return o.JPEG.Decoder("")
	}
	recorded, err := darts.Share(o.Runtime.Communicator, func() (string, error) {
		if !Exists(filepath.Join(o.Out, record.File)) { // of which RunDir says so
			return "", nil
		}
		dir, err := darts.OpenRunDir(o.Out)
		if err != nil {
			return "", err
		}
		return dir.Decoder(), dir.Close()
	})
	if err != nil {
		return nil, err
	}
	return o.JPEG.Decoder(recorded)
}

// noteDecoder prints what decodes the JPEG files of a source, unless that is image/jpeg.
func noteDecoder(src pretext.Source, out io.Writer) {
	if name := (dataset.Wrapper{Source: src}).Decoder(); name != "" && name != (*pretext.Decoder)(nil).String() {
		if isPacked(name) {
			fmt.Fprintf(out, "images are %s\n", name)
			return
		}
		fmt.Fprintf(out, "JPEG files are decoded by %s\n", name)
	}
}

// isPacked reports whether a decoder is the name of packed images; see
// dataset.Packed.Decoder.
func isPacked(decoder string) bool { return strings.HasPrefix(decoder, "packed, ") }
