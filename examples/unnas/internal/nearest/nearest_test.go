package nearest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"unnas/examples/unnas/internal/nearest"
)

func TestOf(t *testing.T) {
	names := []string{"search", "train", "evaluate"}
	for name, want := range map[string]string{
		"serach": "search", "trian": "train", "evaluation": "evaluate", "tran": "train",
		"x": "", "": "", "quickstart": "",
	} {
		assert.Equal(t, want, nearest.Of(name, names), name)
	}
}

func TestDistance(t *testing.T) {
	assert.Equal(t, 0, nearest.Distance("", ""))
	assert.Equal(t, 3, nearest.Distance("kitten", "sitting"))
	assert.Equal(t, 4, nearest.Distance("", "cell"))
}
