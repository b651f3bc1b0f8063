package golden

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"unnas/cell"
	"unnas/ops"
)

// Files returns the cases in the folder UNNAS_GOLDEN, or by default those of the repository.
func Files(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("UNNAS_GOLDEN")
	if dir == "" {
		dir = filepath.Join(root(t), "testdata", "golden")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "no golden cases in %s", dir)
	sort.Strings(files)
	return files
}

// root returns the root folder of the module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above the test")
	return ""
}

// Name returns the name of the case in a file.
func Name(file string) string { return strings.TrimSuffix(filepath.Base(file), ".safetensors") }

// Case is a reference case: what to build, and the tensors of its file.
type Case struct {
	Kind       string
	Op         string
	Width      int
	Depth      int
	Stride     int
	Affine     bool
	Size       Size
	Batch      int
	MicroBatch int `json:"micro_batch"` // 0 is the whole batch
	Stem       cell.Stem
	SpaceName  string `json:"space"` // "s1" to "s4"; empty for the space of the stem
	Task       string
	Classes    int
	InChannels int `json:"in_channels"`
	Aux        bool
	Genotype   cell.Genotype
	ASPP       int   `json:"aspp_channels"`
	Rates      []int `json:"aspp_rates"`
	Matrix     [][]int
	Ops        []string
	Stacks     int
	Modules    int
	Tolerance  float64
	Floor      float64

	// The hyperparameters of steps of a search or of a training.
	Steps       int
	LR          float64
	ArchLR      float64 `json:"arch_lr"`
	Algorithm   string
	Partial     int
	Momentum    float64
	Nesterov    bool
	WeightDecay float64 `json:"weight_decay"`
	ArchDecay   float64 `json:"arch_weight_decay"`
	Clip        float64
	Smoothing   float64
	Auxiliary   float64
	DropPath    float64 `json:"drop_path"`
	EMADecay    float64 `json:"ema_decay"`
	Epochs      int
	Epoch       int // epoch of the steps, from 0
	Seed        uint64
	// Drawn holds, for parameters too large for the file, the factor s of their
	// elements s·sin(1.7·i + 0.3). The file has their results as tensors named digest:
	// the products with cos(0.1·k·i), k from 1 to 4.
	Drawn map[string]float64

	// Tensors are those of the file, in PyTorch's layout.
	Tensors map[string]Tensor `json:"-"`
	// Worst is the largest error of a Check so far, relative to the tolerance.
	Worst float64 `json:"-"`
}

// Size is rows and columns; in a file it may be one number for both.
type Size [2]int

// UnmarshalJSON reads either form.
func (s *Size) UnmarshalJSON(b []byte) error {
	var n int
	if json.Unmarshal(b, &n) == nil {
		*s = Size{n, n}
		return nil
	}
	return json.Unmarshal(b, (*[2]int)(s))
}

// Tensor holds floats or integers.
type Tensor struct {
	Shape []int
	F     []float32
	I     []int32
}

// Read reads a case.
func Read(t *testing.T, path string) *Case {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var n uint64
	require.NoError(t, binary.Read(f, binary.LittleEndian, &n))
	header := make([]byte, n)
	_, err = io.ReadFull(f, header)
	require.NoError(t, err)
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	var entries map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(header, &entries))
	var meta struct{ Case string }
	require.NoError(t, json.Unmarshal(entries["__metadata__"], &meta))
	g := &Case{Tensors: map[string]Tensor{}}
	require.NoError(t, json.Unmarshal([]byte(meta.Case), g))
	for name, raw := range entries {
		if name == "__metadata__" {
			continue
		}
		var e struct {
			Dtype   string
			Shape   []int
			Offsets [2]int `json:"data_offsets"`
		}
		require.NoError(t, json.Unmarshal(raw, &e))
		b := data[e.Offsets[0]:e.Offsets[1]]
		v := Tensor{Shape: e.Shape}
		switch e.Dtype {
		case "F32":
			for ; len(b) > 0; b = b[4:] {
				v.F = append(v.F, math.Float32frombits(binary.LittleEndian.Uint32(b)))
			}
		case "I64":
			for ; len(b) > 0; b = b[8:] {
				v.I = append(v.I, int32(binary.LittleEndian.Uint64(b)))
			}
		default:
			t.Fatalf("%s: tensor of type %s", name, e.Dtype)
		}
		g.Tensors[name] = v
	}
	return g
}

// Check compares a result with the tensor of that name.
func (g *Case) Check(t *testing.T, name string, got []float32) {
	t.Helper()
	want, ok := g.Tensors[name]
	if !ok {
		t.Errorf("the case has no tensor %s", name)
		return
	}
	require.Len(t, got, len(want.F), name)
	diff, norm, limit := g.compare(name, got)
	if !(diff <= limit) {
		t.Errorf("%s: error %.3g of norm %.3g; %.3g is allowed", name, diff, norm, limit)
	}
	if limit > 0 {
		g.Worst = math.Max(g.Worst, diff/limit)
	}
}

