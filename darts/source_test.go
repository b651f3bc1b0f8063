package darts_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts"
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
