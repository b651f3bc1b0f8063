package checkpoint

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSuperseded never gives up the checkpoints before one that the folder does not
// list, as a network file system may not do at once.
func TestSuperseded(t *testing.T) {
	for _, test := range []struct {
		all         []int
		steps, keep int
		want        []int
	}{
		{[]int{1, 2}, 3, 2, nil},
		{[]int{1, 2, 3}, 3, 2, []int{1}},
		{[]int{1, 2, 3}, 3, 0, []int{1, 2}},
		{[]int{1, 2, 3, 9}, 3, 2, []int{1, 9}},
		{[]int{3}, 3, 2, nil},
	} {
		assert.ElementsMatch(t, test.want, superseded(test.all, test.steps, test.keep))
	}
}
