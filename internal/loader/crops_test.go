package loader

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/rng"
	"unnas/pretext"
)

// tagCrops are the crops of tagTask: bytes and numbers instead of inputs, and one label.
type tagCrops struct{ pretext.CropTask }

func (tagCrops) CropSpec() pretext.CropSpec {
	return pretext.CropSpec{Height: 3, Width: 2, Numbers: 5, LabelShape: []int{1}}
}

func (tagCrops) Crop(dst pretext.CropSample, img *pretext.Image, train bool, r *rand.Rand) error {
	if img.Label == 666 {
		return errors.New("the number of the beast")
	}
	for i := range dst.Crop {
		dst.Crop[i] = uint8(img.Label)
	}
	for i := range dst.Numbers {
		dst.Numbers[i] = float32(img.Label)
		if train {
			dst.Numbers[i] += float32(rng.Float(r)) / 2
		}
	}
	dst.Labels[0] = int32(img.Label)
	for i := range dst.Targets {
		dst.Targets[i] = -float32(img.Label)
	}
	return nil
}

// TestCrops holds that a loader of crops gives the same images, with the same streams, as one
// of inputs, and no inputs.
func TestCrops(t *testing.T) {
	src, task := countedImages{n: 11}, newTagTask()
	each := tagCrops{}.CropSpec()
	for _, train := range []bool{true, false} {
		o := Options{Batch: 4, Workers: 3, Seed: 5, Purpose: "test", Train: train}
		whole, err := New(src, task, All(src), o)
		require.NoError(t, err)
		o.Crops = tagCrops{}
		l, err := New(src, task, All(src), o)
		require.NoError(t, err)
		batches := l.Epoch(t.Context(), 1, 0)
		for _, want := range collect(t, whole, 1, 0, 9) {
			b, err := batches.Next()
			require.NoError(t, err)
			assert.Empty(t, b.X)
			require.Len(t, b.C, 4*each.CropLen())
			require.Len(t, b.N, 4*5)
			require.Len(t, b.Y, 4)
			assert.Equal(t, want.T, b.T)
			assert.Equal(t, want.Images, b.Images)
			for i := range 4 {
				assert.Equal(t, want.X[i*task.Spec().InputLen()], b.N[5*i], "a stream, and what pads a batch")
				assert.Equal(t, slices.Repeat([]uint8{uint8(b.N[5*i])}, each.CropLen()), b.C[i*each.CropLen():][:each.CropLen()])
				assert.Equal(t, want.Y[i*task.Spec().LabelLen()], b.Y[i])
			}
			part := b.Part(1, 2)
			assert.Equal(t, b.C[2*each.CropLen():], part.C)
			assert.Equal(t, b.N[10:], part.N)
		}
		_, err = batches.Next()
		assert.ErrorIs(t, err, io.EOF)
		batches.Close()
	}
	assert.EqualValues(t, 3*4*(18+4*(5+1+6)), Bytes(task.Spec(), tagCrops{}, 4, 3))
	assert.EqualValues(t, 3*4*4*(120+28+6), Bytes(task.Spec(), nil, 4, 3))
}

// badCrops have no numbers.
type badCrops struct{ tagCrops }

func (badCrops) CropSpec() pretext.CropSpec { return pretext.CropSpec{Height: 3, Width: 2} }

func TestCropErrors(t *testing.T) {
	src := countedImages{n: 700}
	_, err := New(src, newTagTask(), All(src), Options{Batch: 4, Workers: 3, Crops: badCrops{}})
	assert.ErrorContains(t, err, "darts: task: pretext: CropSpec.Numbers = 0")
	l, err := New(src, newTagTask(), []int{3, 666}, Options{Batch: 2, Workers: 1, Crops: tagCrops{}})
	require.NoError(t, err)
	b := l.Epoch(context.Background(), 0, 0)
	defer b.Close()
	_, err = b.Next()
	assert.EqualError(t, err, "darts: sample image 666: the number of the beast")
}
