package dataset_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts/dataset"
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
	s := dataset.Subset(greys{10, 11, 12, 13}, indices)
	indices[0] = 0 // the subset keeps its own
	require.Equal(t, 3, s.Len())
	for i, want := range []int{13, 11, 13} {
		img, err := s.Load(context.Background(), i)
		require.NoError(t, err)
		assert.Equal(t, want, img.Label)
	}

	nested := dataset.Subset(s, []int{1})
	img, err := nested.Load(context.Background(), 0)
	require.NoError(t, err)
	assert.Equal(t, 11, img.Label)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = s.Load(ctx, 0)
	assert.ErrorIs(t, err, context.Canceled)
}

func TestSubsetErrors(t *testing.T) {
	s := dataset.Subset(greys{10, 11}, []int{1, 2, -1})
	tests := []struct {
		name string
		i    int
		want string
	}{
		{"past the end", 3, "dataset: image 3 of a subset of 3"},
		{"negative", -1, "dataset: image -1 of a subset of 3"},
		{"past the end of the source", 1, "dataset: image 1 of a subset is image 2 of a source of 2"},
		{"negative in the source", 2, "dataset: image 2 of a subset is image -1 of a source of 2"},
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
	few := dataset.Subset(all, []int{4, 1})
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

func TestRandomSubset(t *testing.T) {
	all := make(greys, 200)
	for i := range all {
		all[i] = uint8(i)
	}
	draw := func(n int, seed uint64) []int {
		s, err := dataset.RandomSubset(all, n, seed)
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
		_, err := dataset.RandomSubset(all, n, 1)
		assert.EqualError(t, err, fmt.Sprintf("dataset: random subset of %d of 200 images; want 1 to all", n))
	}
}

// classed are greys that say all that a source may say.
type classed struct{ greys }

func (classed) Classes() []string           { return []string{"dark", "bright"} }
func (classed) Decoder() string             { return "mine 1.2" }
func (classed) DecodesImages() bool         { return true }
func (classed) Fingerprint() string         { return "greys" }
func (classed) Unreadable() (int, []string) { return 2, []string{"a.jpg"} }

// TestWrapper hands on what the source says, and answers for one that says nothing.
func TestWrapper(t *testing.T) {
	w := dataset.Wrapper{Source: classed{greys{1, 2, 3}}}
	count, first := w.Unreadable()
	assert.Equal(t, []any{3, []string{"dark", "bright"}, "mine 1.2", true, "greys", 2, []string{"a.jpg"}},
		[]any{w.Len(), w.Classes(), w.Decoder(), w.DecodesImages(), w.Fingerprint(), count, first})
	for _, src := range []pretext.Source{greys{1}, nil} {
		w = dataset.Wrapper{Source: src}
		count, first = w.Unreadable()
		assert.Equal(t, []any{[]string(nil), "", false, "", 0, []string(nil)},
			[]any{w.Classes(), w.Decoder(), w.DecodesImages(), w.Fingerprint(), count, first})
	}
}

// TestSubsetSays what its source says, but has a fingerprint of its own.
func TestSubsetSays(t *testing.T) {
	of := func(src pretext.Source, indices ...int) dataset.Wrapper {
		return dataset.Wrapper{Source: dataset.Subset(src, indices)}
	}
	w := of(classed{greys{1, 2, 3}}, 0, 2)
	assert.Equal(t, []any{[]string{"dark", "bright"}, "mine 1.2", true}, []any{w.Classes(), w.Decoder(), w.DecodesImages()})
	assert.Equal(t, w.Fingerprint(), of(classed{greys{1, 2, 3}}, 0, 2).Fingerprint())
	for _, other := range []string{"", "greys", of(classed{greys{1, 2, 3}}, 2, 0).Fingerprint()} {
		assert.NotEqual(t, other, w.Fingerprint())
	}
	assert.Empty(t, of(greys{1, 2}, 0).Fingerprint())
}
