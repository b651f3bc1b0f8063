package darts_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts"
	"unnas/darts/dataset/scenes"
	"unnas/pretext"
)

// greys is a source of uniform images: image i has brightness and label levels[i].
type greys []uint8

func (g greys) Len() int { return len(g) }

func (g greys) Load(ctx context.Context, i int) (*pretext.Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v := g[i]
	return &pretext.Image{Width: 1, Height: 1, Pix: []uint8{v, v, v}, Label: int(v)}, nil
}

func TestSubset(t *testing.T) {
	indices := []int{3, 1, 3}
	s := darts.Subset(greys{10, 11, 12, 13}, indices)
	indices[0] = 0 // the subset keeps its own
	require.Equal(t, 3, s.Len())
	for i, want := range []int{13, 11, 13} {
		img, err := s.Load(context.Background(), i)
		require.NoError(t, err)
		assert.Equal(t, want, img.Label)
	}

	nested := darts.Subset(s, []int{1})
	img, err := nested.Load(context.Background(), 0)
	require.NoError(t, err)
	assert.Equal(t, 11, img.Label)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = s.Load(ctx, 0)
	assert.ErrorIs(t, err, context.Canceled)
}

// TestSubsetClasses are those of the source, if it has any.
func TestSubsetClasses(t *testing.T) {
	images, err := scenes.New(9, 16, 16, 1)
	require.NoError(t, err)
	classes := func(s darts.Source) []string { return s.(interface{ Classes() []string }).Classes() }
	assert.Equal(t, images.Classes(), classes(darts.Subset(images, []int{0, 1})))
	assert.Nil(t, classes(darts.Subset(greys{1}, []int{0})))
}

func TestSubsetErrors(t *testing.T) {
	s := darts.Subset(greys{10, 11}, []int{1, 2, -1})
	tests := []struct {
		name string
		i    int
		want string
	}{
		{"past the end", 3, "darts: image 3 of a subset of 3"},
		{"negative", -1, "darts: image -1 of a subset of 3"},
		{"past the end of the source", 1, "darts: image 1 of a subset is image 2 of a source of 2"},
		{"negative in the source", 2, "darts: image 2 of a subset is image -1 of a source of 2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := s.Load(context.Background(), test.i)
			assert.EqualError(t, err, test.want)
		})
	}
}

func ExampleSubset() {
	all := greys{0, 50, 100, 150, 200}
	few := darts.Subset(all, []int{4, 1})
	for i := range few.Len() {
		img, err := few.Load(context.Background(), i)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(img.Label)
	}
	// Output:
	// 200
	// 50
}

func TestSample(t *testing.T) {
	all := make(greys, 200)
	for i := range all {
		all[i] = uint8(i)
	}
	draw := func(n int, seed uint64) []int {
		s, err := darts.Sample(all, n, seed)
		require.NoError(t, err)
		levels := make([]int, s.Len())
		for i := range levels {
			img, err := s.Load(context.Background(), i)
			require.NoError(t, err)
			levels[i] = img.Label
		}
		return levels
	}
	some := draw(40, 1)
	assert.Len(t, some, 40)
	assert.Equal(t, some, draw(40, 1))
	assert.NotEqual(t, some, draw(40, 2))
	assert.IsIncreasing(t, some, "each once, in their order")
	assert.Subset(t, draw(50, 1), some, "more of the same seed are those and others")
	quarters := make([]int, 4)
	for _, i := range some {
		quarters[i/50]++
	}
	for _, n := range quarters {
		assert.Greater(t, n, 3, "from everywhere: %v", quarters)
	}
	assert.Len(t, draw(200, 1), 200)
	for _, n := range []int{0, -1, 201} {
		_, err := darts.Sample(all, n, 1)
		assert.EqualError(t, err, fmt.Sprintf("darts: a sample of %d of 200 images; draw 1 or more, and at most all", n))
	}
}

// encoded are greys that JPEG files have.
type encoded struct{ greys }

func (encoded) DecodesJPEG() bool { return true }

func TestSubsetDecodesJPEG(t *testing.T) {
	for _, src := range []darts.Source{greys{1, 2, 3}, encoded{greys{1, 2, 3}}} {
		sample, err := darts.Sample(src, 2, 1)
		require.NoError(t, err)
		assert.Equal(t, pretext.DecodesJPEG(src), pretext.DecodesJPEG(sample))
	}
	assert.False(t, pretext.DecodesJPEG(greys{}), "a source that does not say so")
	assert.True(t, pretext.DecodesJPEG(encoded{}))
}
