package darts

import (
	"cmp"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"unnas/internal/cpu"
)

// program says which program makes a run.
type program struct {
	Version  string `json:"version"`  // see Start
	Revision string `json:"revision"` // see Start
	Device   string `json:"device"`   // see Start
}

// thisProgram is that of this program.
var thisProgram = readProgram(debug.ReadBuildInfo())

// module is the name of this one.
const module = "unnas"

func readProgram(info *debug.BuildInfo, ok bool) program {
	var p program
	if !ok {
		return p
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path != module {
			continue
		}
		if m.Replace != nil {
			m = m.Replace
		}
		p.Version = m.Version
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			p.Revision = s.Value + p.Revision
		case s.Key == "vcs.modified" && s.Value == "true":
			p.Revision += "+modified"
		}
	}
	return p
}

// unlike says, in a sentence, how the program differs from the one that kept the
// state of a run, or nothing.
func (p program) unlike(before program) string {
	var parts []string
	for _, d := range []struct{ name, before, now string }{
		{"version", before.Version, p.Version},
		{"revision", before.Revision, p.Revision},
		{"device", cmp.Or(before.Device, OwnDevice), cmp.Or(p.Device, OwnDevice)},
	} {
		if d.before != d.now {
			parts = append(parts, fmt.Sprintf("%s %q rather than %q", d.name, d.now, d.before))
		}
	}
	if parts == nil {
		return ""
	}
	return "the run resumes with " + strings.Join(parts, " and ") + ": it may end with other bits than with one program on one device throughout"
}

// kernels returns the name of the kernels in use, on which the rounding of results
// depends: the level of instructions and the architecture. Vectors of all widths give the
// same bits, so the name is that of the narrowest.
func kernels() string { return min(cpu.Active, cpu.AVX2).String() + " " + runtime.GOARCH }

// slow returns a warning for a CPU whose best kernels are those in plain Go, or
// "".
func slow(best cpu.Level) string {
	if best > cpu.Generic {
		return ""
	}
	return "this CPU, or this build, runs the kernels in plain Go, which take some thirty times as long as those for AVX2"
}

// kernelRemedy says how to resume a run with the kernels that began it, if those
// differ from the ones in use.
func kernelRemedy(saved, given json.RawMessage) string {
	var s, g struct{ Kernel string }
	if json.Unmarshal(saved, &s) != nil || json.Unmarshal(given, &g) != nil || s.Kernel == g.Kernel {
		return ""
	}
	level, arch, _ := strings.Cut(s.Kernel, " ")
	if arch != runtime.GOARCH {
		return fmt.Sprintf("kernels round differently: resume on a machine of architecture %q\n", arch)
	}
	if _, err := cpu.Select(level); err != nil {
		return fmt.Sprintf("kernels round differently: this CPU or build lacks %s, resume where it is available\n", level)
	}
	return fmt.Sprintf("kernels round differently: set %s=%s to resume with those of the run\n", cpu.Variable, level)
}
