package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"unnas/darts"
)

func devicesCommand() *command {
	return &command{
		name:    "devices",
		summary: "list the accelerators that runs can use",
		about: "Devices looks for PJRT plugins of accelerators, as pip installs them, and opens each. Name a\n" +
			"device by -device in a search or a training. PJRT_PLUGIN_PATH names more plugins, or folders\n" +
			"of packages.",
		run: func(_ context.Context, c *call) error { return printDevices(c.out, darts.Devices()) },
	}
}

// counted returns names in order, equal ones as one with their number.
func counted(names []string) string {
	var parts []string
	for i := 0; i < len(names); {
		n := 1
		for i+n < len(names) && names[i+n] == names[i] {
			n++
		}
		part := names[i]
		if n > 1 {
			part = fmt.Sprintf("%d × %s", n, part)
		}
		parts = append(parts, part)
		i += n
	}
	return strings.Join(parts, ", ")
}

// printDevices prints what was found, or where it was looked for and how to install it.
func printDevices(out io.Writer, all []darts.Device) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: the library's own kernels (the default)\n", darts.OwnDevice)
	for _, d := range all {
		switch {
		case d.Plugin == "":
			fmt.Fprintf(&text, "%s: %v\n  looked in %s\n  to install one: %s\n", d.Name, d.Err, strings.Join(d.Looked, "\n    "), d.Install)
		case d.Err != nil:
			fmt.Fprintf(&text, "%s: %v\n  plugin %s\n", d.Name, d.Err, d.Plugin)
		default:
			fmt.Fprintf(&text, "%s: %s\n  plugin %s, %s\n", d.Name, counted(d.Kinds), d.Plugin, d.Version)
			if n := len(d.Kinds); n > 1 {
				fmt.Fprintf(&text, "  %s:0 is the first, %s:0-%d are all, on a micro-batch each\n", d.Name, d.Name, n-1)
			}
			if d.Memory > 0 {
				fmt.Fprintf(&text, "  %.0f GiB of memory each\n", float64(d.Memory)/(1<<30))
			}
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}
