package pjrt

import (
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
)

// A Client holds devices of a plugin.
type Client struct {
	plugin            *Plugin
	handle            uintptr
	platform, version string
	devices           []Device
	open              atomic.Int64 // number of executables and buffers
}

// NewClient opens the devices. Which options there are depends on the plugin, such as
// cpu_device_count of XLA for CPUs, and preallocate and visible_devices of that for GPUs.
// They are of type string, int, []int64, float32 or bool.
func (p *Plugin) NewClient(options map[string]any) (*Client, error) {
	var pins runtime.Pinner
	defer pins.Unpin()
	list, err := namedValues(options, &pins)
	if err != nil {
		return nil, err
	}
	create := &createArgs{options: data(list), optionsN: uintptr(len(list))}
	if err := clientCreate.call(p, create); err != nil {
		return nil, p.explain(err)
	}
	c := &Client{plugin: p, handle: create.client}
	if err := c.describe(); err != nil {
		clientDestroy.invoke(p, &handleArgs{handle: c.handle})
		return nil, err
	}
	return c, nil
}

// describe asks for what the client and its devices are.
func (c *Client) describe() error {
	name, version := &textArgs{handle: c.handle}, &textArgs{handle: c.handle}
	if err := clientPlatformName.call(c.plugin, name); err != nil {
		return err
	}
	if err := clientPlatformVersion.call(c.plugin, version); err != nil {
		return err
	}
	c.platform, c.version = goString(name.text, name.n), goString(version.text, version.n)
	devices := &listArgs{handle: c.handle}
	if err := clientDevices.call(c.plugin, devices); err != nil {
		return err
	}
	for _, handle := range goSlice[uintptr](devices.list, devices.n) {
		d := &getArgs{handle: handle}
		if err := deviceDescription.call(c.plugin, d); err != nil {
			return err
		}
		id, kind := &idArgs{handle: d.result}, &textArgs{handle: d.result}
		if err := descriptionID.call(c.plugin, id); err != nil {
			return err
		}
		if err := descriptionKind.call(c.plugin, kind); err != nil {
			return err
		}
		c.devices = append(c.devices, Device{int(id.id), goString(kind.text, kind.n), c.plugin, handle})
	}
	return nil
}

// Plugin returns the plugin of the client.
func (c *Client) Plugin() *Plugin { return c.plugin }

// Platform returns the kind of the devices, such as cpu, cuda or tpu.
func (c *Client) Platform() string { return c.platform }

// Version returns the version of the platform, such as of CUDA.
func (c *Client) Version() string { return c.version }

// Devices returns the devices of this process.
func (c *Client) Devices() []Device { return slices.Clone(c.devices) }

// Close frees the client. It returns an error, and frees nothing, while the client has
// buffers or executables.
func (c *Client) Close() error {
	if n := c.open.Load(); n > 0 {
		return fmt.Errorf("pjrt: cannot close a client with %d open buffers and executables", n)
	}
	if c.handle == 0 {
		return nil
	}
	handle := c.handle
	c.handle = 0
	return clientDestroy.call(c.plugin, &handleArgs{handle: handle})
}

// A Device is one of the devices of a client.
type Device struct {
	ID     int    // unique among all processes
	Kind   string // such as the name of the GPU
	plugin *Plugin
	handle uintptr
}

// DeviceMemory has numbers of bytes.
type DeviceMemory struct {
	InUse int64
	Peak  int64 // the most in use so far; 0 is unknown
	Limit int64 // what buffers and programs can have; 0 is unknown
}

// Memory returns the use of the device's memory. The error is errors.ErrUnsupported for
// plugins that do not count it, such as those for CPUs.
func (d Device) Memory() (DeviceMemory, error) {
	a := &deviceStatsArgs{device: d.handle}
	if err := deviceMemoryStats.call(d.plugin, a); err != nil {
		return DeviceMemory{}, err
	}
	m := DeviceMemory{InUse: a.inUse}
	if peak := a.stats[0]; peak.set {
		m.Peak = peak.value
	}
	if limit := a.stats[3]; limit.set {
		m.Limit = limit.value
	}
	return m, nil
}
