package xla

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"unnas/internal/format"
	"unnas/internal/ir"
	"unnas/internal/pjrt"
)

// CPU is the name of the library's own kernels.
const CPU = "cpu"

// A Device is where programs run.
type Device struct {
	name   string
	Client *pjrt.Client
	Options

	kept     []*vector
	up, down int64 // numbers of four bytes that went there and came back
}

// numbered matches names of devices that end in a number, as cuda:1 does.
var numbered = regexp.MustCompile(`^(.+):(\d{1,5})$`)

// Open opens the device of a name: "" and "cpu" are the library's own kernels, for which it
// returns nil; "cuda" and "tpu" are devices of PJRT plugins, and so is the path of a plugin.
// A number after a colon chooses among several devices; otherwise o.Device counts round and
// round. Programs are cached in CacheDir.
func Open(name string, o Options) (*Device, error) {
	if name == "" || name == CPU {
		return nil, nil
	}
	platform, number := name, o.Device
	m := numbered.FindStringSubmatch(name)
	if m != nil {
		platform = m[1]
		number, _ = strconv.Atoi(m[2])
	}
	found, looked := pjrt.Find(platform)
	if len(found) == 0 {
		install := ""
		if command := pjrt.Install(platform); command != "" {
			install = "; install one: " + command
		}
		return nil, fmt.Errorf("no plugin for device %q was found in %s%s, or give the path of one", name, strings.Join(looked, ", "), install)
	}
	c, err := pjrt.OpenClient(found[0].Path)
	if err != nil {
		return nil, fmt.Errorf("device %q: %w", name, err)
	}
	switch n := len(c.Devices()); {
	case n == 0:
		return nil, fmt.Errorf("device %q: the plugin %s finds no device on this machine", name, found[0].Path)
	case m == nil:
		number %= n
	case number >= n:
		return nil, fmt.Errorf("device %q: this machine has %s; count from %s:0", name, format.Plural(n, "device"), platform)
	}
	o.Device = number
	if o.Cache, err = CacheDir(); err != nil {
		return nil, err
	}
	return &Device{name: fmt.Sprintf("%s:%d", platform, number), Client: c, Options: o}, nil
}

// Name returns the name that opens the same device, such as cuda:1.
func (d *Device) Name() string {
	if d == nil {
		return CPU
	}
	return d.name
}

// Compile compiles a program for the device.
func (d *Device) Compile(p *ir.Program) (*Plan, error) {
	plan, err := Compile(d.Client, p, d.Options)
	if err == nil {
		plan.on = d
	}
	return plan, err
}

// Fits returns an error if a run takes more memory than the device has free. It returns nil
// if the plugin does not count, and for the CPU, which is a device of nil.
func (d *Device) Fits(bytes int64) error {
	if d == nil {
		return nil
	}
	m, err := d.Client.Devices()[d.Options.Device].Memory()
	if err != nil || m.Limit == 0 {
		return nil
	}
	if free := m.Limit - m.InUse; bytes > free {
		return fmt.Errorf("xla: the network needs %s of the memory of the device, %s are free; lower MicroBatch, Batch, Width, Cells or the size of images", format.Bytes(bytes), format.Bytes(free))
	}
	return nil
}

// String describes the device.
func (d *Device) String() string {
	if d == nil {
		return CPU
	}
	fast := ""
	if d.Fast {
		fast = ", fast"
	}
	return fmt.Sprintf("%s (%s; %s%s)", d.Client.Devices()[d.Options.Device].Kind, d.Client.Plugin().Version(), d.Client.Version(), fast)
}
