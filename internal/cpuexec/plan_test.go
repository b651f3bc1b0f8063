package cpuexec_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"unnas/internal/cpuexec"
	"unnas/internal/ir"
	"unnas/internal/ir/irtest"
	"unnas/internal/kernel"
	"unnas/internal/pass"
)

// unknown is an operator without a kernel.
type unknown struct{ ir.ReLU }

func (unknown) String() string { return "Unknown" }

func TestCompileRefuses(t *testing.T) {
	p := irtest.NewProgram(1)
	y := p.Op(unknown{}, p.Normal("x", 1, 2, 3))
	p.Steps[0].Name = "Unknown of x"
	_, err := cpuexec.Compile(p.Build(y), cpuexec.Options{})
	assert.EqualError(t, err, "cpuexec: Unknown of x: Unknown (cpuexec_test.unknown) has no kernel for the CPU")
	err = cpuexec.RunOp(unknown{}, kernel.NewThreadPool(1), nil, nil)
	assert.ErrorContains(t, err, "Unknown (cpuexec_test.unknown) has no kernel")
}

// normalised is a program in which every pass has something to do: two equal
// normalisations, and siblings.
func normalised() (p *irtest.Program, whole *ir.Program) {
	p = irtest.NewProgram(2)
	x := p.Op(ir.Conv{Out: 4, Window: ir.Square(3, 1, 1, 1)}, p.Normal("x", 1, 2, 6, 5, 3), p.Normal("weight", 0.3, 3, 3, 3, 4))
	point := p.Normal("point", 0.3, 1, 1, 4, 4)
	mean, variance := p.Input("mean", ir.Shape{4}, 0, 0, 0, 0), p.Input("variance", ir.Shape{4}, 1, 1, 1, 1)
	var terms []*ir.Value
	for i := range 2 {
		depth := p.Normal(fmt.Sprint("depth", i), 0.3, 3, 3, 1, 4)
		s := p.Outputs(ir.BatchStatistics{Epsilon: 1e-5, Momentum: 0.1, Count: 60}, p.Op(ir.Moments{}, x), mean, variance)
		p.States = []ir.State{{In: mean, Out: s[1]}, {In: variance, Out: s[2]}}
		y := p.Op(ir.BatchNorm{}, x, s[0])
		terms = append(terms, p.Op(ir.SeparableConv{Windows: []ir.Window{ir.Square(3, 1, 1, 1)}}, y, depth, point))
	}
	sum := p.Op(ir.Sum{}, terms...)
	n := sum
	for range 10 {
		n = p.Op(ir.ReLU{}, n)
	}
	for _, s := range p.Steps {
		s.Name = "layer"
	}
	return p, p.Build(p.Op(ir.Sum{}, n, terms[0]))
}

// TestCompileLeavesTheProgram compiles one program twice.
func TestCompileLeavesTheProgram(t *testing.T) {
	p, whole := normalised()
	before := whole.String()
	first := compile(t, whole, cpuexec.Options{Workers: 1})
	text := first.Program().String()
	assert.NotEqual(t, before, text)
	want := bind(t, first, 1).run(t, p.Data)[0]
	second := compile(t, whole, cpuexec.Options{Workers: 1})
	assert.True(t, before == whole.String(), "the program is as it was")
	assert.Equal(t, text, first.Program().String())
	assert.Equal(t, text, second.Program().String())
	near(t, want, bind(t, second, 1).run(t, p.Data)[0], 0, "the second plan")
	near(t, want, bind(t, first, 1).run(t, p.Data)[0], 0, "the first plan, after another compilation")
}

