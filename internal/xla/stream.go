package xla

import (
	"errors"
	"slices"

	"unnas/internal/cpuexec"
	"unnas/internal/pjrt"
)

// A stream is copies and programs that run one after the other, while the host waits for
// the last.
type stream struct {
	plan    *Plan
	waits   []func() error
	buffers []*pjrt.Buffer // that are freed at its end
}

// up copies the elements of an array to a device.
func (s *stream) up(device int, a cpuexec.Array) (*pjrt.Buffer, error) {
	b, wait, err := up(s.plan.client, device, a)
	if err != nil {
		return nil, err
	}
	s.waits, s.buffers = append(s.waits, wait), append(s.buffers, b)
	if d := s.plan.on; d != nil {
		d.up += a.Memory()
	}
	return b, nil
}

// up starts to copy the elements of an array to a device.
func up(c *pjrt.Client, device int, a cpuexec.Array) (*pjrt.Buffer, func() error, error) {
	shape := []int(a.Shape)
	if shape == nil {
		shape = []int{a.Len()}
	}
	switch {
	case a.I != nil:
		return pjrt.StartToDevice(c, device, a.I, shape...)
	case a.Bytes() != nil:
		return pjrt.StartToDevice(c, device, a.Bytes(), shape...)
	}
	return pjrt.StartToDevice(c, device, a.F, shape...)
}

// start starts a program.
func (s *stream) start(e *pjrt.Executable, args [][]*pjrt.Buffer) ([][]*pjrt.Buffer, error) {
	out, wait, err := e.Start(args)
	if err != nil {
		return nil, err
	}
	s.waits, s.buffers = append(s.waits, wait), append(s.buffers, slices.Concat(out...)...)
	return out, nil
}

// down copies a buffer to the host, once it is computed.
func (s *stream) down(b *pjrt.Buffer, to []float32) error {
	if d := s.plan.on; d != nil {
		d.down += 4 * int64(len(to))
	}
	return pjrt.ToHost(b, to)
}

// release returns a buffer that the stream leaves open.
func (s *stream) release(b *pjrt.Buffer) *pjrt.Buffer {
	s.buffers = slices.DeleteFunc(s.buffers, func(other *pjrt.Buffer) bool { return other == b })
	return b
}

// wait waits for all that was started.
func (s *stream) wait() error {
	var errs []error
	for _, wait := range s.waits {
		errs = append(errs, wait())
	}
	s.waits = nil
	return errors.Join(errs...)
}

// end waits, and frees the buffers.
func (s *stream) end() error {
	err := s.wait()
	for _, b := range s.buffers {
		b.Close()
	}
	return err
}
