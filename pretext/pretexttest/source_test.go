package pretexttest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/pretext"
)

// made are images of which each is made when it is loaded.
type made struct {
	n    int
	load func(ctx context.Context, i int, img *pretext.Image) (*pretext.Image, error)
}

func (m made) Len() int { return m.n }

func (m made) Load(ctx context.Context, i int) (*pretext.Image, error) {
	img := &pretext.Image{Width: 2, Height: 3, Pix: make([]uint8, 18), Mask: make([]uint8, 6), Label: i % 5}
	img.Pix[0] = uint8(i)
	if m.load == nil {
		return img, nil
	}
	return m.load(ctx, i, img)
}

// growing are more images at each call.
type growing struct {
	made
	calls *atomic.Int64
}

func (g growing) Len() int { return int(g.calls.Add(1)) }

func TestRunSource(t *testing.T) {
	loaded := map[int]bool{}
	RunSource(t, made{n: 1})
	RunSource(t, made{n: 3})
	RunSource(t, made{n: 10, load: func(ctx context.Context, _ int, img *pretext.Image) (*pretext.Image, error) {
		return img, ctx.Err()
	}})
	first := true
	faults := checkSource(made{n: 1000, load: func(_ context.Context, i int, img *pretext.Image) (*pretext.Image, error) {
		if first { // in one goroutine
			loaded[i] = true
			first = i < 999
		}
		return img, nil
	}})
	require.Empty(t, faults)
	assert.Len(t, loaded, mostImages)
	assert.True(t, loaded[0] && loaded[999])
}

func TestSourceFaults(t *testing.T) {
	var calls atomic.Int64
	changing := func(change func(img *pretext.Image)) func(context.Context, int, *pretext.Image) (*pretext.Image, error) {
		return func(_ context.Context, _ int, img *pretext.Image) (*pretext.Image, error) {
			if calls.Add(1) > 9 {
				change(img)
			}
			return img, nil
		}
	}
	faulty := func(f func(img *pretext.Image) (*pretext.Image, error)) made {
		return made{n: 9, load: func(_ context.Context, _ int, img *pretext.Image) (*pretext.Image, error) { return f(img) }}
	}
	for want, src := range map[string]pretext.Source{
		"0 images, then 0": made{},
		"1 images, then":   growing{calls: &atomic.Int64{}},
		"image 0: neither": faulty(func(*pretext.Image) (*pretext.Image, error) { return nil, errors.New("neither") }),
		"Load returns neither an image nor an error": faulty(func(*pretext.Image) (*pretext.Image, error) { return nil, nil }),
		"2 by 3 pixels in 17 bytes":                  faulty(func(img *pretext.Image) (*pretext.Image, error) { img.Pix = img.Pix[1:]; return img, nil }),
		"mask of 5 bytes":                            faulty(func(img *pretext.Image) (*pretext.Image, error) { img.Mask = img.Mask[1:]; return img, nil }),
		"the label is -2":                            faulty(func(img *pretext.Image) (*pretext.Image, error) { img.Label = -2; return img, nil }),
		"panic: bug":                                 faulty(func(*pretext.Image) (*pretext.Image, error) { panic("bug") }),
		"3 by 2 pixels were 2 by 3 before":           made{9, changing(func(img *pretext.Image) { img.Width, img.Height = 3, 2 })},
		"the label 7 was":                            made{9, changing(func(img *pretext.Image) { img.Label = 7 })},
		"the pixels differ":                          made{9, changing(func(img *pretext.Image) { img.Pix[17]++ })},
		"the masks differ":                           made{9, changing(func(img *pretext.Image) { img.Mask[5]++ })},
		"loaded again concurrently: panic: late":     made{9, changing(func(*pretext.Image) { panic("late") })},
		"whose context is done returns other": made{n: 2, load: func(ctx context.Context, _ int, img *pretext.Image) (*pretext.Image, error) {
			if ctx.Err() != nil {
				return nil, errors.New("other")
			}
			return img, nil
		}},
	} {
		t.Run(want, func(t *testing.T) {
			calls.Store(0)
			assert.ErrorContains(t, errors.Join(checkSource(src)...), want)
		})
	}
}
