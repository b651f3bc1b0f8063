package darts_test

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"unnas/darts"
)

func TestScheduleRate(t *testing.T) {
	cosine := darts.Schedule{Kind: darts.Cosine, Base: 0.1, Min: 0.02}
	perStep := cosine
	perStep.PerStep = true
	warm := darts.Schedule{Kind: darts.Cosine, Base: 0.5, Warmup: 5, WarmupFactor: 0.1}
	warmStep := warm
	warmStep.PerStep = true
	constant := darts.Schedule{Kind: darts.Constant, Base: 0.3, Warmup: 2}
	falling := darts.Schedule{Kind: darts.Steps, Base: 0.5, Steps: []int{3, 5, 9}, Factor: 0.1}
	fallingStep := falling
	fallingStep.PerStep, fallingStep.Warmup = true, 4
	decay := darts.Schedule{Kind: darts.Exponential, Base: 0.8, Factor: 0.25}
	decayStep := decay
	decayStep.PerStep, decayStep.Warmup, decayStep.WarmupFactor = true, 2, 0.5
	tests := []struct {
		name                       string
		schedule                   darts.Schedule
		epoch, epochs, step, steps int
		want                       float64
	}{
		{"start", cosine, 0, 12, 0, 7, 0.1},
		{"a third", cosine, 4, 12, 0, 7, 0.08}, // cos(π/3) = 1/2
		{"half", cosine, 6, 12, 0, 7, 0.06},
		{"two thirds", cosine, 8, 12, 0, 7, 0.04},
		{"end", cosine, 12, 12, 0, 7, 0.02},
		{"the same all the epoch", cosine, 4, 12, 6, 7, 0.08},
		{"per step, first", perStep, 0, 3, 0, 4, 0.1},
		{"per step, a third", perStep, 1, 3, 0, 4, 0.08},
		{"per step, half", perStep, 1, 3, 2, 4, 0.06},
		{"warm-up, start", warm, 0, 250, 0, 9, 0.05},
		{"warm-up, inside", warm, 2, 250, 8, 9, 0.46 * 0.25 * (1 + math.Cos(math.Pi*2/250))},
		{"warm-up, over", warm, 5, 250, 0, 9, 0.25 * (1 + math.Cos(math.Pi*5/250))},
		{"warm-up, per step", warmStep, 2, 250, 3, 6, 0.55 * 0.25 * (1 + math.Cos(math.Pi*2.5/250))},
		{"constant", constant, 9, 10, 3, 4, 0.3},
		{"constant, warm-up from nothing", constant, 0, 10, 3, 4, 0},
		{"constant, warm-up", constant, 1, 10, 3, 4, 0.15},
		{"steps, before", falling, 2, 12, 6, 7, 0.5},
		{"steps, at the first", falling, 3, 12, 0, 7, 0.05},
		{"steps, behind it", falling, 4, 12, 6, 7, 0.05},
		{"steps, at the second", falling, 5, 12, 0, 7, 0.005},
		{"steps, behind the last", falling, 11, 12, 3, 7, 0.0005},
		{"steps, warm-up per step", fallingStep, 3, 12, 2, 4, 0.05 * 0.875},
		{"exponential, start", decay, 0, 9, 5, 7, 0.8},
		{"exponential", decay, 2, 9, 5, 7, 0.05},
		{"exponential, per step", decayStep, 2, 9, 2, 4, 0.025},
		{"exponential, warm-up per step", decayStep, 1, 9, 2, 4, 0.1 * 0.875},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.NoError(t, test.schedule.Validate())
			assert.InDelta(t, test.want, test.schedule.Rate(test.epoch, test.epochs, test.step, test.steps), 1e-15)
		})
	}
}

func TestScheduleFallsAfterWarmup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := darts.Schedule{
			Kind:         rapid.SampledFrom([]string{darts.Cosine, darts.Constant, darts.Steps, darts.Exponential}).Draw(t, "kind"),
			Base:         rapid.Float64Range(0, 10).Draw(t, "base"),
			Warmup:       rapid.IntRange(0, 5).Draw(t, "warmup"),
			WarmupFactor: rapid.Float64Range(0, 1).Draw(t, "factor"),
			PerStep:      rapid.Bool().Draw(t, "per step"),
		}
		if s.Kind == darts.Cosine {
			s.Min = s.Base * rapid.Float64Range(0, 1).Draw(t, "min")
		}
		s.Steps = []int{rapid.IntRange(1, 9).Draw(t, "first"), rapid.IntRange(10, 19).Draw(t, "second")}
		s.Factor = rapid.Float64Range(0, 1).Draw(t, "multiplier")
		epochs, steps := rapid.IntRange(1, 20).Draw(t, "epochs"), rapid.IntRange(1, 9).Draw(t, "steps")
		last := math.Inf(1)
		for epoch := range epochs {
			for step := range steps {
				rate := s.Rate(epoch, epochs, step, steps)
				require.True(t, rate >= 0 && rate <= s.Base*(1+1e-12), "%g", rate)
				if epoch >= s.Warmup {
					require.LessOrEqual(t, rate, last)
					require.GreaterOrEqual(t, rate, s.Min*(1-1e-12))
					last = rate
				}
			}
		}
	})
}

