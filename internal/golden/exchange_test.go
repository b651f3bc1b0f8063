package golden_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gorgonia.org/gorgonia"

	"unnas/cell"
	"unnas/internal/golden"
	"unnas/ops"
	"unnas/pretext"
	"unnas/segmentation"
)

// exchange is a network whose weights travel to PyTorch and back.
type exchange struct {
	Network    string    `json:"network"` // evaluated, supernet or segmentation
	Stem       cell.Stem `json:"stem"`
	Width      int       `json:"width"`
	Cells      int       `json:"cells"`
	Reductions []int     `json:"reductions"`
	Classes    int       `json:"classes"`
	Auxiliary  bool      `json:"auxiliary"`
	Channels   int       `json:"channels"` // of the segmentation head
	Rates      []int     `json:"rates"`    // of the same
	Input      []int     `json:"input"`    // [N, C, H, W]
}

// worstExchange is the largest error of logits that is allowed, as a share of the
// largest logit.
const worstExchange = 1e-4

// TestPyTorch gives the weights of networks to internal/peer/exchange.py, which
// gives them back in all forms that PyTorch saves, and compares the logits.
func TestPyTorch(t *testing.T) {
	python := os.Getenv("PEER_PYTHON")
	if python == "" {
		t.Skip("PEER_PYTHON names no Python that has torch")
	}
	for name, c := range map[string]exchange{
		"cifar":                {Network: "evaluated", Stem: cell.CIFARStem, Width: 12, Cells: 8, Classes: 10, Auxiliary: true, Input: []int{3, 3, 32, 32}},
		"imagenet":             {Network: "evaluated", Stem: cell.ImageNetStem, Width: 12, Cells: 7, Classes: 13, Auxiliary: true, Input: []int{2, 3, 224, 224}},
		"segmentation":         {Network: "segmentation", Stem: cell.ImageNetStem, Width: 8, Cells: 6, Reductions: []int{2}, Classes: 19, Channels: 24, Rates: []int{6, 12, 18}, Input: []int{2, 3, 97, 129}},
		"supernet":             {Network: "supernet", Stem: cell.CIFARStem, Width: 4, Cells: 5, Reductions: []int{1, 3}, Classes: 4, Input: []int{3, 3, 32, 24}},
		"supernet of ImageNet": {Network: "supernet", Stem: cell.ImageNetStem, Width: 4, Cells: 5, Reductions: []int{1, 3}, Classes: 4, Input: []int{2, 3, 96, 64}},
	} {
		t.Run(name, func(t *testing.T) { c.run(t, python) })
	}
}

// build returns a machine that computes logits, and those of the auxiliary head.
func (c exchange) build(t *testing.T, s *ops.Scope, x *gorgonia.Node) gorgonia.Nodes {
	space := cell.DARTS(c.Stem, c.Width, c.Cells)
	if c.Reductions != nil {
		space.Backbone.Reductions = c.Reductions
	}
	head := s.Sub("classifier")
	if c.Network == "supernet" {
		net, err := space.Supernet(s, x)
		require.NoError(t, err)
		logits, err := pretext.PooledHead(head, net.Out, 1, c.Classes)
		require.NoError(t, err)
		return gorgonia.Nodes{logits}
	}
	genotype, ok := cell.GenotypeByName("darts_v2")
	require.True(t, ok)
	net, err := space.Backbone.Network(s, x, genotype, space.Ops)
	require.NoError(t, err)
	if c.Network == "segmentation" {
		logits, err := segmentation.Task{ASPP: segmentation.ASPP{Channels: c.Channels, Rates: c.Rates, Classes: c.Classes}}.Head(head, net.Out)
		require.NoError(t, err)
		return gorgonia.Nodes{logits}
	}
	logits, err := pretext.PooledHead(head, net.Out, 1, c.Classes)
	require.NoError(t, err)
	out := gorgonia.Nodes{logits}
	if c.Auxiliary {
		aux, err := net.AuxiliaryHead(s, c.Classes)
		require.NoError(t, err)
		out = append(out, aux)
	}
	return out
}

