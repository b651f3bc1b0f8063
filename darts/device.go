package darts

import (
	"errors"
	"fmt"
	"strings"

	"unnas/internal/engine"
	"unnas/internal/format"
	"unnas/internal/pjrt"
	"unnas/internal/xla"
)

// Device is a kind of accelerator and what was found to drive it, see Devices.
type Device struct {
	Name    string   // for Runtime.Device
	Plugin  string   // path of the plugin; "" if there is none
	Version string   // of the plugin
	Kinds   []string // of each device, such as the name of the GPU
	Memory  int64    // bytes that programs may take on each device; 0 if unknown
	Err     error    // why it cannot be used; nil if it can
	Looked  []string // where plugins were looked for
	Install string   // the command that installs a plugin
}

// Devices looks for plugins of accelerators, NVIDIA GPUs ("cuda") and TPUs ("tpu"), and for
// XLA's own for CPUs, which serves tests: PJRT plugins, as pip installs them, or named by
// the environment variable PJRT_PLUGIN_PATH. It opens each that it finds, if the program
// imports unnas/darts/xla.
func Devices() []Device {
	var all []Device
	for _, platform := range pjrt.Platforms() {
		d := Device{Name: platform, Install: pjrt.Install(platform)}
		d.Err = d.open(platform)
		all = append(all, d)
	}
	return all
}

// open looks for the plugin of a platform, opens it and describes its devices.
func (d *Device) open(platform string) error {
	found, looked := pjrt.Find(platform)
	d.Looked = looked
	if len(found) == 0 {
		return errors.New("no plugin was found")
	}
	d.Plugin = found[0].Path
	if platform == OwnDevice { // the name is of the library's own kernels
		d.Name = d.Plugin
	}
	c, err := pjrt.OpenClient(d.Plugin)
	if err != nil {
		return err
	}
	d.Version = c.Plugin().Version()
	for _, x := range c.Devices() {
		d.Kinds = append(d.Kinds, x.Kind)
		if m, err := x.Memory(); err == nil {
			d.Memory = m.Limit
		}
	}
	return nil
}

// OwnDevice is the Runtime.Device of the library's own kernels for CPUs.
const OwnDevice = "cpu"

// device returns what Runtime.Device names, nil for the CPU. The ranks of a host take
// devices in turn.
func (rt Runtime) device(p Precision) (*xla.Device, error) {
	if rt.Device == "" || rt.Device == OwnDevice {
		if p == TF32 {
			return nil, fmt.Errorf("Precision %q is of devices, and Device is the CPU; set Device, or Precision to %q", p, Float32)
		}
		return nil, nil
	}
	found, looked := pjrt.Find(rt.Device)
	if len(found) == 0 {
		install := ""
		if command := pjrt.Install(rt.Device); command != "" {
			install = "; install one: " + command
		}
		return nil, fmt.Errorf("no plugin for device %q was found in %s%s, or give the path of one", rt.Device, strings.Join(looked, ", "), install)
	}
	c, err := pjrt.OpenClient(found[0].Path)
	if err != nil {
		return nil, fmt.Errorf("device %q: %w", rt.Device, err)
	}
	if len(c.Devices()) == 0 {
		return nil, fmt.Errorf("device %q: the plugin %s finds no device on this machine", rt.Device, found[0].Path)
	}
	o := xla.Options{Precision: xla.Precision(p), Device: rt.onHost % len(c.Devices()), Fast: rt.Fast}
	if o.Cache, err = xla.CacheDir(); err != nil {
		return nil, err
	}
	return &xla.Device{Client: c, Options: o}, nil
}

// describe names a device in records.
func describe(d *xla.Device) string {
	if d == nil {
		return OwnDevice
	}
	fast := ""
	if d.Fast {
		fast = ", fast"
	}
	return fmt.Sprintf("%s (%s; %s%s)", d.Client.Devices()[d.Options.Device].Kind, d.Client.Plugin().Version(), d.Client.Version(), fast)
}

// checkDevice returns an error if the planned runners need more memory than a device has.
func checkDevice(e *engine.Engine) error {
	if e.Device == nil {
		return nil
	}
	m, err := e.Device.Client.Devices()[e.Device.Options.Device].Memory()
	if err != nil || m.Limit == 0 { // the plugin does not count
		return nil
	}
	if need, free := e.DeviceBytes, m.Limit-m.InUse; need > free {
		return fmt.Errorf("a step needs %s of the memory of the device, %s are free; lower MicroBatch, Batch, Width or Cells", format.Bytes(need), format.Bytes(free))
	}
	return nil
}
