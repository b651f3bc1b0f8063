package ops_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/ops"
)

// headed returns the parameters of a stem of some channels and, unless it is nil, a
// head below "classifier".
func headed(t *testing.T, seed uint64, channels int, head func(s *ops.Scope, x *gorgonia.Node) error) *ops.Params {
	t.Helper()
	p := ops.NewParams()
	require.NoError(t, ops.Build(func() error {
		s := ops.NewScope(gorgonia.NewGraph(), p)
		x, err := ops.Images(s.Graph(), "images", 2, 6, 5, 3)
		if err != nil {
			return err
		}
		if x, err = s.CIFARStem(x, channels); err != nil {
			return err
		}
		if head != nil {
			if err := head(s.Sub("classifier"), x); err != nil {
				return err
			}
		}
		return p.Init(seed)
	}))
	return p
}

func classes(n int) func(s *ops.Scope, x *gorgonia.Node) error {
	return func(s *ops.Scope, x *gorgonia.Node) error {
		x, err := ops.GlobalAvgPool(x)
		if err != nil {
			return err
		}
		_, err = s.Sub("classifier").Linear(x, 1, n)
		return err
	}
}

func normalised(s *ops.Scope, x *gorgonia.Node) error {
	_, err := s.ReLUConvBN(x, 6, true)
	return err
}

func TestReadPretrained(t *testing.T) {
	const weight, bias = "classifier.classifier.weight", "classifier.classifier.bias"
	trained := headed(t, 1, 4, classes(7))
	path := filepath.Join(t.TempDir(), "trained.safetensors")
	var file bytes.Buffer
	require.NoError(t, trained.WriteSafetensors(&file, nil))
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o644))
	stem := func(p *ops.Params) []float32 { return p.Data(p.List()[0]) }
	for name, test := range map[string]struct {
		head func(s *ops.Scope, x *gorgonia.Node) error
		kept []string
	}{
		"the same head":       {classes(7), nil},
		"another shape":       {classes(5), []string{weight, bias}},
		"other names":         {normalised, []string{"classifier.op.1.weight", "classifier.op.2.weight", "classifier.op.2.bias", "classifier.op.2.running_mean", "classifier.op.2.running_var"}},
		"no head, as of body": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, drawn := headed(t, 2, 4, test.head), headed(t, 2, 4, test.head)
			kept, err := p.ReadPretrained(path, "classifier")
			require.NoError(t, err)
			assert.ElementsMatch(t, test.kept, kept)
			assert.Equal(t, stem(trained), stem(p))
			for _, q := range p.List() {
				if slices.Contains(test.kept, q.Name) {
					assert.Equal(t, drawn.Data(drawn.Find(q.Name)), p.Data(q), q.Name)
				} else {
					assert.Equal(t, trained.Data(trained.Find(q.Name)), p.Data(q), q.Name)
				}
			}
		})
	}
	wide := headed(t, 2, 6, classes(7))
	before := slices.Clone(wide.Weights())
	_, err := wide.ReadPretrained(path, "classifier")
	require.ErrorContains(t, err, "of another shape:\n  stem.0.weight [4 3 3 3], in the network [6 3 3 3]")
	assert.Equal(t, before, wide.Weights(), "nothing is read")
	_, err = headed(t, 2, 4, classes(5)).ReadPretrained(path)
	require.ErrorContains(t, err, weight+" [7 4], in the network [5 4]", "no head was named")
	_, err = headed(t, 2, 4, classes(5)).ReadPretrained(path, "class")
	require.ErrorContains(t, err, weight, "a scope is a whole name")
}