func TestScheduleValidate(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	tests := []struct {
		name     string
		schedule darts.Schedule
		want     string
	}{
		{"no kind", darts.Schedule{}, `darts: schedule: kind is "", must be one of ["cosine" "constant" "steps" "exponential"]`},
		{"base negative", darts.Schedule{Kind: "cosine", Base: -1}, "darts: schedule: base is -1, must be a finite number from 0"},
		{"base NaN", darts.Schedule{Kind: "cosine", Base: nan}, "darts: schedule: base is NaN, must be a finite number from 0"},
		{"base infinite", darts.Schedule{Kind: "cosine", Base: inf}, "darts: schedule: base is +Inf, must be a finite number from 0"},
		{"min negative", darts.Schedule{Kind: "cosine", Base: 1, Min: -0.5}, "darts: schedule: min is -0.5, must be from 0 to base, which is 1"},
		{"min above base", darts.Schedule{Kind: "cosine", Base: 1, Min: 2}, "darts: schedule: min is 2, must be from 0 to base, which is 1"},
		{"min NaN", darts.Schedule{Kind: "cosine", Base: 1, Min: nan}, "darts: schedule: min is NaN, must be from 0 to base, which is 1"},
		{"warmup", darts.Schedule{Kind: "cosine", Base: 1, Warmup: -3}, "darts: schedule: warmup is -3 epochs, must be 0 or more"},
		{"multiplier above one", darts.Schedule{Kind: "exponential", Factor: 1.25}, "darts: schedule: factor is 1.25, must be from 0 to 1"},
		{"multiplier negative", darts.Schedule{Kind: "steps", Factor: -0.5}, "darts: schedule: factor is -0.5, must be from 0 to 1"},
		{"multiplier NaN", darts.Schedule{Kind: "exponential", Factor: nan}, "darts: schedule: factor is NaN, must be from 0 to 1"},
		{"no steps", darts.Schedule{Kind: "steps"}, "darts: schedule: no steps, must be one or more; a rate without steps is constant"},
		{"step at the start", darts.Schedule{Kind: "steps", Steps: []int{0, 4}}, "darts: schedule: steps are [0 4], must rise from 1 or more"},
		{"step twice", darts.Schedule{Kind: "steps", Steps: []int{2, 4, 4}}, "darts: schedule: steps are [2 4 4], must rise from 1 or more"},
		{"factor above one", darts.Schedule{Kind: "cosine", Base: 1, WarmupFactor: 1.5}, "darts: schedule: warmup_factor is 1.5, must be from 0 to 1"},
		{"factor negative", darts.Schedule{Kind: "cosine", Base: 1, WarmupFactor: -0.5}, "darts: schedule: warmup_factor is -0.5, must be from 0 to 1"},
		{"factor NaN", darts.Schedule{Kind: "cosine", Base: 1, WarmupFactor: nan}, "darts: schedule: warmup_factor is NaN, must be from 0 to 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { assert.EqualError(t, test.schedule.Validate(), test.want) })
	}
	assert.NoError(t, darts.Schedule{Kind: "constant"}.Validate(), "a rate of zero is a rate")
}

func TestScheduleJSON(t *testing.T) {
	want := darts.Schedule{Kind: darts.Cosine, Base: 0.1, Min: 0.001, Warmup: 5, WarmupFactor: 0.25, PerStep: true}
	text, err := json.Marshal(want)
	require.NoError(t, err)
	assert.JSONEq(t, `{"kind":"cosine","base":0.1,"min":0.001,"warmup":5,"warmup_factor":0.25,"per_step":true}`, string(text))
	var got darts.Schedule
	require.NoError(t, json.Unmarshal(text, &got))
	assert.Equal(t, want, got)

	want = darts.Schedule{Kind: darts.Steps, Base: 0.5, Steps: []int{30, 60}, Factor: 0.1}
	text, err = json.Marshal(want)
	require.NoError(t, err)
	assert.JSONEq(t, `{"kind":"steps","base":0.5,"min":0,"steps":[30,60],"factor":0.1,"warmup":0,"warmup_factor":0,"per_step":false}`, string(text))
	got = darts.Schedule{}
	require.NoError(t, json.Unmarshal(text, &got))
	assert.Equal(t, want, got)
}

func ExampleSchedule() {
	s := darts.Schedule{Kind: darts.Cosine, Base: 0.1, Warmup: 1, WarmupFactor: 0.1}
	for epoch := range 4 {
		fmt.Printf("%.4f\n", s.Rate(epoch, 4, 0, 1))
	}
	// Output:
	// 0.0100
	// 0.0854
	// 0.0500
	// 0.0146
}