func (c exchange) run(t *testing.T, python string) {
	g := gorgonia.NewGraph()
	s := ops.NewScope(g, ops.NewParams())
	p := s.Params()
	x, err := ops.Images(g, "input", c.Input[0], c.Input[2], c.Input[3], c.Input[1])
	require.NoError(t, err)
	out := c.build(t, s, x)
	require.NoError(t, p.Init(1))
	r := rand.New(rand.NewPCG(1, 2))
	for _, q := range p.List() {
		for i := range p.Data(q) {
			p.Data(q)[i] += float32(0.1 * r.NormFloat64())
		}
	}
	for _, stats := range p.Stats() {
		for i := range stats.Mean {
			stats.Mean[i], stats.Var[i] = float32(0.1*r.NormFloat64()), 0.5+r.Float32()
		}
	}
	var in golden.Tensor
	in.Shape = c.Input
	for range x.Shape().TotalSize() {
		in.F = append(in.F, float32(r.NormFloat64()))
	}
	let(t, x, in.NHWC())
	m := (&testCase{t: t}).evaluation(s, out...)

	dir := t.TempDir()
	text, err := json.Marshal(c)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "case.json"), text, 0o600))
	var pixels []byte
	for _, v := range in.F {
		pixels = binary.LittleEndian.AppendUint32(pixels, math.Float32bits(v))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "input.f32"), pixels, 0o600))
	f, err := os.Create(filepath.Join(dir, "weights.safetensors"))
	require.NoError(t, err)
	require.NoError(t, p.WriteSafetensors(f, nil))
	require.NoError(t, f.Close())

	command := exec.Command(python, "exchange.py", dir)
	command.Dir = filepath.Join("..", "peer")
	command.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	printed, err := command.CombinedOutput()
	require.NoError(t, err, "%s", printed)

	exact := slices.Concat(p.Weights(), p.Alphas(), p.Running())
	for _, file := range []string{"weights.safetensors", "zip.pth", "legacy.pth", "checkpoint.pth", "checkpoint_legacy.pth", "half.pth"} {
		require.NoError(t, p.Init(2))
		require.NoError(t, p.ReadFile(filepath.Join(dir, file)))
		logits := "weights"
		if file == "half.pth" {
			logits = "half"
		} else {
			require.Equal(t, exact, slices.Concat(p.Weights(), p.Alphas(), p.Running()), file)
		}
		require.NoError(t, m.RunAll())
		for i, kind := range []string{"logits", "auxiliary"}[:len(out)] {
			worst := compare(t, filepath.Join(dir, logits+"-"+kind+".f32"), out[i])
			t.Logf("%s of %s: largest error is %.2g of the largest", kind, file, worst)
			assert.LessOrEqual(t, worst, worstExchange, "%s, %s", file, kind)
		}
	}
	// A network without an auxiliary head takes weights that have one.
	if c.Auxiliary {
		c.Auxiliary = false
		bare := ops.NewScope(gorgonia.NewGraph(), ops.NewParams())
		x, err := ops.Images(bare.Graph(), "input", c.Input[0], c.Input[2], c.Input[3], c.Input[1])
		require.NoError(t, err)
		out := c.build(t, bare, x)
		require.NoError(t, bare.Params().Init(3))
		require.NoError(t, bare.Params().ReadFile(filepath.Join(dir, "checkpoint.pth")))
		let(t, x, in.NHWC())
		require.NoError(t, (&testCase{t: t}).evaluation(bare, out...).RunAll())
		assert.LessOrEqual(t, compare(t, filepath.Join(dir, "weights-logits.f32"), out[0]), worstExchange)
	}
}

// compare returns the largest error of a result as a share of the largest of the
// values in a file.
func compare(t *testing.T, path string, got *gorgonia.Node) float64 {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	values := golden.NCHW(got.Shape(), data(got))
	require.Len(t, b, 4*len(values))
	var worst, largest float64
	for i, v := range values {
		want := float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		require.False(t, math.IsNaN(want-float64(v)), "%v, want %v", v, want)
		worst, largest = max(worst, math.Abs(float64(v)-want)), max(largest, math.Abs(want))
	}
	return worst / largest
}
