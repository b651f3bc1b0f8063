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
	sent     *Sent // the batch of the runs that follow
	up, down int64 // numbers of bytes that went there and came back
}

// numbered matches names of devices that end in a number or a range, as cuda:1 and cuda:0-3.
var numbered = regexp.MustCompile(`^(.+):(\d{1,5})(?:-(\d{1,5}))?$`)

// Open opens the device of a name: "" and "cpu" are the library's own kernels, for which it
// returns nil; "cuda" and "tpu" are devices of PJRT plugins, and so is the path of a plugin.
// A number after a colon chooses among several devices, and a range chooses several of them
// for replicas; otherwise turn counts round and round. Programs are cached in CacheDir.
func Open(name string, turn int, o Options) (*Device, error) {
	if name == "" || name == CPU {
		return nil, nil
	}
	platform, first, last := name, turn, turn
	m := numbered.FindStringSubmatch(name)
	if m != nil {
		platform = m[1]
		first, _ = strconv.Atoi(m[2])
		last = first
		if m[3] != "" {
			last, _ = strconv.Atoi(m[3])
		}
	}
	if last < first {
		return nil, fmt.Errorf("device %q: the range ends before it begins; write the lower number first", name)
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
		first, last = turn%n, turn%n
	case last >= n:
		return nil, fmt.Errorf("device %q: this machine has %s; count from %s:0", name, format.Plural(n, "device"), platform)
	}
	if o.Cache, err = CacheDir(); err != nil {
		return nil, err
	}
	for d := first; d <= last; d++ {
		o.Devices = append(o.Devices, d)
	}
	name = fmt.Sprintf("%s:%d", platform, first)
	if last > first {
		name += fmt.Sprintf("-%d", last)
	}
	return &Device{name: name, Client: c, Options: o}, nil
}

// Replicas returns how many devices run each program at once, 1 for the CPU.
func (d *Device) Replicas() int {
	if d == nil {
		return 1
	}
	return d.replicas()
}

// Name returns the name that opens the same devices, such as cuda:1 or cuda:0-3.
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

// Fits returns an error if a run takes more memory than each of the devices has free. It
// returns nil if the plugin does not count, and for the CPU, which is a device of nil.
func (d *Device) Fits(bytes int64) error {
	if d == nil {
		return nil
	}
	for _, number := range d.devices() {
		m, err := d.Client.Devices()[number].Memory()
		if err != nil || m.Limit == 0 {
			return nil
		}
		if free := m.Limit - m.InUse; bytes > free {
			return fmt.Errorf("xla: the network needs %s of the memory of device %d, %s are free; lower MicroBatch, Batch, Width, Cells or the size of images", format.Bytes(bytes), number, format.Bytes(free))
		}
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
	several := ""
	if n := d.replicas(); n > 1 {
		several = fmt.Sprintf("%d × ", n)
	}
	return fmt.Sprintf("%s%s (%s; %s%s)", several, d.Client.Devices()[d.devices()[0]].Kind, d.Client.Plugin().Version(), d.Client.Version(), fast)
}
