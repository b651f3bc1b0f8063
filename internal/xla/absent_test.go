package xla_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/pjrt"
	"unnas/internal/xla"
)

var absent = flag.String("absent", "", "platforms, such as cuda,tpu, for whose devices TestCompileAbsent compiles")

// onDevices returns programs of the operators that the CPU does not run, by name.
func onDevices() map[string]*ir.Program {
	programs := map[string]*ir.Program{}
	add := func(name string, build func(p *irtest.Program, crops, numbers *ir.Value) []*ir.Value) {
		p := irtest.NewProgram(1)
		crops := cropsOf(p, 2, 7, 6, 3)
		q := p.Build(build(p, crops, p.Normal("numbers", 1, 2, 16))...)
		q.Batch = []*ir.Value{crops}
		programs[name] = q
	}
	add("tiles of crops", func(p *irtest.Program, crops, numbers *ir.Value) []*ir.Value {
		return p.Outputs(ir.Tiles{Count: 3, Height: 3, Width: 2}, p.Op(ir.NormaliseCrops{}, crops, numbers), numbers)
	})
	add("quarter turns", func(p *irtest.Program, _, _ *ir.Value) []*ir.Value {
		return p.Outputs(ir.QuarterTurns{}, p.Normal("x", 1, 2, 5, 5, 3))
	})
	add("lab", func(p *irtest.Program, crops, numbers *ir.Value) []*ir.Value {
		labels := p.Add("labels", ir.Int32, cpuexec.Array{Shape: ir.Shape{2}, I: make([]int32, 2)})
		out := p.Outputs(ir.Lab{Std: 1, Step: 10, Rows: []ir.BinRow{{A: -50, B: -10, Count: 3}, {Count: 5}}, Ignore: -1}, crops, numbers, labels)
		return append(out[:1], p.Outputs(ir.CrossEntropy{Ignore: -1, Pixels: true}, p.Normal("logits", 1, 2, 7, 6, 8), out[1])...)
	})
	add("mean over replicas", func(p *irtest.Program, _, _ *ir.Value) []*ir.Value {
		return p.Outputs(ir.ReplicaMean{Whole: 2}, p.Normal("count", 1, 1), p.Normal("x", 1, 5, 7), p.Normal("y", 1, 3, 3, 2))
	})
	return programs
}

// TestCompileAbsent compiles every operator for two devices that are not there, of each
// platform that the flag names: NVIDIA's H200 and TPU v5e. It takes minutes. The plugin of
// TPUs wants TPU_SKIP_MDS_QUERY=1 in the environment.
func TestCompileAbsent(t *testing.T) {
	if *absent == "" {
		t.Skip("the flag -absent names no platform")
	}
	programs := onDevices()
	for _, o := range append(irtest.Operators(), more()...) {
		if !o.Narrow {
			programs[o.Name] = single(t, o)
		}
	}
	for platform := range strings.SplitSeq(*absent, ",") {
		t.Run(platform, func(t *testing.T) {
			topology, options := "v5e:2x1", map[string]any(nil)
			if platform == "cuda" {
				topology, options = "", pjrt.H200()
				options["topology"] = "1x1x2"
			}
			found, looked := pjrt.Find(platform)
			require.NotEmpty(t, found, "in %v", looked)
			plugin, err := pjrt.Open(found[0].Path)
			require.NoError(t, err)
			o := xla.Options{Devices: []int{0, 1}}
			flags := o.FlagsFor(platform)
			if platform == "cuda" { // chooses products by trying them on the device
				flags["xla_gpu_enable_triton_gemm"] = false
			}
			for name, p := range programs {
				text, err := xla.Text(p, o)
				require.NoError(t, err, name)
				program, err := plugin.CompileAbsent(text, topology, options, pjrt.CompileOptions{Replicas: 2, Flags: flags})
				if assert.NoError(t, err, name) {
					program.Close()
				}
			}
			t.Logf("%d programs", len(programs))
		})
	}
}
