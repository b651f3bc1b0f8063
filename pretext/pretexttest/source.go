package pretexttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"unnas/pretext"
)

// mostImages is the number of images loaded from a source, spread over all.
const mostImages = 64

// RunSource tests a source: it has images, and their number is constant; an image is
// complete and, loaded again, has equal bits, also concurrently; a load whose context
// is done returns soon. Run the test with -race. Of a large source only some images are
// loaded, the first and the last among them.
func RunSource(t *testing.T, src pretext.Source) {
	t.Helper()
	for _, err := range checkSource(src) {
		t.Error(err)
	}
}

func checkSource(src pretext.Source) []error {
	c := &checker{}
	c.guard("", func() { c.source(src) })
	return c.faults
}

func (c *checker) source(src pretext.Source) {
	n := src.Len()
	if n < 1 || src.Len() != n {
		c.fault("%d images, then %d; want 1 or more, and a constant number", n, src.Len())
		return
	}
	var numbers []int
	for i := range min(n, mostImages) {
		numbers = append(numbers, i*(n-1)/max(1, min(n, mostImages)-1))
	}
	images := make([]*pretext.Image, len(numbers))
	for k, i := range numbers {
		img, err := src.Load(context.Background(), i)
		if err != nil {
			c.fault("image %d: %w", i, err)
			return
		}
		if err := whole(img); err != nil {
			c.fault("image %d: %w", i, err)
			return
		}
		own := *img
		own.Pix, own.Mask = slices.Clone(img.Pix), slices.Clone(img.Mask)
		images[k] = &own
	}
	found := make([]error, 4)
	var running sync.WaitGroup
	for g := range found {
		running.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					found[g] = fmt.Errorf("panic: %v", p)
				}
			}()
			for k := range numbers {
				k = (k + g*len(numbers)/len(found)) % len(numbers)
				img, err := src.Load(context.Background(), numbers[k])
				if err == nil {
					err = unequal(images[k], img)
				}
				if err != nil {
					found[g] = fmt.Errorf("image %d: %w", numbers[k], err)
					return
				}
			}
		})
	}
	running.Wait()
	if err := errors.Join(found...); err != nil {
		c.fault("loaded again concurrently: %w", err)
		return
	}
	if src.Len() != n {
		c.fault("%d images, then %d; want a constant number", n, src.Len())
	}
	c.ends(src)
}

// patience is how long a load may take once its context is done.
const patience = 10 * time.Second

// ends checks that a load whose context is done returns its error or the image.
func (c *checker) ends(src pretext.Source) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v", p)
			}
		}()
		_, err := src.Load(ctx, 0)
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, context.Canceled) {
			c.fault("a load whose context is done returns %w; want the error of the context", err)
		}
	case <-time.After(patience):
		c.fault("a load whose context is done does not return within %v", patience)
	}
}

// whole returns an error if an image is incomplete.
func whole(img *pretext.Image) error {
	switch {
	case img == nil:
		return errors.New("Load returns neither an image nor an error")
	case img.Width < 1 || img.Height < 1 || len(img.Pix) != 3*img.Width*img.Height:
		return fmt.Errorf("%d by %d pixels in %d bytes; want 3 per pixel", img.Width, img.Height, len(img.Pix))
	case img.Mask != nil && len(img.Mask) != img.Width*img.Height:
		return fmt.Errorf("%d by %d pixels in a mask of %d bytes; want 1 per pixel", img.Width, img.Height, len(img.Mask))
	case img.Label < -1:
		return fmt.Errorf("the label is %d; want a class from 0 on, or -1 for none", img.Label)
	}
	return nil
}

// unequal describes how an image differs from its first load.
func unequal(was, is *pretext.Image) error {
	switch {
	case is == nil:
		return errors.New("Load returns neither an image nor an error")
	case was.Width != is.Width || was.Height != is.Height:
		return fmt.Errorf("%d by %d pixels were %d by %d before", is.Width, is.Height, was.Width, was.Height)
	case was.Label != is.Label:
		return fmt.Errorf("the label %d was %d before", is.Label, was.Label)
	case !slices.Equal(was.Pix, is.Pix):
		return errors.New("the pixels differ")
	case !slices.Equal(was.Mask, is.Mask):
		return errors.New("the masks differ")
	}
	return nil
}
