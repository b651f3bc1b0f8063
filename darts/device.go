package darts

import (
	"errors"
	"fmt"

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
const OwnDevice = xla.CPU

// device returns what Runtime.Device names, nil for the CPU. The ranks of a host take
// devices in turn.
func (rt Runtime) device(p Precision) (*xla.Device, error) {
	d, err := xla.Open(rt.Device, rt.onHost, xla.Options{Precision: xla.Precision(p), Fast: rt.Fast})
	if d == nil && p == TF32 && err == nil {
		return nil, fmt.Errorf("Precision %q is of devices, and Device is the CPU; set Device, or Precision to %q", p, Float32)
	}
	return d, err
}