// TestDump writes one readable file after each pass.
func TestDump(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dumps")
	t.Setenv("UNNAS_DUMP", dir)
	_, whole := normalised()
	before := whole.String()
	plan := compile(t, whole, cpuexec.Options{Recompute: true, Workers: 2})
	compile(t, whole, cpuexec.Options{Workers: 2})
	programs, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, programs, 2, "one directory for each program")
	files := func(i int) (names []string) {
		list, err := os.ReadDir(filepath.Join(dir, programs[i].Name()))
		require.NoError(t, err)
		for _, f := range list {
			names = append(names, f.Name())
		}
		return names
	}
	all := []string{"0-program.txt", "1-merge.txt", "2-epilogues.txt", "3-prune.txt", "4-defer.txt", "5-siblings.txt", "6-rematerialise.txt", "7-schedule.txt"}
	assert.Equal(t, all, files(0))
	assert.Equal(t, append(all[:6:6], "6-schedule.txt"), files(1))
	last := ""
	var texts []string
	for _, name := range all {
		data, err := os.ReadFile(filepath.Join(dir, programs[0].Name(), name))
		require.NoError(t, err)
		text := string(data)
		assert.True(t, strings.HasPrefix(text, `%0 float32[2 6 5 3] = input "x"`+"\n"), name)
		assert.Contains(t, text, "\nreturn %", name)
		if name != "7-schedule.txt" {
			assert.NotEqual(t, last, text, "%s changes the program", name)
		}
		last = text
		texts = append(texts, text)
	}
	assert.Equal(t, before, texts[0])
	assert.Equal(t, plan.Program().String(), last)
	for i, changed := range []struct {
		op     string
		counts []int // of the operator, in each file
	}{
		{"= BatchStatistics", []int{2, 1, 1, 1, 1, 1, 1, 1}},
		{"= Moments", []int{2, 1, 1, 0, 0, 0, 0, 0}},
		{"= deferred", []int{0, 0, 0, 0, 1, 1}}, // and copies after rematerialisation
		{"state %", []int{2, 2, 2, 2, 2, 2, 2, 2}},
	} {
		var counts []int
		for _, text := range texts[:len(changed.counts)] {
			counts = append(counts, strings.Count(text, changed.op))
		}
		assert.Equal(t, changed.counts, counts, "%d: %s", i, changed.op)
	}

	t.Setenv("UNNAS_DUMP", filepath.Join(dir, programs[0].Name(), "0-program.txt"))
	_, err = cpuexec.Compile(whole, cpuexec.Options{})
	assert.ErrorContains(t, err, "cpuexec: UNNAS_DUMP: ")
}

// TestBytes compares what a plan says with what it consists of.
func TestBytes(t *testing.T) {
	p := irtest.NewProgram(1)
	scratch := func(perWorker, shared int) toy {
		o := double
		o.name, o.traits = "Scratch", pass.Traits{Scratch: func() (int, int) { return perWorker, shared }}
		return o
	}
	x := p.Normal("x", 1, 150)
	y := p.Op(scratch(1, 10), p.Op(scratch(3, 100), p.Op(scratch(5, 20), x)))
	z := hostOf(p, "Host", func([]cpuexec.Array) (any, error) { return nil, nil }, y)
	plan := compile(t, p.Build(p.Op(double, z)), cpuexec.Options{Workers: 2})
	arena, foreign, perWorker, shared := plan.Sizes()
	assert.Equal(t, []int{320, 160, 5, 100}, []int{arena, foreign, perWorker, shared}, "whole cache lines; the most scratch memory")
	assert.Equal(t, arena, cpuexec.NewArena(plan).Floats())
	assert.Equal(t, int64(4*(arena+foreign+perWorker+shared)), plan.Bytes(1))
	assert.GreaterOrEqual(t, plan.Bytes(3), plan.Bytes(1)+int64(4*2*perWorker))
	for _, workers := range []int{1, 3} {
		assert.Equal(t, plan.Bytes(workers), bind(t, plan, workers).Bytes())
	}

	// Two steps that run at the same time have shared memory each.
	p = irtest.NewProgram(1)
	x = p.Normal("x", 1, 150)
	plan = compile(t, p.Build(p.Op(ir.Sum{}, p.Op(scratch(3, 100), x), p.Op(scratch(5, 20), x))), cpuexec.Options{Workers: 2})
	assert.GreaterOrEqual(t, plan.Bytes(3), plan.Bytes(1)+4*2*(5+100))
}