// compare returns the norms of the error of a result and of the tensor with that name,
// and the tolerance.
func (g *Case) compare(name string, got []float32) (diff, norm, limit float64) {
	want := g.Tensors[name]
	for i, w := range want.F {
		d := float64(got[i]) - float64(w)
		diff += float64(d * d)
		norm += float64(float64(w) * float64(w))
	}
	diff, norm = math.Sqrt(diff), math.Sqrt(norm)
	limit = g.Tolerance * math.Max(norm, g.Floor)
	if v, ok := strings.CutSuffix(name, ".running_mean"); ok {
		limit = math.Max(limit, meanNoise*rootNorm(g.Tensors[v+".running_var"].F))
	}
	return diff, norm, limit
}

// meanNoise is a unit in the last place of a value of one standard deviation, times the
// momentum of running statistics. Means that are zero in exact arithmetic, those of
// sums of normalised maps and of their poolings, have this error in float32, which for
// some exceeds the tolerance of the cases.
const meanNoise = 0.1 / (1 << 23)

// rootNorm returns the norm of the square roots of all elements.
func rootNorm(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	return math.Sqrt(sum)
}

// NHWC returns the floats of a tensor [N, C, H, W], or [N, tiles, C, H, W], with the
// channels last.
func (v Tensor) NHWC() []float32 {
	out := make([]float32, len(v.F))
	n, d := 1, len(v.Shape)
	for _, size := range v.Shape[:d-3] {
		n *= size
	}
	reorder(n, v.Shape[d-3], v.Shape[d-2], v.Shape[d-1], func(nchw, nhwc int) { out[nhwc] = v.F[nchw] })
	return out
}

// NCHW returns the floats of a map [N, H, W, C] with the channels second, and
// those of any other shape as they are.
func NCHW(shape tensor.Shape, f []float32) []float32 {
	if shape.Dims() != 4 {
		return f
	}
	out := make([]float32, len(f))
	reorder(shape[0], shape[3], shape[1], shape[2], func(nchw, nhwc int) { out[nchw] = f[nhwc] })
	return out
}

func reorder(n, c, h, w int, f func(nchw, nhwc int)) {
	for i := range n {
		for j := range c {
			for y := range h {
				for x := range w {
					f(((i*c+j)*h+y)*w+x, ((i*h+y)*w+x)*c+j)
				}
			}
		}
	}
}

// Adopt sets all parameters to the values of the case.
func (g *Case) Adopt(t *testing.T, p *ops.Params) {
	t.Helper()
	require.NoError(t, p.Init(1))
	for _, q := range p.List() {
		v, ok := g.Tensors["param."+q.Name]
		if scale, drawn := g.Drawn[q.Name]; drawn {
			v, ok = wave(scale, q.PyTorchShape()), true
		}
		require.True(t, ok, "the case has no parameter %s", q.Name)
		require.Equal(t, v.Shape, q.PyTorchShape(), q.Name)
		require.NoError(t, q.FromPyTorch(p.Data(q), v.F))
	}
	for name := range g.Tensors {
		if s, ok := strings.CutPrefix(name, "param."); ok {
			require.NotNil(t, p.Find(s), "the network lacks parameter %s", s)
		}
	}
}

// wave returns a tensor of the elements scale·sin(1.7·i + 0.3).
func wave(scale float64, shape []int) Tensor {
	v := Tensor{Shape: shape, F: make([]float32, tensor.Shape(shape).TotalSize())}
	for i := range v.F {
		v.F[i] = float32(scale * math.Sin(float64(1.7*float64(i))+0.3))
	}
	return v
}

// CheckFinal compares parameters after the steps of a case, of the kind "param" or
// "average", with its tensors.
func (g *Case) CheckFinal(t *testing.T, kind, name string, got []float32) {
	t.Helper()
	if _, drawn := g.Drawn[name]; !drawn {
		g.Check(t, "final."+kind+"."+name, got)
		return
	}
	digest := make([]float32, 4)
	for k := range digest {
		var sum float64
		for i, v := range got {
			sum += float64(float64(v) * math.Cos(float64(k+1)*0.1*float64(i)))
		}
		digest[k] = float32(sum)
	}
	g.Check(t, "digest."+kind+"."+name, digest)
}

// CheckParams compares all gradients and running statistics.
func (g *Case) CheckParams(t *testing.T, p *ops.Params) {
	t.Helper()
	for _, q := range p.List() {
		if _, ok := g.Tensors["grad."+q.Name]; !ok {
			t.Errorf("the case has no gradient of %s", q.Name)
			continue
		}
		out := make([]float32, q.Shape.TotalSize())
		require.NoError(t, q.ToPyTorch(out, p.Grad(q)))
		g.Check(t, "grad."+q.Name, out)
	}
	seen := 0
	for _, s := range p.Stats() {
		g.Check(t, "buffer."+s.Name+".running_mean", s.Mean)
		g.Check(t, "buffer."+s.Name+".running_var", s.Var)
		seen += 2
	}
	for name := range g.Tensors {
		if strings.HasPrefix(name, "buffer.") {
			seen--
		}
	}
	require.Zero(t, seen, "running statistics of the case and of the network differ")
}
