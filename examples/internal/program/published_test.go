package program_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/darts"
	"unnas/darts/preset"
	"unnas/examples/internal/program"
	"unnas/pretext"
)

func published() *program.Published {
	return program.NewPublished("imagenet1k", "classification", "Searches.\n")
}

func TestPublishedParse(t *testing.T) {
	p := published()
	require.NoError(t, p.Parse([]string{"-data", "d"}, nil))
	_, want, err := preset.Search("imagenet1k", "rotation")
	require.NoError(t, err)
	assert.Equal(t, want, p.Config, "as published unless told otherwise")
	assert.Equal(t, "rotation", p.Task.Name())

	p = published()
	require.NoError(t, p.Parse([]string{"-data", "d", "-task", "cls", "-epochs", "5", "-batch", "16", "-algorithm", "second-order", "-memory", "2GB", "-recompute", "-workers", "3"}, nil))
	assert.Equal(t, "classification", p.Task.Name())
	assert.Equal(t, []int{5, 2, 16, 3}, []int{p.Config.Epochs, p.Config.ArchStartEpoch, p.Config.Batch, p.Runtime.Workers}, "the alphas sit out half of the epochs")
	assert.Equal(t, []float64{0.025, 0.000075}, []float64{p.Config.LR.Base, p.Config.ArchLR})
	assert.Equal(t, darts.SecondOrder, p.Config.Algorithm)
	assert.Equal(t, int64(2e9), p.Runtime.Memory)
	assert.True(t, p.Runtime.Recompute)
}

func TestPublishedBadFlags(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want []string
	}{
		"no data":           {nil, []string{"-data is missing", "-help"}},
		"unknown task":      {[]string{"-task", "seg"}, []string{`"segmentation"`, "classification, rotation, colorization, jigsaw"}},
		"no epochs":         {[]string{"-epochs", "0"}, []string{"Epochs is 0"}},
		"no batch":          {[]string{"-batch", "0"}, []string{"-batch is 0"}},
		"no workers":        {[]string{"-workers", "many"}, []string{"-workers", "give a whole number"}},
		"unknown algorithm": {[]string{"-algorithm", "third-order"}, []string{"third-order", "second-order", "gdas"}},
		"no amount":         {[]string{"-memory", "much"}, []string{"-memory", "much"}},
		"no subset":         {[]string{"-subset", "0"}, []string{`-subset is "0"`, "10%"}},
		"no share":          {[]string{"-subset", "0%"}, []string{`-subset is "0%"`}},
		"more than all":     {[]string{"-subset", "101%"}, []string{`-subset is "101%"`}},
		"no number":         {[]string{"-subset", "NaN%"}, []string{`-subset is "NaN%"`}},
		"resume what":       {[]string{"-resume"}, []string{"-resume needs -out"}},
		"stray argument":    {[]string{"photos"}, []string{"photos", "-help"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := test.args
			if name != "no data" {
				args = append([]string{"-data", "d"}, args...)
			}
			var help bytes.Buffer
			err := published().Parse(args, &help)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.Empty(t, help.String())
		})
	}
}

func TestPublishedHelp(t *testing.T) {
	var help bytes.Buffer
	require.ErrorIs(t, published().Parse([]string{"-help"}, &help), flag.ErrHelp)
	assert.Contains(t, help.String(), "Searches.\n\nCtrl-C ")
	for _, name := range []string{"data", "task", "epochs", "batch", "subset", "algorithm", "memory", "recompute", "seed", "workers", "out", "resume"} {
		assert.Contains(t, help.String(), "  -"+name, name)
	}
}

// missing is a data set of three classes whose images are not there.
type missing struct{}

func (missing) Len() int          { return 40 }
func (missing) Classes() []string { return []string{"a", "b", "c"} }
func (missing) Load(context.Context, int) (*pretext.Image, error) {
	return nil, errors.New("the image is missing")
}

func TestPublishedSubset(t *testing.T) {
	for subset, want := range map[string]string{
		"4":   "rotation: 2 + 2 images",
		"15%": "rotation: 3 + 3 images",
		"":    "rotation: 20 + 20 images",
		"41":  "-subset 41: dataset: random subset of 41 of 40 images",
	} {
		t.Run(subset, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			p := published()
			require.NoError(t, p.Parse([]string{"-data", "d", "-subset", subset, "-batch", "2", "-workers", "1", "-out", dir}, nil))
			p.Config.Space.Backbone.Width = 2
			var out bytes.Buffer
			err := p.Search(t.Context(), missing{}, &out)
			require.Error(t, err)
			assert.Contains(t, out.String()+err.Error(), want)
			assert.NoDirExists(t, dir, "nothing was found")
		})
	}
}
