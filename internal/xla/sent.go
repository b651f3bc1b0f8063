package xla

import (
	"errors"
	"unsafe"

	"unnas/internal/cpuexec"
	"unnas/internal/pjrt"
)

// Sent is a batch that goes to devices before the runs that read it. Its memory stays as it
// is until Close.
type Sent struct {
	parts []part
	*held
}

// part is an array on the way to a device.
type part struct {
	first  unsafe.Pointer // element
	device int
	buffer *pjrt.Buffer
	wait   func() error
}

// Send starts to copy arrays to the device of replica number k, and adds them to s. While s
// is in use, runs whose batch is in the same memory read the copies.
func (d *Device) Send(s *Sent, k int, arrays ...cpuexec.Array) error {
	if s.held == nil {
		s.held = hold(s)
	}
	for _, a := range arrays {
		p := part{first: first(a), device: d.devices()[k]}
		var err error
		if p.buffer, p.wait, err = up(d.Client, p.device, a); err != nil {
			return err
		}
		d.up += a.Memory()
		s.buffers, s.parts = append(s.buffers, p.buffer), append(s.parts, p)
	}
	return nil
}

// Close waits until the copies have been made, and frees them.
func (s *Sent) Close() error {
	var errs []error
	for _, p := range s.parts {
		errs = append(errs, p.wait())
	}
	s.parts = nil
	s.drop()
	return errors.Join(errs...)
}

// Use has the runs that follow read copies of a batch; nil is none.
func (d *Device) Use(s *Sent) { d.sent = s }

// sentTo returns the copy of an array on a device, nil if there is none.
func (d *Device) sentTo(device int, a cpuexec.Array) *pjrt.Buffer {
	if d == nil || d.sent == nil {
		return nil
	}
	for _, p := range d.sent.parts {
		if p.device == device && p.first == first(a) {
			return p.buffer
		}
	}
	return nil
}

// first returns the first element of an array.
func first(a cpuexec.Array) unsafe.Pointer {
	switch {
	case a.I != nil:
		return unsafe.Pointer(unsafe.SliceData(a.I))
	case a.Bytes() != nil:
		return unsafe.Pointer(unsafe.SliceData(a.Bytes()))
	}
	return unsafe.Pointer(unsafe.SliceData(a.F))
}
